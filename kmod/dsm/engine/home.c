// SPDX-License-Identifier: GPL-2.0
/* Handlers of a page that is homed here. */
#include "policy.h"
#include "set.h"
#include "step.h"

static u64 home_bit_of(const struct dvmm_step *s, u16 node)
{
	return dvmm_set_bit(node, s->ctx->nodes);
}

static bool home_exact(const struct dvmm_step *s)
{
	return dvmm_set_exact(s->ctx->nodes);
}

static void home_add_sharer(struct dvmm_step *s, u16 node)
{
	s->ctx->dir->sharers |= home_bit_of(s, node);
}

/* A coarse bit may stand for others too and stays until the next INV. */
static void home_forget_sharer(struct dvmm_step *s, u16 node)
{
	if (home_exact(s))
		s->ctx->dir->sharers &= ~home_bit_of(s, node);
}

static void home_become_remote(struct dvmm_step *s, u16 owner)
{
	dvmm_settle(s, DVMM_ST_H_R);
	s->ctx->dir->sharers = 0;
	s->pg->peer = owner;
}

/* The home has the only copy; it counts as the last writer from now on. */
static void home_become_exclusive(struct dvmm_step *s)
{
	dvmm_settle(s, DVMM_ST_H_M);
	s->ctx->dir->sharers = 0;
	s->pg->peer = s->ctx->self;
}

static struct dvmm_action *home_send_data(struct dvmm_step *s, bool last)
{
	return dvmm_send_page(s, DVMM_MSG_DATA, s->msg->src, s->msg->src, s->msg->id, last);
}

/* Untouched: the page is zero everywhere, so no data moves. */

void dvmm_do_touch(struct dvmm_step *s)
{
	dvmm_emit(s, DVMM_ACT_FILL)->zero = true;
	dvmm_grant(s, DVMM_PERM_WRITE);
	home_become_exclusive(s);
}

/*
 * Granted exclusively even to a reader: nobody else has asked yet, memory is
 * mostly private, and so the write that tends to follow costs nothing.
 */
void dvmm_do_touch_far(struct dvmm_step *s)
{
	dvmm_send(s, DVMM_MSG_DATA, s->msg->src, s->msg->src, s->msg->id)->msg.flags =
		DVMM_MSGF_ZERO | DVMM_MSGF_EXCL;
	home_become_remote(s, s->msg->src);
}

void dvmm_do_refuse(struct dvmm_step *s)
{
	dvmm_send(s, DVMM_MSG_DATA, s->msg->src, s->msg->src, s->msg->id);
}

/* The home has the only copy. */

void dvmm_do_m_write(struct dvmm_step *s)
{
	if (dvmm_held(s))
		return;
	dvmm_history_taken(s);
	dvmm_lower(s, DVMM_PERM_NONE);
	home_send_data(s, true)->msg.flags |= DVMM_MSGF_EXCL;
	home_become_remote(s, s->msg->src);
}

static void home_share(struct dvmm_step *s)
{
	dvmm_history_taken(s);
	dvmm_lower(s, DVMM_PERM_READ);
	home_send_data(s, false);
	home_add_sharer(s, s->msg->src);
	dvmm_settle(s, DVMM_ST_H_S);
}

void dvmm_do_m_read(struct dvmm_step *s)
{
	if (dvmm_held(s))
		return;
	if (dvmm_migratory_read(s))
		dvmm_do_m_write(s);
	else
		home_share(s);
}

/* Nobody waits for it, so nobody is to wait for what it takes away. */
void dvmm_do_m_copy(struct dvmm_step *s)
{
	if (dvmm_spares(s))
		home_share(s);
	else
		dvmm_do_refuse(s);
}

/* The home has a valid copy and may have sharers. */

void dvmm_do_s_read(struct dvmm_step *s)
{
	if (home_exact(s) && s->ctx->dir->sharers & home_bit_of(s, s->msg->src)) {
		dvmm_fence(s, "a sharer asks to read what it has");
		return;
	}
	home_send_data(s, false);
	home_add_sharer(s, s->msg->src);
}

/*
 * Tell all sharers but @requester to drop their copies and to tell it so.
 * Return: how many were told.
 */
static unsigned int home_invalidate(struct dvmm_step *s, u16 requester, u64 id)
{
	u64 set = s->ctx->dir->sharers;
	unsigned int count = dvmm_set_count(set, s->ctx->nodes, requester, s->ctx->self);
	struct dvmm_action *a;

	if (!count)
		return 0;
	a = dvmm_send(s, DVMM_MSG_INV, 0, requester, id);
	a->type = DVMM_ACT_SEND_SET;
	a->set = set;
	a->skip = requester;
	return count;
}

/*
 * A sharer that is known exactly has a valid copy: only the right travels.  A
 * coarse bit may have been set for another node after this one was invalidated.
 */
void dvmm_do_s_write(struct dvmm_step *s)
{
	u16 src = s->msg->src;
	bool has = home_exact(s) && s->msg->flags & DVMM_MSGF_SHARED &&
		   s->ctx->dir->sharers & home_bit_of(s, src);
	struct dvmm_action *a;
	unsigned int count;

	if (dvmm_held(s))
		return;
	dvmm_migratory_write(s, src);
	/* All take their mappings away at the same time. */
	count = home_invalidate(s, src, s->msg->id);
	dvmm_lower(s, DVMM_PERM_NONE);
	if (has)
		a = dvmm_send(s, DVMM_MSG_DATA, src, src, s->msg->id);
	else
		a = home_send_data(s, true);
	a->msg.flags |= DVMM_MSGF_EXCL;
	a->msg.acks = (u16)count;
	home_become_remote(s, src);
}

/* A remote node owns the page. */

static void home_forward(struct dvmm_step *s, u8 type, u16 requester, u64 id)
{
	dvmm_send(s, type, s->pg->peer, requester, id);
	/*
	 * An owner that is asked for a copy stays a sharer, unless it gives the
	 * page back or drops its copy before the copy's receiver reports.
	 */
	s->ctx->dir->sharers = type == DVMM_MSG_FWD_GET_S ? home_bit_of(s, s->pg->peer) : 0;
}

static void home_forward_get(struct dvmm_step *s, u8 type, enum dvmm_state next)
{
	if (s->msg->src == s->pg->peer) {
		dvmm_fence(s, "the owner asks for what it has");
		return;
	}
	s->txn->peer_id = s->msg->id;
	s->txn->requester = s->msg->src;
	s->pg->state = next;
	home_forward(s, type, s->msg->src, s->msg->id);
}

void dvmm_do_r_write(struct dvmm_step *s)
{
	home_forward_get(s, DVMM_MSG_FWD_GET_M, DVMM_ST_H_FM);
}

void dvmm_do_r_read(struct dvmm_step *s)
{
	if (s->msg->src != s->pg->peer && dvmm_migratory_read(s))
		dvmm_do_r_write(s);
	else
		home_forward_get(s, DVMM_MSG_FWD_GET_S, DVMM_ST_H_FS);
}

void dvmm_do_busy(struct dvmm_step *s)
{
	if (!s->txn->id && s->msg->src == s->txn->requester)
		dvmm_fence(s, "a second request before the first is done");
	else
		dvmm_emit_defer(s);
}

static bool home_unblocks(struct dvmm_step *s, bool page)
{
	if (s->msg->src == s->txn->requester && s->msg->id == s->txn->peer_id &&
	    page == !!(s->msg->flags & DVMM_MSGF_PAGE))
		return true;
	dvmm_fence(s, "UNBLOCK does not fit the request in progress");
	return false;
}

void dvmm_do_unblock_read(struct dvmm_step *s)
{
	if (!home_unblocks(s, true))
		return;
	dvmm_emit_fill(s);
	dvmm_emit_perm(s, DVMM_PERM_READ);
	home_add_sharer(s, s->msg->src);
	dvmm_settle(s, DVMM_ST_H_S);
}

void dvmm_do_unblock_write(struct dvmm_step *s)
{
	if (home_unblocks(s, false))
		home_become_remote(s, s->msg->src);
}

/* Copies that come back. */

static bool home_owner_sent(const struct dvmm_step *s)
{
	u8 state = s->pg->state;

	return s->msg->src == s->pg->peer &&
	       (state == DVMM_ST_H_R || state == DVMM_ST_H_FM || state == DVMM_ST_H_RM_D);
}

void dvmm_do_put_s(struct dvmm_step *s)
{
	if (home_owner_sent(s))
		dvmm_fence(s, "the owner drops a shared copy");
	else
		home_forget_sharer(s, s->msg->src);
}

static void home_send_put_ack(struct dvmm_step *s)
{
	dvmm_send(s, DVMM_MSG_PUT_ACK, s->msg->src, s->msg->src, s->msg->id);
}

void dvmm_do_put_m_late(struct dvmm_step *s)
{
	home_send_put_ack(s);
	home_forget_sharer(s, s->msg->src);
}

void dvmm_do_put_m(struct dvmm_step *s)
{
	if (s->msg->src != s->pg->peer) {
		dvmm_do_put_m_late(s);
		return;
	}
	dvmm_emit_fill(s);
	dvmm_emit_perm(s, DVMM_PERM_WRITE);
	home_send_put_ack(s);
	home_become_exclusive(s);
}

/* The home's own accesses. */

static void home_ask(struct dvmm_step *s, u8 type, enum dvmm_state next, enum dvmm_perm want)
{
	dvmm_begin(s, next, want);
	home_forward(s, type, s->ctx->self, s->txn->id);
}

void dvmm_do_home_write(struct dvmm_step *s)
{
	home_ask(s, DVMM_MSG_FWD_GET_M, DVMM_ST_H_RM_D, DVMM_PERM_WRITE);
}

void dvmm_do_home_read(struct dvmm_step *s)
{
	if (dvmm_history_expects(s) || dvmm_migratory_read(s))
		dvmm_do_home_write(s);
	else
		home_ask(s, DVMM_MSG_FWD_GET_S, DVMM_ST_H_RS_D, DVMM_PERM_READ);
}

void dvmm_do_home_upgrade(struct dvmm_step *s)
{
	unsigned int count;

	dvmm_history_upgrade(s);
	dvmm_migratory_write(s, s->ctx->self);
	dvmm_begin(s, DVMM_ST_H_SM_A, DVMM_PERM_WRITE);
	count = home_invalidate(s, s->ctx->self, s->txn->id);
	s->ctx->dir->sharers = 0;
	if (count) {
		s->txn->acks = (s16)count;
		return;
	}
	dvmm_grant(s, DVMM_PERM_WRITE);
	home_become_exclusive(s);
}

void dvmm_do_home_ack(struct dvmm_step *s)
{
	if (--s->txn->acks)
		return;
	dvmm_grant(s, DVMM_PERM_WRITE);
	home_become_exclusive(s);
}

static bool home_from_owner(struct dvmm_step *s, bool excl)
{
	if (s->msg->src == s->pg->peer && excl == !!(s->msg->flags & DVMM_MSGF_EXCL))
		return true;
	dvmm_fence(s, "OWN_DATA is not what the owner was asked for");
	return false;
}

void dvmm_do_home_own_read(struct dvmm_step *s)
{
	if (!home_from_owner(s, false))
		return;
	dvmm_emit_fill(s);
	dvmm_grant(s, DVMM_PERM_READ);
	dvmm_settle(s, DVMM_ST_H_S);
}

void dvmm_do_home_own_write(struct dvmm_step *s)
{
	if (!home_from_owner(s, true))
		return;
	dvmm_emit_fill(s);
	dvmm_grant(s, DVMM_PERM_WRITE);
	home_become_exclusive(s);
}
