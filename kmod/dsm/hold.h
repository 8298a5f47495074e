/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How long a granted page is kept: the time window of Mirage (Fleisch and Popek,
 * SOSP 1989), scaled to what a fetch costs here.
 *
 * Long enough that the access which asked for the page happens before the page
 * is taken away; a fixed time is too short where fetching itself is slow.  What this
 * gives counts from when the thread that makes the access runs (waiter.h).
 *
 * Concurrency: any number of writers; a lost update costs one sample.
 */
#ifndef DVMM_HOLD_H
#define DVMM_HOLD_H

#include <linux/types.h>
#include <linux/dvmm.h>

#define DVMM_HOLD_FETCHES	2

/**
 * struct dvmm_hold - the fastest fetch of late, as an estimate without queueing
 * @since: start of the present window, ns
 * @best: fastest fetch of the present window, ns; 0: none
 * @last: fastest fetch of the window before, ns; 0: none
 */
struct dvmm_hold {
	u64 since;
	u64 best;
	u64 last;
};

/** dvmm_hold_learn - a fetch from another node took @ns, and ended at @now */
void dvmm_hold_learn(struct dvmm_hold *h, u64 now, u64 ns);
/** dvmm_hold_us - the window to apply where userspace asked for @floor_us (0: none) */
u32 dvmm_hold_us(const struct dvmm_hold *h, u32 floor_us);

#endif
