// SPDX-License-Identifier: GPL-2.0
/* How the hardware walks the guest's page tables on AMD hosts. */
#define pr_fmt(fmt) "dvmm-ipi: " fmt

#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <asm/cpufeature.h>
#include <asm/cpuid/api.h>
#include <asm/svm.h>

#include "walk.h"

#define CPUID_SVM		0x8000000a
#define CPUID_SVM_ROGPT		BIT(21)
#define NESTED_CTL_NP		BIT_ULL(0)
#define NESTED_CTL_ROGPT	BIT_ULL(6)
#define CLEAN_NESTED_PAGING	BIT(4)

/*
 * The beginning of KVM's struct vcpu_svm, which no header shows: the same in 6.1
 * to 7.3.  @vmcb and @vmcb01 agree as long as the guest runs no guest.
 */
struct svm_head {
	struct kvm_vcpu vcpu;
	struct vmcb *vmcb;
	struct vmcb *vmcb01;
};

static bool walk_on_amd(void)
{
	return boot_cpu_has(X86_FEATURE_SVM) && boot_cpu_has(X86_FEATURE_NPT);
}

static bool walk_may_read(void)
{
	return walk_on_amd() && (cpuid_edx(CPUID_SVM) & CPUID_SVM_ROGPT);
}

void dvmm_walk_report(void)
{
	if (walk_on_amd() && !walk_may_read())
		pr_warn_once("this CPU has no read-only guest page tables: nodes will contend for the guest's page tables\n");
}

static struct svm_head *walk_head(struct kvm_vcpu *vcpu)
{
	return container_of(vcpu, struct svm_head, vcpu);
}

/* A page of the kernel's, at the least, should the beginning be another one some day. */
static bool walk_is_vmcb(const struct vmcb *vmcb)
{
	return vmcb && PAGE_ALIGNED(vmcb) && virt_addr_valid(vmcb);
}

static bool walk_reads(struct kvm_vcpu *vcpu)
{
	const struct vmcb *vmcb = READ_ONCE(walk_head(vcpu)->vmcb01);

	return walk_is_vmcb(vmcb) &&
	       READ_ONCE(vmcb->control.dvmm_nested_ctl) & NESTED_CTL_ROGPT;
}

/* KVM sets other bits of this word, when a vCPU is made or reset, and clears none. */
static void walk_set_vcpu(struct kvm_vcpu *vcpu)
{
	struct vmcb *vmcb = walk_head(vcpu)->vmcb;

	lockdep_assert_held(&vcpu->mutex);
	if (!walk_is_vmcb(vmcb) || vmcb != walk_head(vcpu)->vmcb01)
		return;
	if (!(vmcb->control.dvmm_nested_ctl & NESTED_CTL_NP))
		return;
	vmcb->control.dvmm_nested_ctl |= NESTED_CTL_ROGPT;
	vmcb->control.clean &= ~CLEAN_NESTED_PAGING;
}

unsigned int dvmm_walk_set(struct kvm *vm)
{
	struct kvm_vcpu *vcpu;
	unsigned int set = 0;
	unsigned long i;

	if (!walk_may_read())
		return 0;
	kvm_for_each_vcpu(i, vcpu, vm) {
		/* The mutex is held while the vCPU runs. */
		if (!walk_reads(vcpu) && mutex_trylock(&vcpu->mutex)) {
			walk_set_vcpu(vcpu);
			mutex_unlock(&vcpu->mutex);
		}
		set += walk_reads(vcpu);
	}
	return set;
}
