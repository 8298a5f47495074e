/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bringing events to the engine and carrying out its actions.
 *
 * A page with anything under way has a flight: its transaction, its inbox and
 * its deferred events.  One context at a time runs a flight; everyone else
 * only adds to the inbox.  The runner calls dvmm_step() and executes the actions
 * with no lock held.
 *
 * A receive thread may run a flight until an action has to take a mapping away,
 * which may sleep for long (TLB flushes, pins): the rest then goes to the
 * machine's workqueue, so that a slow page does not hold up its link.
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

/** dvmm_dispatch_forget - free what is left of a region nobody uses any more */
void dvmm_dispatch_forget(struct dvmm_region *r);

#endif
