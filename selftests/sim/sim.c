// SPDX-License-Identifier: GPL-2.0
/* The machine: an event queue, links, vCPUs and an executor of actions. */
#include <stdlib.h>
#include "set.h"
#include "sim.h"

const char * const sim_class_names[SIM_CLASSES] = {
	"first touch", "read miss", "write miss", "upgrade", "read at home", "write at home",
	"eviction, clean", "eviction, owned",
};

/* Something that happens at a time: a message, a local event, a vCPU's turn. */
struct event {
	u64 at, order;
	u16 node, page;
	bool served;			/* has had its turn on the node */
	bool turn;			/* the vCPU goes on with its program */
	struct dvmm_event ev;
	u32 version;			/* of the page that comes along */
	u8 hops;
	struct event *next;		/* among the deferred */
};

/* What one access has cost so far. */
struct bill {
	u8 class, hops;
	bool open;
	u64 since;
	unsigned int messages, pages, bytes;
};

struct spage {
	struct dvmm_page pg;
	struct dvmm_txn txn;
	u32 version;
	bool frame;
	struct event *deferred, **last;
	struct bill bill;
};

struct snode {
	struct spage *page;
	unsigned int *todo, count, next;	/* indices of its accesses */
	unsigned int cached;
	bool waiting;
	u64 ids, busy, port;
	unsigned long received;
};

struct sim {
	const struct sim_config *cfg;
	const struct sim_op *ops;
	struct sim_result *res;
	struct snode *node;
	struct dvmm_dir *dir;
	u32 *version;			/* last written, of each page */
	u64 *lane;			/* when the last message of a lane arrives */
	struct event **heap;
	unsigned int heap_count, heap_room;
	u64 now, order, rnd;
	unsigned int inv_acks;
};

static void fails(struct sim *s, const char *why)
{
	if (!s->res->error)
		s->res->error = why;
}

static void *zalloc(size_t count, size_t size)
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

static void push(struct sim *s, struct event *e, u64 at)
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

static struct event *new_event(unsigned int node, unsigned int page, u8 type)
{
	struct event *e = zalloc(1, sizeof(*e));

	e->node = (u16)node;
	e->page = (u16)page;
	e->ev.type = type;
	return e;
}

/* Pages and homes. */

static unsigned int home_of(const struct sim *s, unsigned int page)
{
	return page % s->cfg->nodes;
}

static struct spage *page_of(struct sim *s, unsigned int node, unsigned int page)
{
	return &s->node[node].page[page];
}

static bool dead(const struct sim *s, unsigned int node)
{
	return s->cfg->lose_at_ns && s->now >= s->cfg->lose_at_ns && node == s->cfg->lose_node;
}

/* Messages. */

static struct bill *bill_of(struct sim *s, const struct dvmm_msg *m, unsigned int page)
{
	return &page_of(s, m->requester, page)->bill;
}

/* A fault that the tests must find: one acknowledgement never arrives. */
static bool dropped(struct sim *s, const struct dvmm_msg *m)
{
	return s->cfg->drop && m->type == DVMM_MSG_INV_ACK && ++s->inv_acks == s->cfg->drop;
}

static void transmit(struct sim *s, const struct event *cause, unsigned int src,
		     unsigned int dst, const struct dvmm_msg *m, u32 version)
{
	const struct sim_config *c = s->cfg;
	unsigned int bytes = 40 + (m->flags & DVMM_MSGF_PAGE ? DVMM_PAGE_SIZE : 0);
	struct event *e = new_event(dst, cause->page, m->type);
	u64 *lane = &s->lane[((size_t)src * c->nodes + dst) * DVMM_LANES + dvmm_msg_lane(m->type)];
	struct bill *b = bill_of(s, m, cause->page);
	u64 at = s->now > s->node[src].port ? s->now : s->node[src].port;

	e->ev.msg = *m;
	e->version = version;
	e->hops = cause->hops + 1;
	b->messages++;
	b->bytes += bytes;
	b->pages += m->flags & DVMM_MSGF_PAGE;
	s->res->messages++;
	s->res->bytes += bytes;
	at += (u64)bytes * 1000 / c->bytes_per_us;
	s->node[src].port = at;
	at += c->latency_ns + (c->jitter_ns ? sim_random(&s->rnd) % c->jitter_ns : 0);
	if (at <= *lane)
		at = *lane + 1;
	*lane = at;
	if (dropped(s, m))
		free(e);
	else
		push(s, e, at);
}

/* Accesses. */

static void close_bill(struct sim *s, struct bill *b)
{
	struct sim_cost *c = &s->res->cost[b->class];

	if (!b->open)
		return;
	b->open = false;
	c->count++;
	c->messages += b->messages;
	c->bytes += b->bytes;
	c->pages += b->pages;
}

static void open_bill(struct sim *s, struct spage *p, u8 class)
{
	close_bill(s, &p->bill);
	memset(&p->bill, 0, sizeof(p->bill));
	p->bill.class = class;
	p->bill.open = true;
	p->bill.since = s->now;
}

static u8 class_of(const struct sim *s, const struct spage *p, unsigned int node,
		   unsigned int page, bool store)
{
	if (node == home_of(s, page))
		return store ? SIM_HOME_WRITE : SIM_HOME_READ;
	if (store && dvmm_state_perm(p->pg.state) == DVMM_PERM_READ)
		return SIM_UPGRADE;
	return store ? SIM_WRITE_MISS : SIM_READ_MISS;
}

static void happen(struct sim *s, struct event *e);

static void next_turn(struct sim *s, unsigned int node)
{
	struct snode *n = &s->node[node];
	struct event *e;

	if (n->next >= n->count)
		return;
	e = new_event(node, 0, 0);
	e->turn = true;
	push(s, e, s->now + s->ops[n->todo[n->next]].think_ns);
}

/* The vCPU has the permission: the value must be the last one written. */
static void access_page(struct sim *s, struct snode *n, const struct sim_op *op)
{
	struct spage *p = &n->page[op->page];
	struct sim_cost *c = &s->res->cost[p->bill.class];
	u64 ns = s->now - p->bill.since;

	if (p->version != s->version[op->page])
		fails(s, "a vCPU sees an old value");
	if (op->store)
		p->version = ++s->version[op->page];
	s->res->done++;
	if (n->waiting) {
		c->ns += ns;
		c->max_ns = ns > c->max_ns ? ns : c->max_ns;
		c->max_hops = p->bill.hops > c->max_hops ? p->bill.hops : c->max_hops;
		if (p->bill.hops > 3)
			fails(s, "an access took more than three hops");
	} else {
		s->res->hits++;
	}
	n->waiting = false;
	n->next++;
	next_turn(s, op->node);
}

static void take_turn(struct sim *s, unsigned int node)
{
	struct snode *n = &s->node[node];
	const struct sim_op *op = &s->ops[n->todo[n->next]];
	struct spage *p = &n->page[op->page];
	u8 type = op->store ? DVMM_EV_STORE : DVMM_EV_LOAD;

	if (dvmm_state_perm(p->pg.state) >= (op->store ? DVMM_PERM_WRITE : DVMM_PERM_READ)) {
		access_page(s, n, op);
		return;
	}
	if (!n->waiting)
		open_bill(s, p, class_of(s, p, node, op->page, op->store));
	n->waiting = true;
	happen(s, new_event(node, op->page, type));
}

/* A woken vCPU looks again at once, before anything else happens here. */
static void wake(struct sim *s, unsigned int node, unsigned int page)
{
	struct snode *n = &s->node[node];

	if (n->waiting && s->ops[n->todo[n->next]].page == page) {
		struct event *e = new_event(node, page, 0);

		e->turn = true;
		e->served = true;
		push(s, e, s->now);
	}
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

		if (home_of(s, i) == node || (state != DVMM_ST_S && state != DVMM_ST_M))
			continue;
		open_bill(s, &n->page[i], state == DVMM_ST_S ? SIM_EVICT_CLEAN : SIM_EVICT_OWNED);
		e = new_event(node, i, DVMM_EV_EVICT);
		e->served = true;
		push(s, e, s->now);
		return;
	}
}

/* The executor. */

static void send_set(struct sim *s, const struct event *e, const struct dvmm_action *a)
{
	int dst;

	for (dst = dvmm_set_next(a->set, s->cfg->nodes, -1); dst >= 0;
	     dst = dvmm_set_next(a->set, s->cfg->nodes, dst))
		if (dst != a->skip && dst != e->node)
			transmit(s, e, e->node, (unsigned int)dst, &a->msg, 0);
}

static bool act(struct sim *s, struct event *e, struct spage *p, const struct dvmm_action *a)
{
	struct event *t;

	switch (a->type) {
	case DVMM_ACT_SEND:
	case DVMM_ACT_SEND_PAGE:
		if (a->type == DVMM_ACT_SEND_PAGE && !p->frame)
			fails(s, "page sent without a frame");
		transmit(s, e, e->node, a->dst, &a->msg, p->version);
		break;
	case DVMM_ACT_SEND_SET:
		send_set(s, e, a);
		break;
	case DVMM_ACT_FILL:
		p->version = a->zero ? 0 : e->version;
		if (a->zero)
			p->bill.class = SIM_FIRST;
		p->frame = true;
		break;
	case DVMM_ACT_WAKE:
		wake(s, e->node, e->page);
		break;
	case DVMM_ACT_TIMER:
		t = new_event(e->node, e->page, DVMM_EV_TIMER);
		push(s, t, s->now + a->delay_us * 1000ull);
		break;
	case DVMM_ACT_FENCE:
	case DVMM_ACT_FAIL:
		fails(s, a->why);
		break;
	}
	return a->type == DVMM_ACT_DEFER;
}

static bool step(struct sim *s, struct event *e)
{
	struct snode *n = &s->node[e->node];
	struct spage *p = &n->page[e->page];
	struct dvmm_ctx ctx = {
		.self = e->node, .home = (u16)home_of(s, e->page), .nodes = (u16)s->cfg->nodes,
		.now = (u32)(s->now / 1000), .fresh_id = ++n->ids, .policy = &s->cfg->policy,
	};
	struct dvmm_actions out;
	bool deferred = false, had = p->frame;
	unsigned int i;

	if (ctx.self == ctx.home)
		ctx.dir = &s->dir[e->page];
	/* Only what came for this node's own request is on its way. */
	if (e->hops > p->bill.hops && e->ev.msg.requester == e->node)
		p->bill.hops = e->hops;
	dvmm_step(&ctx, &p->pg, &p->txn, &e->ev, &out);
	for (i = 0; i < out.count; i++)
		deferred |= act(s, e, p, &out.act[i]);
	p->frame &= dvmm_state_has_frame(p->pg.state);
	if (!ctx.dir)
		n->cached += p->frame - had;
	if (p->frame > had)
		make_room(s, e->node);
	return deferred;
}

static void offer_again(struct sim *s, struct spage *p)
{
	while (p->deferred && !s->res->error) {
		struct event *e = p->deferred;

		if (step(s, e))
			return;
		p->deferred = e->next;
		if (!p->deferred)
			p->last = NULL;
		free(e);
	}
}

static void happen(struct sim *s, struct event *e)
{
	struct spage *p = page_of(s, e->node, e->page);

	if (!step(s, e)) {
		free(e);
		offer_again(s, p);
		return;
	}
	e->next = NULL;
	if (p->last)
		*p->last = e;
	else
		p->deferred = e;
	p->last = &e->next;
}

/* A node does one thing at a time; what comes meanwhile waits in order. */
static bool must_wait(struct sim *s, struct event *e)
{
	struct snode *n = &s->node[e->node];

	if (e->served || e->turn)
		return false;
	e->served = true;
	n->received++;
	n->busy = (n->busy > s->now ? n->busy : s->now) + s->cfg->service_ns;
	push(s, e, n->busy);
	return true;
}

static void one_event(struct sim *s, struct event *e)
{
	s->now = e->at;
	if (dead(s, e->node)) {
		free(e);
	} else if (e->turn) {
		unsigned int node = e->node;
		struct snode *n = &s->node[node];
		bool stale = e->served && (!n->waiting || s->ops[n->todo[n->next]].page != e->page);

		free(e);
		if (!stale)
			take_turn(s, node);
	} else if (!must_wait(s, e)) {
		happen(s, e);
	}
}

/* At rest the directory must agree with every cache. */
static void check_rest(struct sim *s, unsigned int page)
{
	unsigned int home = home_of(s, page), node;
	const struct dvmm_dir *dir = &s->dir[page];
	const struct spage *h = page_of(s, home, page);

	for (node = 0; node < s->cfg->nodes; node++) {
		const struct spage *p = page_of(s, node, page);
		bool known = dir->sharers & dvmm_set_bit(node, s->cfg->nodes);

		if (p->deferred || !dvmm_state_stable(p->pg.state))
			fails(s, "something waits for ever");
		if (node == home)
			continue;
		if (p->pg.state == DVMM_ST_M && (h->pg.state != DVMM_ST_H_R || h->pg.peer != node))
			fails(s, "an owner that the directory does not know");
		if (p->pg.state == DVMM_ST_S && (h->pg.state != DVMM_ST_H_S || !known))
			fails(s, "a sharer that the directory does not know");
		if (p->frame && p->version != s->version[page])
			fails(s, "an old copy at rest");
	}
}

static void finish(struct sim *s)
{
	unsigned int node, page;

	for (page = 0; page < s->cfg->pages && !s->cfg->lose_at_ns && !s->res->error; page++)
		check_rest(s, page);
	for (node = 0; node < s->cfg->nodes; node++) {
		struct snode *n = &s->node[node];

		if (n->next < n->count && !s->cfg->lose_at_ns)
			fails(s, "a vCPU waits for ever");
		s->res->mean += n->received;
		if (n->received > s->res->busiest)
			s->res->busiest = n->received;
		for (page = 0; page < s->cfg->pages; page++)
			close_bill(s, &n->page[page].bill);
	}
	s->res->mean /= s->cfg->nodes;
	s->res->ns = s->now;
}

static void setup(struct sim *s, unsigned int count)
{
	unsigned int n = s->cfg->nodes, i;

	s->node = zalloc(n, sizeof(*s->node));
	s->dir = zalloc(s->cfg->pages, sizeof(*s->dir));
	s->version = zalloc(s->cfg->pages, sizeof(*s->version));
	s->lane = zalloc((size_t)n * n * DVMM_LANES, sizeof(*s->lane));
	for (i = 0; i < n; i++)
		s->node[i].page = zalloc(s->cfg->pages, sizeof(*s->node[i].page));
	for (i = 0; i < count; i++)
		s->node[s->ops[i].node].count++;
	for (i = 0; i < n; i++) {
		s->node[i].todo = zalloc(s->node[i].count, sizeof(*s->node[i].todo));
		s->node[i].count = 0;
	}
	for (i = 0; i < count; i++) {
		struct snode *node = &s->node[s->ops[i].node];

		node->todo[node->count++] = i;
	}
	for (i = 0; i < n; i++)
		next_turn(s, i);
}

static void release(struct sim *s)
{
	unsigned int node, page;
	struct event *e;

	while ((e = pop(s)))
		free(e);
	for (node = 0; node < s->cfg->nodes; node++) {
		for (page = 0; page < s->cfg->pages; page++)
			while ((e = s->node[node].page[page].deferred)) {
				s->node[node].page[page].deferred = e->next;
				free(e);
			}
		free(s->node[node].page);
		free(s->node[node].todo);
	}
	free(s->node);
	free(s->dir);
	free(s->version);
	free(s->lane);
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
