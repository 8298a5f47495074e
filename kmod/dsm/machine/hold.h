/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How long a granted page is kept: the time window of Mirage (Fleisch and Popek,
 * SOSP 1989), scaled to what a fetch costs here.
 *
 * Long enough that the access which asked for the page happens before the page
 * is taken away; a fixed time is too short where fetching itself is slow.  What this
 * gives counts from when the thread that makes the access runs (waiter.h).  A reader's
 * copy is of no use to it while somebody waits to write; who may write goes on
 * writing to what it has, and everybody else comes back for it.
 *
 * Concurrency: any number of writers; a lost update costs one sample.
 */
#ifndef DVMM_HOLD_H
#define DVMM_HOLD_H

#include <linux/types.h>
#include <linux/dvmm.h>

/* Halves of a fetch that a page is kept for an access of each kind. */
#define DVMM_HOLD_READ	1
#define DVMM_HOLD_WRITE	8

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
/**
 * dvmm_hold_us - the window to apply to a page
 * @h: what a fetch costs
 * @floor_us: what userspace asked for; 0: none
 * @perm: enum dvmm_perm that the page was granted with
 */
u32 dvmm_hold_us(const struct dvmm_hold *h, u32 floor_us, u8 perm);

#endif
