// SPDX-License-Identifier: GPL-2.0
/* Messages on their way to the sender. */
#include "ring.h"

static struct dvmm_ipi_entry *slot(struct dvmm_ipi_ring *ring, u32 index)
{
	return &ring->entries[index & (DVMM_IPI_RING_SIZE - 1)];
}

/* INIT and SIPI are steps of a sequence: the number of them matters. */
static bool may_merge(const struct dvmm_ipi_msg *msg)
{
	return msg->mode < DVMM_IPI_INIT;
}

static bool same(const struct dvmm_ipi_entry *a, const struct dvmm_ipi_entry *b)
{
	return a->to == b->to && !memcmp(&a->msg, &b->msg, sizeof(a->msg));
}

static bool waits(struct dvmm_ipi_ring *ring, const struct dvmm_ipi_entry *entry)
{
	u32 i;

	for (i = ring->head; i != ring->tail; i++) {
		if (same(slot(ring, i), entry))
			return true;
	}
	return false;
}

int dvmm_ipi_ring_put(struct dvmm_ipi_ring *ring, const struct dvmm_ipi_entry *entry)
{
	if (ring->tail - ring->head == DVMM_IPI_RING_SIZE)
		return may_merge(&entry->msg) && waits(ring, entry) ? 1 : -ENOSPC;
	*slot(ring, ring->tail++) = *entry;
	return 0;
}

unsigned int dvmm_ipi_ring_take(struct dvmm_ipi_ring *ring, struct dvmm_ipi_entry *to,
				unsigned int max)
{
	unsigned int n = 0;

	while (n < max && !dvmm_ipi_ring_empty(ring))
		to[n++] = *slot(ring, ring->head++);
	return n;
}
