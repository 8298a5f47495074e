// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that come to a place in dvmm stand still there, as if they were preempted,
 * until they are let go: modprobe dvmm-halt at=PLACE,PLACE; a place is a function, or
 * queue_work_on:WORK for who queues a work that does that function.  "standing" tells how
 * many stand at each; the number of a place in "go" lets its threads go, and those that
 * come later.  So does rmmod.  Where interrupts are off nobody is preempted.  For tests.
 */
#include <linux/delay.h>
#include <linux/ftrace.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#define PLACES	2

struct halt_place {
	struct ftrace_ops ops;
	const char *work;
	atomic_t standing;
	bool open;
};

static char *at[PLACES];
static unsigned int places;
module_param_array(at, charp, &places, 0400);

static struct halt_place halt_places[PLACES];
static DECLARE_WAIT_QUEUE_HEAD(halt_wait);

/* A name may be followed by that of its module. */
static bool notrace halt_is_queued(const char *work, struct ftrace_regs *fregs)
{
	const struct work_struct *w = (void *)ftrace_regs_get_argument(fregs, 2);
	size_t n = strlen(work);
	char name[KSYM_NAME_LEN];

	snprintf(name, sizeof(name), "%ps", w->func);
	return !strncmp(name, work, n) && (!name[n] || name[n] == ' ');
}

static void notrace halt_stand(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
			       struct ftrace_regs *fregs)
{
	struct halt_place *place = container_of(ops, struct halt_place, ops);

	if (!in_task() || irqs_disabled() || READ_ONCE(place->open) ||
	    (place->work && !halt_is_queued(place->work, fregs)))
		return;
	atomic_inc(&place->standing);
	wait_event_idle(halt_wait, READ_ONCE(place->open));
	atomic_dec(&place->standing);
}

static void halt_go(struct halt_place *place)
{
	WRITE_ONCE(place->open, true);
	wake_up_all(&halt_wait);
}

static int halt_set_go(const char *text, const struct kernel_param *kp)
{
	unsigned int number;
	int err = kstrtouint(text, 0, &number);

	if (err || number >= places)
		return err ?: -EINVAL;
	halt_go(&halt_places[number]);
	return 0;
}

static const struct kernel_param_ops go_ops = { .set = halt_set_go };
module_param_cb(go, &go_ops, NULL, 0200);

static int halt_get_standing(char *buf, const struct kernel_param *kp)
{
	unsigned int i;
	int n = 0;

	for (i = 0; i < places; i++)
		n += sysfs_emit_at(buf, n, "%d\n", atomic_read(&halt_places[i].standing));
	return n;
}

static const struct kernel_param_ops standing_ops = { .get = halt_get_standing };
module_param_cb(standing, &standing_ops, NULL, 0444);

static int halt_begin(struct halt_place *place, char *where)
{
	char *function = strsep(&where, ":");
	int err;

	place->work = where;
	place->ops.func = halt_stand;
	err = ftrace_set_filter(&place->ops, function, strlen(function), 1);
	return err ?: register_ftrace_function(&place->ops);
}

/* Who has stood here runs again, and is waited for by ftrace. */
static void halt_end(struct halt_place *place)
{
	halt_go(place);
	while (atomic_read(&place->standing))
		usleep_range(1000, 2000);
	unregister_ftrace_function(&place->ops);
	ftrace_free_filter(&place->ops);
}

static int __init halt_init(void)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < places && !err; i++)
		err = halt_begin(&halt_places[i], at[i]);
	if (!err)
		return 0;
	for (i--; i--;)
		halt_end(&halt_places[i]);
	return err;
}

static void __exit halt_exit(void)
{
	unsigned int i;

	for (i = 0; i < places; i++)
		halt_end(&halt_places[i]);
}

module_init(halt_init);
module_exit(halt_exit);
MODULE_DESCRIPTION("dvmm test: threads stand still at a place");
MODULE_LICENSE("GPL");
