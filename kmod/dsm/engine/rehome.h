/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Moving the home of a chunk of pages while all nodes work: a layer around
 * dvmm_step(), whose tables know nothing of it.
 *
 *	PREP		old home to new home, which keeps requests from now on
 *	PREPPED		new home to old home (or UNABLE: nothing has happened)
 *	MOVE		old home to all others: new requests go to the new home
 *	MOVE_ACK	of each node, once nothing that it asked of the old home is open
 *	TAKE		old home to new home: a page's directory entry, in the pages' order
 *	REST		the pages that were not told of are untouched; it is done
 *
 * Until all have acknowledged, the old home serves as ever.  Then nothing of its
 * making is under way: each message that a home sends belongs to a request whose
 * sender has not acknowledged, or came before its MOVE_ACK on the same lane.  So
 * nothing is forwarded, and what "a home" sends to a node arrives in order across the
 * move.  Frames stay where they are: a home that has the only copy becomes its owner.
 *
 * Pure, as the engine is.  Concurrency: the caller serialises all calls for one chunk;
 * dvmm_rehome_give() and dvmm_rehome_take() are steps of their page.
 */
#ifndef DVMM_ENGINE_REHOME_H
#define DVMM_ENGINE_REHOME_H

#include "engine.h"

enum dvmm_chunk_phase {
	DVMM_CHUNK_SETTLED,
	DVMM_CHUNK_ASKING,	/* home: PREP is sent */
	DVMM_CHUNK_LEAVING,	/* home: MOVE is sent, MOVE_ACKs are to come */
	DVMM_CHUNK_GIVING,	/* old home: hands its pages over */
	DVMM_CHUNK_COMING,	/* new home: takes them, and keeps requests until then */
};

/**
 * struct dvmm_chunk - what every node keeps of every chunk
 * @home: whom this node asks
 * @prev: the home before, whose forwards and INVs may still arrive; or @home
 * @pages: how many there are
 * @next: GIVING, COMING: pages below have changed hands
 * @busy: steps and requests of this node's that are @home's to end
 * @owed: the same of @prev, while @owes
 * @phase: enum dvmm_chunk_phase
 * @owes: @prev waits for this node's MOVE_ACK
 * @reserved: zero
 */
struct dvmm_chunk {
	u16 home;
	u16 prev;
	u16 pages;
	u16 next;
	u16 busy;
	u16 owed;
	u8 phase;
	bool owes;
	u16 reserved;
};

dvmm_static_assert(sizeof(struct dvmm_chunk) == 16, "budget: 16 bytes a chunk and node");

/**
 * struct dvmm_move - what a home keeps of the chunk that it moves
 * @to: the new home
 * @others: how many nodes besides this one are to hear of it
 * @left: how many MOVE_ACKs are to come
 * @acked: who has sent one
 */
struct dvmm_move {
	u16 to;
	u16 others;
	u16 left;
	u64 acked[DVMM_MAX_NODES / 64];
};

/** dvmm_chunk_init - @pages pages that are homed on @home */
void dvmm_chunk_init(struct dvmm_chunk *c, u16 home, u16 pages);
/** dvmm_chunk_homed - does @self serve page @at of the chunk? */
bool dvmm_chunk_homed(const struct dvmm_chunk *c, u16 self, u16 at);

/* ---- steps of the chunk's pages ---- */

/** enum dvmm_gate - what an event is to do, now that the chunk's home may move */
enum dvmm_gate {
	DVMM_GATE_PASS,		/* dvmm_step() */
	DVMM_GATE_WAIT,		/* keep it, in order, until the page is homed here */
	DVMM_GATE_DROP,		/* forget it: nobody waits for it */
};

/**
 * struct dvmm_visit - a step of a page, as its chunk sees it
 * @home: for struct dvmm_ctx
 * @homed: struct dvmm_ctx needs the directory entry
 * @asked: whom the step may ask, or the open request went to
 */
struct dvmm_visit {
	u16 home;
	bool homed;
	u16 asked;
};

/**
 * dvmm_rehome_enter - before a step of page @at
 * @c: its chunk
 * @self: this node
 * @at: the page's number in the chunk
 * @pg: the page
 * @txn: its in-flight state
 * @ev: the event
 * @v: filled for DVMM_GATE_PASS, and MUST then be given to dvmm_rehome_leave()
 *
 * Return: enum dvmm_gate.  What has to wait MUST be kept apart from events that the
 * engine deferred: these end requests which the move waits for.
 */
enum dvmm_gate dvmm_rehome_enter(struct dvmm_chunk *c, u16 self, u16 at,
				 const struct dvmm_page *pg, const struct dvmm_txn *txn,
				 const struct dvmm_event *ev, struct dvmm_visit *v);

/**
 * dvmm_rehome_leave - after the last action of the step
 * @c: its chunk
 * @v: of dvmm_rehome_enter()
 * @txn: the page's in-flight state now
 * @out: filled: a MOVE_ACK that has become due, or nothing
 */
void dvmm_rehome_leave(struct dvmm_chunk *c, const struct dvmm_visit *v,
		       const struct dvmm_txn *txn, struct dvmm_actions *out);

/* ---- the move ---- */

/**
 * dvmm_rehome_start - move a chunk that is homed here
 * @c: the chunk
 * @m: filled; belongs to the chunk until it has settled.  All nodes of the machine are to
 *	hear of the move: a caller that knows of fewer lowers @m->others at once, and sends
 *	MOVE to as many
 * @self: this node
 * @nodes: number of nodes of the machine
 * @to: the new home
 * @out: filled
 *
 * Return: NULL, or a static text that says why not; then nothing has changed.
 */
const char *dvmm_rehome_start(struct dvmm_chunk *c, struct dvmm_move *m, u16 self, u16 nodes,
			      u16 to, struct dvmm_actions *out);

/**
 * dvmm_rehome_message - a message of a move other than TAKE
 * @c: the chunk
 * @m: its move, if it is being moved from here, or NULL
 * @self: this node
 * @nodes: number of nodes of the machine
 * @msg: the message; @msg->src is the node at the other end of the link
 * @able: PREP: there is memory for the directory entries
 * @out: filled; FENCE if the message does not fit, and then nothing has changed
 *
 * After REST all that waits is to be offered again.
 */
void dvmm_rehome_message(struct dvmm_chunk *c, struct dvmm_move *m, u16 self, u16 nodes,
			 const struct dvmm_msg *msg, bool able, struct dvmm_actions *out);

/**
 * dvmm_rehome_give - hand the next page over
 * @ctx: as for a step of the page; @ctx->dir is its directory entry
 * @c: its chunk, GIVING; the page's number is @c->next
 * @pg: the page
 * @out: filled: TAKE, unless the page is untouched, and after the last page REST
 *
 * Return: false if the page is not at rest: try again after its next step.  Nothing may
 * be deferred in the page.
 */
bool dvmm_rehome_give(const struct dvmm_ctx *ctx, struct dvmm_chunk *c, struct dvmm_page *pg,
		      struct dvmm_actions *out);

/**
 * dvmm_rehome_take - TAKE has come for page @at
 * @ctx: as for a step of the page; @ctx->dir is the entry to be filled
 * @c: its chunk
 * @at: the page's number in the chunk
 * @pg: the page
 * @msg: the message
 * @out: filled; FENCE if the message does not fit, and then nothing has changed
 *
 * What waits for the pages below the new @c->next is to be offered again.
 */
void dvmm_rehome_take(const struct dvmm_ctx *ctx, struct dvmm_chunk *c, u16 at,
		      struct dvmm_page *pg, const struct dvmm_msg *msg,
		      struct dvmm_actions *out);

#endif
