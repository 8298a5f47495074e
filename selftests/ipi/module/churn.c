// SPDX-License-Identifier: GPL-2.0
/*
 * Has a function watched by ftrace ten times a second, and watched no more,
 * while a thread calls it all the time.  Nothing of dvmm, nothing of KVM: a
 * kernel that oopses under this would do so under dvmm-ipi as well.
 */
#include <linux/delay.h>
#include <linux/ftrace.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/rcupdate.h>

static struct task_struct *caller, *changer;
static unsigned long calls, sightings, changes;
module_param(calls, ulong, 0444);
module_param(sightings, ulong, 0444);
module_param(changes, ulong, 0444);

static noinline void churn_target(void)
{
	calls++;
	barrier();
}

static void notrace churn_see(unsigned long ip, unsigned long parent_ip,
			      struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	sightings++;
}

static struct ftrace_ops churn_ops = { .func = churn_see };

static int churn_call(void *unused)
{
	while (!kthread_should_stop()) {
		churn_target();
		cond_resched_tasks_rcu_qs();	/* else no trampoline is ever freed */
	}
	return 0;
}

static int churn_change(void *unused)
{
	while (!kthread_should_stop()) {
		if (!register_ftrace_function(&churn_ops)) {
			msleep(50);
			unregister_ftrace_function(&churn_ops);
			changes++;
		}
		msleep(50);
	}
	return 0;
}

static int __init churn_init(void)
{
	int err = ftrace_set_filter_ip(&churn_ops, (unsigned long)churn_target, 0, 0);

	if (err)
		return err;
	caller = kthread_run(churn_call, NULL, "churn-call");
	changer = kthread_run(churn_change, NULL, "churn-change");
	return 0;
}

static void __exit churn_exit(void)
{
	kthread_stop(changer);
	kthread_stop(caller);
	ftrace_free_filter(&churn_ops);
}

module_init(churn_init);
module_exit(churn_exit);
MODULE_DESCRIPTION("dvmm test: ftrace comes and goes on a function that runs");
MODULE_LICENSE("GPL");
