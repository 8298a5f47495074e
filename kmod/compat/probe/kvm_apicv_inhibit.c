// SPDX-License-Identifier: GPL-2.0
/* Every module may forbid APICv to a VM (6.1, 6.12; not 7.2). */
#include <linux/kvm_host.h>

void probe(struct kvm *vm);
void probe(struct kvm *vm)
{
	kvm_set_or_clear_apicv_inhibit(vm, APICV_INHIBIT_REASON_HYPERV, true);
}
