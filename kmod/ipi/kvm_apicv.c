// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts that CPUs deliver to vCPUs by themselves: KVM is not asked, so other nodes
 * would miss them.
 *
 * AMD's AVIC does so with broadcasts.  Intel's APICv exits on whatever is for another vCPU, but
 * for IPI virtualisation: a fixed message to one vCPU in x2APIC mode goes by a table that KVM
 * fills when it makes a vCPU and never empties.  So it finds one that has moved away, or was
 * made to move here, though its APIC is off, and there the interrupt is lost.
 */
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <asm/cpufeature.h>

#include "kvm_compat.h"

/* IPI virtualisation is there for every VM, or for none. */
static bool apicv_ipiv;

/*
 * KVM's own parameter is the only word on it, and false where the CPU has none.  Nobody
 * changes it later.  A KVM that is no module does not tell.
 */
static bool apicv_has_ipiv(const struct module *kvm)
{
	const struct kernel_param *p;

	for (p = kvm ? kvm->kp : NULL; p && p < kvm->kp + kvm->num_kp; p++) {
		if (p->ops == &param_ops_bool && !strcmp(p->name, "enable_ipiv"))
			return *(const bool *)p->arg;
	}
	return true;
}

void dvmm_kvm_know(const struct module *kvm)
{
	WRITE_ONCE(apicv_ipiv, boot_cpu_has(X86_FEATURE_VMX) && apicv_has_ipiv(kvm));
}

/*
 * Hyper-V's interfaces are refused, hence nobody else sets or clears this reason, and
 * both vendors' KVM heeds it.  Intel's APICv stays on where it is alone.
 */
void dvmm_kvm_forbid_apicv(struct kvm *vm, bool forbid)
{
#ifdef HAVE_KVM_APICV_INHIBIT
	if (boot_cpu_has(X86_FEATURE_SVM) || READ_ONCE(apicv_ipiv))
		kvm_set_or_clear_apicv_inhibit(vm, APICV_INHIBIT_REASON_HYPERV, forbid);
#endif
}

/* A VM always has a reason against AVIC or APICv where KVM does not use it at all. */
const char *dvmm_kvm_unseen(const struct kvm *vm)
{
	if (READ_ONCE(vm->arch.apicv_inhibit_reasons))
		return NULL;
	if (boot_cpu_has(X86_FEATURE_SVM))
		return "AVIC delivers broadcasts unseen: load kvm_amd with avic=0";
	if (READ_ONCE(apicv_ipiv))
		return "IPI virtualisation delivers unseen: load kvm_intel with enable_ipiv=0";
	return NULL;
}
