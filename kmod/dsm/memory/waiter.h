/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Threads that wait for a page, and how long the page is kept for them.
 *
 * The hold time is there for the access that asked (hold.h).  On a busy host the
 * thread that has to make it may get the CPU later than that, find the page taken
 * again, and ask anew without end.  So the time counts from when the thread runs,
 * within DVMM_HOLD_MAX_US of the grant.
 *
 * Lock: the bucket's.
 */
#ifndef DVMM_WAITER_H
#define DVMM_WAITER_H

#include <linux/list.h>
#include <linux/types.h>

struct dvmm_region;

/** struct dvmm_waiter - on the stack of the thread */
struct dvmm_waiter {
	struct list_head list;
	u64 index;
	u8 need;
	bool untouched;			/* the page came as zeroes, from far */
};

/**
 * struct dvmm_waiters - those of a bucket
 * @list: of struct dvmm_waiter
 * @served: page of the one that ended last
 * @served_us: when that was; low 32 bits of the time in microseconds
 */
struct dvmm_waiters {
	struct list_head list;
	u64 served;
	u32 served_us;
};

/**
 * dvmm_waiter_begin - a thread is about to ask for a page
 * @r: the region
 * @w: the caller's, until dvmm_waiter_end()
 * @index: page number
 * @need: DVMM_PERM_READ or DVMM_PERM_WRITE
 */
void dvmm_waiter_begin(struct dvmm_region *r, struct dvmm_waiter *w, u64 index, u8 need);
/** dvmm_waiter_untouched - the page that a thread waits for was untouched */
void dvmm_waiter_untouched(struct dvmm_region *r, u64 index);
/** dvmm_waiter_end - the thread runs, with what it needs or without */
void dvmm_waiter_end(struct dvmm_region *r, struct dvmm_waiter *w);

/**
 * dvmm_waiter_hold_us - how long a page is to be kept, as things stand
 * @r: the region
 * @index: page number
 * @now: low 32 bits of the time in microseconds
 *
 * Return: microseconds since the grant; 0 where the machine's policy has no hold time.
 */
u32 dvmm_waiter_hold_us(struct dvmm_region *r, u64 index, u32 now);

#endif
