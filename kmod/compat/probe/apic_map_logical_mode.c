// SPDX-License-Identifier: GPL-2.0
/* One mode for all APICs of a VM (not 6.1), which a public header shows (not 7.3). */
#include <linux/kvm_host.h>

int probe(struct kvm_apic_map *map);
int probe(struct kvm_apic_map *map)
{
	return map->logical_mode == KVM_APIC_MODE_MAP_DISABLED;
}
