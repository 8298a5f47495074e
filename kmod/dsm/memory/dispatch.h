/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bringing events to the engine and carrying out its actions.
 *
 * Whoever brings an event to a page without a runner becomes it (flight.h), calls
 * dvmm_step() and executes the actions with no lock held.
 *
 * A receive thread takes mappings away itself: that takes a TLB flush, and a hop to a
 * worker takes longer.  It never waits for a pin: a flight whose page is pinned is
 * tried again by a timer and a worker, and does not hold up its link.
 */
#ifndef DVMM_DISPATCH_H
#define DVMM_DISPATCH_H

#include "engine/engine.h"
#include "region.h"

/** dvmm_dispatch_local - a local event: LOAD, STORE or EVICT.  May sleep */
void dvmm_dispatch_local(struct dvmm_region *r, u64 index, u8 type);

/**
 * dvmm_dispatch_claim - keep all events from a run of untouched pages
 * @r: region, homed here
 * @first: first page
 * @n: how many
 *
 * Process context; may sleep for memory.  Return: how many there are from @first on
 * which are untouched and of which nobody wants anything; their events wait for
 * dvmm_dispatch_release(), which MUST follow.
 */
u64 dvmm_dispatch_claim(struct dvmm_region *r, u64 first, u64 n);
/** dvmm_dispatch_touch - TOUCH for each page of a run that this thread has claimed */
void dvmm_dispatch_touch(struct dvmm_region *r, u64 first, u64 n);
/** dvmm_dispatch_release - end a claim; what has come meanwhile is done now */
void dvmm_dispatch_release(struct dvmm_region *r, u64 first, u64 n);

/**
 * dvmm_dispatch_message - a peer's message, decoded and checked
 * @r: region
 * @index: page number, below @r->npages
 * @msg: the message
 * @page: its payload or NULL; consumed
 *
 * Context: a transport's receive thread.
 */
void dvmm_dispatch_message(struct dvmm_region *r, u64 index,
			   const struct dvmm_msg *msg, struct page *page);

/* ---- homes that move: see homes.h and mover.h ---- */

/** dvmm_dispatch_act - carry out an action about a chunk: a message, or FENCE */
void dvmm_dispatch_act(struct dvmm_region *r, u64 index, const struct dvmm_action *a);
/** dvmm_dispatch_give - hand a page over; false: it is not at rest, try again in a moment */
bool dvmm_dispatch_give(struct dvmm_region *r, u64 index);
/** dvmm_dispatch_take - TAKE of a page, as dvmm_dispatch_message(); done when this returns */
void dvmm_dispatch_take(struct dvmm_region *r, u64 index, const struct dvmm_msg *msg,
			struct page *page);
/** dvmm_dispatch_open - pages from @first on, below @end, are homed here: do what was kept */
void dvmm_dispatch_open(struct dvmm_region *r, u64 first, u64 end);

#endif
