/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One of several replicas of a pool's state, over a group that gives views and ordered messages.
 *
 * A view is who is in the group, under the ring that carries it. In each view all members first
 * tell how far they are; the furthest one's state becomes everybody's. Then each member that finds
 * the ring quorate votes for opening it, under a term that is above all that any of them has voted
 * for. With the last vote the view is open and messages are applied; in one that is not open
 * nothing is decided.
 *
 * A decision is stable once all members of an open view have told that they have applied it. As two
 * quorate views have a member in common, which has voted in one after the other and keeps votes and
 * decisions over its own end, each view that is opened later knows it. Only stable decisions MAY be
 * acted on. What a minority still had is dropped when it comes back.
 *
 * No I/O in here: what goes out goes through the ops.
 */
#ifndef DVMMD_REPLICA_H
#define DVMMD_REPLICA_H

#include "pool.h"

/* Of what the replicas say to each other. Those of another version are refused. */
#define REPLICA_VERSION	2

/**
 * struct replica_ring - one membership of hosts; alone it is not unique
 */
struct replica_ring {
	unsigned int node;
	uint64_t sequence;
};

/**
 * struct replica_member - one dvmmd in the group
 */
struct replica_member {
	unsigned int node;
	unsigned int pid;
};

/**
 * struct replica_ops - what a replica does to the world
 * @keep: writes the replica down, for replica_new() after the end of this process; MUST be safe
 *	on its disk when it returns
 * @send: gives text to the group, whose members get it in one order, the sender too
 * @say: one line for the log
 * @done: a message of this host's was applied, or refused because of @why
 * @changed: the state, the view's phase, or what is stable
 */
struct replica_ops {
	void (*keep)(void *arg, struct json_object *kept);
	void (*send)(void *arg, const char *text);
	void (*say)(void *arg, const char *line);
	void (*done)(void *arg, struct json_object *message, const char *why);
	void (*changed)(void *arg);
};

struct replica;

/**
 * replica_new - a member-to-be
 * @self: its node id
 * @kept: what was written down last; NULL: nothing ever was
 *
 * Return: NULL if @kept is nothing that a replica has written.
 */
struct replica *replica_new(unsigned int self, struct json_object *kept,
			    const struct replica_ops *ops, void *arg);
void replica_free(struct replica *r);

/**
 * replica_view - the group's members, or the ring under them, are others
 *
 * MUST be called in order with replica_take().
 */
void replica_view(struct replica *r, const struct replica_ring *ring,
		  const struct replica_member *members, unsigned int n);
/** replica_leave - there is no group any more, until the next view */
void replica_leave(struct replica *r);
/**
 * replica_quorum - whether that ring is quorate; MAY come long before or after its view
 * @nodes: that corosync reaches under it
 * @enough: members that the group needs, as hosts without a dvmmd do not count
 */
void replica_quorum(struct replica *r, const struct replica_ring *ring, bool quorate,
		    const unsigned int *nodes, unsigned int n, unsigned int enough);
/** replica_take - a message of the group's; whatever is in it */
void replica_take(struct replica *r, unsigned int sender, const char *data, size_t len);
/**
 * replica_is_misfit - others speak another version, and it has been in no open view with them
 *
 * As long as it stays in the group, the others decide nothing: it MUST leave.
 */
bool replica_is_misfit(const struct replica *r);

/**
 * replica_propose - asks the group to apply a message; it is the caller's still
 *
 * Return: NULL; or why it is refused here and now, to be freed.
 */
char *replica_propose(struct replica *r, struct json_object *message);

const struct pool *replica_pool(const struct replica *r);
/** replica_is_open - whether decisions are made */
bool replica_is_open(const struct replica *r);
/** replica_stable - the last sequence that each quorate view to come knows */
uint64_t replica_stable(const struct replica *r);
/** replica_phase - why the view is not open, and what to do; "": it is */
const char *replica_phase(struct replica *r);

#endif
