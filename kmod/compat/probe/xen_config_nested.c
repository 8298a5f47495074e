// SPDX-License-Identifier: GPL-2.0
/* All of Xen is in one place of a VM (7.2, 7.3). */
#include <linux/kvm_host.h>

u32 probe(struct kvm *vm);
u32 probe(struct kvm *vm)
{
	return vm->arch.xen.hvm_config.msr | vm->arch.xen.hvm_config.flags;
}
