// SPDX-License-Identifier: GPL-2.0
/*
 * Nodes that join and leave: a model of the module's members.c, join.c and leave.c,
 * message by message.  In a machine whose sets of sharers are not exact nodes stay
 * linked, as the module has it: who leaves gives away all that it has, no more.
 */
#include <stdlib.h>
#include "machine.h"
#include "set.h"

#define SETTLE_NS	1000000		/* between looks at what a member has to wait for */
#define ALL_LANES	((1 << DVMM_LANES) - 1)

static bool churn_exact(const struct sim *s)
{
	return dvmm_set_exact(s->cfg->nodes);
}

static struct member *churn_of(struct sim *s, unsigned int node)
{
	return &s->node[node].member;
}

static u64 churn_bit(unsigned int node)
{
	return 1ull << node % 64;
}

bool churn_linked(const struct sim *s, unsigned int node)
{
	return s->node[node].member.phase != OUT;
}

u64 churn_view(const struct sim *s, unsigned int self)
{
	const struct member *m = &s->node[self].member;

	return churn_exact(s) ? m->view & ~m->leaving : 0;
}

bool churn_stays(const struct sim *s, unsigned int self, unsigned int node)
{
	return !churn_exact(s) || churn_view(s, self) & churn_bit(node);
}

u16 churn_others(const struct sim *s, unsigned int self)
{
	u64 others = churn_view(s, self) & ~churn_bit(self);

	return (u16)(churn_exact(s) ? __builtin_popcountll(others) : (int)s->cfg->nodes - 1);
}

bool churn_unsettled(const struct sim *s, unsigned int node)
{
	const struct member *m = &s->node[node].member;

	return m->joining >= 0 || m->asks_in >= 0 || m->asks_out ||
	       (m->phase != IN && m->phase != EMPTY);
}

static bool churn_homes_move(const struct sim *s, unsigned int node)
{
	return s->node[node].moving >= 0 || s->node[node].coming;
}

unsigned int churn_pick(struct sim *s)
{
	unsigned int node;

	/* Node 0 always stays. */
	do
		node = sim_random(&s->rnd) % s->cfg->nodes;
	while (!churn_in(s, node));
	return node;
}

struct sim_cost *churn_bill(struct sim *s, unsigned int node)
{
	return churn_of(s, node)->phase == EMPTYING ? &s->res->change[SIM_LEAVE] : NULL;
}

static void churn_enter(struct sim *s, unsigned int node, enum phase phase, u64 view)
{
	*churn_of(s, node) = (struct member) {
		.phase = phase, .view = view, .joining = -1, .asks_in = -1, .since = s->now,
	};
}

void churn_init(struct sim *s)
{
	unsigned int n = s->cfg->nodes, first = s->cfg->present ? s->cfg->present : n, node;
	u64 all = first < 64 ? churn_bit(first) - 1 : ~0ull;

	for (node = 0; node < n; node++) {
		s->node[node].told = sim_zalloc(s->chunks, 1);
		churn_enter(s, node, node < first ? IN : churn_exact(s) ? OUT : EMPTY, all);
	}
}

/* Messages. */

/* Changes with the end of either node's links. */
static u32 churn_lives(const struct sim *s, unsigned int a, unsigned int b)
{
	return s->node[a].lives + s->node[b].lives;
}

static struct event *churn_send(struct sim *s, enum sim_change change, const struct event *e,
				unsigned int to, unsigned int lane, sim_act *act)
{
	struct event *m = sim_note(s, &s->res->change[change], e->node, to, lane, SIM_HEADER, act);

	m->version = churn_lives(s, e->node, to);
	return m;
}

/* Was it sent over a link that has ended since? */
static bool churn_stale(const struct sim *s, const struct event *e)
{
	return e->version != churn_lives(s, e->node, e->ev.msg.src);
}

static void churn_send_due(struct sim *s, enum sim_change change, unsigned int self, u64 due,
			   sim_act *act)
{
	struct event e = { .node = (u16)self };
	unsigned int node;

	churn_of(s, self)->due = due;
	for (node = 0; node < s->cfg->nodes; node++)
		if (due & churn_bit(node))
			churn_send(s, change, &e, node, DVMM_LANE_REQ, act)->ev.msg.id =
				churn_view(s, self);
}

/* True: it was the last one. */
static bool churn_answer(struct sim *s, const struct event *e)
{
	struct member *m = churn_of(s, e->node);

	if (!(m->due & churn_bit(e->ev.msg.src)))
		sim_fails(s, "an answer of a node that was not asked");
	m->due &= ~churn_bit(e->ev.msg.src);
	return !m->due;
}

/* A link ends, and with it what one end waits for of the other one. */
static void churn_lost(struct sim *s, unsigned int at, unsigned int other, sim_act *act)
{
	struct event *e = sim_event(at, 0, 0, act);

	e->served = true;
	e->version = churn_lives(s, at, other);
	e->ev.msg.src = (u16)other;
	sim_push(s, e, s->now + s->cfg->latency_ns);
}

/* Who has left meanwhile answers by the end of its links. */
static void join_reply(struct sim *s, const struct event *e, sim_act *act)
{
	u16 node = e->ev.msg.src;

	if (churn_stale(s, e))
		churn_lost(s, node, e->node, act);
	else if (churn_linked(s, node))
		churn_send(s, SIM_JOIN, e, node, DVMM_LANE_FWD, act);
}

static void churn_settle(struct sim *s, unsigned int node, u64 at);

/* Who joins. */

static void join_welcomed(struct sim *s, struct event *e)
{
	if (churn_answer(s, e))
		churn_of(s, e->node)->phase = IN;
	free(e);
}

static void join_done(struct sim *s, struct event *e)
{
	struct member *m = churn_of(s, e->node);

	if (m->joining != e->ev.msg.src)
		sim_fails(s, "JOINED without JOIN_OK");
	m->joining = -1;
	m->view |= churn_bit(e->ev.msg.src);
	churn_send(s, SIM_JOIN, e, e->ev.msg.src, DVMM_LANE_FWD, join_welcomed);
	churn_settle(s, e->node, s->now);
	free(e);
}

static void join_homes(struct sim *s, struct event *e)
{
	struct snode *n = &s->node[e->node];
	unsigned int i;

	for (i = e->page; i < e->page + e->what; i++) {
		dvmm_chunk_init(&n->chunk[i], e->ev.msg.src, n->chunk[i].pages);
		n->told[i]++;
	}
	free(e);
}

static void join_enter(struct sim *s, unsigned int node)
{
	struct member *m = churn_of(s, node);
	unsigned int i;

	for (i = 0; i < s->chunks; i++)
		if (s->node[node].told[i] != 1)
			sim_fails(s, "not one member has told of a chunk that it is homed there");
	m->phase = ENTERING;
	churn_send_due(s, SIM_JOIN, node, m->view & ~churn_bit(node), join_done);
}

static void join_allowed(struct sim *s, struct event *e)
{
	if (churn_of(s, e->node)->phase == ASKING && churn_answer(s, e))
		join_enter(s, e->node);
	free(e);
}

/* The links of one that was refused go down. */
static void join_unlinked(struct sim *s, struct event *e)
{
	if (churn_answer(s, e))
		churn_of(s, e->node)->phase = OUT;
	free(e);
}

static u64 join_linked(const struct sim *s)
{
	u64 set = 0;
	unsigned int node;

	for (node = 0; node < s->cfg->nodes; node++)
		if (churn_linked(s, node))
			set |= churn_bit(node);
	return set;
}

static void join_forget(struct sim *s, struct event *e)
{
	struct member *m = churn_of(s, e->node);

	join_reply(s, e, join_unlinked);
	if (!churn_stale(s, e)) {
		if (m->joining == e->ev.msg.src)
			m->joining = -1;
		if (m->asks_in == e->ev.msg.src)
			m->asks_in = -1;
		churn_settle(s, e->node, s->now);
	}
	free(e);
}

static void join_unlink(struct sim *s, unsigned int self)
{
	u64 others = churn_of(s, self)->view & ~churn_bit(self), here = others & join_linked(s);
	unsigned int node;

	churn_send_due(s, SIM_JOIN, self, here, join_forget);
	for (node = 0; node < s->cfg->nodes; node++)
		if (others & ~here & churn_bit(node))
			churn_lost(s, self, node, join_unlinked);
	churn_of(s, self)->due = others;
}

static void join_refused(struct sim *s, struct event *e)
{
	struct member *m = churn_of(s, e->node);

	if (m->phase == ASKING) {
		m->phase = REFUSED;
		join_unlink(s, e->node);
	}
	free(e);
}

/* Members. */

static bool join_suits(const struct sim *s, const struct event *e)
{
	const struct member *m = &s->node[e->node].member;

	return !churn_unsettled(s, e->node) && !m->leaving && e->ev.msg.id == m->view;
}

static void join_asked(struct sim *s, struct event *e)
{
	struct member *m = churn_of(s, e->node);

	if (!churn_stale(s, e) && m->phase == IN && m->view & churn_bit(e->ev.msg.src))
		sim_fails(s, "JOIN of a member");
	if (!churn_stale(s, e) && join_suits(s, e)) {
		m->asks_in = e->ev.msg.src;
		churn_settle(s, e->node, s->now);
	} else {
		join_reply(s, e, join_refused);
	}
	free(e);
}

static void join_tell(struct sim *s, const struct event *e, unsigned int to)
{
	const struct dvmm_chunk *c = s->node[e->node].chunk;
	unsigned int i, run;

	for (i = 0; i < s->chunks; i += run + 1) {
		struct event *homes;

		for (run = 0; i + run < s->chunks && c[i + run].home == e->node; run++)
			;
		if (!run)
			continue;
		homes = churn_send(s, SIM_JOIN, e, to, DVMM_LANE_FWD, join_homes);
		homes->page = (u16)i;
		homes->what = (u16)run;
	}
}

/* Something that waits may go on: false: look again. */
static bool join_settle(struct sim *s, const struct event *e)
{
	struct member *m = churn_of(s, e->node);

	if (m->asks_in < 0)
		return true;
	if (churn_homes_move(s, e->node))
		return false;
	m->joining = m->asks_in;
	m->asks_in = -1;
	join_tell(s, e, (unsigned int)m->joining);
	churn_send(s, SIM_JOIN, e, (unsigned int)m->joining, DVMM_LANE_FWD, join_allowed);
	return true;
}

static u64 join_members(const struct sim *s)
{
	u64 view = 0;
	unsigned int node;

	for (node = 0; node < s->cfg->nodes; node++)
		if (s->node[node].member.phase >= IN)
			view |= churn_bit(node);
	return view;
}

static void join_ask(struct sim *s, unsigned int node)
{
	u64 members = join_members(s);

	churn_enter(s, node, ASKING, members);
	memset(s->node[node].told, 0, s->chunks);
	churn_send_due(s, SIM_JOIN, node, members, join_asked);
	churn_of(s, node)->view |= churn_bit(node);
}

/* The chunks that were made for it, if all nodes had been there from the beginning. */
static bool join_part(struct sim *s, unsigned int node)
{
	struct member *m = churn_of(s, node);

	while (m->part < s->chunks) {
		if (m->part % s->cfg->nodes == node && !homes_have(s, m->part, node)) {
			homes_move(s, m->part, node);
			return false;
		}
		m->part++;
	}
	if (!vcpu_move(s, &s->vcpu[node], node))
		return false;
	if (m->since)
		sim_paid(s, &s->res->change[SIM_JOIN], m->since);
	m->since = 0;
	return true;
}

/* Does another one join?  Then both might be refused again and again. */
static bool join_busy(const struct sim *s)
{
	unsigned int node;

	for (node = 0; node < s->cfg->nodes; node++)
		if (churn_linked(s, node) && s->node[node].member.phase < IN)
			return true;
	return false;
}

bool churn_join(struct sim *s, unsigned int node)
{
	struct member *m = churn_of(s, node);

	if (m->phase == OUT && (!join_busy(s) || sim_random(&s->rnd) % 256 == 0))
		join_ask(s, node);
	if (m->phase == EMPTY)
		churn_enter(s, node, IN, 0);
	if (m->phase == IN && !s->node[node].leaves)
		return join_part(s, node);
	return false;
}

/* Who leaves. */

static void leave_bye(struct sim *s, struct event *e);

/* Is something of @peer's, or of anybody's, being carried out at the node? */
static bool leave_parked(struct sim *s, unsigned int node, int peer)
{
	unsigned int page;
	struct event *e;

	for (page = 0; page < s->cfg->pages; page++) {
		const struct spage *p = sim_page(s, node, page);

		if (homes_here(s, node, page) && !dvmm_state_stable(p->pg.state) &&
		    (peer < 0 || p->txn.requester == peer))
			return true;
		for (e = p->deferred.first; e; e = e->next)
			if (e->ev.msg.type && (peer < 0 || e->ev.msg.src == peer))
				return true;
		for (e = p->gated.first; e; e = e->next)
			if (e->ev.msg.type && (peer < 0 || e->ev.msg.src == peer))
				return true;
	}
	return false;
}

static void leave_end(struct sim *s, unsigned int node)
{
	struct snode *n = &s->node[node];
	unsigned int i;

	for (i = 0; i < s->cfg->pages; i++)
		if (n->page[i].pg.state || sim_flies(&n->page[i]))
			sim_fails(s, "a node has left with a page");
	sim_paid(s, &s->res->change[SIM_LEAVE], n->member.since);
	n->member.phase = OUT;
	n->lives++;
	n->leaves = false;
	for (i = 0; i < s->cfg->nodes; i++)
		if (churn_of(s, i)->phase == GONE)
			churn_lost(s, i, node, leave_bye);
}

/* A BYE, or the link has ended without. */
static void leave_bye(struct sim *s, struct event *e)
{
	struct member *m = churn_of(s, e->node);
	bool due = m->phase == GONE && m->due & churn_bit(e->ev.msg.src);

	if (!churn_stale(s, e) && due && churn_answer(s, e))
		leave_end(s, e->node);
	free(e);
}

static void leave_gone(struct sim *s, struct event *e)
{
	struct member *m = churn_of(s, e->node);
	u16 node = e->ev.msg.src;

	if (!churn_stale(s, e)) {
		/* One that had let this one go asks it for nothing. */
		if (!(m->leaving & churn_bit(node)) && m->phase != PARTING && m->phase != GONE)
			sim_fails(s, "GONE of a node that was not let go");
		m->leaving |= churn_bit(node);
		m->gone[node] |= (u8)(1 << e->what);
		churn_settle(s, e->node, s->now);
	}
	free(e);
}

static void leave_go(struct sim *s, struct event *e)
{
	struct member *m = churn_of(s, e->node);
	unsigned int node, lane;

	if (leave_parked(s, e->node, -1)) {
		e->served = true;
		sim_push(s, e, s->now + SIM_LOOK_NS);
		return;
	}
	m->phase = GONE;
	m->due = m->view & ~churn_bit(e->node);
	for (node = 0; node < s->cfg->nodes; node++)
		for (lane = 0; m->due & churn_bit(node) && lane < DVMM_LANES; lane++)
			churn_send(s, SIM_LEAVE, e, node, lane, leave_gone)->what = (u16)lane;
	free(e);
}

static void leave_allowed(struct sim *s, struct event *e)
{
	bool gone = !(churn_of(s, e->node)->view & churn_bit(e->ev.msg.src));

	/* Who asked and was asked at once may have gone before its answer came. */
	if (!gone && churn_answer(s, e))
		leave_go(s, e);
	else
		free(e);
}

/* Of a page at rest that is homed here. */
static void leave_check(struct sim *s, unsigned int node, unsigned int from)
{
	unsigned int page;

	for (page = 0; page < s->cfg->pages; page++) {
		const struct spage *p = sim_page(s, node, page);

		if (homes_chunk(s, node, page)->home == from)
			sim_fails(s, "it leaves as the home of memory");
		if (!homes_here(s, node, page) || sim_flies(p))
			continue;
		if (p->pg.state == DVMM_ST_H_R && p->pg.peer == from)
			sim_fails(s, "it leaves with a page that it owns");
		if (p->pg.state == DVMM_ST_H_S && p->dir.sharers & churn_bit(from))
			sim_fails(s, "it leaves with a page that it shares");
	}
}

/* What this node waited for of one that is no member any more has come. */
static void leave_answered(struct sim *s, unsigned int node, unsigned int from)
{
	struct member *m = churn_of(s, node);
	u64 was = m->due;

	m->due &= ~churn_bit(from);
	if (!was || m->due)
		return;
	if (m->phase == PARTING)
		leave_go(s, sim_event(node, 0, 0, leave_go));
	else if (m->phase == GONE)
		leave_end(s, node);
}

static void leave_forget(struct sim *s, const struct event *e, unsigned int from)
{
	struct member *m = churn_of(s, e->node);

	m->view &= ~churn_bit(from);
	m->leaving &= ~churn_bit(from);
	m->gone[from] = 0;
	if (churn_linked(s, from))
		churn_send(s, SIM_LEAVE, e, from, DVMM_LANE_CTL, leave_bye);
	leave_answered(s, e->node, from);
}

static bool leave_settle_one(struct sim *s, const struct event *e, unsigned int from)
{
	struct member *m = churn_of(s, e->node);
	bool asks = m->asks_out & churn_bit(from);

	if (!asks && m->gone[from] != ALL_LANES)
		return true;
	if (leave_parked(s, e->node, (int)from))
		return false;
	if (!asks) {
		leave_forget(s, e, from);
		return true;
	}
	if (m->joining >= 0 || churn_homes_move(s, e->node))
		return false;
	leave_check(s, e->node, from);
	m->asks_out &= ~churn_bit(from);
	m->leaving |= churn_bit(from);
	churn_send(s, SIM_LEAVE, e, from, DVMM_LANE_FWD, leave_allowed);
	return true;
}

static void churn_settles(struct sim *s, struct event *e)
{
	struct member *m = churn_of(s, e->node);
	unsigned int node;
	bool all;

	m->settling = false;
	if (m->phase == OUT) {
		free(e);
		return;
	}
	all = join_settle(s, e);
	for (node = 0; node < s->cfg->nodes; node++)
		if ((m->asks_out | m->leaving) & churn_bit(node))
			all &= leave_settle_one(s, e, node);
	if (!all)
		churn_settle(s, e->node, s->now + SETTLE_NS);
	free(e);
}

static void churn_settle(struct sim *s, unsigned int node, u64 at)
{
	struct event *e;

	if (at > s->now) {
		if (churn_of(s, node)->settling)
			return;
		churn_of(s, node)->settling = true;
	}
	e = sim_event(node, 0, 0, churn_settles);
	e->served = true;
	sim_push(s, e, at);
}

static void leave_asked(struct sim *s, struct event *e)
{
	struct member *m = churn_of(s, e->node);

	if (!(churn_view(s, e->node) & churn_bit(e->ev.msg.src)))
		sim_fails(s, "LEAVE of a node that is no member");
	m->asks_out |= churn_bit(e->ev.msg.src);
	churn_settle(s, e->node, s->now);
	free(e);
}

/* First all that runs there and is homed there. */
static bool leave_prepare(struct sim *s, unsigned int node)
{
	struct snode *n = &s->node[node];
	unsigned int chunk;

	n->leaves = true;
	if (cut_stands(s) || cut_saves(s, node))
		return false;
	while (n->vcpus)
		vcpu_move(s, n->vcpus, churn_pick(s));
	if (homes_count(s, node, &chunk))
		homes_move(s, chunk, churn_pick(s));
	return !n->inbound && !homes_count(s, node, &chunk) && !churn_unsettled(s, node) &&
	       !churn_homes_move(s, node);
}

/* How many pages are held or under way; those at rest are sent away. */
static unsigned int leave_empty(struct sim *s, unsigned int node)
{
	unsigned int page, n = 0;

	for (page = 0; page < s->cfg->pages; page++) {
		struct spage *p = sim_page(s, node, page);
		struct event *e;

		n += sim_flies(p) || p->frame;
		if (sim_flies(p) || !p->frame)
			continue;
		vcpu_open_bill(s, p, p->perm == DVMM_PERM_READ ? SIM_EVICT_CLEAN : SIM_EVICT_OWNED);
		e = sim_event(node, page, DVMM_EV_EVICT, sim_happen);
		e->served = true;
		sim_push(s, e, s->now);
	}
	return n;
}

static bool leave_part(struct sim *s, unsigned int node)
{
	struct member *m = churn_of(s, node);

	if (leave_empty(s, node))
		return false;
	if (!churn_exact(s)) {
		sim_paid(s, &s->res->change[SIM_LEAVE], m->since);
		m->phase = EMPTY;
		s->node[node].leaves = false;
		return true;
	}
	m->phase = PARTING;
	churn_send_due(s, SIM_LEAVE, node, churn_view(s, node) & ~churn_bit(node),
		       leave_asked);
	return false;
}

bool churn_leave(struct sim *s, unsigned int node)
{
	struct member *m = churn_of(s, node);

	if (m->phase == IN && !s->node[node].leaves)
		m->since = s->now;
	if (m->phase == IN && leave_prepare(s, node))
		m->phase = EMPTYING;
	else if (m->phase == EMPTYING)
		return leave_part(s, node);
	return m->phase == OUT || m->phase == EMPTY;
}
