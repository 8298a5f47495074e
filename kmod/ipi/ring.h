/* SPDX-License-Identifier: GPL-2.0 */
/* Messages on their way to the sender.  Pure; the caller serialises. */
#ifndef DVMM_IPI_RING_H
#define DVMM_IPI_RING_H

#include "message.h"

#define DVMM_IPI_RING_SIZE	4096	/* a power of two */

/**
 * struct dvmm_ipi_entry - a message and where it goes
 * @msg: the message
 * @to: a node or DVMM_IPI_EVERYWHERE
 */
struct dvmm_ipi_entry {
	struct dvmm_ipi_msg msg;
	int to;
};

/**
 * struct dvmm_ipi_ring - a bounded queue
 * @head: count of entries ever taken
 * @tail: count of entries ever put
 * @entries: storage
 */
struct dvmm_ipi_ring {
	u32 head;
	u32 tail;
	struct dvmm_ipi_entry entries[DVMM_IPI_RING_SIZE];
};

/**
 * dvmm_ipi_ring_put - append an entry
 * @ring: the ring
 * @entry: copied
 *
 * A full ring is searched for an equal message that waits: two that nobody has
 * accepted yet are one, as they are in an IRR bit.
 *
 * Return: 0, 1 if it became one with a waiting entry, -ENOSPC if there is no room.
 */
int dvmm_ipi_ring_put(struct dvmm_ipi_ring *ring, const struct dvmm_ipi_entry *entry);

/**
 * dvmm_ipi_ring_take - remove the oldest entries
 * @ring: the ring
 * @to: where they go
 * @max: room in @to
 *
 * Return: number of entries taken.
 */
unsigned int dvmm_ipi_ring_take(struct dvmm_ipi_ring *ring, struct dvmm_ipi_entry *to,
				unsigned int max);

static inline bool dvmm_ipi_ring_empty(const struct dvmm_ipi_ring *ring)
{
	return ring->head == ring->tail;
}

#endif
