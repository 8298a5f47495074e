// SPDX-License-Identifier: GPL-2.0
/*
 * Watching the places in KVM where interrupt messages are resolved.
 *
 * ftrace rather than kprobes: a kprobe is skipped while another one runs on the
 * CPU, and a lost IPI hangs the guest.  PERMANENT, because a switched-off ftrace
 * would silence the hook as well.  We ask for no protection against recursion: it
 * would drop a sighting, and nothing that the handlers call comes back to them.
 * (Where somebody else traces the same function, ftrace itself adds that
 * protection and disables preemption; a handler must not sleep anyway.)
 *
 * A hook stays until the module goes, because to place one rewrites live text of
 * the kernel and to take it away waits for all tasks.
 */
#define pr_fmt(fmt) "dvmm-ipi: " fmt

#include <linux/ftrace.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "hook.h"
#include "kvm_compat.h"
#include "watch.h"

#define argument(fregs, n, type) ((type)ftrace_regs_get_argument(fregs, n))

static void notrace on_deliver(unsigned long ip, unsigned long parent_ip,
			       struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	dvmm_ipi_deliver(argument(fregs, 0, struct kvm *), argument(fregs, 1, void *),
			 argument(fregs, 2, void *));
}

static void notrace on_pv_send_ipi(unsigned long ip, unsigned long parent_ip,
				   struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	const u64 bits[2] = { argument(fregs, 1, u64), argument(fregs, 2, u64) };
	const bool wide = argument(fregs, 5, int);
	struct dvmm_ipi_msg msg;

	if (dvmm_kvm_read_icr(&msg, argument(fregs, 4, u64)))
		dvmm_ipi_hypercall(argument(fregs, 0, struct kvm *), &msg,
				   argument(fregs, 3, u32), bits, wide ? 64 : 32);
}

/* @names: of those that there may be, the first that there is */
struct hook {
	const char *names[2];
	const char *name;
	bool placed;
	struct ftrace_ops ops;
};

#define HOOK(handler, ...)					\
	{							\
		.names = { __VA_ARGS__ },			\
		.ops = {					\
			.func = (handler),			\
			.flags = FTRACE_OPS_FL_PERMANENT,	\
		},						\
	}

static struct hook hooks[] = {
	HOOK(on_deliver, DVMM_KVM_DELIVER_INNER, DVMM_KVM_DELIVER),
	HOOK(on_pv_send_ipi, DVMM_KVM_PV_SEND_IPI),
};

static DEFINE_MUTEX(hooks_lock);

static int hook_find(struct hook *hook)
{
	char name[KSYM_NAME_LEN];
	int err = -ENOENT;
	unsigned int i;

	for (i = 0; err && i < ARRAY_SIZE(hook->names) && hook->names[i]; i++) {
		hook->name = hook->names[i];
		strscpy(name, hook->name, sizeof(name));
		err = ftrace_set_filter(&hook->ops, name, strlen(name), 1);
	}
	return err;
}

static int hook_place(struct hook *hook)
{
	int err;

	if (hook->placed)
		return 0;
	err = hook_find(hook);
	if (err) {
		pr_err("this kernel's KVM has no function %s that ftrace can watch (error %d)\n",
		       hook->name, err);
		return err;
	}
	err = register_ftrace_function(&hook->ops);
	if (err)
		pr_err("ftrace cannot watch KVM's %s (error %d); is kernel.ftrace_enabled 0?\n",
		       hook->name, err);
	hook->placed = !err;
	return err;
}

int dvmm_ipi_hooks_place(void)
{
	unsigned int i;
	int err = 0;

	mutex_lock(&hooks_lock);
	for (i = 0; i < ARRAY_SIZE(hooks) && !err; i++)
		err = hook_place(&hooks[i]);
	mutex_unlock(&hooks_lock);
	return err;
}

/*
 * A kernel whose ftrace has shut itself down keeps calling us for good.  Then
 * this code must not go away, and an exit function can say so in no other way
 * than by not returning.
 */
static void hook_remove(struct hook *hook)
{
	int err;

	if (!hook->placed)
		return;
	err = unregister_ftrace_function(&hook->ops);
	if (err)
		pr_crit("ftrace does not give KVM's %s back (error %d): dvmm-ipi stays until this host is booted again\n",
			hook->name, err);
	while (err)
		schedule_timeout_idle(MAX_SCHEDULE_TIMEOUT);
	ftrace_free_filter(&hook->ops);
}

void dvmm_ipi_hooks_remove(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		hook_remove(&hooks[i]);
}
