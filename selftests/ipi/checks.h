/* SPDX-License-Identifier: GPL-2.0 */
/* What the interrupt tests look at. */
#ifndef DVMM_TEST_IPI_CHECKS_H
#define DVMM_TEST_IPI_CHECKS_H

#include "vm.h"

#define MSI_LOGICAL	0x4
#define MSI_REDIRECT	0x8
#define MSI_LEVEL	0xc000	/* level-triggered, asserted; in the data */

/** pause_ms - only where nothing shall happen, or between looks */
void pause_ms(unsigned int ms);

/** ioctl_create_plain - a VM without any irqchip, with a vCPU */
int ioctl_create_plain(int kvm);

/* VMs with a vCPU of id 0 that cannot be attached. */
/** ioctl_create_narrow - APIC ids have 8 bits */
int ioctl_create_narrow(int kvm);
/** ioctl_create_hyperv - its vCPU has Hyper-V's interfaces */
int ioctl_create_hyperv(void);
/** ioctl_create_xen - it has Xen's interfaces */
int ioctl_create_xen(void);
/** ioctl_create_routeless - no route leads to its irqchip */
int ioctl_create_routeless(void);
/** ioctl_create_255 - its vCPU has this id instead */
int ioctl_create_255(void);

/** msi_address - address of a message in KVM's x2APIC format */
uint64_t msi_address(uint32_t dest, uint32_t flags);

/** expect_times - a result: just the CPUs of @set took @vector, @times each; then forgotten */
void expect_times(struct guest *g, unsigned int vector, uint32_t set, unsigned int times,
		  const char *what);
/** expect - the same, once */
void expect(struct guest *g, unsigned int vector, uint32_t set, const char *what);

/** expect_all - a result: just the CPUs of @set took @vector, those of other nodes maybe twice */
void expect_all(struct guest *g, unsigned int vector, unsigned int node, const char *what);

/** lowest - a result: every lowest-priority message to @dest is taken once, within @set */
void lowest(struct guest *g, uint32_t set, uint32_t dest, const char *what);

/** wait_quiet - until @cpu takes no more interrupts */
void wait_quiet(struct guest *g, unsigned int cpu);

/**
 * starve_senders - let the senders of all nodes run only when nothing else does
 * @starve: false gives them their priority back
 *
 * Return: number of threads found.
 */
unsigned int starve_senders(bool starve);

/** counted - a counter of @node by its name in debugfs; there is one machine in this kernel */
unsigned int counted(unsigned int node, const char *name);
/** fill_way - send from node 0 to @address until it waits there: the way to its node is full */
void fill_way(struct guest *g, uint64_t address, uint32_t data);

/** trace_put - write a file of tracefs, which is mounted if need be */
bool trace_put(const char *name, const char *text);

/** in_tmr - whether @cpu's local APIC holds @vector for level-triggered */
bool in_tmr(struct guest *g, unsigned int cpu, unsigned int vector);

#endif
