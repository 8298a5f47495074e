// SPDX-License-Identifier: GPL-2.0
/*
 * Watching the place in KVM where every interrupt message is resolved.
 *
 * ftrace rather than kprobes: a kprobe is skipped while another one runs on the
 * CPU, and a lost IPI hangs the guest.  PERMANENT, because a switched-off ftrace
 * would silence the hook as well.  No recursion protection: it would drop a
 * sighting, and nothing that the handlers call comes back to them.
 */
#define pr_fmt(fmt) "dvmm-ipi: " fmt

#include <linux/ftrace.h>
#include <linux/mutex.h>
#include <linux/ptrace.h>

#include "hook.h"
#include "kvm_compat.h"
#include "symbol.h"
#include "walk.h"
#include "watch.h"

static void notrace on_deliver(unsigned long ip, unsigned long parent_ip,
			       struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct pt_regs *regs = ftrace_get_regs(fregs);

	dvmm_ipi_deliver((struct kvm *)regs->di, (void *)regs->si, (void *)regs->dx, parent_ip);
}

static void notrace on_pv_send_ipi(unsigned long ip, unsigned long parent_ip,
				   struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	dvmm_ipi_bypassed((struct kvm *)ftrace_get_regs(fregs)->di);
}

static void notrace on_vcpu_run(unsigned long ip, unsigned long parent_ip,
				struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	dvmm_ipi_before_run((struct kvm_vcpu *)ftrace_get_regs(fregs)->di);
}

struct hook {
	const char *name;
	bool (*wanted)(void);		/* NULL: always */
	bool placed;
	struct ftrace_ops ops;
	unsigned long address;
};

#define HOOK(function, handler, ...)						\
	{									\
		.name = (function),						\
		.ops = {							\
			.func = (handler),					\
			.flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_PERMANENT, \
		},								\
		__VA_ARGS__							\
	}

static struct hook hooks[] = {
	HOOK(DVMM_KVM_DELIVER, on_deliver),
	HOOK(DVMM_KVM_PV_SEND_IPI, on_pv_send_ipi),
	HOOK(DVMM_KVM_VCPU_RUN, on_vcpu_run, .wanted = dvmm_walk_needs_hook),
};

static DEFINE_MUTEX(users_lock);
static unsigned int users;

/* Not ftrace_free_filter(): it leaves a freed hash to the next user. */
static void clear_filter(struct hook *hook)
{
	ftrace_set_filter_ip(&hook->ops, hook->address, 1, 0);
}

static int place(struct hook *hook)
{
	unsigned long size;
	int err;

	if (hook->wanted && !hook->wanted())
		return 0;
	err = dvmm_ipi_symbol(hook->name, &hook->address, &size);
	if (err) {
		pr_err("this kernel's KVM has no function %s that can be probed (error %d)\n",
		       hook->name, err);
		return err;
	}
	err = ftrace_set_filter_ip(&hook->ops, hook->address, 0, 0);
	if (err)
		goto fail;
	err = register_ftrace_function(&hook->ops);
	if (err)
		goto clear;
	hook->placed = true;
	return 0;

clear:
	clear_filter(hook);
fail:
	pr_err("ftrace cannot watch KVM's %s (error %d); is kernel.ftrace_enabled 0?\n",
	       hook->name, err);
	return err;
}

static void displace(struct hook *hook)
{
	if (!hook->placed)
		return;
	unregister_ftrace_function(&hook->ops);
	clear_filter(hook);
	hook->placed = false;
}

static int place_all(void)
{
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		err = place(&hooks[i]);
		if (err)
			goto undo;
	}
	return 0;

undo:
	while (i--)
		displace(&hooks[i]);
	return err;
}

static void displace_all(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		displace(&hooks[i]);
}

int dvmm_ipi_hook_get(void)
{
	int err = 0;

	mutex_lock(&users_lock);
	if (!users)
		err = place_all();
	if (!err)
		users++;
	mutex_unlock(&users_lock);
	return err;
}

void dvmm_ipi_hook_put(void)
{
	mutex_lock(&users_lock);
	if (!--users)
		displace_all();
	mutex_unlock(&users_lock);
}
