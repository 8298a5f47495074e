// SPDX-License-Identifier: GPL-2.0
/*
 * Takes dvmm-ipi's place: any file is a VM, and to attach one takes four seconds, as
 * it may where ftrace waits for a busy host.  For tests of dvmm.ko.
 */
#include <linux/delay.h>
#include <linux/module.h>

#include <dvmm/kvm.h>

#define SLOW_MS	4000

static void *slow_attach(struct dvmm_machine *m, struct file *vm, const u16 *nodes_of,
			 unsigned int count)
{
	msleep(SLOW_MS);
	return m;
}

static bool slow_runs(void *priv)
{
	return true;
}

static void slow_detach(void *priv)
{
}

static const struct dvmm_kvm_service slow_service = {
	.owner = THIS_MODULE,
	.attach = slow_attach,
	.runs = slow_runs,
	.detach = slow_detach,
};

static int __init slow_init(void)
{
	return dvmm_kvm_register(&slow_service);
}

static void __exit slow_exit(void)
{
	dvmm_kvm_unregister(&slow_service);
}

module_init(slow_init);
module_exit(slow_exit);
MODULE_DESCRIPTION("dvmm test: attaching a VM takes long");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(DVMM);
