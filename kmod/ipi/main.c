// SPDX-License-Identifier: GPL-2.0
/* dvmm-ipi.ko: interrupts between the nodes of a machine. */
#define pr_fmt(fmt) "dvmm-ipi: " fmt

#include <linux/module.h>

#include <dvmm/channel.h>
#include <dvmm/kvm.h>

#include "attach.h"
#include "hook.h"

/*
 * KVM calls the hooks with interrupts off.  On PREEMPT_RT most locks sleep, and
 * nobody has yet shown that none of them is taken there.
 */
static int __init dvmm_ipi_init(void)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT)) {
		pr_err("this kernel is PREEMPT_RT, which is not supported: boot one without it\n");
		return -EOPNOTSUPP;
	}
	return dvmm_kvm_register(&dvmm_ipi_service);
}

static void __exit dvmm_ipi_exit(void)
{
	dvmm_kvm_unregister(&dvmm_ipi_service);
	dvmm_ipi_hooks_remove();
}

module_init(dvmm_ipi_init);
module_exit(dvmm_ipi_exit);
MODULE_DESCRIPTION("dvmm: interrupts between the nodes of a distributed KVM guest");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(DVMM);
