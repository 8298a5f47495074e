// SPDX-License-Identifier: GPL-2.0
/* Xen's interfaces are part of a VM itself (6.1, 6.12). */
#include <linux/kvm_host.h>

u32 probe(struct kvm *vm);
u32 probe(struct kvm *vm)
{
	return vm->arch.xen_hvm_config.msr | vm->arch.xen_hvm_config.flags;
}
