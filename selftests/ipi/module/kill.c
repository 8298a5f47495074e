// SPDX-License-Identifier: GPL-2.0
/*
 * Loading this module makes the kernel's ftrace shut itself down, as it does when it
 * meets what it cannot explain: until the host is booted again nothing that it
 * watches can be given back.
 */
#include <linux/kprobes.h>
#include <linux/module.h>

static int __init kill_init(void)
{
	struct kprobe kp = { .symbol_name = "ftrace_kill", .flags = KPROBE_FLAG_DISABLED };
	void (*kill)(void);
	int err = register_kprobe(&kp);

	if (err)
		return err;
	kill = (void (*)(void))kp.addr;
	unregister_kprobe(&kp);
	kill();
	return 0;
}

static void __exit kill_exit(void)
{
}

module_init(kill_init);
module_exit(kill_exit);
MODULE_DESCRIPTION("dvmm test: ftrace shuts itself down");
MODULE_LICENSE("GPL");
