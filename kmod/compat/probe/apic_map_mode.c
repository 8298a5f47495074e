// SPDX-License-Identifier: GPL-2.0
/* The modes of all APICs of a VM as a set of bits (6.1). */
#include <linux/build_bug.h>
#include <linux/kvm_host.h>

u8 probe(struct kvm_apic_map *map);
u8 probe(struct kvm_apic_map *map)
{
	static_assert(!(KVM_APIC_MODE_XAPIC_CLUSTER & KVM_APIC_MODE_XAPIC_FLAT));
	static_assert(!((KVM_APIC_MODE_XAPIC_CLUSTER | KVM_APIC_MODE_XAPIC_FLAT) &
			KVM_APIC_MODE_X2APIC));
	return map->mode;
}
