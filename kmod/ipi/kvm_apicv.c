// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts that CPUs deliver to running vCPUs by themselves: KVM is not asked, so
 * other nodes would miss them.  AMD's AVIC does so with broadcasts.
 */
#include <linux/kvm_host.h>
#include <asm/cpufeature.h>

#include "kvm_compat.h"

/* A split irqchip has no PIT in the kernel, hence nobody else sets or clears this reason. */
void dvmm_kvm_forbid_apicv(struct kvm *vm, bool forbid)
{
#ifdef HAVE_KVM_APICV_INHIBIT
	kvm_set_or_clear_apicv_inhibit(vm, APICV_INHIBIT_REASON_PIT_REINJ, forbid);
#endif
}

/* Without AVIC a VM always has a reason against it. */
const char *dvmm_kvm_unseen(const struct kvm *vm)
{
	if (READ_ONCE(vm->arch.apicv_inhibit_reasons) || !boot_cpu_has(X86_FEATURE_SVM))
		return NULL;
	return "AVIC delivers broadcasts unseen: load kvm_amd with avic=0";
}
