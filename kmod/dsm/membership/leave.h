/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A member leaves a machine that goes on.
 *
 * It is nobody's home, asks for nothing more, and gives all back that it holds.  Then:
 *
 *	LEAVE		to each other member
 *	LEAVE_OK	of a member, once all that came before has been done there: it sends
 *			nothing more that needs an answer
 *	GONE		to each other member on each lane, once all have said LEAVE_OK and what
 *			they sent before has been done here; who has all four of them, and has
 *			done what came before, counts it as a member no more, and says BYE
 *
 * All but dvmm_leave() are called with m->members.lock held.
 */
#ifndef DVMM_LEAVE_H
#define DVMM_LEAVE_H

#include <linux/types.h>

struct dvmm_machine;

/** dvmm_leave - DVMM_LEAVE */
int dvmm_leave(struct dvmm_machine *m);
/** dvmm_leave_settle - answer LEAVEs and GONEs that wait; true: some still do */
bool dvmm_leave_settle(struct dvmm_machine *m);

/* Messages; each returns NULL, or what is wrong with it. */

/** dvmm_leave_asked - LEAVE */
const char *dvmm_leave_asked(struct dvmm_machine *m, u16 node);
/** dvmm_leave_answered - LEAVE_OK */
const char *dvmm_leave_answered(struct dvmm_machine *m, u16 node);
const char *dvmm_leave_gone(struct dvmm_machine *m, u16 node, unsigned int lane);

#endif
