// SPDX-License-Identifier: GPL-2.0
/*
 * A peer made by hand, and messages of chunks: those that it has no right to send end the
 * machine with the reason, and one that says nothing more holds up nobody but its move.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "messages.h"
#include "mover.h"
#include "peer.h"
#include "tap.h"

#define WAIT_MS	5000
#define BOTH	3	/* the members, a bit each */

static struct mover mv;

/* Region @region is homed on node @region; the kernel's node is 0, this program's 1. */
struct lie {
	const char *what;
	int type;
	int region;
	int page;
	int requester;
	int flags;
	const char *reason;
};

static void meet(struct peer *p)
{
	if (peer_open(p) || peer_join(p))
		tap_bail("peer: %s", strerror(errno));
}

static int say(struct peer *p, const struct lie *l)
{
	static const uint8_t page[DVMM_WIRE_PAYLOAD_MAX];
	size_t n = l->flags & DVMM_MSGF_PAGE ? sizeof(page) : 0;
	struct dvmm_wire_hdr h = peer_hdr(DVMM_WIRE_COHERENCE, l->type, n);

	h.index = cpu_to_le16(l->region);
	h.page = cpu_to_le64(l->page);
	h.requester = cpu_to_le16(l->requester);
	h.flags = l->flags;
	h.id = l->type == DVMM_MSG_PREP ? cpu_to_le64(BOTH) : 0;
	return peer_send(p, peer_lane(l->type), &h, page, n);
}

static bool hear(struct peer *p, int type)
{
	struct peer_frame f;

	return peer_recv(p, peer_lane(type), &f, WAIT_MS) == 1 && f.hdr.type == type;
}

static void found_out(struct peer *p, const struct lie *l)
{
	struct dvmm_event_record ev = {};

	say(p, l);
	tap_ok(event_want(p->machine, DVMM_EVENT_STOPPED, &ev, WAIT_MS) == 1 &&
	       strstr(ev.reason, "node 1 broke the protocol") && strstr(ev.reason, l->reason),
	       "%s: %s", l->what, ev.reason);
}

/* ---- out of nothing ---- */

static const struct lie plain[] = {
	{ "a home that is none says PREP", DVMM_MSG_PREP, 0, 0, 0, 0, "not the home" },
	{ "PREP for another", DVMM_MSG_PREP, 1, 0, 1, 0, "not the home" },
	{ "a home that is none says MOVE", DVMM_MSG_MOVE, 0, 0, 1, 0, "not the home" },
	{ "MOVE to who was not prepared", DVMM_MSG_MOVE, 1, 0, 0, 0, "cannot be the next home" },
	{ "MOVE to where it is", DVMM_MSG_MOVE, 1, 0, 1, 0, "cannot be the next home" },
	{ "PREPPED unasked", DVMM_MSG_PREPPED, 0, 0, 1, 0, "was not asked" },
	{ "UNABLE unasked", DVMM_MSG_UNABLE, 0, 0, 1, 0, "was not asked" },
	{ "MOVE_ACK unasked", DVMM_MSG_MOVE_ACK, 0, 0, 1, 0, "not moving" },
	{ "REST of nothing", DVMM_MSG_REST, 1, 0, 0, 0, "does not hand over" },
	{ "TAKE of nothing", DVMM_MSG_TAKE, 1, 3, 1, DVMM_MSGF_EXCL, "does not hand over" },
	{ "TAKE of what is homed here", DVMM_MSG_TAKE, 0, 3, 1, DVMM_MSGF_EXCL,
	  "does not hand over" },
	{ "PREP beyond the region", DVMM_MSG_PREP, 1, PEER_PAGES, 0, 0, "beyond its region" },
};

static void out_of_nothing(void)
{
	struct peer p;
	size_t i;

	for (i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		meet(&p);
		found_out(&p, &plain[i]);
		peer_close(&p);
	}
}

/* ---- while a chunk comes ---- */

static const struct lie prep = { "", DVMM_MSG_PREP, 1, 0, 0, 0, "" };
static const struct lie take = { "", DVMM_MSG_TAKE, 1, 5, 1, DVMM_MSGF_EXCL, "" };

static const struct lie coming[] = {
	{ "PREP twice", DVMM_MSG_PREP, 1, 0, 0, 0, "not the home" },
	{ "MOVE after PREP", DVMM_MSG_MOVE, 1, 0, 1, 0, "not the home" },
	{ "the same page twice", DVMM_MSG_TAKE, 1, 5, 1, DVMM_MSGF_EXCL, "out of turn" },
	{ "a page that was passed over", DVMM_MSG_TAKE, 1, 2, 1, DVMM_MSGF_EXCL, "out of turn" },
	{ "who has no copy is said to own it", DVMM_MSG_TAKE, 1, 6, 0, DVMM_MSGF_EXCL,
	  "another owner" },
	{ "a shared page without contents", DVMM_MSG_TAKE, 1, 6, 1, 0, "lacks its contents" },
};

static void while_it_comes(void)
{
	struct peer p;
	bool there;
	size_t i;

	for (i = 0; i < sizeof(coming) / sizeof(coming[0]); i++) {
		meet(&p);
		say(&p, &prep);
		there = hear(&p, DVMM_MSG_PREPPED) && hear(&p, DVMM_MSG_MOVE_ACK);
		say(&p, &take);
		if (there)
			found_out(&p, &coming[i]);
		else
			tap_ok(false, "%s: PREP is not answered", coming[i].what);
		peer_close(&p);
	}
}

/* ---- while a chunk goes ---- */

struct ask {
	pthread_t thread;
	struct peer *p;
	struct mover mv;
	int ret;
};

static void *ask(void *arg)
{
	struct ask *a = arg;

	a->ret = mover_move(&a->mv, a->p->uuid, 0, 0, 0, 1);
	return NULL;
}

/* A move that the program has heard of and not answered. */
static void begin_with(struct ask *a, struct peer *p)
{
	*a = (struct ask){ .p = p };
	mover_open(&a->mv);
	if (pthread_create(&a->thread, NULL, ask, a))
		tap_bail("pthread_create");
	if (!hear(p, DVMM_MSG_PREP))
		tap_ok(false, "PREP does not come");
}

static void begin(struct ask *a, struct peer *p)
{
	meet(p);
	begin_with(a, p);
}

static void end(struct ask *a)
{
	pthread_join(a->thread, NULL);
	close(a->mv.s.fd);
	peer_close(a->p);
}

static void while_it_goes(void)
{
	static const struct lie prepped = { "", DVMM_MSG_PREPPED, 0, 0, 1, 0, "" };
	static const struct lie ack = { "", DVMM_MSG_MOVE_ACK, 0, 0, 1, 0, "" };
	static const struct lie early = { "MOVE_ACK before PREPPED", DVMM_MSG_MOVE_ACK, 0, 0, 1, 0,
					  "not moving" };
	static const struct lie twice = { "PREPPED twice", DVMM_MSG_PREPPED, 0, 0, 1, 0,
					  "was not asked" };
	static const struct lie again = { "MOVE_ACK twice", DVMM_MSG_MOVE_ACK, 0, 0, 1, 0,
					  "not moving" };
	struct peer p;
	struct ask a;

	begin(&a, &p);
	found_out(&p, &early);
	end(&a);
	tap_ok(a.ret == EIO, "and its move has failed (%s)", strerror(a.ret));

	begin(&a, &p);
	say(&p, &prepped);
	found_out(&p, &twice);
	end(&a);

	begin(&a, &p);
	say(&p, &prepped);
	say(&p, &ack);
	tap_ok(hear(&p, DVMM_MSG_REST), "a move that is answered comes to its end");
	found_out(&p, &again);
	end(&a);
	tap_ok(!a.ret && !a.mv.touched, "and was a success");
}

/* ---- silence ---- */

static void silence(void)
{
	struct dvmm_event_record ev = {};
	struct peer p;
	struct ask a;
	int ret;

	begin(&a, &p);
	ret = mover_move(&mv, p.uuid, 0, 0, 0, 1);
	tap_ok(ret == EBUSY && strstr(mv.s.why, "another chunk"),
	       "no second move meanwhile (%s: %s)", strerror(ret), mv.s.why);
	pthread_join(a.thread, NULL);
	tap_ok(a.ret == ETIMEDOUT && strstr(a.mv.s.why, "goes on"),
	       "a peer that says nothing more: %s (%s)", a.mv.s.why, strerror(a.ret));
	tap_ok(peer_alive(&p, WAIT_MS), "and the machine goes on");
	if (pthread_create(&a.thread, NULL, ask, &a))
		tap_bail("pthread_create");
	peer_hang_up(&p);
	tap_ok(event_want(p.machine, DVMM_EVENT_STOPPED, &ev, WAIT_MS) == 1 &&
	       strstr(ev.reason, "lost its link to node 1"), "until it hangs up: %s", ev.reason);
	end(&a);
}

static void hung_up(void)
{
	struct peer p;
	struct ask a;

	begin(&a, &p);
	peer_hang_up(&p);
	end(&a);
	tap_ok(a.ret == EIO, "a peer that ends in the middle: the move fails (%s: %s)",
	       strerror(a.ret), a.mv.s.why);
}

/* ---- a member that is new ---- */

#define NEW	2	/* its node */

static void tell(struct peer *p, int type, int lane, uint64_t id)
{
	struct dvmm_wire_hdr h = peer_hdr(DVMM_WIRE_MEMBER, type, 0);

	h.src = cpu_to_le16(p->self);
	h.id = cpu_to_le64(id);
	peer_send(p, lane, &h, NULL, 0);
}

static void joins(struct peer *p, const struct peer *first)
{
	struct peer_frame f;

	memset(p, -1, sizeof(*p));
	p->self = NEW;
	p->nodes = first->nodes;
	p->joins = true;
	p->machine = first->machine;
	memcpy(p->uuid, first->uuid, sizeof(p->uuid));
	if (peer_connect(p) || peer_join(p))
		tap_bail("node %d: %s", NEW, strerror(errno));
	tell(p, DVMM_WIRE_JOIN, DVMM_LANE_REQ, BOTH);
	if (peer_recv(p, DVMM_LANE_FWD, &f, WAIT_MS) != 1 || f.hdr.type != DVMM_WIRE_JOIN_OK)
		tap_bail("JOIN is not answered");
	tell(p, DVMM_WIRE_JOINED, DVMM_LANE_REQ, 0);
	if (peer_recv(p, DVMM_LANE_FWD, &f, WAIT_MS) != 1 || f.hdr.type != DVMM_WIRE_WELCOME)
		tap_bail("JOINED is not answered");
}

/* MOVE would go to nobody, and its answer be waited for. */
static void ends_before_move(void)
{
	static const struct peer_plan three = { .nodes = 3, .absent = 1 << NEW, .home = { 0, 1 } };
	struct dvmm_event_record ev = {};
	struct peer p, two;
	struct ask a;

	if (peer_open_as(&p, &three) || peer_join(&p))
		tap_bail("peer: %s", strerror(errno));
	joins(&two, &p);
	begin_with(&a, &p);
	peer_hang_up(&two);
	tap_ok(event_want(p.machine, DVMM_EVENT_STOPPED, &ev, WAIT_MS) == 1 &&
	       strstr(ev.reason, "lost its link to node 2"),
	       "a new member ends before it hears of a move: %s", ev.reason);
	end(&a);
	tap_ok(a.ret == EIO, "which fails (%s: %s)", strerror(a.ret), a.mv.s.why);
	close(two.link);
}

/* ---- a peer that does not know of all this ---- */

static int join_without(struct peer *p)
{
	struct dvmm_wire_hdr h =
		peer_hdr(DVMM_WIRE_LINK, DVMM_WIRE_HELLO, sizeof(struct dvmm_wire_hello));
	struct dvmm_wire_hello hello = peer_hello(p);
	struct dvmm_event_record ev;

	hello.features &= ~cpu_to_le64(DVMM_FEATURE_HOMES);
	return peer_send(p, DVMM_LANE_CTL, &h, &hello, sizeof(hello)) ||
	       event_want(p->machine, DVMM_EVENT_LINK_UP, &ev, WAIT_MS) != 1;
}

static void older(void)
{
	static const struct lie told = { "it moves a home all the same", DVMM_MSG_PREP, 1, 0, 0, 0,
					 "does not know them" };
	struct peer p;
	int ret;

	if (peer_open(&p))
		tap_bail("peer: %s", strerror(errno));
	ret = mover_move(&mv, p.uuid, 0, 0, 0, 1);
	tap_ok(ret == ENOTCONN, "not before all are linked (%s: %s)", strerror(ret), mv.s.why);
	if (join_without(&p))
		tap_bail("the link does not come up");
	ret = mover_move(&mv, p.uuid, 0, 0, 0, 1);
	tap_ok(ret == EOPNOTSUPP && strstr(mv.s.why, "install the same"),
	       "a peer without the feature: %s (%s)", mv.s.why, strerror(ret));
	found_out(&p, &told);
	peer_close(&p);
}

int main(void)
{
	tap_start(120);
	klog_open();
	close(dev_open());
	mover_open(&mv);
	older();
	out_of_nothing();
	while_it_comes();
	while_it_goes();
	silence();
	hung_up();
	ends_before_move();
	tap_ok(klog_clean(), "the kernel did not complain");
	return tap_end();
}
