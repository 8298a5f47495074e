/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Batches: messages without a page that one thread sends to one node, on one
 * lane, one after the other, leave together in one frame.
 *
 * What arrives is what would have arrived without: the messages in their order,
 * each checked and taken as if it had come alone.  A message of another thread on
 * that lane, or one with a page, sends the batch on its way first, so the order of
 * a lane stays as it is.
 *
 * Lock: @lock of the lane's batch, around each message while a thread has it open.
 */
#ifndef DVMM_BATCH_H
#define DVMM_BATCH_H

#include <linux/mutex.h>
#include <linux/types.h>

#include "engine/wire.h"

struct dvmm_link;
struct dvmm_machine;
struct page;

#define DVMM_BATCH_LANES	(DVMM_LANE_FWD + 1)	/* REQ and FWD */

/**
 * struct dvmm_batch - of one lane of a link
 * @lock: guards the rest; @owner may be read without
 * @owner: the thread that has it open
 * @page: headers so far, or NULL
 * @first: the frame of the first one, which leaves as it is if it stays alone
 * @count: how many
 */
struct dvmm_batch {
	struct mutex lock; /* see above */
	struct task_struct *owner;
	struct page *page;
	struct dvmm_frame first;
	unsigned int count;
};

void dvmm_batch_init(struct dvmm_batch *b);

/**
 * dvmm_batch_open - from now on this thread's messages to a node wait for each other
 * @m: the machine
 * @node: the peer
 * @lane: DVMM_LANE_REQ or DVMM_LANE_FWD
 *
 * Return: the link for dvmm_batch_close(), which MUST follow, after a short time and
 * without a wait for any page in between; NULL if there is nothing to close: another
 * thread has it open, the link is not up, or the peer does not know batches.
 * Process context.
 */
struct dvmm_link *dvmm_batch_open(struct dvmm_machine *m, u16 node, enum dvmm_lane lane);
/** dvmm_batch_close - what has gathered leaves; @l may be NULL */
void dvmm_batch_close(struct dvmm_link *l, enum dvmm_lane lane);

/**
 * dvmm_batch_send - send a frame of the protocol in its turn
 * @l: a link that is up
 * @f: the frame, on lane REQ or FWD
 * @page: its payload or NULL; consumed
 *
 * Return: 0 or the transport's error; 0 also for a frame that waits for others.
 */
int dvmm_batch_send(struct dvmm_link *l, struct dvmm_frame *f, struct page *page);

#endif
