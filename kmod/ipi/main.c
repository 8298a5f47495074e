// SPDX-License-Identifier: GPL-2.0
/* dvmm-ipi.ko: interrupts between the nodes of a machine. */
#include <linux/module.h>

#include <dvmm/channel.h>
#include <dvmm/kvm.h>

#include "attach.h"
#include "hook.h"

static int __init dvmm_ipi_init(void)
{
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
