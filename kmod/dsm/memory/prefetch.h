/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Streams: a thread that goes from page to page, up or down, to read or to write, gets
 * the next ones before it asks, so that it waits for the link's bandwidth and not for its
 * latency.  What it holds anyway is passed over: the next page is the next one that it
 * would have to ask for, or as far away as this one was from the last.  It ends before a
 * page that was asked for so the last time and gone before anybody came to it.
 *
 * To the engine it is a load or a store without a waiter, which may come at any time; so
 * nothing that is proven of the protocol depends on it.
 *
 * Concurrency: a group of streams has a lock of its own, held for some arithmetic only; no
 * lock is held while pages are asked for.
 */
#ifndef DVMM_PREFETCH_H
#define DVMM_PREFETCH_H

#include <linux/spinlock.h>
#include <linux/types.h>

#define DVMM_STREAMS		8	/* groups of a region; threads share them by chance */
#define DVMM_STREAMS_EACH	4	/* what a thread goes through at the same time */

struct dvmm_region;

/**
 * struct dvmm_stream - where a thread has gone
 * @last: the page where it was last
 * @step: from page to page: 1 or -1 where all between them is held; 0: not known yet
 * @written: how many pages in a row it has written to before it went on, up to a bound
 * @window: how many pages ahead to ask; doubles with each page in order
 * @turn: when it was here last, as the group counts
 */
struct dvmm_stream {
	u64 last;
	s8 step;
	u8 written;
	u16 window;
	u32 turn;
};

/**
 * struct dvmm_streams - a group
 * @lock: guards the rest
 * @turn: counts pages
 * @each: the streams; a new one takes the place of the oldest
 */
struct dvmm_streams {
	spinlock_t lock; /* see above */
	u32 turn;
	struct dvmm_stream each[DVMM_STREAMS_EACH];
};

void dvmm_prefetch_init(struct dvmm_region *r);

/**
 * dvmm_prefetch - this thread comes to a page: ask for those that follow
 * @r: the region; nothing is done where it has a limit, whose room is for what
 *	is asked for
 * @index: the page, asked for already
 * @need: enum dvmm_perm that the thread has come for
 *
 * Process context; may sleep for memory, never for a page.
 */
void dvmm_prefetch(struct dvmm_region *r, u64 index, u8 need);

/** dvmm_prefetch_has_data - has anybody touched the page?  Only its home knows that nobody has */
bool dvmm_prefetch_has_data(struct dvmm_region *r, u64 index);

/**
 * dvmm_prefetch_page - ask for a page that nobody waits for yet
 * @r: the region
 * @index: the page
 * @need: enum dvmm_perm that it will be wanted with
 *
 * Process context; may sleep for memory, never for the page.
 *
 * Return: whether it is, or will be, here before the thread comes to it.
 */
bool dvmm_prefetch_page(struct dvmm_region *r, u64 index, u8 need);

/**
 * dvmm_prefetch_range - have all pages of a range that somebody has data of, to read
 * @r: the region, of a machine that runs; nothing is done where it has a limit
 * @first: the first page
 * @end: the one behind the last, at most @r->npages
 *
 * Some are under way at a time.  Others may write to a page at once and take it away
 * again: that is no error.  Process context; sleeps for pages.
 *
 * Return: 0, -EINTR (a signal) or -EIO (the machine has stopped).
 */
int dvmm_prefetch_range(struct dvmm_region *r, u64 first, u64 end);

#endif
