/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Moving the home of a chunk: what a node does about engine/rehome.h.
 *
 * A node moves one chunk at a time; several nodes may each move one.  The home that is
 * left hands over page by page in a worker, beside whatever else goes on; the receive
 * thread of the new one takes them.
 *
 * Both homes have to know the same members (members.h), so that all others hear of the move:
 * PREP carries what the old one knows.
 *
 * Locks: @user is held by who has asked for a move until it is over or given up; the members'
 * lock (members.h) by who sends a message of a chunk, from before it is decided on, so that they
 * leave in that order.  @user outside that one, that one outside a chunk's lock.
 */
#ifndef DVMM_MOVER_H
#define DVMM_MOVER_H

#include <linux/mutex.h>
#include <linux/workqueue.h>

#include "engine/rehome.h"

struct dvmm_machine;
struct dvmm_region;
struct page;

/**
 * struct dvmm_mover - the move of a chunk that is homed here
 * @m: the machine, whose members' lock guards the rest
 * @user: one who asks at a time
 * @r: its region; NULL: none is under way
 * @first: its first page
 * @move: for the engine
 * @told: pages that were handed over one by one so far
 * @coming: how many chunks others are moving here
 * @unable: why the new home has refused the last one, or NULL
 * @again: it may be different soon
 * @give: hands over
 */
struct dvmm_mover {
	struct dvmm_machine *m;
	struct mutex user;	/* outside the members' lock */
	struct dvmm_region *r;
	u64 first;
	struct dvmm_move move;
	unsigned int told;
	unsigned int coming;
	const char *unable;
	bool again;
	struct work_struct give;
};

/** dvmm_mover_init - 0 or -ENOMEM; it goes with the machine */
int dvmm_mover_init(struct dvmm_machine *m);
/** dvmm_mover_busy - does a chunk come or go here?  With the members' lock */
bool dvmm_mover_busy(const struct dvmm_machine *m);

/**
 * dvmm_mover_run - move the home of a chunk, and wait for the end of it
 * @m: machine
 * @region: id of a region
 * @index: one of the chunk's pages
 * @to: the new home
 * @told: filled: how many of its pages had been touched
 * @why: filled unless 0 is returned: a static text
 *
 * Killable.  Return: 0; -EINVAL, -ENOENT or -EBUSY: nothing has happened; -ENOTCONN: not all
 * nodes are linked; -EOPNOTSUPP: one does not know of moves; -ENOMEM: the new home has no
 * room; -EIO: the machine has stopped; -ETIMEDOUT, -EINTR: it goes on.
 */
int dvmm_mover_run(struct dvmm_machine *m, u16 region, u64 index, u16 to, unsigned int *told,
		   const char **why);

/**
 * dvmm_mover_message - a peer's message about a chunk
 * @r: region
 * @index: one of the chunk's pages, below @r->npages
 * @msg: the message
 * @page: its payload or NULL; consumed
 *
 * Context: a transport's receive thread.
 */
void dvmm_mover_message(struct dvmm_region *r, u64 index, const struct dvmm_msg *msg,
			struct page *page);

/** dvmm_mover_send - what has become due at the end of a step of page @index */
void dvmm_mover_send(struct dvmm_region *r, u64 index, const struct dvmm_actions *acts);

#endif
