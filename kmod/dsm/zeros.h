/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Untouched memory of another node, a block at a time.
 *
 * Who gets one page that nobody has touched will touch its neighbours soon: an
 * allocator hands out memory by runs.  They are asked for (GET_Z) in one frame and
 * come in one frame.  The home refuses what has been touched meanwhile.
 *
 * To the engine it is one more local event, which may come at any time.
 *
 * Concurrency: as of prefetch.h.
 */
#ifndef DVMM_ZEROS_H
#define DVMM_ZEROS_H

#include <linux/spinlock.h>
#include <linux/types.h>

struct dvmm_region;

/**
 * struct dvmm_zeros - what a thread asked for last; all in pages
 * @lock: guards the rest
 * @first: first page of the block
 * @window: length of the block; doubles where the next block is a neighbour
 */
struct dvmm_zeros {
	spinlock_t lock; /* see above */
	u64 first;
	u32 window;
};

void dvmm_zeros_init(struct dvmm_region *r);

/**
 * dvmm_zeros_ask - this thread got a page that was untouched: ask for its block
 * @r: the region, homed on another node; nothing is done where it has a limit
 * @index: the page
 *
 * Process context; may sleep for memory, never for a page.
 */
void dvmm_zeros_ask(struct dvmm_region *r, u64 index);

#endif
