/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Interrupts that wait for their way to another node.  Pure: also built into the
 * tests; the caller serialises.
 *
 * What waits is kept as a local APIC keeps it: a bit for each vector and event,
 * so that two requests that nobody has accepted yet are one, and no number of
 * them needs more room.
 */
#ifndef DVMM_IPI_PENDING_H
#define DVMM_IPI_PENDING_H

#include "message.h"
#include "wire.h"

/**
 * struct dvmm_ipi_pending - what waits for one destination on one node
 * @waiting: in the node's queue, or empty
 * @dest: see struct dvmm_ipi_record
 * @to: likewise
 * @events: likewise
 * @sipi: likewise
 * @edge: edge-triggered vectors, a bit each
 * @level: level-triggered ones
 */
struct dvmm_ipi_pending {
	struct list_head waiting;
	u32 dest;
	u8 to;
	u8 events;
	u8 sipi;
	u32 edge[DVMM_IPI_WORDS];
	u32 level[DVMM_IPI_WORDS];
};

/** dvmm_ipi_pending_init - nothing waits for @dest */
void dvmm_ipi_pending_init(struct dvmm_ipi_pending *p, u8 to, u32 dest);

/**
 * dvmm_ipi_pend - let a message wait
 * @queue: of the node
 * @p: of the destination
 * @msg: its mode, vector and trigger mode count; the destination is @p's
 *
 * An INIT makes what waits for the same destination void, as it does in an APIC.
 * INIT and SIPI go to the end of the queue, so that between two nodes they keep
 * their order, whatever their destinations.
 *
 * Return: false if the very same waited already.
 */
bool dvmm_ipi_pend(struct list_head *queue, struct dvmm_ipi_pending *p,
		   const struct dvmm_ipi_msg *msg);

/**
 * dvmm_ipi_take - turn what waits into a message to the node
 * @queue: of the node
 * @data: DVMM_IPI_WIRE_MAX bytes
 * @records: result: number of records
 *
 * Return: number of bytes; 0 if nothing waits.
 */
unsigned int dvmm_ipi_take(struct list_head *queue, void *data, unsigned int *records);

#endif
