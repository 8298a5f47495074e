// SPDX-License-Identifier: GPL-2.0
/* Handlers of a page that is homed on another node. */
#include "policy.h"
#include "step.h"

static struct dvmm_action *cache_ask(struct dvmm_step *s, u8 type, enum dvmm_state next,
				     enum dvmm_perm want)
{
	dvmm_begin(s, next, want);
	return dvmm_send(s, type, s->ctx->home, s->ctx->self, s->txn->id);
}

void dvmm_do_ask_write(struct dvmm_step *s)
{
	cache_ask(s, DVMM_MSG_GET_M, DVMM_ST_IM_AD, DVMM_PERM_WRITE);
}

void dvmm_do_ask_read(struct dvmm_step *s)
{
	if (dvmm_history_expects(s))
		dvmm_do_ask_write(s);
	else
		cache_ask(s, DVMM_MSG_GET_S, DVMM_ST_IS_D, DVMM_PERM_READ);
}

void dvmm_do_ask_upgrade(struct dvmm_step *s)
{
	dvmm_history_upgrade(s);
	cache_ask(s, DVMM_MSG_GET_M, DVMM_ST_SM_AD, DVMM_PERM_WRITE)->msg.flags = DVMM_MSGF_SHARED;
}

/* Nobody waits for it: a guess that neighbours of an untouched page are untouched too. */
void dvmm_do_ask_touch(struct dvmm_step *s)
{
	cache_ask(s, DVMM_MSG_GET_Z, DVMM_ST_IZ_D, DVMM_PERM_WRITE);
}

/* Nor for this: a guess that neighbours of what is read will be read. */
void dvmm_do_ask_copy(struct dvmm_step *s)
{
	cache_ask(s, DVMM_MSG_GET_C, DVMM_ST_IZ_D, DVMM_PERM_READ);
}

void dvmm_do_drop(struct dvmm_step *s)
{
	dvmm_lower(s, DVMM_PERM_NONE);
	dvmm_send(s, DVMM_MSG_PUT_S, s->ctx->home, s->ctx->self, s->ctx->fresh_id);
	dvmm_settle(s, DVMM_ST_I);
}

void dvmm_do_give_back(struct dvmm_step *s)
{
	dvmm_history_taken(s);
	dvmm_lower(s, DVMM_PERM_NONE);
	dvmm_begin(s, DVMM_ST_MI_A, DVMM_PERM_NONE);
	/* Not the last use: a forward that is on its way is still answered. */
	dvmm_send_page(s, DVMM_MSG_PUT_M, s->ctx->home, s->ctx->self, s->txn->id, false);
}

void dvmm_do_put_done(struct dvmm_step *s)
{
	dvmm_settle(s, DVMM_ST_I);
	dvmm_emit_wake(s);
}

static void cache_unblock(struct dvmm_step *s, bool page)
{
	u64 id = s->txn->id;

	if (page)
		dvmm_send_page(s, DVMM_MSG_UNBLOCK, s->ctx->home, s->ctx->self, id, false);
	else
		dvmm_send(s, DVMM_MSG_UNBLOCK, s->ctx->home, s->ctx->self, id);
}

void dvmm_do_data_read(struct dvmm_step *s)
{
	bool excl = s->msg->flags & DVMM_MSGF_EXCL;

	if (!(s->msg->flags & (DVMM_MSGF_PAGE | DVMM_MSGF_ZERO)) || s->msg->acks) {
		dvmm_fence(s, "DATA for a read lacks the page or wants acknowledgements");
		return;
	}
	dvmm_emit_fill(s);
	dvmm_grant(s, excl ? DVMM_PERM_WRITE : DVMM_PERM_READ);
	dvmm_settle(s, excl ? DVMM_ST_M : DVMM_ST_S);
}

/*
 * Zeroes for GET_Z, contents for GET_C, or a refusal: who came meanwhile looks again
 * and asks for what it needs.
 */
void dvmm_do_data_ahead(struct dvmm_step *s)
{
	u8 had = s->msg->flags & (DVMM_MSGF_PAGE | DVMM_MSGF_ZERO);
	u8 due = s->txn->want == DVMM_PERM_READ ? DVMM_MSGF_PAGE : DVMM_MSGF_ZERO;

	if ((had && had != due) || s->msg->acks) {
		dvmm_fence(s, "DATA ahead of need is not what was asked for");
		return;
	}
	if (had) {
		dvmm_do_data_read(s);
		return;
	}
	dvmm_settle(s, DVMM_ST_I);
	dvmm_emit_wake(s);
}

/* After a shared grant the home needs the data too, and gets it from here. */
void dvmm_do_own_read(struct dvmm_step *s)
{
	bool excl = s->msg->flags & DVMM_MSGF_EXCL;

	dvmm_emit_fill(s);
	dvmm_grant(s, excl ? DVMM_PERM_WRITE : DVMM_PERM_READ);
	cache_unblock(s, !excl);
	dvmm_settle(s, excl ? DVMM_ST_M : DVMM_ST_S);
}

/* True if @acks more are still to come, as a plain number. */
static bool cache_expect_acks(struct dvmm_step *s)
{
	int acks = s->txn->acks + s->msg->acks;

	if (acks < 0) {
		dvmm_fence(s, "more acknowledgements came than DATA announces");
		return false;
	}
	s->txn->acks = (s16)acks;
	return true;
}

void dvmm_do_data_write(struct dvmm_step *s)
{
	if (!(s->msg->flags & (DVMM_MSGF_PAGE | DVMM_MSGF_ZERO)) ||
	    !(s->msg->flags & DVMM_MSGF_EXCL)) {
		dvmm_fence(s, "DATA for a write lacks the page or the right");
		return;
	}
	if (!cache_expect_acks(s))
		return;
	dvmm_emit_fill(s);
	if (s->txn->acks) {
		s->pg->state = DVMM_ST_IM_A;
		return;
	}
	dvmm_grant(s, DVMM_PERM_WRITE);
	dvmm_settle(s, DVMM_ST_M);
}

/*
 * The copy here is valid: an INV that the home sent before this DATA would have
 * come first.  So a page that comes along (coarse sharer sets) is not needed.
 */
void dvmm_do_data_upgrade(struct dvmm_step *s)
{
	if (!(s->msg->flags & DVMM_MSGF_EXCL)) {
		dvmm_fence(s, "DATA for an upgrade lacks the right");
		return;
	}
	if (!cache_expect_acks(s))
		return;
	if (s->txn->acks) {
		s->pg->state = DVMM_ST_SM_A;
		return;
	}
	dvmm_grant(s, DVMM_PERM_WRITE);
	dvmm_settle(s, DVMM_ST_M);
}

void dvmm_do_own_write(struct dvmm_step *s)
{
	if (!(s->msg->flags & DVMM_MSGF_EXCL) || s->txn->acks) {
		dvmm_fence(s, "OWN_DATA for a write lacks the right or follows acks");
		return;
	}
	dvmm_emit_fill(s);
	dvmm_grant(s, DVMM_PERM_WRITE);
	cache_unblock(s, false);
	dvmm_settle(s, DVMM_ST_M);
}

void dvmm_do_ack_early(struct dvmm_step *s)
{
	if (s->txn->acks <= -(int)s->ctx->nodes) {
		dvmm_fence(s, "more acknowledgements than nodes");
		return;
	}
	s->txn->acks--;
}

void dvmm_do_ack(struct dvmm_step *s)
{
	if (--s->txn->acks)
		return;
	dvmm_grant(s, DVMM_PERM_WRITE);
	dvmm_settle(s, DVMM_ST_M);
}

static void cache_send_inv_ack(struct dvmm_step *s)
{
	dvmm_send(s, DVMM_MSG_INV_ACK, s->msg->requester, s->msg->requester, s->msg->id);
}

void dvmm_do_inv(struct dvmm_step *s)
{
	if (dvmm_held(s))
		return;
	dvmm_lower(s, DVMM_PERM_NONE);
	cache_send_inv_ack(s);
	dvmm_settle(s, DVMM_ST_I);
}

/* Someone else's write came first; the home will send the page with its DATA. */
void dvmm_do_inv_upgrade(struct dvmm_step *s)
{
	if (dvmm_held(s))
		return;
	dvmm_lower(s, DVMM_PERM_NONE);
	cache_send_inv_ack(s);
	s->pg->state = DVMM_ST_IM_AD;
}

/*
 * The copy was dropped while the INV was on its way, or the home does not know
 * its sharers exactly.  An INV for a copy that is still to come would be behind
 * that copy's DATA, or behind this node's own UNBLOCK.
 */
void dvmm_do_inv_late(struct dvmm_step *s)
{
	cache_send_inv_ack(s);
}

static struct dvmm_action *cache_send_own_data(struct dvmm_step *s, bool last)
{
	return dvmm_send_page(s, DVMM_MSG_OWN_DATA, s->msg->requester,
			      s->msg->requester, s->msg->id, last);
}

void dvmm_do_fwd_read(struct dvmm_step *s)
{
	if (dvmm_held(s))
		return;
	dvmm_history_taken(s);
	dvmm_lower(s, DVMM_PERM_READ);
	cache_send_own_data(s, false);
	dvmm_settle(s, DVMM_ST_S);
}

void dvmm_do_fwd_write(struct dvmm_step *s)
{
	if (dvmm_held(s))
		return;
	dvmm_history_taken(s);
	dvmm_lower(s, DVMM_PERM_NONE);
	cache_send_own_data(s, true)->msg.flags |= DVMM_MSGF_EXCL;
	dvmm_settle(s, DVMM_ST_I);
}

void dvmm_do_fwd_early(struct dvmm_step *s)
{
	dvmm_emit_defer(s);
}

void dvmm_do_fwd_put(struct dvmm_step *s)
{
	struct dvmm_action *a = cache_send_own_data(s, true);

	if (s->ev->type == DVMM_MSG_FWD_GET_M)
		a->msg.flags |= DVMM_MSGF_EXCL;
	s->pg->state = DVMM_ST_II_A;
}
