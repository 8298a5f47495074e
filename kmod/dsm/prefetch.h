/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reading ahead: a thread that reads page after page gets the next ones before it
 * asks, so that it waits for the link's bandwidth and not for its latency.
 *
 * To the engine it is a load without a waiter, which may come at any time; so
 * nothing that is proven of the protocol depends on it.
 *
 * Concurrency: a stream has a lock of its own, held for some arithmetic only; no
 * lock is held while pages are asked for.
 */
#ifndef DVMM_PREFETCH_H
#define DVMM_PREFETCH_H

#include <linux/spinlock.h>
#include <linux/types.h>

#define DVMM_STREAMS		8	/* of a region; threads share them by chance */
#define DVMM_PREFETCH_MAX	16	/* pages ahead */

struct dvmm_region;

/**
 * struct dvmm_stream - where a thread has read
 * @lock: guards the rest
 * @next: the page it reads next, if it goes on as before
 * @asked: pages below this one were asked for
 * @window: how many pages ahead to ask; doubles with each page read in order
 */
struct dvmm_stream {
	spinlock_t lock; /* see above */
	u64 next;
	u64 asked;
	u32 window;
};

void dvmm_prefetch_init(struct dvmm_region *r);

/**
 * dvmm_prefetch - this thread reads a page: ask for those that follow
 * @r: the region; nothing is done where it has a limit, whose room is for what
 *	is asked for
 * @index: the page, asked for already
 *
 * Process context; may sleep for memory, never for a page.
 */
void dvmm_prefetch(struct dvmm_region *r, u64 index);

#endif
