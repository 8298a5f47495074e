// SPDX-License-Identifier: GPL-2.0
/*
 * A peer made by hand, and the messages of members: what a member has no right to say ends the
 * machine with the reason, what another node says costs its link, and what a node hears that is to
 * join ends only that.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "messages.h"
#include "mover.h"
#include "peer.h"
#include "tap.h"

#define WAIT_MS	5000
#define SILENT_MS	15000
#define COH	DVMM_WIRE_COHERENCE
#define MEM	DVMM_WIRE_MEMBER
#define CHN	DVMM_WIRE_CHANNEL

static struct mover mv;

/* The kernel's node is 0, this program's 1. */
static const struct peer_plan both = { .home = { 0, 0 } };
static const struct peer_plan mine = { .home = { 0, 1 } };
static const struct peer_plan large = { .nodes = 65, .home = { 0, 0 } };
static const struct peer_plan alone = { .absent = 2, .home = { 0, 0 } };
static const struct peer_plan joiner = { .flags = DVMM_MACHINE_JOIN, .home = { 0, 1 } };

struct say {
	int kind;
	int type;
	int index;		/* of the region; GONE: the lane */
	uint64_t id;
	uint64_t page;
};

static int lane_of(const struct say *s)
{
	static const uint8_t lanes[] = {
#define DVMM_LANE_ANY 0
#define X(name, lane, why) [DVMM_WIRE_##name] = DVMM_LANE_##lane,
		DVMM_MEMBER_MESSAGES(X)
#undef X
	};

	if (s->kind == COH)
		return peer_lane(s->type);
	if (s->kind != MEM)
		return DVMM_LANE_CTL;
	return s->type == DVMM_WIRE_GONE ? s->index : lanes[s->type];
}

static int say_for(struct peer *p, const struct say *s, int requester)
{
	struct dvmm_wire_hdr h = peer_hdr(s->kind, s->type, 0);

	h.index = cpu_to_le16(s->index);
	h.requester = cpu_to_le16(requester);
	h.page = cpu_to_le64(s->page);
	h.id = cpu_to_le64(s->id);
	return peer_send(p, lane_of(s), &h, NULL, 0);
}

static int say(struct peer *p, const struct say *s)
{
	return say_for(p, s, PEER_SELF);
}

/* The next message of a kind; others are passed over. */
static bool hear(struct peer *p, const struct say *s, uint64_t *id)
{
	struct peer_frame f;

	while (peer_recv(p, lane_of(s), &f, WAIT_MS) == 1)
		if (f.hdr.kind == s->kind && f.hdr.type == s->type) {
			*id = le64_to_cpu(f.hdr.id);
			return true;
		}
	return false;
}

static bool heard(struct peer *p, int kind, int type)
{
	const struct say s = { kind, type, 0, 0, 0 };
	uint64_t id;

	return hear(p, &s, &id);
}

static void meet(struct peer *p, const struct peer_plan *plan)
{
	if (peer_open_as(p, plan) || peer_join(p))
		tap_bail("peer: %s", strerror(errno));
}

static void stops(struct peer *p, const char *what, const char *reason)
{
	struct dvmm_event_record ev = {};

	tap_ok(event_want(p->machine, DVMM_EVENT_STOPPED, &ev, WAIT_MS) == 1 &&
	       strstr(ev.reason, reason), "%s: %s", what, ev.reason);
}

static bool link_ends(struct peer *p, const char *what, const char *reason)
{
	struct dvmm_event_record ev = {};

	return tap_ok(event_want(p->machine, DVMM_EVENT_LINK_DOWN, &ev, WAIT_MS) == 1 &&
		      strstr(ev.reason, reason), "%s: %s", what, ev.reason);
}

/* And nothing else: whose memory can be reached has not stopped. */
static void costs_the_link(struct peer *p, const char *what, const char *reason)
{
	volatile uint64_t *m;

	if (!link_ends(p, what, reason))
		return;
	m = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, p->region[0], 0);
	m[0]++;
	munmap((void *)m, PAGE);
}

struct lie {
	const char *what;
	const struct peer_plan *plan;
	struct say first[3];	/* what comes before, to the end or a kind of 0 */
	struct say last;
	const char *reason;
};

static void tell(struct peer *p, const struct lie *l)
{
	size_t i;

	meet(p, l->plan);
	for (i = 0; i < 3 && l->first[i].kind; i++)
		say(p, &l->first[i]);
	say(p, &l->last);
}

/* ---- of a member ---- */

static const struct lie members[] = {
	{ "a member says JOIN", &both, {}, { MEM, DVMM_WIRE_JOIN, 0, 1, 0 }, "JOIN of a member" },
	{ "JOINED of a member", &both, {}, { MEM, DVMM_WIRE_JOINED, 0, 0, 0 },
	  "without JOIN_OK" },
	{ "JOIN_OK to who did not ask", &both, {}, { MEM, DVMM_WIRE_JOIN_OK, 0, 0, 0 },
	  "was not asked" },
	{ "WELCOME to who did not ask", &both, {}, { MEM, DVMM_WIRE_WELCOME, 0, 0, 0 },
	  "was not asked" },
	{ "HOMES to who did not ask", &both, {}, { MEM, DVMM_WIRE_HOMES, 0, 1, 0 },
	  "was not asked" },
	{ "LEAVE_OK to who does not leave", &both, {}, { MEM, DVMM_WIRE_LEAVE_OK, 0, 0, 0 },
	  "was not asked" },
	{ "GONE before LEAVE", &both, {}, { MEM, DVMM_WIRE_GONE, 2, 0, 0 }, "not let go" },
	{ "LEAVE of a home", &mine, {}, { MEM, DVMM_WIRE_LEAVE, 0, 0, 0 },
	  "leaves as the home of memory" },
	{ "LEAVE of an owner", &both, { { COH, DVMM_MSG_GET_M, 0, 1, 7 } },
	  { MEM, DVMM_WIRE_LEAVE, 0, 0, 0 }, "a page that it owns" },
	{ "LEAVE twice", &both, { { MEM, DVMM_WIRE_LEAVE, 0, 0, 0 } },
	  { MEM, DVMM_WIRE_LEAVE, 0, 0, 0 }, "LEAVE twice" },
	{ "LEAVE where all stay", &large, {}, { MEM, DVMM_WIRE_LEAVE, 0, 0, 0 },
	  "nobody can leave" },
};

static void of_a_member(void)
{
	struct peer p;
	size_t i;

	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		tell(&p, &members[i]);
		stops(&p, members[i].what, members[i].reason);
		peer_close(&p);
	}
}

static void leaves_with_a_share(void)
{
	static const struct say get = { COH, DVMM_MSG_GET_S, 0, 1, 0 };
	static const struct say leave = { MEM, DVMM_WIRE_LEAVE, 0, 0, 0 };
	volatile uint64_t *m;
	struct peer p;

	meet(&p, &both);
	m = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, p.region[0], 0);
	m[0] = 1;
	say(&p, &get);
	if (!heard(&p, COH, DVMM_MSG_DATA))
		tap_bail("no page comes");
	say(&p, &leave);
	stops(&p, "LEAVE of a sharer", "a page that it shares");
	munmap((void *)m, PAGE);
	peer_close(&p);
}

/* Node 2 is absent. */
static void names_a_stranger(void)
{
	static const struct peer_plan three = { .nodes = 3, .absent = 4, .home = { 0, 1 } };
	static const int types[] = {
		DVMM_MSG_FWD_GET_S, DVMM_MSG_FWD_GET_M, DVMM_MSG_INV, DVMM_MSG_MOVE,
	};
	struct peer p;
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		const struct say s = { COH, types[i], 1, 1, 0 };

		meet(&p, &three);
		say_for(&p, &s, 2);
		stops(&p, "who is to be answered is not there", "names a node that is no member");
		peer_close(&p);
	}
}

/* By the book; afterwards it may say what it likes. */
static void leaves(void)
{
	static const struct say leave = { MEM, DVMM_WIRE_LEAVE, 0, 0, 0 };
	struct say gone = { MEM, DVMM_WIRE_GONE, 0, 0, 0 };
	static const struct say get = { COH, DVMM_MSG_GET_M, 0, 1, 7 };
	struct dvmm_event_record ev = {};
	struct peer p;

	meet(&p, &both);
	say(&p, &leave);
	tap_ok(heard(&p, MEM, DVMM_WIRE_LEAVE_OK), "LEAVE is answered");
	for (; gone.index < DVMM_LANES - 1; gone.index++)
		say(&p, &gone);
	tap_ok(!event_want(p.machine, DVMM_EVENT_LEFT, &ev, 100),
	       "three of four lanes are not all");
	say(&p, &gone);
	tap_ok(event_want(p.machine, DVMM_EVENT_LEFT, &ev, WAIT_MS) == 1 && ev.node == PEER_SELF,
	       "the fourth is: node %d has left", ev.node);
	tap_ok(heard(&p, DVMM_WIRE_LINK, DVMM_WIRE_BYE), "and hears BYE");
	say(&p, &get);
	costs_the_link(&p, "it asks for memory all the same", "no member");
	peer_close(&p);
}

static void goes_twice(void)
{
	static const struct lie twice = {
		"GONE twice", &both, { { MEM, DVMM_WIRE_LEAVE, 0, 0, 0 } },
		{ MEM, DVMM_WIRE_GONE, 1, 0, 0 }, "GONE twice",
	};
	struct peer p;

	meet(&p, &both);
	say(&p, &twice.first[0]);
	heard(&p, MEM, DVMM_WIRE_LEAVE_OK);
	say(&p, &twice.last);
	say(&p, &twice.last);
	stops(&p, twice.what, twice.reason);
	peer_close(&p);
}

/* ---- of a node that is no member ---- */

static const struct lie strangers[] = {
	{ "a page before JOINED", &alone, {}, { COH, DVMM_MSG_GET_M, 0, 1, 7 }, "no member" },
	{ "a datagram before JOINED", &alone, {}, { CHN, 1, 20, 0, 0 }, "no member" },
	{ "a chunk before JOINED", &alone, {}, { COH, DVMM_MSG_PREP, 0, 1, 0 }, "no member" },
	{ "a page after JOIN", &alone, { { MEM, DVMM_WIRE_JOIN, 0, 1, 0 } },
	  { COH, DVMM_MSG_GET_M, 0, 1, 7 }, "no member" },
	{ "JOINED before JOIN", &alone, {}, { MEM, DVMM_WIRE_JOINED, 0, 0, 0 },
	  "without JOIN_OK" },
	{ "JOIN twice", &alone, { { MEM, DVMM_WIRE_JOIN, 0, 1, 0 } },
	  { MEM, DVMM_WIRE_JOIN, 0, 1, 0 }, "JOIN twice" },
	{ "JOIN with other members", &alone, { { MEM, DVMM_WIRE_JOIN, 0, 3, 0 } },
	  { MEM, DVMM_WIRE_LEAVE, 0, 0, 0 }, "idea of who belongs" },
	{ "JOIN after a refusal", &alone, { { MEM, DVMM_WIRE_JOIN, 0, 3, 0 } },
	  { MEM, DVMM_WIRE_JOIN, 0, 3, 0 }, "idea of who belongs" },
	{ "LEAVE of who is not there", &alone, {}, { MEM, DVMM_WIRE_LEAVE, 0, 0, 0 },
	  "no member" },
	{ "GONE of who is not there", &alone, {}, { MEM, DVMM_WIRE_GONE, 0, 0, 0 },
	  "no member" },
	{ "WELCOME of who is not there", &alone, {}, { MEM, DVMM_WIRE_WELCOME, 0, 0, 0 },
	  "was not asked" },
};

static void of_a_stranger(void)
{
	struct peer p;
	size_t i;

	for (i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
		tell(&p, &strangers[i]);
		costs_the_link(&p, strangers[i].what, strangers[i].reason);
		peer_close(&p);
	}
}

/* What HELLO says of it. */
static void misplaced(const char *what, const struct peer_plan *plan, bool joins, uint64_t without,
		      const char *reason)
{
	struct dvmm_wire_hdr h =
		peer_hdr(DVMM_WIRE_LINK, DVMM_WIRE_HELLO, sizeof(struct dvmm_wire_hello));
	struct dvmm_event_record ev;
	struct dvmm_wire_hello hello;
	struct peer p;

	if (peer_open_as(&p, plan))
		tap_bail("peer: %s", strerror(errno));
	p.joins = joins;
	hello = peer_hello(&p);
	hello.features &= ~cpu_to_le64(without);
	peer_send(&p, DVMM_LANE_CTL, &h, &hello, sizeof(hello));
	link_ends(&p, what, reason);
	tap_ok(!event_want(p.machine, DVMM_EVENT_STOPPED, &ev, 100), "and nothing else happens");
	peer_close(&p);
}

/* It ends at each step; then another one joins all the same, over the same link. */
static void ends(void)
{
	static const struct say join = { MEM, DVMM_WIRE_JOIN, 0, 1, 0 };
	static const struct say joined = { MEM, DVMM_WIRE_JOINED, 0, 0, 0 };
	static const struct say prep = { COH, DVMM_MSG_PREP, 0, 1, 0 };
	struct dvmm_event_record ev = {};
	struct peer p;
	int ret;

	meet(&p, &alone);
	peer_hang_up(&p);
	costs_the_link(&p, "it ends before JOIN", "lost its link to node 1");
	if (peer_again(&p) || peer_join(&p))
		tap_bail("peer: %s", strerror(errno));
	say(&p, &join);
	tap_ok(heard(&p, MEM, DVMM_WIRE_JOIN_OK), "JOIN is answered");
	ret = mover_move(&mv, p.uuid, 0, 0, 0, 1);
	tap_ok(ret == EBUSY && strstr(mv.s.why, "just now"), "no home moves meanwhile: %s",
	       mv.s.why);
	peer_hang_up(&p);
	costs_the_link(&p, "it ends before JOINED", "lost its link to node 1");
	if (peer_again(&p) || peer_join(&p))
		tap_bail("peer: %s", strerror(errno));
	ret = mover_move(&mv, p.uuid, 0, 0, 0, 1);
	tap_ok(ret == EINVAL && strstr(mv.s.why, "no member"), "homes may move again: %s",
	       mv.s.why);
	say(&p, &join);
	heard(&p, MEM, DVMM_WIRE_JOIN_OK);
	say(&p, &joined);
	tap_ok(heard(&p, MEM, DVMM_WIRE_WELCOME) &&
	       event_want(p.machine, DVMM_EVENT_JOINED, &ev, WAIT_MS) == 1 && ev.node == PEER_SELF,
	       "another one joins");
	say(&p, &prep);
	stops(&p, "and what it does wrong is the machine's end", "node 1 broke the protocol");
	peer_close(&p);
}

static void member_joins(struct peer *p)
{
	static const struct say join = { MEM, DVMM_WIRE_JOIN, 0, 1, 0 };
	static const struct say joined = { MEM, DVMM_WIRE_JOINED, 0, 0, 0 };

	if (say(p, &join) || !heard(p, MEM, DVMM_WIRE_JOIN_OK) || say(p, &joined) ||
	    !heard(p, MEM, DVMM_WIRE_WELCOME))
		tap_bail("it does not join");
}

/* As a member that has had nothing yet it harms nobody; one that has had a page does. */
static void ends_as_a_member(void)
{
	static const struct say get = { COH, DVMM_MSG_GET_S, 0, 1, 0 };
	struct dvmm_event_record ev = {};
	struct peer p;
	int i;

	meet(&p, &alone);
	for (i = 0; i < 2; i++) {
		member_joins(&p);
		peer_hang_up(&p);
		tap_ok(event_want(p.machine, DVMM_EVENT_LEFT, &ev, WAIT_MS) == 1 &&
		       ev.node == PEER_SELF, "a new member that ends is none any more");
		costs_the_link(&p, "and harms nobody", "lost its link to node 1");
		if (peer_again(&p) || peer_join(&p))
			tap_bail("peer: %s", strerror(errno));
	}
	member_joins(&p);
	say(&p, &get);
	if (!heard(&p, COH, DVMM_MSG_DATA))
		tap_bail("no page comes");
	peer_hang_up(&p);
	stops(&p, "one that has a page ends", "lost its link to node 1");
	peer_close(&p);
}

/* It says nothing more, and keeps others from moving homes: not for ever. */
static void falls_silent(void)
{
	static const struct say join = { MEM, DVMM_WIRE_JOIN, 0, 1, 0 };
	struct dvmm_event_record ev = {};
	struct peer p;
	int ret;

	meet(&p, &alone);
	say(&p, &join);
	heard(&p, MEM, DVMM_WIRE_JOIN_OK);
	ret = mover_move(&mv, p.uuid, 0, 0, 0, 1);
	tap_ok(ret == EBUSY, "no home moves while a node joins: %s", mv.s.why);
	tap_ok(event_want(p.machine, DVMM_EVENT_LINK_DOWN, &ev, SILENT_MS * tap_patience()) == 1 &&
	       strstr(ev.reason, "has heard no JOINED"), "one that falls silent: %s", ev.reason);
	ret = mover_move(&mv, p.uuid, 0, 0, 0, 1);
	tap_ok(ret == EINVAL, "homes may move again: %s", mv.s.why);
	peer_close(&p);
}

/* ---- while the kernel's node leaves ---- */

static void *leave(void *arg)
{
	const struct peer *p = arg;

	machine_leave(p->machine);
	return NULL;
}

/* As node 2, which is absent. */
static void meet_stranger(struct peer *p, const struct peer *first)
{
	memset(p, -1, sizeof(*p));
	p->self = 2;
	p->nodes = first->nodes;
	p->joins = true;
	p->machine = first->machine;
	memcpy(p->uuid, first->uuid, sizeof(p->uuid));
	if (peer_connect(p) || peer_join(p))
		tap_bail("node 2: %s", strerror(errno));
}

/* Who leaves takes GONE of a member that had let it go before, and of nobody else. */
static void stranger_goes(void)
{
	static const struct peer_plan three = { .nodes = 3, .absent = 4, .home = { 1, 1 } };
	struct dvmm_wire_hdr h = peer_hdr(MEM, DVMM_WIRE_GONE, 0);
	struct peer p, two;
	pthread_t thread;

	meet(&p, &three);
	meet_stranger(&two, &p);
	if (pthread_create(&thread, NULL, leave, &p))
		tap_bail("pthread_create");
	tap_ok(heard(&p, MEM, DVMM_WIRE_LEAVE), "the node says LEAVE");
	h.src = cpu_to_le16(two.self);
	peer_send(&two, DVMM_LANE_REQ, &h, NULL, 0);
	link_ends(&two, "GONE of who is not there, to one that leaves", "no member");
	machine_stop(p.machine, "enough");
	pthread_join(thread, NULL);
	peer_hang_up(&two);
	close(two.link);
	peer_close(&p);
}

/* ---- to a node that is to join ---- */

/* Region 0 was made at node 0, which joins anew: all of it is homed elsewhere. */
#define TOLD { MEM, DVMM_WIRE_HOMES, 0, PEER_PAGES, 0 }
#define OK { MEM, DVMM_WIRE_JOIN_OK, 0, 0, 0 }

static const struct lie told[] = {
	{ "WELCOME before JOINED", &joiner, {}, { MEM, DVMM_WIRE_WELCOME, 0, 0, 0 },
	  "was not asked" },
	{ "JOIN_OK twice", &joiner, { TOLD, OK }, OK, "was not asked" },
	{ "HOMES after JOIN_OK", &joiner, { TOLD, OK }, TOLD, "was not asked" },
	{ "HOMES beyond the region", &joiner, {},
	  { MEM, DVMM_WIRE_HOMES, 0, PEER_PAGES + 1, 0 }, "beyond its region" },
	{ "HOMES that wrap", &joiner, {}, { MEM, DVMM_WIRE_HOMES, 0, ~0ull, 0 },
	  "beyond its region" },
	{ "HOMES of no page", &joiner, {}, { MEM, DVMM_WIRE_HOMES, 0, 0, 0 },
	  "beyond its region" },
	{ "HOMES from amid a chunk", &joiner, {}, { MEM, DVMM_WIRE_HOMES, 0, 1, 3 },
	  "beyond its region" },
	{ "HOMES behind the region", &joiner, {}, { MEM, DVMM_WIRE_HOMES, 0, 1, 512 },
	  "beyond its region" },
	{ "HOMES of no region", &joiner, {}, { MEM, DVMM_WIRE_HOMES, 9, 1, 0 },
	  "unknown region" },
	{ "memory without a home", &joiner, {}, OK, "some memory has no home" },
};

static void to_a_joiner(void)
{
	struct peer p;
	size_t i;

	for (i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
		const struct lie *l = &told[i];
		size_t k;

		meet(&p, l->plan);
		if (!heard(&p, MEM, DVMM_WIRE_JOIN))
			tap_bail("no JOIN comes");
		for (k = 0; k < 3 && l->first[k].kind; k++)
			say(&p, &l->first[k]);
		say(&p, &l->last);
		stops(&p, l->what, l->reason);
		peer_close(&p);
	}
}

/* By the book; a home may come only when all have said WELCOME. */
static void joins(void)
{
	static const struct say list[] = { TOLD, OK, { MEM, DVMM_WIRE_WELCOME, 0, 0, 0 } };
	static const struct say prep = { COH, DVMM_MSG_PREP, 1, 3, 0 };
	static const struct say join = { MEM, DVMM_WIRE_JOIN, 0, 0, 0 };
	static const struct say unable = { COH, DVMM_MSG_UNABLE, 0, 0, 0 };
	struct dvmm_event_record ev = {};
	uint64_t id = 0;
	struct peer p;

	meet(&p, &joiner);
	tap_ok(hear(&p, &join, &id) && id == 2, "JOIN names the members: %#llx",
	       (unsigned long long)id);
	say(&p, &list[0]);
	say(&p, &list[1]);
	tap_ok(heard(&p, MEM, DVMM_WIRE_JOINED), "it is told of all homes, and joins");
	say_for(&p, &prep, 0);
	tap_ok(hear(&p, &unable, &id) && id == 1, "it is no home before it is in");
	tap_ok(!event_want(p.machine, DVMM_EVENT_JOINED, &ev, 100), "which it is not yet");
	say(&p, &list[2]);
	tap_ok(event_want(p.machine, DVMM_EVENT_JOINED, &ev, WAIT_MS) == 1 && ev.node == 0,
	       "after WELCOME it is");
	say_for(&p, &prep, 0);
	tap_ok(heard(&p, COH, DVMM_MSG_PREPPED), "and may be a home");
	peer_close(&p);
}

int main(void)
{
	tap_start(120);
	klog_open();
	close(dev_open());
	mover_open(&mv);
	of_a_member();
	leaves_with_a_share();
	names_a_stranger();
	leaves();
	goes_twice();
	of_a_stranger();
	misplaced("it is no member, and does not say that it joins", &alone, false, 0,
		  "not to join");
	misplaced("it joins, and is a member", &both, true, 0, "a member already");
	misplaced("its dvmm lets nobody join", &alone, true, DVMM_FEATURE_MEMBERS,
		  "it lacks what we want: members");
	ends();
	ends_as_a_member();
	falls_silent();
	stranger_goes();
	to_a_joiner();
	joins();
	tap_ok(klog_clean(), "the kernel did not complain");
	return tap_end();
}
