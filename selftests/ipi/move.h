/* SPDX-License-Identifier: GPL-2.0 */
/* A vCPU of the test's guest moves between nodes, as Documentation/qemu.rst tells it. */
#ifndef DVMM_TEST_IPI_MOVE_H
#define DVMM_TEST_IPI_MOVE_H

#include "vm.h"

/** enum fault - what a mover does wrong */
enum fault {
	FAULT_NONE,
	FAULT_NO_MARKS,		/* states are taken before all interrupts have come */
	FAULT_NO_EOI,		/* what KVM has not reported stays there */
	FAULT_NO_IRR,		/* the local APIC's pending interrupts are left behind */
	FAULT_ONE_ROUTE,	/* node 0 goes on sending to where the vCPU was */
	FAULT_COUNT
};

/**
 * struct mover - a thread that moves a vCPU from node to node
 * @g: the guest, whose machines are joined and attached
 * @cpu: which of its vCPUs
 * @lasts: how many of @last were sent
 * @fault: what it does wrong
 * @channel: of each node
 * @devices: held for reading while a device of the test sends an interrupt
 * @last: vector of an interrupt that a device of node 0 sends the vCPU in each move, once
 *	nothing runs any more; 0: none does
 * @moves: how many there were
 * @ends: how many ends of interrupts the mover had to report, as KVM had not
 */
struct mover {
	struct guest *g;
	struct vcpu *cpu;
	enum fault fault;
	int channel[GUEST_NODES];
	pthread_rwlock_t devices;
	pthread_t thread;
	volatile bool enough;
	volatile unsigned int last;
	volatile unsigned int lasts;
	volatile unsigned int moves;
	volatile unsigned int ends;
};

/** mover_start - the first move is from where the vCPU is to the next node */
void mover_start(struct mover *m, struct guest *g, unsigned int cpu, enum fault fault);
/** mover_stop - returns after the last move */
void mover_stop(struct mover *m);

#endif
