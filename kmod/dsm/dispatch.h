/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bringing events to the engine and carrying out its actions.
 *
 * A page with anything under way has a flight: its transaction, its inbox and
 * its deferred events.  One context at a time runs a flight; everyone else
 * only adds to the inbox.  The runner calls dvmm_step() and executes the actions
 * with no lock held.
 *
 * A receive thread takes mappings away itself: that takes a TLB flush, and a hop to a
 * worker takes longer.  It never waits for a pin: a flight whose page is pinned is
 * tried again by a timer and a worker, and does not hold up its link.
 *
 * What peers have here is bounded (peer.h); beyond that a peer is fenced.
 *
 * Locks: the bucket lock (region.h) guards a flight's lists and its existence.
 */
#ifndef DVMM_DISPATCH_H
#define DVMM_DISPATCH_H

#include "engine/engine.h"
#include "region.h"

int dvmm_dispatch_init(void);
void dvmm_dispatch_exit(void);

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

/**
 * struct dvmm_flight_view - a flight as it was after its last step
 * @page: page number
 * @state: enum dvmm_state
 * @pinned: a mapping is to be taken away, and somebody here has the page pinned
 * @running: somebody is at work on it, or parked with a pinned page
 * @owner: at the home, the node that owns the page, if one does
 * @requester: at the home, the node that is being served
 * @acks: INV_ACKs to come, as far as is known
 * @waiting: events that wait for the page to be stable
 * @age_ms: since page or transaction changed last
 */
struct dvmm_flight_view {
	u64 page;
	u8 state;
	bool pinned;
	bool running;
	u16 owner;
	u16 requester;
	s16 acks;
	unsigned int waiting;
	unsigned int age_ms;
};

typedef void (*dvmm_flight_fn)(struct dvmm_region *r, const struct dvmm_flight_view *v, void *arg);

/**
 * dvmm_dispatch_visit - look at all flights of a region
 * @r: the region
 * @fn: called for each one, under a bucket lock: MUST NOT sleep
 * @arg: handed to @fn
 *
 * A flight that comes or goes meanwhile MAY be left out.  Process context.
 */
void dvmm_dispatch_visit(struct dvmm_region *r, dvmm_flight_fn fn, void *arg);

/** dvmm_dispatch_forget - free what is left of a region nobody uses any more */
void dvmm_dispatch_forget(struct dvmm_region *r);

#endif
