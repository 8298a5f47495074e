// SPDX-License-Identifier: GPL-2.0
/* A vCPU may have Hyper-V's interfaces. */
#include <linux/kvm_host.h>

bool probe(struct kvm_vcpu *vcpu);
bool probe(struct kvm_vcpu *vcpu)
{
	return vcpu->arch.hyperv_enabled;
}
