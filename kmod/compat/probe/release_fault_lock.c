// SPDX-License-Identifier: GPL-2.0
/* a fault may hold its VMA's lock instead of mmap_lock (since 6.4) */
#include <linux/mm.h>

void probe(struct vm_fault *vmf)
{
	release_fault_lock(vmf);
}
