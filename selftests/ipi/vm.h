/* SPDX-License-Identifier: GPL-2.0 */
/* Nodes of one guest in one process: a KVM VM each, over the same memory. */
#ifndef DVMM_TEST_IPI_VM_H
#define DVMM_TEST_IPI_VM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "guest.h"

#define GUEST_CPUS	8
#define GUEST_NODES	4
#define MAX_IDS		512

struct guest;

/**
 * struct vcpu - a vCPU and the thread that runs it
 * @fd: its KVM vCPU of @node, where it runs; @run likewise
 * @fds: those of all nodes, -1 where it has not been
 * @eois: ends of level-triggered interrupts that were reported, by vector
 * @ended: called after each of them; NULL: nobody asks
 */
struct vcpu {
	struct guest *g;
	unsigned int index;
	uint32_t id;
	uint16_t node;
	int fd;
	struct kvm_run *run;
	unsigned int run_size;
	int fds[GUEST_NODES];
	struct kvm_run *runs[GUEST_NODES];
	bool stopped;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int command;
	bool asking;
	volatile bool quit;
	unsigned int eois[256];
	void (*ended)(struct vcpu *cpu);
};

/** vcpu_ended - somebody reports the end of a level-triggered interrupt */
void vcpu_ended(struct vcpu *cpu, unsigned int vector);

/** struct guest - @machine, @link: descriptors of /dev/dvmm, -1 where there is none */
struct guest {
	volatile bool stop;
	unsigned int nodes;
	unsigned int cpus;
	uint8_t *memory;
	struct vcpu cpu[GUEST_CPUS];
	int vm[GUEST_NODES];
	int machine[GUEST_NODES];
	int link[GUEST_NODES][GUEST_NODES];
	uint16_t node_of[MAX_IDS];
};

/** struct place - where a vCPU is to live */
struct place {
	uint32_t id;
	uint16_t node;
};

/** kvm_open - /dev/kvm; ends the program with a skip where there is none */
int kvm_open(void);
/** vm_create - a VM with a split irqchip, 32-bit ids, an MSI route and, with @memory, memory */
int vm_create(uint8_t *memory);
/** vm_route - an MSI as the VM's only route */
void vm_route(int vm, unsigned int gsi, uint64_t address, uint32_t data);

/** guest_create - VMs and vCPUs; nothing runs, no machine is there */
struct guest *guest_create(const struct place *places, unsigned int cpus, unsigned int nodes);
/** guest_join - one dvmm machine for all nodes, linked by loop, not attached */
void guest_join(struct guest *g);
/** guest_link - link two nodes' machines by loop */
void guest_link(struct guest *g, unsigned int a, unsigned int b);
/** guest_attach - attach a VM to a node's machine; 0 or -1 with errno */
int guest_attach(struct guest *g, unsigned int node, int vm);
/** guest_run - let all vCPUs run; the first begins, the others wait for SIPI */
void guest_run(struct guest *g);
/** guest_stop - no vCPU runs, or has anything half done, until guest_go() */
void guest_stop(struct guest *g);
void guest_go(struct guest *g);
/** guest_vcpu - make a vCPU's KVM vCPU of a node, if it has none */
void guest_vcpu(struct vcpu *cpu, uint16_t node);
/** guest_leave - close a node's descriptors of /dev/dvmm */
void guest_leave(struct guest *g, unsigned int node);
void guest_destroy(struct guest *g);

/** slot - a word of a vCPU's slot */
volatile uint32_t *slot(struct guest *g, unsigned int cpu, unsigned int offset);
/** taken - how often a vCPU took an interrupt */
uint32_t taken(struct guest *g, unsigned int cpu, unsigned int vector);
/** clear_counts - forget the interrupts that all vCPUs took */
void clear_counts(struct guest *g);

/** cpu_start - give a vCPU a command when it asks for one; false after 60 s */
bool cpu_start(struct guest *g, unsigned int cpu, int command);
/** cpu_do - the same, and wait until it asks for the next one */
bool cpu_do(struct guest *g, unsigned int cpu, int command);
/** cpu_send - have a vCPU write its ICR */
bool cpu_send(struct guest *g, unsigned int cpu, uint32_t low, uint32_t high);

/** msi_send - a device of @node sends a message */
int msi_send(struct guest *g, unsigned int node, uint64_t address, uint32_t data);
/** irqfd_create - an eventfd whose signal is a message on @node */
int irqfd_create(struct guest *g, unsigned int node, unsigned int gsi, uint64_t address,
		 uint32_t data);
/** irqfd_create_signalled - the same, signalled once before KVM hears of it */
int irqfd_create_signalled(struct guest *g, unsigned int node, unsigned int gsi,
			   uint64_t address, uint32_t data);

/** wait_for - until *@word is @value; false after @ms */
bool wait_for(volatile uint32_t *word, uint32_t value, unsigned int ms);

#endif
