// SPDX-License-Identifier: GPL-2.0
/*
 * One page on one node among peers that send anything.  Whatever comes, the
 * engine must keep its own rules: bounded actions, nodes and states in range,
 * no page sent without a frame, permission down before an answer leaves, and a
 * fenced message changes nothing.
 *
 * Input: a byte of configuration, then six bytes an event.
 */
#include <stdio.h>
#include <stdlib.h>
#include "fuzz.h"
#include "set.h"
#include "step.h"
#include "table.h"

#define DEFERRED 8

struct node {
	struct dvmm_policy policy;
	struct dvmm_dir dir;
	struct dvmm_ctx ctx;
	struct dvmm_page pg;
	struct dvmm_txn txn;
	u8 perm;
	bool frame;
	bool fenced;
	unsigned int deferred;
	struct dvmm_event defer[DEFERRED];
};

#define CHECK(cond) do {						\
		if (!(cond)) {						\
			fprintf(stderr, "broken rule: %s (%s, event %s)\n", #cond, \
				dvmm_state_name(n->pg.state), dvmm_event_name(ev->type)); \
			abort();					\
		}							\
	} while (0)

static void setup(struct node *n, u8 how)
{
	static const u16 nodes[] = { 2, 3, 64, 65, 192, 1024, 4, 5 };

	memset(n, 0, sizeof(*n));
	n->ctx.nodes = nodes[how & 7];
	n->ctx.self = how & 8 ? 0 : 1;
	n->ctx.home = 0;
	n->ctx.dir = how & 8 ? &n->dir : NULL;
	n->policy.hold_us = how & 16 ? 100 : 0;
	n->policy.migratory = !!(how & 32);
	n->policy.history = !!(how & 64);
	n->ctx.wrote = !!(how & 128);
	n->ctx.policy = &n->policy;
}

static u64 some_id(const struct node *n, u8 which)
{
	switch (which & 7) {
	case 0:
		return 0;
	case 1:
		return n->txn.id + 1;
	case 2:
	case 3:
		return n->txn.peer_id;
	default:
		return n->txn.id;
	}
}

static u16 some_node(const struct node *n, u8 which)
{
	switch (which & 0xe0) {
	case 0xe0:
		return n->txn.requester;
	case 0xc0:
		return n->pg.peer;
	case 0xa0:
		return n->ctx.self;
	case 0x80:
		return n->ctx.home;
	case 0x60:
		return (u16)(n->ctx.nodes - 1 + (which & 1));
	default:
		return which & 0x1f;
	}
}

static void read_event(const struct node *n, const u8 *in, struct dvmm_event *ev)
{
	struct dvmm_msg *m = &ev->msg;

	memset(ev, 0, sizeof(*ev));
	ev->type = in[0] % (DVMM_EV_COUNT + 1);
	if (ev->type >= DVMM_MSG_COUNT)
		return;
	m->type = ev->type;
	m->flags = in[1] & DVMM_MSGF_MASK;
	m->src = some_node(n, in[2]);
	m->requester = in[3] == 0xff ? m->src : some_node(n, in[3]);
	m->acks = in[4] & 0x80 ? in[4] * 0x101 : in[4] & 3;
	m->id = some_id(n, in[5]);
}

static bool is_refusal(const struct dvmm_msg *m)
{
	return m->type == DVMM_MSG_DATA && !m->flags && !m->acks;
}

static enum dvmm_perm most_allowed(const struct dvmm_msg *m)
{
	if (is_refusal(m))
		return DVMM_PERM_WRITE;
	switch (m->type) {
	case DVMM_MSG_DATA:
	case DVMM_MSG_OWN_DATA:
		return m->flags & DVMM_MSGF_EXCL ? DVMM_PERM_NONE : DVMM_PERM_READ;
	case DVMM_MSG_INV_ACK:
	case DVMM_MSG_PUT_S:
	case DVMM_MSG_PUT_M:
		return DVMM_PERM_NONE;
	default:
		return DVMM_PERM_WRITE;
	}
}

static void check_send(const struct node *n, const struct dvmm_event *ev,
		       const struct dvmm_action *a)
{
	CHECK(a->msg.type && a->msg.type < DVMM_MSG_COUNT);
	CHECK(a->msg.src == n->ctx.self && a->msg.requester < n->ctx.nodes);
	CHECK(a->msg.acks < n->ctx.nodes);
	CHECK(n->perm <= most_allowed(&a->msg));
	if (a->type == DVMM_ACT_SEND_SET) {
		CHECK(dvmm_set_count(a->set, n->ctx.nodes, a->skip, n->ctx.self));
		return;
	}
	CHECK(a->dst < n->ctx.nodes && a->dst != n->ctx.self);
	if (a->type == DVMM_ACT_SEND_PAGE) {
		CHECK(n->frame && dvmm_msg_may_carry_page(a->msg.type));
		CHECK(a->msg.flags & DVMM_MSGF_PAGE);
	} else {
		CHECK(!(a->msg.flags & DVMM_MSGF_PAGE));
	}
}

static bool do_action(struct node *n, const struct dvmm_event *ev, const struct dvmm_action *a)
{
	switch (a->type) {
	case DVMM_ACT_SEND:
	case DVMM_ACT_SEND_SET:
	case DVMM_ACT_SEND_PAGE:
		check_send(n, ev, a);
		break;
	case DVMM_ACT_SET_PERM:
		CHECK(a->perm <= DVMM_PERM_WRITE && (n->frame || !a->perm));
		n->perm = a->perm;
		break;
	case DVMM_ACT_FILL:
		CHECK(!n->perm);
		CHECK(a->zero || ev->msg.flags & DVMM_MSGF_PAGE);
		n->frame = true;
		break;
	case DVMM_ACT_TIMER:
		CHECK(a->delay_us && a->delay_us <= n->policy.hold_us);
		break;
	case DVMM_ACT_FENCE:
		CHECK(ev->type < DVMM_MSG_COUNT && a->why && a->dst == ev->msg.src);
		n->fenced = true;
		break;
	case DVMM_ACT_FAIL:
		CHECK(!ev->type || ev->type >= DVMM_EV_COUNT || ev->type == DVMM_EV_TIMER);
		break;
	}
	return a->type == DVMM_ACT_DEFER;
}

static bool one_step(struct node *n, const struct dvmm_event *ev)
{
	struct node before = *n;
	struct dvmm_actions out;
	bool deferred = false;
	unsigned int i;

	memset(&out, 0xff, sizeof(out));
	n->ctx.fresh_id += 2;
	dvmm_step(&n->ctx, &n->pg, &n->txn, ev, &out);
	CHECK(out.count <= DVMM_MAX_ACTIONS);
	CHECK(dvmm_table_row(n->pg.state, n->ctx.dir) < DVMM_ST_COUNT);
	for (i = 0; i < out.count; i++)
		deferred |= do_action(n, ev, &out.act[i]);
	CHECK(n->perm == dvmm_state_perm(n->pg.state));
	CHECK(n->frame || !dvmm_state_has_frame(n->pg.state));
	CHECK(!n->pg.priv && (!n->ctx.dir || !n->dir.reserved));
	if (dvmm_set_exact(n->ctx.nodes) && n->ctx.nodes < 64)
		CHECK(!(n->dir.sharers >> n->ctx.nodes) && !(n->dir.sharers & (1 << n->ctx.self)));
	if (n->fenced) {
		CHECK(out.count == 1 && !memcmp(&before.pg, &n->pg, sizeof(n->pg)));
		CHECK(!memcmp(&before.txn, &n->txn, sizeof(n->txn)));
		CHECK(!memcmp(&before.dir, &n->dir, sizeof(n->dir)));
	}
	if (deferred)
		CHECK(before.pg.state == n->pg.state);
	n->frame &= dvmm_state_has_frame(n->pg.state);
	return deferred;
}

static void happen(struct node *n, const struct dvmm_event *ev)
{
	if (one_step(n, ev)) {
		if (n->deferred < DEFERRED)
			n->defer[n->deferred++] = *ev;
		return;
	}
	while (n->deferred && !n->fenced) {
		struct dvmm_event e = n->defer[0];

		if (one_step(n, &e))
			return;
		n->deferred--;
		memmove(n->defer, n->defer + 1, n->deferred * sizeof(e));
	}
}

int LLVMFuzzerTestOneInput(const u8 *in, size_t len)
{
	struct dvmm_event ev;
	struct node n;

	if (!len)
		return 0;
	setup(&n, *in++);
	for (len--; len >= 6; in += 6, len -= 6) {
		read_event(&n, in, &ev);
		n.ctx.now += in[1] >> 4;
		happen(&n, &ev);
		/* The link is down after a fence; go on as if another peer came. */
		n.fenced = false;
	}
	return 0;
}
