/* SPDX-License-Identifier: GPL-2.0 */
/* What the handlers share: the step being made and the words of an answer. */
#ifndef DVMM_ENGINE_STEP_H
#define DVMM_ENGINE_STEP_H

#include "engine.h"
#include "table.h"

/* struct dvmm_page.flags */
#define DVMM_PAGE_HELD		0x01	/* granted at .stamp, not to be taken away soon */
#define DVMM_PAGE_ARMED		0x02	/* a TIMER is on its way */
#define DVMM_PAGE_WRITES	0x04	/* this node tends to write to what it has read */
#define DVMM_PAGE_MIGRATORY	0x70	/* exclusive grants left before a new look */
#define DVMM_PAGE_MIGRATORY_ONE	0x10

/**
 * struct dvmm_step - one step being made
 * @ctx: where and when
 * @pg: the page
 * @txn: its in-flight state
 * @ev: the event
 * @msg: shorthand for the event's message
 * @out: the actions so far
 */
struct dvmm_step {
	const struct dvmm_ctx *ctx;
	struct dvmm_page *pg;
	struct dvmm_txn *txn;
	const struct dvmm_event *ev;
	const struct dvmm_msg *msg;
	struct dvmm_actions *out;
};

/* Actions; all return with the action appended. */
struct dvmm_action *dvmm_emit(struct dvmm_step *s, enum dvmm_action_type type);
void dvmm_emit_perm(struct dvmm_step *s, enum dvmm_perm perm);
void dvmm_emit_fill(struct dvmm_step *s);
void dvmm_emit_wake(struct dvmm_step *s);
void dvmm_emit_defer(struct dvmm_step *s);
/** dvmm_fence - the sender of the message broke the protocol */
void dvmm_fence(struct dvmm_step *s, const char *why);

/**
 * dvmm_send - send a header
 * @s: the step
 * @type: message type
 * @dst: receiver
 * @requester: on whose behalf
 * @id: the requester's transaction
 *
 * Return: the action, for flags and acks.
 */
struct dvmm_action *dvmm_send(struct dvmm_step *s, u8 type, u16 dst,
			      u16 requester, u64 id);
/** dvmm_send_page - as dvmm_send(), with the frame's contents */
struct dvmm_action *dvmm_send_page(struct dvmm_step *s, u8 type, u16 dst,
				   u16 requester, u64 id, bool last);

/* Steps of a transaction. */
/** dvmm_begin - this node starts a request of its own, wanting @want */
void dvmm_begin(struct dvmm_step *s, enum dvmm_state next, enum dvmm_perm want);
/** dvmm_settle - the page becomes stable; the transaction is over */
void dvmm_settle(struct dvmm_step *s, enum dvmm_state next);
/** dvmm_grant - local accesses may use the page now; starts the hold time */
void dvmm_grant(struct dvmm_step *s, enum dvmm_perm perm);
/** dvmm_lower - take a permission away from local accesses */
void dvmm_lower(struct dvmm_step *s, enum dvmm_perm perm);

/* The handlers, one function each; see table.h for the list. */
#define X(name, why) void dvmm_do_##name(struct dvmm_step *s);
DVMM_HANDLERS(X)
#undef X

#endif
