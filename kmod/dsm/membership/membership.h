/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What members say to each other: who joins (join.h), who leaves (leave.h), and what has to
 * wait for something.  Who belongs is members.h's.
 */
#ifndef DVMM_MEMBERSHIP_H
#define DVMM_MEMBERSHIP_H

#include <linux/types.h>

struct dvmm_frame;
struct dvmm_link;
struct dvmm_machine;

void dvmm_membership_init(struct dvmm_machine *m);
/** dvmm_membership_end - after the last link has gone */
void dvmm_membership_end(struct dvmm_machine *m);

/**
 * dvmm_membership_receive - a frame of kind MEMBER
 * @l: its link
 * @lane: its lane
 * @f: the frame
 *
 * Takes m->members.lock.  Return: NULL or what is wrong with it.
 */
const char *dvmm_membership_receive(struct dvmm_link *l, unsigned int lane,
				    const struct dvmm_frame *f);

/* ---- for join.c and leave.c, which hold m->members.lock ---- */

/** dvmm_membership_send - a message of a member to one node, on its lane */
void dvmm_membership_send(struct dvmm_machine *m, u16 node, u8 type, u64 id);
/** dvmm_membership_send_due - the same to all of @due, which is filled: all others that stay */
void dvmm_membership_send_due(struct dvmm_machine *m, u8 type, u64 id);

#endif
