/* SPDX-License-Identifier: GPL-2.0 */
/* What kvm.ko exports and declares only in headers of its own directory. */
#ifndef DVMM_IPI_KVM_EXPORTS_H
#define DVMM_IPI_KVM_EXPORTS_H

#include <linux/types.h>

struct kvm_lapic;
struct kvm_vcpu;

void kvm_apic_send_ipi(struct kvm_lapic *apic, u32 icr_low, u32 icr_high);
bool kvm_apic_match_dest(struct kvm_vcpu *vcpu, struct kvm_lapic *source, int shorthand,
			 unsigned int dest, int dest_mode);

#endif
