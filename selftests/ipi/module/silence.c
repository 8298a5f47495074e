// SPDX-License-Identifier: GPL-2.0
/*
 * While this module is loaded the function by which KVM delivers interrupts does
 * nothing, as if a live patch had replaced it: what it calls is called no more.
 * For tests of dvmm-ipi; no guest of this host has interrupts meanwhile.
 */
#include <linux/ftrace.h>
#include <linux/module.h>

/* The first one that there is. */
static char * const silenced[] = { "__kvm_irq_delivery_to_apic", "kvm_irq_delivery_to_apic" };

static noinline int silence_nothing(void)
{
	barrier();
	return 0;
}

static void notrace silence_redirect(unsigned long ip, unsigned long parent_ip,
				     struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	ftrace_regs_set_instruction_pointer(fregs, (unsigned long)silence_nothing);
}

static struct ftrace_ops silence_ops = {
	.func = silence_redirect,
	.flags = FTRACE_OPS_FL_IPMODIFY,
};

static int __init silence_init(void)
{
	int err = -ENOENT;
	unsigned int i;

	for (i = 0; err && i < ARRAY_SIZE(silenced); i++) {
		char name[KSYM_NAME_LEN];

		strscpy(name, silenced[i], sizeof(name));
		err = ftrace_set_filter(&silence_ops, name, strlen(name), 1);
	}
	return err ?: register_ftrace_function(&silence_ops);
}

static void __exit silence_exit(void)
{
	unregister_ftrace_function(&silence_ops);
	ftrace_free_filter(&silence_ops);
}

module_init(silence_init);
module_exit(silence_exit);
MODULE_DESCRIPTION("dvmm test: KVM delivers no interrupts");
MODULE_LICENSE("GPL");
