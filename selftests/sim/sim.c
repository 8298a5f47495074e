// SPDX-License-Identifier: GPL-2.0
/* The machine: an event queue, links, vCPUs and an executor of actions. */
#include <stdlib.h>
#include "machine.h"
#include "set.h"

#define ORDER_NS	3000	/* between looks at how far a change is */

const char * const sim_class_names[SIM_CLASSES] = {
	"first touch", "read miss", "write miss", "upgrade", "read at home", "write at home",
	"eviction, clean", "eviction, owned", "read for a checkpoint",
};

void sim_fails(struct sim *s, const char *why)
{
	if (!s->res->error)
		s->res->error = why;
}

void *sim_zalloc(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size);

	if (!p)
		abort();
	return p;
}

/* A heap, by time and then by age. */

static bool earlier(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void sim_push(struct sim *s, struct event *e, u64 at)
{
	unsigned int i = s->heap_count++;

	e->at = at;
	e->order = s->order++;
	if (s->heap_count > s->heap_room) {
		s->heap_room = s->heap_room * 2 + 1024;
		s->heap = realloc(s->heap, s->heap_room * sizeof(*s->heap));
		if (!s->heap)
			abort();
	}
	for (; i && earlier(e, s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		s->heap[i] = s->heap[(i - 1) / 2];
	s->heap[i] = e;
}

static struct event *pop(struct sim *s)
{
	struct event *first, *e;
	unsigned int i = 0, child;

	if (!s->heap_count)
		return NULL;
	first = s->heap[0];
	e = s->heap[--s->heap_count];
	while ((child = 2 * i + 1) < s->heap_count) {
		if (child + 1 < s->heap_count && earlier(s->heap[child + 1], s->heap[child]))
			child++;
		if (!earlier(s->heap[child], e))
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	s->heap[i] = e;
	return first;
}

struct event *sim_event(unsigned int node, unsigned int page, u8 type, sim_act *act)
{
	struct event *e = sim_zalloc(1, sizeof(*e));

	e->node = (u16)node;
	e->page = (u16)page;
	e->ev.type = type;
	e->act = act;
	return e;
}

void sim_keep(struct queue *q, struct event *e)
{
	e->next = NULL;
	if (q->last)
		*q->last = e;
	else
		q->first = e;
	q->last = &e->next;
}

static void drop_first(struct queue *q)
{
	q->first = q->first->next;
	if (!q->first)
		q->last = NULL;
}

static bool dead(const struct sim *s, unsigned int node)
{
	return s->cfg->lose_at_ns && s->now >= s->cfg->lose_at_ns && node == s->cfg->lose_node;
}

void sim_paid(const struct sim *s, struct sim_cost *c, u64 since)
{
	u64 ns = s->now - since;

	c->count++;
	c->ns += ns;
	c->max_ns = ns > c->max_ns ? ns : c->max_ns;
}

/* Messages. */

static void pay(struct sim_cost *c, unsigned int bytes)
{
	if (!c)
		return;
	c->messages++;
	c->bytes += bytes;
	c->pages += bytes == SIM_HEADER + DVMM_PAGE_SIZE;
}

/* To itself a node says something at once. */
void sim_post(struct sim *s, struct event *e, unsigned int src, unsigned int lane,
	      unsigned int bytes, struct sim_cost *cost)
{
	const struct sim_config *c = s->cfg;
	u64 *last = &s->lane[((size_t)src * c->nodes + e->node) * DVMM_LANES + lane];
	u64 at = s->now > s->node[src].port ? s->now : s->node[src].port;

	e->ev.msg.src = (u16)src;
	if (e->node == src) {
		sim_push(s, e, s->now);
		return;
	}
	if (!churn_linked(s, e->node) || !churn_linked(s, src))
		sim_fails(s, "a message to or from a node that is not there");
	s->res->messages++;
	s->res->bytes += bytes;
	pay(cost, bytes);
	at += (u64)bytes * 1000 / c->bytes_per_us;
	s->node[src].port = at;
	at += c->latency_ns + (c->jitter_ns ? sim_random(&s->rnd) % c->jitter_ns : 0);
	if (at <= *last)
		at = *last + 1;
	*last = at;
	sim_push(s, e, at);
}

struct event *sim_note(struct sim *s, struct sim_cost *cost, unsigned int src, unsigned int dst,
		       unsigned int lane, unsigned int bytes, sim_act *act)
{
	struct event *e = sim_event(dst, 0, 0, act);

	sim_post(s, e, src, lane, bytes, cost);
	return e;
}

/* A fault that the tests must find: one acknowledgement never arrives. */
static bool dropped(struct sim *s, const struct dvmm_msg *m)
{
	return s->cfg->drop && m->type == DVMM_MSG_INV_ACK && ++s->inv_acks == s->cfg->drop;
}

static struct sim_cost *bill_message(struct sim *s, const struct dvmm_msg *m, unsigned int page,
				     unsigned int bytes)
{
	struct bill *b = &sim_page(s, m->requester, page)->bill;

	if (dvmm_msg_of_chunk(m->type))
		return &s->res->change[SIM_REHOME];
	b->messages++;
	b->bytes += bytes;
	b->pages += m->flags & DVMM_MSGF_PAGE;
	return b->also ? b->also : churn_bill(s, m->requester);
}

static void transmit(struct sim *s, const struct event *cause, unsigned int src,
		     unsigned int dst, const struct dvmm_msg *m, u32 version)
{
	unsigned int bytes = SIM_HEADER + (m->flags & DVMM_MSGF_PAGE ? DVMM_PAGE_SIZE : 0);
	struct event *e = sim_event(dst, cause->page, m->type, sim_happen);

	if (dvmm_msg_of_chunk(m->type))
		e->act = homes_message;
	e->ev.msg = *m;
	e->version = version;
	e->hops = cause->hops + 1;
	if (dropped(s, m))
		free(e);
	else
		sim_post(s, e, src, dvmm_msg_lane(m->type), bytes,
			 bill_message(s, m, cause->page, bytes));
}

/* Where a node caches too much, some foreign page goes home. */
static void make_room(struct sim *s, unsigned int node)
{
	struct snode *n = &s->node[node];
	unsigned int i = sim_random(&s->rnd) % s->cfg->pages, tries;

	if (!s->cfg->limit || n->cached <= s->cfg->limit)
		return;
	for (tries = 0; tries < s->cfg->pages; tries++, i = (i + 1) % s->cfg->pages) {
		u8 state = n->page[i].pg.state;
		struct event *e;

		if (state != DVMM_ST_S && state != DVMM_ST_M)
			continue;
		vcpu_open_bill(s, &n->page[i],
			       state == DVMM_ST_S ? SIM_EVICT_CLEAN : SIM_EVICT_OWNED);
		e = sim_event(node, i, DVMM_EV_EVICT, sim_happen);
		e->served = true;
		sim_push(s, e, s->now);
		return;
	}
}

/* The executor. */

/* Of a move hear those who belong to the machine. */
static bool hears(const struct sim *s, const struct event *e, const struct dvmm_action *a,
		  unsigned int dst)
{
	if (dst == a->skip || dst == e->node)
		return false;
	return !dvmm_msg_of_chunk(a->msg.type) || churn_stays(s, e->node, dst);
}

static void send_set(struct sim *s, const struct event *e, const struct dvmm_action *a)
{
	int dst;

	for (dst = dvmm_set_next(a->set, s->cfg->nodes, -1); dst >= 0;
	     dst = dvmm_set_next(a->set, s->cfg->nodes, dst))
		if (hears(s, e, a, (unsigned int)dst))
			transmit(s, e, e->node, (unsigned int)dst, &a->msg, 0);
}

static void set_perm(struct sim *s, const struct event *e, struct spage *p, u8 perm)
{
	if (p->perm && !perm)
		cut_lose(s, e->node, e->page);
	p->perm = perm;
}

static void fill(struct sim *s, const struct event *e, struct spage *p, bool zero)
{
	cut_fill(s, e->node, e->page);
	p->version = zero ? 0 : e->version;
	if (zero)
		p->bill.class = SIM_FIRST;
	p->frame = true;
}

static bool act(struct sim *s, struct event *e, struct spage *p, const struct dvmm_action *a)
{
	switch (a->type) {
	case DVMM_ACT_SEND:
	case DVMM_ACT_SEND_PAGE:
		if (a->type == DVMM_ACT_SEND_PAGE && !p->frame)
			sim_fails(s, "page sent without a frame");
		transmit(s, e, e->node, a->dst, &a->msg, p->version);
		break;
	case DVMM_ACT_SEND_SET:
		send_set(s, e, a);
		break;
	case DVMM_ACT_SET_PERM:
		set_perm(s, e, p, a->perm);
		break;
	case DVMM_ACT_FILL:
		fill(s, e, p, a->zero);
		break;
	case DVMM_ACT_WAKE:
		vcpu_wake(s, e->node, e->page);
		break;
	case DVMM_ACT_TIMER:
		sim_push(s, sim_event(e->node, e->page, DVMM_EV_TIMER, sim_happen),
			 s->now + a->delay_us * 1000ull);
		break;
	case DVMM_ACT_FENCE:
	case DVMM_ACT_FAIL:
		sim_fails(s, a->why);
		break;
	}
	return a->type == DVMM_ACT_DEFER;
}

static bool execute(struct sim *s, struct event *e, const struct dvmm_actions *out)
{
	struct spage *p = sim_page(s, e->node, e->page);
	bool deferred = false;
	unsigned int i;

	for (i = 0; i < out->count; i++)
		deferred |= act(s, e, p, &out->act[i]);
	p->frame &= dvmm_state_has_frame(p->pg.state);
	if (p->perm != dvmm_state_perm(p->pg.state))
		sim_fails(s, "permission differs from the state's");
	return deferred;
}

void sim_execute(struct sim *s, struct event *e, const struct dvmm_actions *out)
{
	execute(s, e, out);
}

struct dvmm_ctx sim_context(struct sim *s, unsigned int node, unsigned int page)
{
	struct dvmm_ctx ctx = {
		.self = (u16)node, .home = (u16)node, .nodes = (u16)s->cfg->nodes,
		.now = (u32)(s->now / 1000), .dir = &sim_page(s, node, page)->dir,
		.policy = &s->cfg->policy,
	};

	return ctx;
}

/* Returns true if the event was deferred. */
static bool engine(struct sim *s, struct event *e, const struct dvmm_visit *v)
{
	struct snode *n = &s->node[e->node];
	struct spage *p = &n->page[e->page];
	struct dvmm_ctx ctx = sim_context(s, e->node, e->page);
	bool deferred, had = p->frame;
	struct dvmm_actions out;

	ctx.home = v->home;
	ctx.fresh_id = ++n->ids;
	if (!v->homed)
		ctx.dir = NULL;
	/* Only what came for this node's own request is on its way. */
	if (e->hops > p->bill.hops && e->ev.msg.requester == e->node)
		p->bill.hops = e->hops;
	dvmm_step(&ctx, &p->pg, &p->txn, &e->ev, &out);
	deferred = execute(s, e, &out);
	if (!v->homed)
		n->cached += p->frame - had;
	if (p->frame > had)
		make_room(s, e->node);
	return deferred;
}

/* Returns the queue that the event is to wait in; else it is done with. */
static struct queue *step(struct sim *s, struct event *e)
{
	struct spage *p = sim_page(s, e->node, e->page);
	struct dvmm_chunk *c = homes_chunk(s, e->node, e->page);
	struct dvmm_actions out;
	struct dvmm_visit v;
	bool deferred;

	switch (dvmm_rehome_enter(c, e->node, homes_at(s, e->page), &p->pg, &p->txn, &e->ev, &v)) {
	case DVMM_GATE_WAIT:
		return &p->gated;
	case DVMM_GATE_DROP:
		return NULL;
	default:
		break;
	}
	deferred = engine(s, e, &v);
	dvmm_rehome_leave(c, &v, &p->txn, &out);
	execute(s, e, &out);
	return deferred ? &p->deferred : NULL;
}

void sim_offer_again(struct sim *s, struct spage *p)
{
	while (p->deferred.first && !s->res->error) {
		struct event *e = p->deferred.first;
		struct queue *q = step(s, e);

		if (q == &p->deferred)
			return;
		drop_first(&p->deferred);
		if (q)
			sim_keep(q, e);
		else
			free(e);
	}
}

void sim_happen(struct sim *s, struct event *e)
{
	struct spage *p = sim_page(s, e->node, e->page);
	struct queue *q = step(s, e);

	if (q) {
		sim_keep(q, e);
	} else {
		free(e);
		sim_offer_again(s, p);
	}
}

bool sim_flies(const struct spage *p)
{
	return p->deferred.first || p->gated.first || !dvmm_state_stable(p->pg.state);
}

/* A node does one thing at a time; what comes meanwhile waits in order. */
static bool must_wait(struct sim *s, struct event *e)
{
	struct snode *n = &s->node[e->node];

	if (e->served)
		return false;
	e->served = true;
	n->received++;
	n->busy = (n->busy > s->now ? n->busy : s->now) + s->cfg->service_ns;
	sim_push(s, e, n->busy);
	return true;
}

static void one_event(struct sim *s, struct event *e)
{
	s->now = e->at;
	if (dead(s, e->node))
		free(e);
	else if (!must_wait(s, e))
		e->act(s, e);
}

/* Changes. */

static bool change(struct sim *s, const struct sim_order *o)
{
	switch (o->change) {
	case SIM_JOIN:
		return churn_join(s, o->what);
	case SIM_LEAVE:
		return churn_leave(s, o->what);
	case SIM_REHOME:
		return !churn_in(s, o->to) || homes_move(s, o->what, o->to);
	case SIM_MOVE:
		return !churn_in(s, o->to) || vcpu_move(s, &s->vcpu[o->what], o->to);
	}
	return cut_make(s);
}

static void obey(struct sim *s, struct event *e)
{
	if (change(s, &s->cfg->orders[e->what])) {
		free(e);
		return;
	}
	s->res->again++;
	if (++e->version == 10000)
		sim_fails(s, "a change never ends");
	sim_push(s, e, s->now + ORDER_NS + sim_random(&s->rnd) % ORDER_NS);
}

static void give_orders(struct sim *s)
{
	unsigned int i;

	for (i = 0; i < s->cfg->order_count; i++) {
		struct event *e = sim_event(0, 0, 0, obey);

		e->what = (u16)i;
		e->served = true;
		sim_push(s, e, s->cfg->orders[i].at_ns);
	}
}

/* At rest the directory must agree with every cache. */
static void check_copy(struct sim *s, unsigned int page, unsigned int node, unsigned int home)
{
	const struct spage *p = sim_page(s, node, page), *h = sim_page(s, home, page);
	bool known = h->dir.sharers & dvmm_set_bit(node, s->cfg->nodes);

	if (sim_flies(p))
		sim_fails(s, "something waits for ever");
	if (p->frame && p->version != s->version[page])
		sim_fails(s, "an old copy at rest");
	if (node == home)
		return;
	if (p->pg.state == DVMM_ST_M && (h->pg.state != DVMM_ST_H_R || h->pg.peer != node))
		sim_fails(s, "an owner that the directory does not know");
	if (p->pg.state == DVMM_ST_S && (h->pg.state != DVMM_ST_H_S || !known))
		sim_fails(s, "a sharer that the directory does not know");
}

static void check_rest(struct sim *s)
{
	unsigned int page, node, i;

	for (i = 0; i < s->chunks && !s->res->error; i++)
		homes_check(s, i);
	for (page = 0; page < s->cfg->pages && !s->res->error; page++) {
		unsigned int home = homes_of(s, page);

		for (node = 0; node < s->cfg->nodes; node++)
			check_copy(s, page, node, home);
	}
	for (i = 0; i < s->cfg->nodes; i++)
		if (s->vcpu[i].next < s->vcpu[i].count)
			sim_fails(s, "a vCPU waits for ever");
	if (cut_runs(s))
		sim_fails(s, "a checkpoint never ends");
}

static void finish(struct sim *s)
{
	unsigned int node, page;

	if (!s->cfg->lose_at_ns)
		check_rest(s);
	for (node = 0; node < s->cfg->nodes; node++) {
		struct snode *n = &s->node[node];

		s->res->mean += n->received;
		if (n->received > s->res->busiest)
			s->res->busiest = n->received;
		for (page = 0; page < s->cfg->pages; page++)
			vcpu_close_bill(s, &n->page[page].bill);
	}
	s->res->mean /= s->cfg->nodes;
	s->res->ns = s->now;
}

static void setup(struct sim *s, unsigned int count)
{
	unsigned int n = s->cfg->nodes, i;

	s->node = sim_zalloc(n, sizeof(*s->node));
	s->version = sim_zalloc(s->cfg->pages, sizeof(*s->version));
	s->lane = sim_zalloc((size_t)n * n * DVMM_LANES, sizeof(*s->lane));
	for (i = 0; i < n; i++)
		s->node[i].page = sim_zalloc(s->cfg->pages, sizeof(*s->node[i].page));
	homes_init(s);
	churn_init(s);
	cut_init(s);
	vcpu_init(s, count);
	give_orders(s);
}

static void release_queue(struct queue *q)
{
	while (q->first) {
		struct event *e = q->first;

		drop_first(q);
		free(e);
	}
}

static void release_node(struct sim *s, struct snode *n)
{
	unsigned int page;

	for (page = 0; page < s->cfg->pages; page++) {
		release_queue(&n->page[page].deferred);
		release_queue(&n->page[page].gated);
	}
	free(n->page);
	free(n->chunk);
	free(n->told);
}

static void release(struct sim *s)
{
	struct event *e;
	unsigned int i;

	while ((e = pop(s)))
		free(e);
	for (i = 0; i < s->cfg->nodes; i++) {
		release_node(s, &s->node[i]);
		free(s->vcpu[i].todo);
	}
	cut_end(s);
	free(s->node);
	free(s->vcpu);
	free(s->version);
	free(s->lane);
	free(s->moved);
	free(s->heap);
}

void sim_run(const struct sim_config *cfg, const struct sim_op *ops, unsigned int count,
	     struct sim_result *res)
{
	struct sim s = { .cfg = cfg, .ops = ops, .res = res, .rnd = cfg->seed };
	struct event *e;

	memset(res, 0, sizeof(*res));
	setup(&s, count);
	/* The others hear of a lost node some round trips later and then stop. */
	while (!res->error && (e = pop(&s))) {
		if (cfg->lose_at_ns && e->at > cfg->lose_at_ns + 20ull * cfg->latency_ns) {
			free(e);
			break;
		}
		one_event(&s, e);
	}
	finish(&s);
	release(&s);
}
