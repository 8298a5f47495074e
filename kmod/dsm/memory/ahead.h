/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory of another node, a block at a time.
 *
 * Who gets one page that nobody has touched will touch its neighbours soon: an
 * allocator hands out memory by runs.  And who reads two pages that lie near each
 * other will read on.  The others of an aligned block are asked for in one frame
 * (GET_Z, GET_C); the home refuses at once what is not as it was guessed, so nobody
 * waits for a guess.
 *
 * To the engine it is one more local event, which may come at any time.
 *
 * Concurrency: as of prefetch.h.
 */
#ifndef DVMM_AHEAD_H
#define DVMM_AHEAD_H

#include <linux/spinlock.h>
#include <linux/types.h>

struct dvmm_region;

enum dvmm_ahead_kind { DVMM_AHEAD_ZEROS, DVMM_AHEAD_COPIES, DVMM_AHEAD_KINDS };

/**
 * struct dvmm_ahead - what a thread asked for last; all in pages
 * @lock: guards the rest
 * @last: the page that led to it
 * @first: first page of the block
 * @window: length of the block; doubles where the next block is a neighbour
 */
struct dvmm_ahead {
	spinlock_t lock; /* see above */
	u64 last;
	u64 first;
	u32 window;
};

void dvmm_ahead_init(struct dvmm_region *r);

/**
 * dvmm_ahead_zeros - this thread got a page that was untouched: ask for its block
 * @r: the region, homed on another node; nothing is done where it has a limit
 * @index: the page
 *
 * Process context; may sleep for memory, never for a page.
 */
void dvmm_ahead_zeros(struct dvmm_region *r, u64 index);

/**
 * dvmm_ahead_copies - this thread has asked for a page to read: ask for others of its block
 * @r: the region
 * @index: of the page
 *
 * Nothing is done at the page's home.  Else as dvmm_ahead_zeros().
 */
void dvmm_ahead_copies(struct dvmm_region *r, u64 index);

/** dvmm_ahead_got - a copy came that was asked for ahead of need; by the page's runner */
void dvmm_ahead_got(struct dvmm_region *r, u64 index);
/** dvmm_ahead_used - the page is accessed; true: it was asked for ahead and not used yet */
bool dvmm_ahead_used(struct dvmm_region *r, u64 index);
/** dvmm_ahead_lost - the page goes, and may be such a copy; by the page's runner */
void dvmm_ahead_lost(struct dvmm_region *r, u64 index);

#endif
