// SPDX-License-Identifier: GPL-2.0
/* The engine's parts, one by one. */
#include <string.h>
#include "set.h"
#include "step.h"
#include "table.h"
#include "tap.h"

/* One page on one node, and the last step's result. */
struct bench {
	struct dvmm_policy policy;
	struct dvmm_dir dir;
	struct dvmm_ctx ctx;
	struct dvmm_page pg;
	struct dvmm_txn txn;
	struct dvmm_actions out;
};

static void bench_init(struct bench *b, bool homed, u8 row)
{
	memset(b, 0, sizeof(*b));
	b->ctx.self = homed ? 0 : 1;
	b->ctx.nodes = 4;
	b->ctx.fresh_id = 7;
	b->ctx.dir = homed ? &b->dir : NULL;
	b->ctx.policy = &b->policy;
	b->pg.state = row == DVMM_ST_H_U ? 0 : row;
	b->txn.id = 5;
}

/* A message that is well-formed for its type, from a plausible sender. */
static struct dvmm_msg message(const struct bench *b, u8 type)
{
	struct dvmm_msg m = { .type = type, .src = 2, .requester = 2, .id = 5 };

	if (!b->ctx.dir)
		m.src = b->ctx.home;
	switch (type) {
	case DVMM_MSG_DATA:
	case DVMM_MSG_PUT_ACK:
	case DVMM_MSG_INV_ACK:
	case DVMM_MSG_OWN_DATA:
		m.requester = b->ctx.self;
		break;
	case DVMM_MSG_FWD_GET_S:
	case DVMM_MSG_FWD_GET_M:
	case DVMM_MSG_INV:
		m.src = b->ctx.home;
		break;
	default:
		m.requester = m.src;
	}
	if (type == DVMM_MSG_PUT_M || type == DVMM_MSG_OWN_DATA)
		m.flags = DVMM_MSGF_PAGE;
	return m;
}

static bool send(struct bench *b, const struct dvmm_msg *m)
{
	struct dvmm_event ev = { .type = m->type, .msg = *m };

	dvmm_step(&b->ctx, &b->pg, &b->txn, &ev, &b->out);
	return !(b->out.count == 1 && b->out.act[0].type == DVMM_ACT_FENCE &&
		 b->out.act[0].dst == m->src && b->out.act[0].why);
}

static void local(struct bench *b, u8 type)
{
	struct dvmm_event ev = { .type = type };

	dvmm_step(&b->ctx, &b->pg, &b->txn, &ev, &b->out);
}

static void test_impossible(void)
{
	unsigned int cells = 0, bad = 0;
	u8 row, type;

	for (row = 0; row < DVMM_ST_COUNT; row++)
		for (type = 1; type < DVMM_MSG_COUNT; type++) {
			bool homed = row >= DVMM_ST_HOME_FIRST;
			struct bench b, before;
			struct dvmm_msg m;

			bench_init(&b, homed, row);
			m = message(&b, type);
			before = b;
			if (dvmm_table_cell(row, type) != DVMM_DO_impossible)
				continue;
			cells++;
			bad += send(&b, &m) || memcmp(&b.pg, &before.pg, sizeof(b.pg)) ||
			       memcmp(&b.txn, &before.txn, sizeof(b.txn));
		}
	tap(cells && !bad, "each of %u impossible messages fences and changes nothing", cells);
}

static void test_wrong_id(void)
{
	static const u8 rows[] = { DVMM_ST_IS_D, DVMM_ST_IM_AD, DVMM_ST_IM_A, DVMM_ST_SM_AD,
				   DVMM_ST_SM_A, DVMM_ST_MI_A, DVMM_ST_II_A };
	static const u8 types[] = { DVMM_MSG_DATA, DVMM_MSG_OWN_DATA, DVMM_MSG_INV_ACK,
				    DVMM_MSG_PUT_ACK };
	unsigned int bad = 0, i, j;

	for (i = 0; i < sizeof(rows); i++)
		for (j = 0; j < sizeof(types); j++) {
			struct bench b;
			struct dvmm_msg m;

			bench_init(&b, false, rows[i]);
			m = message(&b, types[j]);
			m.id = 6;
			bad += send(&b, &m);
		}
	tap(!bad, "an answer to another request fences");
}

/* One hostile message each: @homed, state, and what is wrong with it. */
/* What a peer may say that no sound one does, on a page in a state. */
static const struct hostile {
	const char *what;
	u8 row;
	struct dvmm_msg m;
} hostiles[] = {
	{ "sender beyond the machine", DVMM_ST_H_U,
	  { .type = DVMM_MSG_GET_S, .src = 4, .requester = 4 } },
	{ "sender is this node", DVMM_ST_H_U, { .type = DVMM_MSG_GET_S } },
	{ "answer from beyond the machine", DVMM_ST_IM_AD,
	  { .type = DVMM_MSG_OWN_DATA, .src = 4, .requester = 1, .id = 5,
	    .flags = DVMM_MSGF_PAGE | DVMM_MSGF_EXCL } },
	{ "requester beyond the machine", DVMM_ST_S,
	  { .type = DVMM_MSG_INV, .requester = 0xffff } },
	{ "request for someone else", DVMM_ST_H_U,
	  { .type = DVMM_MSG_GET_M, .src = 2, .requester = 3 } },
	{ "INV not from the home", DVMM_ST_S,
	  { .type = DVMM_MSG_INV, .src = 3, .requester = 2 } },
	{ "forwarded to its own requester", DVMM_ST_M,
	  { .type = DVMM_MSG_FWD_GET_M, .requester = 1 } },
	{ "DATA not from the home", DVMM_ST_IS_D, { .type = DVMM_MSG_DATA, .src = 2,
	  .requester = 1, .id = 5, .flags = DVMM_MSGF_PAGE } },
	{ "DATA without a page", DVMM_ST_IS_D,
	  { .type = DVMM_MSG_DATA, .requester = 1, .id = 5 } },
	{ "DATA for a reader with acknowledgements", DVMM_ST_IS_D, { .type = DVMM_MSG_DATA,
	  .requester = 1, .id = 5, .flags = DVMM_MSGF_PAGE, .acks = 1 } },
	{ "DATA for a writer without the right", DVMM_ST_IM_AD, { .type = DVMM_MSG_DATA,
	  .requester = 1, .id = 5, .flags = DVMM_MSGF_PAGE } },
	{ "DATA with too many acknowledgements", DVMM_ST_IM_AD, { .type = DVMM_MSG_DATA,
	  .requester = 1, .id = 5, .flags = DVMM_MSGF_PAGE | DVMM_MSGF_EXCL, .acks = 4 } },
	{ "OWN_DATA without a page", DVMM_ST_IM_AD, { .type = DVMM_MSG_OWN_DATA, .src = 2,
	  .requester = 1, .id = 5, .flags = DVMM_MSGF_EXCL } },
	{ "OWN_DATA for a writer without the right", DVMM_ST_IM_AD,
	  { .type = DVMM_MSG_OWN_DATA, .src = 2, .requester = 1, .id = 5,
	    .flags = DVMM_MSGF_PAGE } },
	{ "PUT_M without a page", DVMM_ST_H_R,
	  { .type = DVMM_MSG_PUT_M, .src = 2, .requester = 2 } },
	{ "page and zero at once", DVMM_ST_IS_D, { .type = DVMM_MSG_DATA, .requester = 1,
	  .id = 5, .flags = DVMM_MSGF_PAGE | DVMM_MSGF_ZERO } },
	{ "contents where an untouched page was asked for", DVMM_ST_IZ_D,
	  { .type = DVMM_MSG_DATA, .requester = 1, .id = 5, .flags = DVMM_MSGF_PAGE } },
	{ "a refusal that announces acknowledgements", DVMM_ST_IZ_D,
	  { .type = DVMM_MSG_DATA, .requester = 1, .id = 5, .acks = 1 } },
	{ "GET_C with a page", DVMM_ST_H_M, { .type = DVMM_MSG_GET_C, .src = 2,
	  .requester = 2, .flags = DVMM_MSGF_PAGE } },
	{ "GET_Z with a page", DVMM_ST_H_U, { .type = DVMM_MSG_GET_Z, .src = 2,
	  .requester = 2, .flags = DVMM_MSGF_PAGE } },
	{ "GET_S with a page", DVMM_ST_H_U, { .type = DVMM_MSG_GET_S, .src = 2,
	  .requester = 2, .flags = DVMM_MSGF_PAGE } },
	{ "UNBLOCK from another than the requester", DVMM_ST_H_FM,
	  { .type = DVMM_MSG_UNBLOCK, .src = 3, .requester = 3, .id = 0 } },
	{ "UNBLOCK of a read without the page", DVMM_ST_H_FS,
	  { .type = DVMM_MSG_UNBLOCK, .src = 2, .requester = 2, .id = 0 } },
	{ "the owner asks for what it has", DVMM_ST_H_R,
	  { .type = DVMM_MSG_GET_S, .src = 2, .requester = 2 } },
	{ "the owner drops a shared copy", DVMM_ST_H_R,
	  { .type = DVMM_MSG_PUT_S, .src = 2, .requester = 2 } },
	{ "a sharer asks to read", DVMM_ST_H_S,
	  { .type = DVMM_MSG_GET_S, .src = 2, .requester = 2 } },
	{ "OWN_DATA from another than the owner", DVMM_ST_H_RS_D,
	  { .type = DVMM_MSG_OWN_DATA, .src = 3, .id = 5, .flags = DVMM_MSGF_PAGE } },
	{ "OWN_DATA with more right than asked for", DVMM_ST_H_RS_D,
	  { .type = DVMM_MSG_OWN_DATA, .src = 2, .id = 5,
	    .flags = DVMM_MSGF_PAGE | DVMM_MSGF_EXCL } },
};

static void be_hostile(const struct hostile *h)
{
	struct bench b;

	bench_init(&b, h->row >= DVMM_ST_HOME_FIRST, h->row);
	b.pg.peer = 2;
	b.dir.sharers = 1 << 2;
	if (h->row == DVMM_ST_H_FM || h->row == DVMM_ST_H_FS) {
		b.txn.id = 0;
		b.txn.requester = 2;
	}
	tap(!send(&b, &h->m), "fenced: %s", h->what);
}

static void test_hostile(void)
{
	unsigned int i;

	for (i = 0; i < sizeof(hostiles) / sizeof(*hostiles); i++)
		be_hostile(&hostiles[i]);
}

static void test_too_many_acks(void)
{
	struct bench b;
	struct dvmm_msg m;
	int sent = 0;

	bench_init(&b, false, DVMM_ST_IM_AD);
	m = message(&b, DVMM_MSG_INV_ACK);
	m.src = 2;
	while (sent < 100 && send(&b, &m))
		sent++;
	tap(sent == b.ctx.nodes, "acknowledgements without end are fenced");
}

static void test_out_of_range(void)
{
	unsigned int state, type, bad = 0;

	for (state = 0; state < 256; state++)
		for (type = 0; type < 256; type++) {
			struct bench b;
			struct dvmm_event ev = { .type = (u8)type };

			bench_init(&b, type & 1, 0);
			b.pg.state = (u8)state;
			if (dvmm_table_row(b.pg.state, b.ctx.dir) < DVMM_ST_COUNT &&
			    type && type < DVMM_EV_COUNT)
				continue;
			dvmm_step(&b.ctx, &b.pg, &b.txn, &ev, &b.out);
			bad += b.out.count != 1 || b.out.act[0].type != DVMM_ACT_FAIL;
		}
	tap(!bad, "states and events out of range fail and touch nothing");
}

static void test_hold(void)
{
	struct bench b;
	struct dvmm_msg m;
	bool held, late;

	bench_init(&b, false, DVMM_ST_S);
	b.policy.hold_us = 100;
	b.pg.flags = DVMM_PAGE_HELD;
	b.pg.stamp = 0xffffffe0;
	b.ctx.now = 0xfffffff0;
	m = message(&b, DVMM_MSG_INV);
	m.requester = 2;
	send(&b, &m);
	held = b.out.count == 2 && b.out.act[0].type == DVMM_ACT_DEFER &&
	       b.out.act[1].type == DVMM_ACT_TIMER && b.out.act[1].delay_us == 100 - 0x10;
	tap(held, "hold time counts just before the wrap of the clock");
	b.ctx.now = 0x10;
	send(&b, &m);
	tap(b.out.count == 1 && b.out.act[0].type == DVMM_ACT_DEFER,
	    "and after it, with one timer at a time");
	b.ctx.now = 100 - 0x20;
	send(&b, &m);
	late = b.pg.state == DVMM_ST_I && !(b.pg.flags & DVMM_PAGE_HELD);
	tap(late, "what is old enough is given up without the timer");
	local(&b, DVMM_EV_TIMER);
	tap(!b.pg.flags && !b.out.count, "a timer that comes late does nothing");
}

/* The engine's iteration over a set, against one bit after the other. */
static bool set_agrees(u64 set, unsigned int nodes)
{
	unsigned int node, count = 0;
	int next = dvmm_set_next(set, nodes, -1);

	for (node = 0; node < nodes; node++) {
		bool in = set >> (node / dvmm_set_group(nodes)) & 1;

		if (in ? next != (int)node : next == (int)node)
			return false;
		if (in)
			next = dvmm_set_next(set, nodes, next);
		count += in && node != 3 && node != 5;
	}
	return next == -1 && count == dvmm_set_count(set, nodes, 3, 5);
}

static void test_sets(void)
{
	static const u64 sets[] = {
		0, 1, ~0ULL, 1ULL << 63, 0x5555555555555555, 0xff00ff00ff00ff00,
	};
	unsigned int nodes, i, bad = 0, node;

	for (nodes = 1; nodes <= DVMM_MAX_NODES; nodes++) {
		for (i = 0; i < sizeof(sets) / sizeof(*sets); i++)
			bad += !set_agrees(sets[i], nodes);
		for (node = 0; node < nodes; node++)
			bad += dvmm_set_next(dvmm_set_bit(node, nodes), nodes, -1) !=
			       (int)(node / dvmm_set_group(nodes) * dvmm_set_group(nodes));
		bad += dvmm_set_group(nodes) * 64 < nodes || dvmm_set_exact(nodes) != (nodes <= 64);
	}
	tap(!bad, "sharer sets of 1 to %d nodes", DVMM_MAX_NODES);
}

static void test_attributes(void)
{
	unsigned int bad = 0;
	u8 s;

	for (s = 0; s < DVMM_ST_COUNT; s++)
		bad += dvmm_state_perm(s) != DVMM_PERM_NONE && !dvmm_state_has_frame(s);
	tap(!bad, "what is mapped has a frame");
	tap(!dvmm_state_perm(255) && !dvmm_state_has_frame(255) && !dvmm_state_stable(255) &&
	    dvmm_msg_lane(255) == DVMM_LANES && !strcmp(dvmm_state_name(255), "?") &&
	    !strcmp(dvmm_event_name(0), "?") && !strcmp(dvmm_action_name(99), "?"),
	    "attributes and names of numbers out of range");
	tap(sizeof(struct dvmm_page) == 16 && sizeof(struct dvmm_dir) == 16,
	    "16 bytes a page, 32 where it is homed");
}

int main(void)
{
	test_attributes();
	test_sets();
	test_impossible();
	test_wrong_id();
	test_hostile();
	test_too_many_acks();
	test_out_of_range();
	test_hold();
	return tap_done();
}
