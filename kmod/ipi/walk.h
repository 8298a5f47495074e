/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the hardware walks the guest's page tables on AMD hosts.
 *
 * To nested paging such a walk is a write of every table it reads (AMD64 manual,
 * volume 2, "Nested Paging"), so two nodes could never hold the tables of the
 * guest's kernel at once, and would pass them back and forth for every TLB miss.
 * Read-only guest page tables (CPUID 8000_000A EDX bit 21, VMCB offset 090h bit
 * 6) make it a read, and a write only where an accessed or dirty bit has to be
 * set.  KVM neither uses the bit nor minds it, and never clears it.
 *
 * On Intel hosts kvm_intel's parameter eptad=0 has the same effect.
 */
#ifndef DVMM_IPI_WALK_H
#define DVMM_IPI_WALK_H

struct kvm;

/** dvmm_walk_report - say what the administrator should know of this host */
void dvmm_walk_report(void);

/**
 * dvmm_walk_set - let the vCPUs of a VM walk by reading, where the host can
 * @vm: the VM
 *
 * One that is in KVM_RUN is left as it is: call again later.  Process context.
 *
 * Return: number of vCPUs that walk by reading.
 */
unsigned int dvmm_walk_set(struct kvm *vm);

#endif
