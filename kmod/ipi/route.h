/* SPDX-License-Identifier: GPL-2.0 */
/* Which nodes an interrupt message concerns.  Pure: also built into the tests. */
#ifndef DVMM_IPI_ROUTE_H
#define DVMM_IPI_ROUTE_H

#include "message.h"

#define DVMM_IPI_NO_NODE	0xffff

/**
 * struct dvmm_ipi_table - where the vCPUs of a machine live
 * @self: this node
 * @nodes: number of nodes
 * @count: entries of @node_of
 * @node_of: node of each APIC id, DVMM_IPI_NO_NODE where there is no vCPU.  Read
 *	without a lock; changed under that of the node where the vCPU was
 */
struct dvmm_ipi_table {
	u16 self;
	u16 nodes;
	u32 count;
	u16 *node_of;
};

/**
 * enum dvmm_ipi_space - how destinations of a guest are to be read
 * @DVMM_IPI_FLAT: xAPIC; eight logical bits
 * @DVMM_IPI_CLUSTER: xAPIC; a logical cluster in bits 4-7, a mask in bits 0-3
 * @DVMM_IPI_X2APIC: x2APIC; a logical cluster in bits 16-31, a mask in bits 0-15
 * @DVMM_IPI_MIXED: unknown or different between the vCPUs (while they start)
 */
enum dvmm_ipi_space {
	DVMM_IPI_FLAT,
	DVMM_IPI_CLUSTER,
	DVMM_IPI_X2APIC,
	DVMM_IPI_MIXED,
};

/* Answers of dvmm_ipi_route() beside a node's number. */
#define DVMM_IPI_NOWHERE	(-1)	/* no other node is concerned */
#define DVMM_IPI_EVERYWHERE	(-2)	/* every other node looks for matches */

/**
 * dvmm_ipi_route - find the other nodes that a message concerns
 * @t: the machine
 * @space: how to read the destination
 * @one_only: one of the matching vCPUs shall take it (lowest priority)
 * @msg: the message; for @one_only the destination is narrowed to one vCPU, unless
 *	@space is in doubt, and the local interrupt controller must be given the
 *	narrowed one as well
 *
 * Local vCPUs are not this function's business: the local KVM serves them.  An
 * answer that is too wide does no harm, because the receiver matches exactly.
 *
 * Return: a node (never @t->self), DVMM_IPI_NOWHERE or DVMM_IPI_EVERYWHERE.
 */
int dvmm_ipi_route(const struct dvmm_ipi_table *t, enum dvmm_ipi_space space,
		   bool one_only, struct dvmm_ipi_msg *msg);

/**
 * dvmm_ipi_remote - the node of a vCPU
 * @t: the machine
 * @id: APIC id
 *
 * Return: a node (never @t->self) or DVMM_IPI_NOWHERE.
 */
int dvmm_ipi_remote(const struct dvmm_ipi_table *t, u32 id);

/**
 * dvmm_ipi_is_cluster - does a message name vCPUs by a logical x2APIC destination
 * @space: how to read the destination
 * @msg: the message
 *
 * Return: true if vCPU number i of the 16 from (destination >> 16) * 16 on is
 * meant just where bit i of the destination is set.
 */
bool dvmm_ipi_is_cluster(enum dvmm_ipi_space space, const struct dvmm_ipi_msg *msg);

/** dvmm_ipi_is_nothing - a message that every local APIC ignores, whomever it is for */
bool dvmm_ipi_is_nothing(const struct dvmm_ipi_msg *msg);

#endif
