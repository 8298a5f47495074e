// SPDX-License-Identifier: GPL-2.0
/*
 * One fault of a kind that a debug kernel must report: modprobe dvmm-planted
 * what=KIND. Its only use is to show that check-debug would see such a fault
 * in dvmm. Never load it into a kernel that you need.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>

static char *what = "";
module_param(what, charp, 0400);
MODULE_PARM_DESC(what, "the kind of fault");

struct victim {
	struct list_head list;
	struct timer_list timer;
	int number[4];
	int after;
};

static DEFINE_SPINLOCK(spin);
static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);
static struct victim __rcu *published;
static void *forgotten;
static unsigned long counter;
static unsigned int four = 4;

static void use_after_free(struct victim *v)
{
	kfree(v);
	pr_info("dvmm_planted: %d\n", READ_ONCE(v->number[0]));
}

static void beyond_array(struct victim *v)
{
	/* Still within the object: nothing that KASAN would tell. */
	v->number[READ_ONCE(four)] = 0;
	kfree(v);
}

static void leak(struct victim *v)
{
	forgotten = v;
	WRITE_ONCE(forgotten, NULL);
}

static void list_corruption(struct victim *v)
{
	LIST_HEAD(head);

	list_add(&v->list, &head);
	list_del(&v->list);
	list_del(&v->list);
	kfree(v);
}

static void refcount_underflow(struct victim *v)
{
	refcount_t count = REFCOUNT_INIT(0);

	kfree(v);
	refcount_dec(&count);
}

static void sleep_in_atomic(struct victim *v)
{
	kfree(v);
	spin_lock(&spin);
	msleep(20);
	spin_unlock(&spin);
}

static void lock_inversion(struct victim *v)
{
	kfree(v);
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);
	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static void outside_rcu(struct victim *v)
{
	rcu_assign_pointer(published, v);
	pr_info("dvmm_planted: %p\n", rcu_dereference(published));
	RCU_INIT_POINTER(published, NULL);
	kfree(v);
}

static void never(struct timer_list *timer)
{
}

static void free_active_timer(struct victim *v)
{
	timer_setup(&v->timer, never, 0);
	mod_timer(&v->timer, jiffies + 100 * HZ);
	kfree(v);
}

static int count_up(void *unused)
{
	while (!kthread_should_stop()) {
		counter++;
		cond_resched();
	}
	return 0;
}

static void unlocked(struct victim *v)
{
	struct task_struct *one = kthread_run(count_up, NULL, "dvmm-planted");
	struct task_struct *two = kthread_run(count_up, NULL, "dvmm-planted");

	kfree(v);
	msleep(3000);
	if (!IS_ERR(one))
		kthread_stop(one);
	if (!IS_ERR(two))
		kthread_stop(two);
}

static const struct {
	const char *name;
	void (*plant)(struct victim *v);
} kinds[] = {
	{ "use-after-free", use_after_free },
	{ "beyond-array", beyond_array },
	{ "leak", leak },
	{ "list", list_corruption },
	{ "refcount", refcount_underflow },
	{ "sleep", sleep_in_atomic },
	{ "inversion", lock_inversion },
	{ "rcu", outside_rcu },
	{ "timer", free_active_timer },
	{ "race", unlocked },
};

static int __init planted_init(void)
{
	struct victim *v;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(what, kinds[i].name))
			continue;
		v = kzalloc(sizeof(*v), GFP_KERNEL);
		if (!v)
			return -ENOMEM;
		kinds[i].plant(v);
		return 0;
	}
	pr_err("dvmm_planted: there is no fault of kind '%s'\n", what);
	return -EINVAL;
}

static void __exit planted_exit(void)
{
}

module_init(planted_init);
module_exit(planted_exit);
MODULE_DESCRIPTION("Faults for a debug kernel to find");
MODULE_LICENSE("GPL");
