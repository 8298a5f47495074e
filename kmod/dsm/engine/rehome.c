// SPDX-License-Identifier: GPL-2.0
/* Moving the home of a chunk: see rehome.h. */
#include "rehome.h"
#include "set.h"
#include "step.h"

void dvmm_chunk_init(struct dvmm_chunk *c, u16 home, u16 pages)
{
	memset(c, 0, sizeof(*c));
	c->home = home;
	c->prev = home;
	c->pages = pages;
}

bool dvmm_chunk_homed(const struct dvmm_chunk *c, u16 self, u16 at)
{
	if (c->phase == DVMM_CHUNK_GIVING)
		return at >= c->next;
	if (c->phase == DVMM_CHUNK_COMING)
		return at < c->next;
	return c->home == self;
}

/* ---- actions ---- */

static struct dvmm_action *rehome_emit(struct dvmm_actions *out, enum dvmm_action_type type)
{
	struct dvmm_action *a = &out->act[out->count++];

	memset(a, 0, sizeof(*a));
	a->type = type;
	a->skip = 0xffff;
	return a;
}

static struct dvmm_action *rehome_send(struct dvmm_actions *out, u8 type, u16 dst, u16 requester)
{
	struct dvmm_action *a = rehome_emit(out, DVMM_ACT_SEND);

	a->dst = dst;
	a->msg.type = type;
	a->msg.requester = requester;
	return a;
}

static void rehome_fence(struct dvmm_actions *out, const struct dvmm_msg *msg, const char *why)
{
	struct dvmm_action *a = rehome_emit(out, DVMM_ACT_FENCE);

	a->dst = msg->src;
	a->why = why;
}

/* ---- steps of the chunk's pages ---- */

/* Would a page in this state that hears of a local event ask its home? */
static bool rehome_would_ask(u8 state, u8 type)
{
	return state == DVMM_ST_I || (state == DVMM_ST_S && type == DVMM_EV_STORE);
}

static enum dvmm_gate rehome_gate(const struct dvmm_page *pg, const struct dvmm_event *ev)
{
	switch (ev->type) {
	case DVMM_EV_LOAD:
	case DVMM_EV_STORE:
		return rehome_would_ask(pg->state, ev->type) ? DVMM_GATE_WAIT : DVMM_GATE_PASS;
	case DVMM_EV_TOUCH:
	case DVMM_EV_COPY:
	case DVMM_EV_EVICT:
		return dvmm_state_stable(pg->state) ? DVMM_GATE_DROP : DVMM_GATE_PASS;
	}
	return dvmm_msg_lane(ev->type) == DVMM_LANE_REQ ? DVMM_GATE_WAIT : DVMM_GATE_PASS;
}

static bool rehome_from_home(const struct dvmm_chunk *c, const struct dvmm_event *ev)
{
	switch (ev->type) {
	case DVMM_MSG_FWD_GET_S:
	case DVMM_MSG_FWD_GET_M:
	case DVMM_MSG_INV:
		return ev->msg.src == c->home || ev->msg.src == c->prev;
	}
	return false;
}

/* Who is the home, as far as this step is concerned? */
static u16 rehome_home(const struct dvmm_chunk *c, const struct dvmm_txn *txn,
		       const struct dvmm_event *ev)
{
	if (rehome_from_home(c, ev))
		return ev->msg.src;
	if (txn->id)
		return txn->asked;
	return c->phase == DVMM_CHUNK_COMING ? c->prev : c->home;
}

enum dvmm_gate dvmm_rehome_enter(struct dvmm_chunk *c, u16 self, u16 at, const struct dvmm_page *pg,
				 const struct dvmm_txn *txn, const struct dvmm_event *ev,
				 struct dvmm_visit *v)
{
	enum dvmm_gate g;

	memset(v, 0, sizeof(*v));
	v->homed = dvmm_chunk_homed(c, self, at);
	if (v->homed) {
		v->home = self;
		return DVMM_GATE_PASS;
	}
	g = c->phase == DVMM_CHUNK_COMING ? rehome_gate(pg, ev) : DVMM_GATE_PASS;
	if (g != DVMM_GATE_PASS)
		return g;
	v->home = rehome_home(c, txn, ev);
	v->asked = txn->id ? txn->asked : c->home;
	c->busy += !txn->id;
	return g;
}

static void rehome_ack(struct dvmm_chunk *c, struct dvmm_actions *out)
{
	if (!c->owes || c->owed)
		return;
	c->owes = false;
	rehome_send(out, DVMM_MSG_MOVE_ACK, c->prev, c->home);
}

void dvmm_rehome_leave(struct dvmm_chunk *c, const struct dvmm_visit *v, const struct dvmm_txn *txn,
		       struct dvmm_actions *out)
{
	out->count = 0;
	if (v->homed || txn->id)
		return;
	if (c->owes && v->asked == c->prev)
		c->owed--;
	else
		c->busy--;
	rehome_ack(c, out);
}

/* ---- the move ---- */

const char *dvmm_rehome_start(struct dvmm_chunk *c, struct dvmm_move *m, u16 self, u16 nodes,
			      u16 to, struct dvmm_actions *out)
{
	out->count = 0;
	if (to >= nodes)
		return "there is no such node";
	if (c->phase != DVMM_CHUNK_SETTLED)
		return "its home is being moved already";
	if (c->home != self)
		return "another node is its home";
	if (to == self)
		return "it is homed there already";
	memset(m, 0, sizeof(*m));
	m->to = to;
	m->others = nodes - 1;
	c->phase = DVMM_CHUNK_ASKING;
	rehome_send(out, DVMM_MSG_PREP, to, to);
	return NULL;
}

/* From now on requests go to @home; what was asked before is the old home's to end. */
static void rehome_follow(struct dvmm_chunk *c, u16 home, struct dvmm_actions *out)
{
	c->prev = c->home;
	c->home = home;
	c->owed = c->busy;
	c->busy = 0;
	c->owes = true;
	rehome_ack(c, out);
}

static const char *rehome_got_prep(struct dvmm_chunk *c, u16 self, const struct dvmm_msg *msg,
				   bool able, struct dvmm_actions *out)
{
	if (c->phase != DVMM_CHUNK_SETTLED || c->owes || c->home != msg->src ||
	    msg->requester != self)
		return "PREP of a node that is not the home";
	rehome_send(out, able ? DVMM_MSG_PREPPED : DVMM_MSG_UNABLE, msg->src, self);
	if (!able)
		return NULL;
	c->phase = DVMM_CHUNK_COMING;
	c->next = 0;
	rehome_follow(c, self, out);
	return NULL;
}

static const char *rehome_got_move(struct dvmm_chunk *c, u16 self, u16 nodes,
				   const struct dvmm_msg *msg, struct dvmm_actions *out)
{
	u16 to = msg->requester;

	if (c->phase != DVMM_CHUNK_SETTLED || c->owes || c->home != msg->src)
		return "MOVE of a node that is not the home";
	if (to >= nodes || to == self || to == msg->src)
		return "MOVE to a node that cannot be the next home";
	rehome_follow(c, to, out);
	return NULL;
}

static const char *rehome_got_prepped(struct dvmm_chunk *c, struct dvmm_move *m,
				      const struct dvmm_msg *msg, struct dvmm_actions *out)
{
	struct dvmm_action *a;

	if (c->phase != DVMM_CHUNK_ASKING || msg->src != m->to)
		return "PREPPED or UNABLE of a node that was not asked";
	if (msg->type == DVMM_MSG_UNABLE) {
		c->phase = DVMM_CHUNK_SETTLED;
		return NULL;
	}
	c->phase = DVMM_CHUNK_LEAVING;
	m->left = m->others;
	a = rehome_send(out, DVMM_MSG_MOVE, 0, m->to);
	a->type = DVMM_ACT_SEND_SET;
	a->set = ~0ull;
	a->skip = m->to;
	return NULL;
}

static const char *rehome_got_ack(struct dvmm_chunk *c, struct dvmm_move *m,
				  const struct dvmm_msg *msg)
{
	u64 bit = 1ull << msg->src % 64, *word;

	if (c->phase != DVMM_CHUNK_LEAVING)
		return "MOVE_ACK of what is not moving";
	word = &m->acked[msg->src / 64];
	if (*word & bit)
		return "MOVE_ACK twice";
	*word |= bit;
	if (--m->left)
		return NULL;
	c->phase = DVMM_CHUNK_GIVING;
	c->next = 0;
	c->prev = c->home;
	c->home = m->to;
	return NULL;
}

static bool rehome_taking_from(const struct dvmm_chunk *c, u16 src)
{
	return c->phase == DVMM_CHUNK_COMING && !c->owes && c->prev == src;
}

static const char *rehome_got_rest(struct dvmm_chunk *c, const struct dvmm_msg *msg)
{
	if (!rehome_taking_from(c, msg->src))
		return "REST of a node that does not hand over";
	c->phase = DVMM_CHUNK_SETTLED;
	return NULL;
}

void dvmm_rehome_message(struct dvmm_chunk *c, struct dvmm_move *m, u16 self, u16 nodes,
			 const struct dvmm_msg *msg, bool able, struct dvmm_actions *out)
{
	const char *why = "no message of a chunk";

	out->count = 0;
	switch (msg->type) {
	case DVMM_MSG_PREP:
		why = rehome_got_prep(c, self, msg, able, out);
		break;
	case DVMM_MSG_MOVE:
		why = rehome_got_move(c, self, nodes, msg, out);
		break;
	case DVMM_MSG_PREPPED:
	case DVMM_MSG_UNABLE:
		why = rehome_got_prepped(c, m, msg, out);
		break;
	case DVMM_MSG_MOVE_ACK:
		why = rehome_got_ack(c, m, msg);
		break;
	case DVMM_MSG_REST:
		why = rehome_got_rest(c, msg);
		break;
	}
	if (why)
		rehome_fence(out, msg, why);
}

/* ---- handing over ---- */

/* Another home's hold time goes on, its guesses do not. */
static void rehome_turn(const struct dvmm_ctx *ctx, struct dvmm_page *pg, u8 state, u16 peer)
{
	pg->state = state;
	pg->peer = peer;
	pg->flags &= ~DVMM_PAGE_MIGRATORY;
	memset(ctx->dir, 0, sizeof(*ctx->dir));
}

static void rehome_give_owned(const struct dvmm_ctx *ctx, struct dvmm_chunk *c,
			      struct dvmm_page *pg, struct dvmm_actions *out)
{
	bool ours = pg->state == DVMM_ST_H_M;
	u16 owner = ours ? ctx->self : pg->peer;

	rehome_send(out, DVMM_MSG_TAKE, c->home, owner)->msg.flags = DVMM_MSGF_EXCL;
	rehome_turn(ctx, pg, ours ? DVMM_ST_M : DVMM_ST_I, 0);
}

/* The new home of a shared page needs a valid copy. */
static void rehome_give_shared(const struct dvmm_ctx *ctx, struct dvmm_chunk *c,
			       struct dvmm_page *pg, struct dvmm_actions *out)
{
	struct dvmm_action *a = rehome_send(out, DVMM_MSG_TAKE, c->home, pg->peer);
	u64 bit = dvmm_set_bit(c->home, ctx->nodes), set = ctx->dir->sharers;
	bool exact = dvmm_set_exact(ctx->nodes);

	if (!exact || !(set & bit)) {
		a->type = DVMM_ACT_SEND_PAGE;
		a->msg.flags = DVMM_MSGF_PAGE;
	}
	if (exact)
		set &= ~bit;
	a->msg.id = set | dvmm_set_bit(ctx->self, ctx->nodes);
	rehome_turn(ctx, pg, DVMM_ST_S, 0);
}

bool dvmm_rehome_give(const struct dvmm_ctx *ctx, struct dvmm_chunk *c, struct dvmm_page *pg,
		      struct dvmm_actions *out)
{
	out->count = 0;
	switch (pg->state) {
	case 0:
		break;
	case DVMM_ST_H_M:
	case DVMM_ST_H_R:
		rehome_give_owned(ctx, c, pg, out);
		break;
	case DVMM_ST_H_S:
		rehome_give_shared(ctx, c, pg, out);
		break;
	default:
		return false;
	}
	if (++c->next < c->pages)
		return true;
	c->phase = DVMM_CHUNK_SETTLED;
	rehome_send(out, DVMM_MSG_REST, c->home, c->home);
	return true;
}

static const char *rehome_wrong_owned(const struct dvmm_ctx *ctx, const struct dvmm_page *pg,
				      const struct dvmm_msg *msg)
{
	if (msg->flags != DVMM_MSGF_EXCL || msg->id)
		return "TAKE of an owned page carries more than its owner";
	if (pg->state != (msg->requester == ctx->self ? DVMM_ST_M : DVMM_ST_I))
		return "TAKE names another owner than the new home knows";
	return NULL;
}

static const char *rehome_wrong_shared(const struct dvmm_ctx *ctx, const struct dvmm_page *pg,
				       const struct dvmm_msg *msg)
{
	u64 nodes = ctx->nodes < DVMM_SET_BITS ? (1ull << ctx->nodes) - 1 : ~0ull;

	if (msg->id & ~nodes ||
	    (dvmm_set_exact(ctx->nodes) && msg->id & dvmm_set_bit(ctx->self, ctx->nodes)))
		return "TAKE names sharers that there are not";
	if (pg->state == DVMM_ST_S)
		return NULL;
	if (pg->state != DVMM_ST_I)
		return "TAKE of a shared page that the new home owns";
	return msg->flags & DVMM_MSGF_PAGE ? NULL : "TAKE of a shared page lacks its contents";
}

static const char *rehome_wrong_take(const struct dvmm_ctx *ctx, const struct dvmm_chunk *c, u16 at,
				     const struct dvmm_page *pg, const struct dvmm_msg *msg)
{
	if (!rehome_taking_from(c, msg->src))
		return "TAKE of a node that does not hand over";
	if (at < c->next || at >= c->pages)
		return "TAKE out of turn";
	if (msg->requester >= ctx->nodes)
		return "TAKE names a node that there is not";
	return msg->flags & DVMM_MSGF_EXCL ? rehome_wrong_owned(ctx, pg, msg) :
					     rehome_wrong_shared(ctx, pg, msg);
}

static void rehome_take_shared(const struct dvmm_ctx *ctx, struct dvmm_page *pg,
			       const struct dvmm_msg *msg, struct dvmm_actions *out)
{
	if (pg->state == DVMM_ST_I) {
		rehome_emit(out, DVMM_ACT_FILL);
		rehome_emit(out, DVMM_ACT_SET_PERM)->perm = DVMM_PERM_READ;
	}
	rehome_turn(ctx, pg, DVMM_ST_H_S, msg->requester);
	ctx->dir->sharers = msg->id;
}

void dvmm_rehome_take(const struct dvmm_ctx *ctx, struct dvmm_chunk *c, u16 at,
		      struct dvmm_page *pg, const struct dvmm_msg *msg, struct dvmm_actions *out)
{
	const char *why = rehome_wrong_take(ctx, c, at, pg, msg);

	out->count = 0;
	if (why)
		rehome_fence(out, msg, why);
	else if (!(msg->flags & DVMM_MSGF_EXCL))
		rehome_take_shared(ctx, pg, msg, out);
	else if (msg->requester == ctx->self)
		rehome_turn(ctx, pg, DVMM_ST_H_M, ctx->self);
	else
		rehome_turn(ctx, pg, DVMM_ST_H_R, msg->requester);
	if (!why)
		c->next = at + 1;
}
