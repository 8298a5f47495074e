/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Room for frames where a region is not homed.
 *
 * A fault reserves one frame before it asks for a page that has none, and gives the
 * reservation back when it is done; meanwhile the frame that came counts as
 * well.  A fault that has a frame, to read, and asks for WRITE reserves none: it may
 * lose its frame on the way, and then one more than the limit comes back.
 */
#ifndef DVMM_EVICT_H
#define DVMM_EVICT_H

#include "region.h"

/** dvmm_evict_reserve - wait in @state for room for one frame; 0, -EINTR or -EIO */
int dvmm_evict_reserve(struct dvmm_region *r, unsigned int state);
void dvmm_evict_unreserve(struct dvmm_region *r);

#define DVMM_EVICT_BATCH	16u

/**
 * dvmm_evict_take - the next few frames after the hand, which goes on at once
 * @r: the region
 * @index: their pages
 *
 * Threads that evict side by side must not choose the same frames, nor may a
 * reference that one holds look like a pin to another.  Return: how many; 0: none is
 * behind the hand, which is at the start again.
 */
unsigned int dvmm_evict_take(struct dvmm_region *r, u64 index[DVMM_EVICT_BATCH]);

#endif
