/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Misses that come in the same order again: a thread that waits for a page gets those
 * that were waited for next the last times, in the order of then. What CPUs do together
 * (a call to another CPU, a wake-up, a tick) goes through the same few pages each time.
 *
 * To the engine it is a load or a store without a waiter, as of streams (prefetch.h).
 *
 * Concurrency: the table has a lock of its own, held for some arithmetic only; no lock is
 * held while pages are asked for.
 */
#ifndef DVMM_FOLLOW_H
#define DVMM_FOLLOW_H

#include <linux/spinlock.h>
#include <linux/types.h>

#define DVMM_FOLLOW_BITS	9	/* pages whose next one is known */
#define DVMM_FOLLOW_THREADS	16	/* threads share them by chance */

struct dvmm_region;

/**
 * struct dvmm_follow_next - what was waited for after a page
 * @page: the page: region and index
 * @next: the one after it
 * @need: enum dvmm_perm that @next was wanted with
 * @trust: how often in a row it was so, up to a bound
 */
struct dvmm_follow_next {
	u64 page;
	u64 next;
	u8 need;
	u8 trust;
};

/**
 * struct dvmm_follow_last - where a thread was last
 * @page: the page: region and index
 * @at: when, in nanoseconds of ktime_get_ns()
 */
struct dvmm_follow_last {
	u64 page;
	u64 at;
};

/**
 * struct dvmm_follow - a machine's misses; NULL until they are followed, and gone with it
 * @lock: guards the rest
 * @last: of the threads
 * @table: by the page's hash; a page takes the place of another one
 */
struct dvmm_follow {
	spinlock_t lock; /* see above */
	struct dvmm_follow_last last[DVMM_FOLLOW_THREADS];
	struct dvmm_follow_next table[1 << DVMM_FOLLOW_BITS];
};

/**
 * dvmm_follow - this thread comes to a page: ask for those that were next the last times
 * @r: the region, of which all that is asked for is; nothing is done where it has a limit
 * @index: the page, asked for already
 * @need: enum dvmm_perm that the thread has come for
 *
 * Process context; may sleep for memory, never for a page.
 */
void dvmm_follow(struct dvmm_region *r, u64 index, u8 need);

#endif
