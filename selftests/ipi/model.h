/* SPDX-License-Identifier: GPL-2.0 */
/* A machine of local APICs on several nodes, as far as destinations go. */
#ifndef DVMM_TEST_IPI_MODEL_H
#define DVMM_TEST_IPI_MODEL_H

#include "route.h"
#include "sink.h"

#define MODEL_CPUS	24
#define MODEL_IDS	512

/** struct cpu - one vCPU; @ldr is the logical id register's value in the CPU's mode */
struct cpu {
	u32 id;
	u16 node;
	bool x2apic;
	u32 ldr;
};

/** struct model - @space: how all CPUs read a destination */
struct model {
	enum dvmm_ipi_space space;
	u16 nodes;
	unsigned int cpus;
	struct cpu cpu[MODEL_CPUS];
	u16 node_of[MODEL_IDS];
};

typedef int (*route_fn)(const struct dvmm_ipi_table *t, enum dvmm_ipi_space space,
			bool one_only, struct dvmm_ipi_msg *msg);

/** model_random - a machine of 2 to 5 nodes, all CPUs as @space has them */
void model_random(struct model *m, enum dvmm_ipi_space space);

/** model_addressed - the CPUs that @msg of CPU @from (-1: a device) addresses, as bits */
u32 model_addressed(const struct model *m, const struct dvmm_ipi_msg *msg, int from);

/**
 * model_deliver - send a message on the machine with @route between its nodes
 * @m: the machine
 * @route: the function on trial
 * @msg: the message
 * @from: CPU that sends, or -1 for a device of node 0
 * @one_only: lowest priority
 * @twice: result: CPUs that got it more than once
 *
 * Return: the CPUs that got it.
 */
u32 model_deliver(const struct model *m, route_fn route, const struct dvmm_ipi_msg *msg,
		  int from, bool one_only, u32 *twice);

#endif
