/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which nodes belong to a machine at present: membership/ changes it while all work.
 *
 * A machine is made for a number of nodes, of which some may be absent.  What a member does
 * wrong, and its loss, is the end of the machine; any other node may be linked, has a say in
 * nothing, and harms nobody.  Nor does the loss of a new member, which has nothing yet.
 *
 * In one of more than DVMM_SET_BITS nodes, where a set of sharers names nodes that share
 * nothing, all belong from the beginning to the end.
 *
 * Locks: all is decided under @lock, so that no chunk's home moves from or to here
 * meanwhile; @set, @leaving, @linked, @ready and @phase may be read without.  @unused is
 * cleared without, before what it tells of is done.
 */
#ifndef DVMM_MEMBERS_H
#define DVMM_MEMBERS_H

#include <linux/bitmap.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>
#include <linux/dvmm.h>

#include "engine/wire.h"

struct dvmm_machine;

/** enum dvmm_member_phase - how far this node is; each comes from the one before */
enum dvmm_member_phase {
	DVMM_MEMBER_LINKING,	/* it is to join, and not linked to all members yet */
	DVMM_MEMBER_ASKING,	/* JOIN is sent, JOIN_OKs are to come */
	DVMM_MEMBER_ENTERING,	/* JOINED is sent, WELCOMEs are to come */
	DVMM_MEMBER_IN,
	DVMM_MEMBER_EMPTYING,	/* it is to leave: asks for nothing more, gives all back */
	DVMM_MEMBER_PARTING,	/* LEAVE is sent, LEAVE_OKs are to come */
	DVMM_MEMBER_GONE,	/* GONE is sent; links may go */
};

/**
 * struct dvmm_members - what a node knows of the others
 * @lock: one change at a time, or one message about a chunk's home
 * @set: members; of this node itself from the beginning
 * @leaving: those of them that have been let go: they hold nothing
 * @unused: those that have joined, and since then took no part in memory, had no home move from
 *	here and got no vCPU: here
 * @linked: nodes to which a link is up
 * @elastic: nodes were absent, or this one has joined: all links need the feature
 * @ready: this node is in, and linked to all members
 * @phase: enum dvmm_member_phase
 * @due: members whose answer is to come before the next phase
 * @joining: the one node that has JOIN_OK and has not said JOINED; -1: none
 * @joined_by: jiffies when that is to have come
 * @overdue: looks whether it has
 * @asks_in: the one node whose JOIN waits; -1: none
 * @asks_out: nodes whose LEAVE waits
 * @settle: does what has to wait for something; both works are membership.h's
 */
struct dvmm_members {
	struct mutex lock; /* see above */
	DECLARE_BITMAP(set, DVMM_MAX_NODES);
	DECLARE_BITMAP(leaving, DVMM_MAX_NODES);
	DECLARE_BITMAP(unused, DVMM_MAX_NODES);
	DECLARE_BITMAP(linked, DVMM_MAX_NODES);
	bool elastic;
	bool ready;
	enum dvmm_member_phase phase;
	u64 due;
	int joining;
	unsigned long joined_by;
	struct delayed_work overdue;
	int asks_in;
	u64 asks_out;
	struct delayed_work settle;
};

/** dvmm_members_check - are flags and @absent of a new machine possible? */
bool dvmm_members_check(const struct dvmm_create_machine *arg);
void dvmm_members_init(struct dvmm_machine *m, const struct dvmm_create_machine *arg);

/** dvmm_members_has - does the node belong to the machine?  MAY change at once */
bool dvmm_members_has(const struct dvmm_machine *m, u16 node);
/** dvmm_members_have - the same of all in a set of sharers, if it is exact */
bool dvmm_members_have(const struct dvmm_machine *m, u64 sharers);
/** dvmm_members_stays - the same, and has not been let go */
bool dvmm_members_stays(const struct dvmm_machine *m, u16 node);
/** dvmm_members_matter - is the loss of this member the end of the machine here? */
bool dvmm_members_matter(const struct dvmm_machine *m, u16 node);
/** dvmm_members_use - a page goes to the node or comes from it */
void dvmm_members_use(struct dvmm_machine *m, u16 node);
/**
 * dvmm_members_use_for_vcpus - vCPUs are placed on nodes
 * @m: machine
 * @nodes_of: a node each, or DVMM_NODE_ALL: none
 * @count: of them
 *
 * Return: false, and no node is used, unless all are members that stay.  Takes @lock.
 */
bool dvmm_members_use_for_vcpus(struct dvmm_machine *m, const u16 *nodes_of, u32 count);
/** dvmm_members_use_others - a home is to move, of which all others that stay hear; how many */
u16 dvmm_members_use_others(struct dvmm_machine *m);
/** dvmm_members_view - what two nodes compare before a home moves: equal if the same stay */
u64 dvmm_members_view(const struct dvmm_machine *m);
/** dvmm_members_unsettled - why no home may move from or to here; NULL: it may */
const char *dvmm_members_unsettled(const struct dvmm_machine *m);
/** dvmm_members_joins - is this node to join, and not in yet? */
bool dvmm_members_joins(const struct dvmm_machine *m);
/** dvmm_members_parts - does this node ask for no memory any more? */
bool dvmm_members_parts(const struct dvmm_machine *m);
/** dvmm_members_may_send - datagrams: -ENOTCONN unless both ends are members */
int dvmm_members_may_send(const struct dvmm_machine *m, u16 node);

/** dvmm_members_linked - a link is up; true if that made this node ready */
bool dvmm_members_linked(struct dvmm_machine *m, u16 node);
/**
 * dvmm_members_unlinked - a link is gone, and nothing is received any more
 * @m: machine
 * @node: its other end; an unused member is none any more
 *
 * Context: may sleep.
 */
void dvmm_members_unlinked(struct dvmm_machine *m, u16 node);

/* ---- for who changes them, with @lock ---- */

/** dvmm_members_answer - who was asked has answered; true: it was the last one */
bool dvmm_members_answer(struct dvmm_machine *m, u16 node);
/** dvmm_members_drop - it is a member no more, and holds nothing */
void dvmm_members_drop(struct dvmm_machine *m, u16 node);
/** dvmm_members_all_linked - is there a link to each other member? */
bool dvmm_members_all_linked(const struct dvmm_machine *m);
/** dvmm_members_update - after a change: ready or not; true: it is since */
bool dvmm_members_update(struct dvmm_machine *m);
/** dvmm_members_settle - look at what waits, soon */
void dvmm_members_settle(struct dvmm_machine *m);

#endif
