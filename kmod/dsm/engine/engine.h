/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The coherence engine: a pure state machine for one page on one node.
 *
 * dvmm_step() takes the page's state and one event and returns a short list of
 * actions; it allocates nothing, takes no lock, reads no clock and calls
 * nothing outside this directory.  Time, fresh transaction ids and the node's
 * identity are inputs.  The same source is compiled into dvmm.ko and into the
 * userspace explorer, simulator, fuzzers and unit tests.
 *
 * Concurrency: the caller runs at most one dvmm_step() for a page at a time and
 * executes its actions, in order, before the next step of that page.
 * Ownership: all storage belongs to the caller.
 */
#ifndef DVMM_ENGINE_H
#define DVMM_ENGINE_H

#include "env.h"
#include "messages.h"
#include "states.h"

#define DVMM_MAX_NODES		1024
#define DVMM_MAX_ACTIONS	8
#define DVMM_PAGE_SIZE		4096

/**
 * struct dvmm_page - what every node keeps for every page, homed here or not
 * @state: enum dvmm_state
 * @flags: DVMM_PAGE_* of the engine
 * @peer: at the home, the owner, or who wrote last while there is none; elsewhere unused
 * @stamp: low 32 bits of the time of the last grant, in microseconds
 * @priv: the caller's own word (its in-flight record); the engine ignores it
 *
 * An untouched page is all zeroes on every node.
 */
struct dvmm_page {
	u8 state;
	u8 flags;
	u16 peer;
	u32 stamp;
	u64 priv;
};

/**
 * struct dvmm_dir - what the home keeps beside its struct dvmm_page
 * @sharers: one bit a node, or one bit a group of nodes beyond 64 nodes; never
 *	includes the home itself, whose copy is told by its own state
 * @reserved: zero
 */
struct dvmm_dir {
	u64 sharers;
	u64 reserved;
};

dvmm_static_assert(sizeof(struct dvmm_page) == 16, "budget: 16 bytes a page");
dvmm_static_assert(sizeof(struct dvmm_page) + sizeof(struct dvmm_dir) == 32,
		   "budget: 32 bytes a homed page");

/**
 * struct dvmm_txn - a page's in-flight state
 * @id: id of this node's own outstanding request, 0 if none
 * @peer_id: at the home, the id of the request being served
 * @requester: at the home, the node that is being served
 * @acks: INV_ACKs still to come; negative while some came early
 * @want: enum dvmm_perm that local waiters ask for
 * @flags: the engine's own
 * @asked: the home that this node's own outstanding request went to
 *
 * Exists (zeroed by the caller at first use) while the page is in a transient
 * state or has deferred events; may be dropped by the caller whenever
 * dvmm_state_stable() holds and nothing is deferred.
 */
struct dvmm_txn {
	u64 id;
	u64 peer_id;
	u16 requester;
	s16 acks;
	u8 want;
	u8 flags;
	u16 asked;
};

/**
 * struct dvmm_policy - choices that may change cost, never coherence
 * @hold_us: minimum time a granted permission is kept, microseconds; 0 is off
 * @migratory: grant a read exclusively where migratory sharing was seen
 *	(Cox and Fowler, ISCA 1993; Stenstrom et al., ISCA 1993)
 * @history: ask for the right to write where this node, having read the page, wrote
 *	to it the last time
 */
struct dvmm_policy {
	u32 hold_us;
	u8 migratory;
	u8 history;
};

/**
 * struct dvmm_ctx - where and when a step happens; read only
 * @self: this node
 * @home: the page's home
 * @nodes: number of nodes of the machine, 1..DVMM_MAX_NODES
 * @now: low 32 bits of a monotonic clock, in microseconds
 * @fresh_id: an id never given before by this node; used if the step starts a
 *	request
 * @wrote: something was written here since the right to write was granted; a
 *	wrong answer costs a guess and nothing else
 * @dir: the directory entry; NULL exactly if @self is not @home
 * @policy: never NULL
 */
struct dvmm_ctx {
	u16 self;
	u16 home;
	u16 nodes;
	u32 now;
	u64 fresh_id;
	bool wrote;
	struct dvmm_dir *dir;
	const struct dvmm_policy *policy;
};

/**
 * struct dvmm_event - a local event or a decoded message
 * @type: enum dvmm_event_type (messages and local events share one number space)
 * @msg: the message's fields, zero for a local event
 */
struct dvmm_event {
	u8 type;
	struct dvmm_msg msg;
};

/**
 * enum dvmm_action_type - what the executor does
 * @DVMM_ACT_SEND: send @msg, header only, to @dst
 * @DVMM_ACT_SEND_SET: send @msg to every node in @set (decode with
 *	dvmm_set_next()); order among the nodes is free
 * @DVMM_ACT_SEND_PAGE: send @msg with the frame's 4096 bytes to @dst
 * @DVMM_ACT_SET_PERM: make @perm the permission of all local mappings; a
 *	reduction returns only after TLBs are flushed and pins are gone
 * @DVMM_ACT_FILL: make the event's payload (or zeroes if @zero) the frame
 * @DVMM_ACT_WAKE: wake local waiters of the page; they look again
 * @DVMM_ACT_DEFER: keep the event; offer it again, in arrival order, after any
 *	later step of this page that was not itself deferred
 * @DVMM_ACT_TIMER: deliver DVMM_EV_TIMER to this page after @delay_us
 * @DVMM_ACT_FENCE: the peer @dst broke the protocol: nothing more may come of it, @why
 * @DVMM_ACT_FAIL: this node cannot go on: stop the machine, @why
 */
enum dvmm_action_type {
	DVMM_ACT_SEND = 1,
	DVMM_ACT_SEND_SET,
	DVMM_ACT_SEND_PAGE,
	DVMM_ACT_SET_PERM,
	DVMM_ACT_FILL,
	DVMM_ACT_WAKE,
	DVMM_ACT_DEFER,
	DVMM_ACT_TIMER,
	DVMM_ACT_FENCE,
	DVMM_ACT_FAIL,
};

/**
 * struct dvmm_action - one thing for the executor to do
 * @type: enum dvmm_action_type
 * @perm: for SET_PERM, enum dvmm_perm
 * @zero: for FILL, true if the page becomes all zeroes
 * @last: for SEND_PAGE, true if the frame is not needed here afterwards
 * @dst: receiver, or the culprit of a FENCE
 * @skip: for SEND_SET, a node to leave out (0xffff: none)
 * @delay_us: for TIMER
 * @set: for SEND_SET, in the form of struct dvmm_dir.sharers
 * @msg: for the SENDs
 * @why: for FENCE and FAIL, a static string
 */
struct dvmm_action {
	u8 type;
	u8 perm;
	bool zero;
	bool last;
	u16 dst;
	u16 skip;
	u32 delay_us;
	u64 set;
	struct dvmm_msg msg;
	const char *why;
};

/**
 * struct dvmm_actions - the result of a step
 * @count: how many of @act are valid
 * @act: executed in order
 */
struct dvmm_actions {
	unsigned int count;
	struct dvmm_action act[DVMM_MAX_ACTIONS];
};

/**
 * dvmm_step - let one event happen to one page
 * @ctx: where and when
 * @pg: the page's state, changed in place
 * @txn: the page's in-flight state, changed in place; never NULL
 * @ev: the event
 * @out: filled; @out->count may be 0
 *
 * Context: any; the caller serialises steps of one page.
 */
void dvmm_step(const struct dvmm_ctx *ctx, struct dvmm_page *pg,
	       struct dvmm_txn *txn, const struct dvmm_event *ev,
	       struct dvmm_actions *out);

/**
 * dvmm_actions_digest - a number that tells lists of actions apart
 * @out: the actions
 *
 * For recorded traces; not proof against intent (FNV-1a, 32 bits).
 */
u32 dvmm_actions_digest(const struct dvmm_actions *out);

/** dvmm_state_perm - the permission that local mappings have in @state */
enum dvmm_perm dvmm_state_perm(u8 state);
/** dvmm_state_has_frame - true if the node must keep the page's frame in @state */
bool dvmm_state_has_frame(u8 state);
/** dvmm_state_stable - true if no message is awaited in @state */
bool dvmm_state_stable(u8 state);

/** dvmm_set_group - how many nodes share one bit of a sharer set */
unsigned int dvmm_set_group(unsigned int nodes);
/**
 * dvmm_set_next - iterate over the nodes of a sharer set
 * @set: the set
 * @nodes: number of nodes of the machine
 * @after: the previous result, or -1 to start
 *
 * Return: the next node, or -1 at the end.
 */
int dvmm_set_next(u64 set, unsigned int nodes, int after);

const char *dvmm_state_name(u8 state);
const char *dvmm_event_name(u8 type);
const char *dvmm_action_name(u8 type);

#endif
