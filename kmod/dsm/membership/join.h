/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A node becomes a member of a machine that runs.
 *
 *	JOIN		to each member, once linked to all
 *	HOMES		of a member: the chunks that it homes and that came to it
 *	JOIN_OK		of a member: those were all; no home moves from or to it until JOINED
 *	JOINED		to each member, once all have said JOIN_OK, and within JOIN_SECONDS of
 *			each, or its link is given up: it is one from there on
 *	WELCOME		of a member: it is one here; after the last one it is in
 *
 * A chunk is told of by the one node that homes it: none moves between a member that has
 * told and one that has not, since their views differ, and each tells once no chunk of
 * its own is under way.  Who does not agree says BYE instead of JOIN_OK.  Until it is in the
 * node asks for nothing, so what another node of it hears comes after JOINED.
 *
 * All but dvmm_join_overdue() are called with m->members.lock held.
 */
#ifndef DVMM_JOIN_H
#define DVMM_JOIN_H

#include <linux/types.h>
#include <linux/workqueue.h>

struct dvmm_frame;
struct dvmm_link;
struct dvmm_machine;

/** dvmm_join_ask - this node is linked to all members: say JOIN */
void dvmm_join_ask(struct dvmm_machine *m);
/** dvmm_join_settle - answer a JOIN that waits; true: not yet */
bool dvmm_join_settle(struct dvmm_machine *m);

/** dvmm_join_overdue - work of @overdue: JOINED has not come in time */
void dvmm_join_overdue(struct work_struct *work);

/* Messages; each returns NULL, or what is wrong with it. */

/** dvmm_join_asked - JOIN of a node whose idea of the members is @view */
const char *dvmm_join_asked(struct dvmm_link *l, u64 view);
const char *dvmm_join_homes(struct dvmm_machine *m, u16 node, const struct dvmm_frame *f);
/** dvmm_join_answered - JOIN_OK or WELCOME */
const char *dvmm_join_answered(struct dvmm_machine *m, u16 node, u8 type);
/** dvmm_join_done - JOINED */
const char *dvmm_join_done(struct dvmm_machine *m, u16 node);

#endif
