// SPDX-License-Identifier: GPL-2.0
/* One step: check the event, look it up in the table, let the handler answer. */
#include "step.h"

struct dvmm_action *dvmm_emit(struct dvmm_step *s, enum dvmm_action_type type)
{
	struct dvmm_actions *out = s->out;
	struct dvmm_action *a;

	/* No handler emits more than five; never write outside all the same. */
	if (out->count < DVMM_MAX_ACTIONS)
		out->count++;
	a = &out->act[out->count - 1];
	memset(a, 0, sizeof(*a));
	a->type = type;
	a->skip = 0xffff;
	return a;
}

void dvmm_emit_perm(struct dvmm_step *s, enum dvmm_perm perm)
{
	dvmm_emit(s, DVMM_ACT_SET_PERM)->perm = perm;
}

void dvmm_emit_fill(struct dvmm_step *s)
{
	dvmm_emit(s, DVMM_ACT_FILL)->zero = !(s->msg->flags & DVMM_MSGF_PAGE);
}

void dvmm_emit_wake(struct dvmm_step *s)
{
	dvmm_emit(s, DVMM_ACT_WAKE);
}

void dvmm_emit_defer(struct dvmm_step *s)
{
	dvmm_emit(s, DVMM_ACT_DEFER);
}

void dvmm_fence(struct dvmm_step *s, const char *why)
{
	struct dvmm_action *a = dvmm_emit(s, DVMM_ACT_FENCE);

	a->dst = s->msg->src;
	a->why = why;
}

struct dvmm_action *dvmm_send(struct dvmm_step *s, u8 type, u16 dst,
			      u16 requester, u64 id)
{
	struct dvmm_action *a = dvmm_emit(s, DVMM_ACT_SEND);

	a->dst = dst;
	a->msg.type = type;
	a->msg.src = s->ctx->self;
	a->msg.requester = requester;
	a->msg.id = id;
	return a;
}

struct dvmm_action *dvmm_send_page(struct dvmm_step *s, u8 type, u16 dst,
				   u16 requester, u64 id, bool last)
{
	struct dvmm_action *a = dvmm_send(s, type, dst, requester, id);

	a->type = DVMM_ACT_SEND_PAGE;
	a->last = last;
	a->msg.flags = DVMM_MSGF_PAGE;
	return a;
}

void dvmm_begin(struct dvmm_step *s, enum dvmm_state next, enum dvmm_perm want)
{
	memset(s->txn, 0, sizeof(*s->txn));
	s->txn->id = s->ctx->fresh_id;
	s->txn->want = want;
	s->txn->asked = s->ctx->home;
	s->pg->state = next;
}

void dvmm_settle(struct dvmm_step *s, enum dvmm_state next)
{
	memset(s->txn, 0, sizeof(*s->txn));
	s->pg->state = next;
}

void dvmm_grant(struct dvmm_step *s, enum dvmm_perm perm)
{
	dvmm_emit_perm(s, perm);
	dvmm_emit_wake(s);
	if (!s->ctx->policy->hold_us)
		return;
	s->pg->flags |= DVMM_PAGE_HELD;
	s->pg->stamp = s->ctx->now;
}

void dvmm_lower(struct dvmm_step *s, enum dvmm_perm perm)
{
	s->pg->flags &= ~DVMM_PAGE_HELD;
	dvmm_emit_perm(s, perm);
}

void dvmm_do_impossible(struct dvmm_step *s)
{
	if (s->ev->type < DVMM_MSG_COUNT)
		dvmm_fence(s, "message is impossible in this state");
	else
		dvmm_emit(s, DVMM_ACT_FAIL)->why = "local event is impossible in this state";
}

void dvmm_do_ignore(struct dvmm_step *s)
{
	(void)s;
}

void dvmm_do_stall(struct dvmm_step *s)
{
	dvmm_emit_defer(s);
}

void dvmm_do_wake(struct dvmm_step *s)
{
	dvmm_emit_wake(s);
}

void dvmm_do_timer(struct dvmm_step *s)
{
	s->pg->flags &= ~(DVMM_PAGE_HELD | DVMM_PAGE_ARMED);
}

/* Whom may a message of this lane come from, and for whom? */
static const char *step_wrong_party(const struct dvmm_ctx *ctx, const struct dvmm_msg *m)
{
	if (m->src >= ctx->nodes || m->src == ctx->self)
		return "sender is not another node of the machine";
	if (m->requester >= ctx->nodes)
		return "requester is not a node of the machine";

	switch (m->type) {
	case DVMM_MSG_FWD_GET_S:
	case DVMM_MSG_FWD_GET_M:
	case DVMM_MSG_INV:
		if (m->requester == ctx->self)
			return "forwarded to its own requester";
		return m->src == ctx->home ? NULL : "sender is not the home";
	case DVMM_MSG_DATA:
	case DVMM_MSG_PUT_ACK:
		if (m->src != ctx->home)
			return "sender is not the home";
		return m->requester == ctx->self ? NULL : "answer to someone else";
	case DVMM_MSG_OWN_DATA:
	case DVMM_MSG_INV_ACK:
		return m->requester == ctx->self ? NULL : "answer to someone else";
	default:
		return m->requester == m->src ? NULL : "request for someone else";
	}
}

static const char *step_wrong_content(const struct dvmm_ctx *ctx, const struct dvmm_msg *m)
{
	bool page = m->flags & DVMM_MSGF_PAGE;

	if (page && !dvmm_msg_may_carry_page(m->type))
		return "message cannot carry a page";
	if (page && m->flags & DVMM_MSGF_ZERO)
		return "page is both sent and zero";
	if (!page && (m->type == DVMM_MSG_PUT_M || m->type == DVMM_MSG_OWN_DATA))
		return "message lacks its page";
	if (m->acks >= ctx->nodes)
		return "more acknowledgements than nodes";
	return NULL;
}

static bool step_is_answer(u8 type)
{
	return type == DVMM_MSG_DATA || type == DVMM_MSG_OWN_DATA ||
	       type == DVMM_MSG_INV_ACK || type == DVMM_MSG_PUT_ACK;
}

static const char *step_wrong_message(const struct dvmm_step *s)
{
	const char *why = step_wrong_party(s->ctx, s->msg);

	if (!why)
		why = step_wrong_content(s->ctx, s->msg);
	if (!why && step_is_answer(s->msg->type) && s->msg->id != s->txn->id)
		why = "answer to a request that is not outstanding";
	return why;
}

static void (* const handlers[])(struct dvmm_step *s) = {
#define X(name, why) [DVMM_DO_##name] = dvmm_do_##name,
	DVMM_HANDLERS(X)
#undef X
};

void dvmm_step(const struct dvmm_ctx *ctx, struct dvmm_page *pg,
	       struct dvmm_txn *txn, const struct dvmm_event *ev,
	       struct dvmm_actions *out)
{
	struct dvmm_step s = {
		.ctx = ctx, .pg = pg, .txn = txn, .ev = ev, .msg = &ev->msg, .out = out,
	};
	u8 row = dvmm_table_row(pg->state, ctx->dir);
	const char *why;

	out->count = 0;
	if (row >= DVMM_ST_COUNT || !ev->type || ev->type >= DVMM_EV_COUNT) {
		dvmm_emit(&s, DVMM_ACT_FAIL)->why = "page state or event out of range";
		return;
	}
	if (ev->type < DVMM_MSG_COUNT) {
		why = ev->type == ev->msg.type ? step_wrong_message(&s) :
						 "event is not its message";
		if (why) {
			dvmm_fence(&s, why);
			return;
		}
	}
	handlers[dvmm_table_cell(row, ev->type)](&s);
}
