// SPDX-License-Identifier: GPL-2.0
/* Moving homes: what a move costs, and that a peer which lies changes nothing. */
#include <string.h>
#include "rehome.h"
#include "tap.h"

#define NODES	4
#define PAGES	512

/* One node's view of a chunk and of one of its pages; node 0 was its home at first. */
struct bench {
	struct dvmm_policy policy;
	struct dvmm_dir dir;
	struct dvmm_ctx ctx;
	struct dvmm_page pg;
	struct dvmm_chunk c;
	struct dvmm_move m;
	struct dvmm_actions out;
};

static void bench_init(struct bench *b, u16 self)
{
	memset(b, 0, sizeof(*b));
	b->ctx.self = self;
	b->ctx.nodes = NODES;
	b->ctx.dir = &b->dir;
	b->ctx.policy = &b->policy;
	dvmm_chunk_init(&b->c, 0, PAGES);
}

static void hear(struct bench *b, u8 type, u16 src, u16 requester, bool able)
{
	struct dvmm_msg m = { .type = type, .src = src, .requester = requester };

	dvmm_rehome_message(&b->c, &b->m, b->ctx.self, NODES, &m, able, &b->out);
}

static void take(struct bench *b, u16 at, u8 flags, u16 src, u16 requester, u64 set)
{
	struct dvmm_msg m = {
		.type = DVMM_MSG_TAKE, .flags = flags, .src = src, .requester = requester,
		.id = set,
	};

	dvmm_rehome_take(&b->ctx, &b->c, at, &b->pg, &m, &b->out);
}

static bool sends(const struct bench *b, unsigned int i, u8 type, u16 dst)
{
	const struct dvmm_action *a = &b->out.act[i];

	return i < b->out.count && a->type == DVMM_ACT_SEND && a->msg.type == type &&
	       a->dst == dst;
}

static bool fences(const struct bench *b, u16 src)
{
	return b->out.count == 1 && b->out.act[0].type == DVMM_ACT_FENCE &&
	       b->out.act[0].dst == src && b->out.act[0].why;
}

/* A message that has to be refused, with nothing changed. */
static void lie(struct bench *b, u8 type, u16 src, u16 requester, const char *what)
{
	struct bench was = *b;

	hear(b, type, src, requester, true);
	tap(fences(b, src) && !memcmp(&b->c, &was.c, sizeof(b->c)) &&
	    !memcmp(&b->m, &was.m, sizeof(b->m)), "refused: %s", what);
	*b = was;
}

static void lie_take(struct bench *b, u16 at, u8 flags, u16 src, u16 requester, u64 set,
		     const char *what)
{
	struct bench was = *b;

	take(b, at, flags, src, requester, set);
	tap(fences(b, src) && !memcmp(&b->c, &was.c, sizeof(b->c)) &&
	    !memcmp(&b->pg, &was.pg, sizeof(b->pg)), "refused: %s", what);
	*b = was;
}

static bool begins(struct bench *b, u16 to)
{
	return !dvmm_rehome_start(&b->c, &b->m, b->ctx.self, NODES, to, &b->out);
}

/* Take the old home to where it hands over. */
static void to_giving(struct bench *b, u16 to)
{
	u16 n;

	begins(b, to);
	hear(b, DVMM_MSG_PREPPED, to, to, true);
	for (n = 1; n < NODES; n++)
		hear(b, DVMM_MSG_MOVE_ACK, n, to, true);
}

static void test_start(void)
{
	struct bench b;

	bench_init(&b, 0);
	tap(!begins(&b, NODES) && !begins(&b, 0) && b.c.phase == DVMM_CHUNK_SETTLED,
	    "not to a node that there is not, and not to itself");
	tap(begins(&b, 1) && sends(&b, 0, DVMM_MSG_PREP, 1), "the next home is asked first");
	tap(!begins(&b, 2), "not while another move is under way");
	hear(&b, DVMM_MSG_UNABLE, 1, 1, true);
	tap(!b.out.count && begins(&b, 2), "after a refusal it may move elsewhere");
	bench_init(&b, 1);
	tap(!begins(&b, 2), "only its home moves it");
	hear(&b, DVMM_MSG_PREP, 0, 1, false);
	tap(sends(&b, 0, DVMM_MSG_UNABLE, 0) && !dvmm_chunk_homed(&b.c, 1, 0) && b.c.home == 0,
	    "who has no memory refuses, and nothing has happened");
}

static void test_cost(void)
{
	unsigned int pages = 0, sent = 0;
	struct bench b;

	bench_init(&b, 0);
	to_giving(&b, 1);
	tap(b.c.phase == DVMM_CHUNK_GIVING && dvmm_chunk_homed(&b.c, 0, 0), "all have answered");
	while (b.c.phase == DVMM_CHUNK_GIVING) {
		b.pg.state = 0;
		pages += dvmm_rehome_give(&b.ctx, &b.c, &b.pg, &b.out);
		sent += b.out.count;
	}
	tap(pages == PAGES && sent == 1 && sends(&b, 0, DVMM_MSG_REST, 1) &&
	    !dvmm_chunk_homed(&b.c, 0, 0), "untouched pages cost nothing: one message for all");
	bench_init(&b, 0);
	to_giving(&b, 1);
	b.pg.state = DVMM_ST_H_M;
	dvmm_rehome_give(&b.ctx, &b.c, &b.pg, &b.out);
	tap(b.out.count == 1 && sends(&b, 0, DVMM_MSG_TAKE, 1) && b.pg.state == DVMM_ST_M,
	    "the only copy stays where it is");
	b.pg.state = DVMM_ST_H_FM;
	tap(!dvmm_rehome_give(&b.ctx, &b.c, &b.pg, &b.out) && !b.out.count && b.c.next == 1,
	    "a page in the midst of a request stays");
}

static void test_old_home(void)
{
	struct bench b;

	bench_init(&b, 0);
	lie(&b, DVMM_MSG_MOVE_ACK, 1, 1, "MOVE_ACK without a move");
	lie(&b, DVMM_MSG_PREPPED, 1, 1, "PREPPED without a move");
	lie(&b, DVMM_MSG_UNABLE, 1, 1, "UNABLE without a move");
	lie(&b, DVMM_MSG_MOVE, 1, 2, "MOVE of what the receiver owns");
	lie(&b, DVMM_MSG_PREP, 1, 0, "PREP of what the receiver owns");
	lie(&b, DVMM_MSG_REST, 1, 0, "REST at the home");
	begins(&b, 1);
	lie(&b, DVMM_MSG_PREPPED, 2, 1, "PREPPED of a node that was not asked");
	lie(&b, DVMM_MSG_MOVE_ACK, 2, 1, "MOVE_ACK before MOVE");
	hear(&b, DVMM_MSG_PREPPED, 1, 1, true);
	lie(&b, DVMM_MSG_PREPPED, 1, 1, "PREPPED twice");
	lie(&b, DVMM_MSG_UNABLE, 1, 1, "UNABLE after PREPPED");
	hear(&b, DVMM_MSG_MOVE_ACK, 2, 1, true);
	lie(&b, DVMM_MSG_MOVE_ACK, 2, 1, "MOVE_ACK twice");
	lie_take(&b, 0, DVMM_MSGF_EXCL, 1, 1, 0, "TAKE at the old home");
}

static void test_others(void)
{
	struct bench b;

	bench_init(&b, 2);
	lie(&b, DVMM_MSG_MOVE, 1, 3, "MOVE of a node that is not the home");
	lie(&b, DVMM_MSG_MOVE, 0, NODES, "MOVE to a node that there is not");
	lie(&b, DVMM_MSG_MOVE, 0, 0, "MOVE to the old home");
	lie(&b, DVMM_MSG_MOVE, 0, 2, "MOVE to a node that had no PREP");
	lie(&b, DVMM_MSG_PREP, 1, 2, "PREP of a node that is not the home");
	lie(&b, DVMM_MSG_PREP, 0, 3, "PREP for another node");
	hear(&b, DVMM_MSG_MOVE, 0, 1, true);
	tap(sends(&b, 0, DVMM_MSG_MOVE_ACK, 0) && b.c.home == 1,
	    "with nothing open MOVE is acknowledged at once");
	lie(&b, DVMM_MSG_MOVE, 0, 3, "MOVE of the home before");
}

/* Two steps of one node: the one began before it heard of the MOVE, the other after. */
static void test_counts(void)
{
	struct dvmm_event load = { .type = DVMM_EV_LOAD };
	struct dvmm_page pg = { .state = DVMM_ST_S };
	struct dvmm_visit before, after;
	struct dvmm_txn txn = { 0 };
	struct bench b;

	bench_init(&b, 2);
	dvmm_rehome_enter(&b.c, 2, 0, &pg, &txn, &load, &before);
	hear(&b, DVMM_MSG_MOVE, 0, 1, true);
	tap(!b.out.count && before.home == 0, "a step that may ask the old home is waited for");
	dvmm_rehome_enter(&b.c, 2, 1, &pg, &txn, &load, &after);
	dvmm_rehome_leave(&b.c, &after, &txn, &b.out);
	tap(!b.out.count && after.home == 1, "one that asks the new home is not");
	dvmm_rehome_leave(&b.c, &before, &txn, &b.out);
	tap(sends(&b, 0, DVMM_MSG_MOVE_ACK, 0) && !b.c.busy, "the acknowledgement leaves after it");
}

static void test_new_home(void)
{
	struct dvmm_event load = { .type = DVMM_EV_LOAD };
	struct dvmm_txn txn = { 0 };
	struct dvmm_visit v;
	struct bench b;

	bench_init(&b, 1);
	dvmm_rehome_enter(&b.c, 1, 0, &b.pg, &txn, &load, &v);
	hear(&b, DVMM_MSG_PREP, 0, 1, true);
	tap(b.out.count == 1 && sends(&b, 0, DVMM_MSG_PREPPED, 0),
	    "a step under way keeps the acknowledgement back");
	lie_take(&b, 0, DVMM_MSGF_EXCL, 0, 0, 0, "TAKE before the acknowledgement");
	lie(&b, DVMM_MSG_REST, 0, 1, "REST before the acknowledgement");
	dvmm_rehome_leave(&b.c, &v, &txn, &b.out);
	tap(sends(&b, 0, DVMM_MSG_MOVE_ACK, 0), "and sends it at its end");
	lie(&b, DVMM_MSG_PREP, 0, 1, "PREP twice");
	lie(&b, DVMM_MSG_REST, 2, 1, "REST of another node");
	lie_take(&b, 0, DVMM_MSGF_EXCL, 2, 2, 0, "TAKE of another node");
	lie_take(&b, PAGES, DVMM_MSGF_EXCL, 0, 0, 0, "TAKE beyond the chunk");
	lie_take(&b, 0, DVMM_MSGF_EXCL, 0, NODES, 0, "TAKE with an owner that there is not");
	lie_take(&b, 0, DVMM_MSGF_EXCL, 0, 1, 0, "TAKE with an owner that has no copy");
	lie_take(&b, 0, DVMM_MSGF_EXCL | DVMM_MSGF_PAGE, 0, 0, 0, "TAKE with owner and contents");
	lie_take(&b, 0, DVMM_MSGF_EXCL, 0, 0, 1, "TAKE with owner and sharers");
	lie_take(&b, 0, 0, 0, 0, 1, "TAKE of a shared page without contents");
	lie_take(&b, 0, DVMM_MSGF_PAGE, 0, 0, 1 << NODES, "TAKE with a sharer that there is not");
	lie_take(&b, 0, DVMM_MSGF_PAGE, 0, 0, 1 << 1, "TAKE with the new home as sharer");
	b.pg.state = DVMM_ST_M;
	lie_take(&b, 0, DVMM_MSGF_PAGE, 0, 0, 1, "TAKE of a shared page that is owned here");
	lie_take(&b, 0, DVMM_MSGF_EXCL, 0, 0, 0, "TAKE with another owner than there is");
	take(&b, 4, DVMM_MSGF_EXCL, 0, 1, 0);
	tap(b.pg.state == DVMM_ST_H_M && dvmm_chunk_homed(&b.c, 1, 4) &&
	    dvmm_chunk_homed(&b.c, 1, 0) && !dvmm_chunk_homed(&b.c, 1, 5),
	    "with a page's entry those before it are homed here as well");
	lie_take(&b, 4, DVMM_MSGF_EXCL, 0, 0, 0, "TAKE twice");
	lie_take(&b, 3, DVMM_MSGF_EXCL, 0, 0, 0, "TAKE out of order");
}

int main(void)
{
	test_start();
	test_cost();
	test_old_home();
	test_others();
	test_counts();
	test_new_home();
	return tap_done();
}
