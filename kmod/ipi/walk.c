// SPDX-License-Identifier: GPL-2.0
/* How the hardware walks the guest's page tables on AMD hosts. */
#define pr_fmt(fmt) "dvmm-ipi: " fmt

#include <linux/kvm_host.h>
#include <asm/cpufeature.h>
#include <asm/svm.h>

#include "walk.h"

#define CPUID_SVM		0x8000000a
#define CPUID_SVM_ROGPT		BIT(21)
#define NESTED_CTL_ROGPT	BIT_ULL(6)
#define CLEAN_NESTED_PAGING	BIT(4)

/*
 * The beginning of KVM's struct vcpu_svm, which no header shows: the same in 6.1
 * to 6.12.  @vmcb and @vmcb01 agree as long as the guest runs no guest.
 */
struct svm_head {
	struct kvm_vcpu vcpu;
	struct vmcb *vmcb;
	struct vmcb *vmcb01;
};

static bool on_amd(void)
{
	return boot_cpu_has(X86_FEATURE_SVM) && boot_cpu_has(X86_FEATURE_NPT);
}

bool dvmm_walk_needs_hook(void)
{
	return on_amd() && (cpuid_edx(CPUID_SVM) & CPUID_SVM_ROGPT);
}

void dvmm_walk_report(void)
{
	if (on_amd() && !dvmm_walk_needs_hook())
		pr_warn_once("this CPU has no read-only guest page tables: nodes will contend for the guest's page tables\n");
}

void dvmm_walk_before_run(struct kvm_vcpu *vcpu)
{
	struct svm_head *svm = container_of(vcpu, struct svm_head, vcpu);
	struct vmcb *vmcb = svm->vmcb;

	if (!vmcb || vmcb != svm->vmcb01 || !PAGE_ALIGNED(vmcb))
		return;
	if ((vmcb->control.nested_ctl & (SVM_NESTED_CTL_NP_ENABLE | NESTED_CTL_ROGPT)) !=
	    SVM_NESTED_CTL_NP_ENABLE)
		return;
	vmcb->control.nested_ctl |= NESTED_CTL_ROGPT;
	vmcb->control.clean &= ~CLEAN_NESTED_PAGING;
}
