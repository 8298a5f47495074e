// SPDX-License-Identifier: GPL-2.0
/* Homes that move: the executor of rehome.h. */
#include <stdlib.h>
#include "machine.h"

static unsigned int homes_size(const struct sim *s)
{
	return s->cfg->chunk ? s->cfg->chunk : 1;
}

/* How many pages the chunk has: the last one may have fewer. */
static unsigned int homes_pages(const struct sim *s, unsigned int chunk)
{
	unsigned int size = homes_size(s), left = s->cfg->pages - chunk * size;

	return left < size ? left : size;
}

void homes_init(struct sim *s)
{
	unsigned int first = s->cfg->present ? s->cfg->present : s->cfg->nodes, node, i;

	s->chunks = (s->cfg->pages + homes_size(s) - 1) / homes_size(s);
	s->moved = sim_zalloc(s->chunks, sizeof(*s->moved));
	for (node = 0; node < s->cfg->nodes; node++) {
		struct snode *n = &s->node[node];

		n->moving = -1;
		n->chunk = sim_zalloc(s->chunks, sizeof(*n->chunk));
		for (i = 0; i < s->chunks; i++)
			dvmm_chunk_init(&n->chunk[i], (u16)(i % first), (u16)homes_pages(s, i));
	}
}

struct dvmm_chunk *homes_chunk(struct sim *s, unsigned int node, unsigned int page)
{
	return &s->node[node].chunk[page / homes_size(s)];
}

u16 homes_at(const struct sim *s, unsigned int page)
{
	return (u16)(page % homes_size(s));
}

bool homes_here(struct sim *s, unsigned int node, unsigned int page)
{
	return dvmm_chunk_homed(homes_chunk(s, node, page), (u16)node, homes_at(s, page));
}

/* Who hears of a move last believes in the old home, and knows in whom it believes. */
unsigned int homes_of(struct sim *s, unsigned int page)
{
	unsigned int node, next = 0;

	for (node = 0; node < s->cfg->nodes; node++) {
		if (homes_here(s, node, page))
			return node;
		if (homes_chunk(s, node, page)->phase == DVMM_CHUNK_COMING)
			next = node;
	}
	return next;
}

unsigned int homes_count(struct sim *s, unsigned int node, unsigned int *first)
{
	unsigned int i, count = 0;

	for (i = 0; i < s->chunks; i++)
		if (s->node[node].chunk[i].home == node && !count++)
			*first = i;
	return count;
}

/* ---- handing over ---- */

static void homes_give(struct sim *s, struct event *e)
{
	struct snode *n = &s->node[e->node];
	struct dvmm_chunk *c = &n->chunk[n->moving];
	struct dvmm_actions out = { .count = 0 };
	bool again = false;

	while (c->phase == DVMM_CHUNK_GIVING && !out.count && !again) {
		struct dvmm_ctx ctx;
		struct spage *p;

		e->page = (u16)((unsigned int)n->moving * homes_size(s) + c->next);
		p = &n->page[e->page];
		ctx = sim_context(s, e->node, e->page);
		again = p->deferred.first || !dvmm_rehome_give(&ctx, c, &p->pg, &out);
		sim_execute(s, e, &out);
		n->cached += !again && p->frame;
	}
	if (c->phase == DVMM_CHUNK_SETTLED) {
		n->moving = -1;
		free(e);
		return;
	}
	/* What is told takes its time; what is not at rest is looked at again. */
	e->served = again;
	sim_push(s, e, again ? s->now + SIM_LOOK_NS : s->now);
}

/* What waited for pages that are homed here now goes on. */
static void homes_open(struct sim *s, const struct event *e, unsigned int from)
{
	const struct dvmm_chunk *c = homes_chunk(s, e->node, e->page);
	unsigned int first = e->page - homes_at(s, e->page), i;

	for (i = from; i < c->pages && homes_here(s, e->node, first + i); i++) {
		struct spage *p = sim_page(s, e->node, first + i);
		struct queue kept = p->gated;

		p->gated = (struct queue) { 0 };
		while (kept.first) {
			struct event *one = kept.first;

			kept.first = one->next;
			sim_keep(&p->deferred, one);
		}
		sim_offer_again(s, p);
	}
}

static void homes_taken(struct sim *s, struct event *e)
{
	struct dvmm_ctx ctx = sim_context(s, e->node, e->page);
	struct spage *p = sim_page(s, e->node, e->page);
	struct dvmm_actions out;

	if (p->deferred.first || p->txn.id)
		sim_fails(s, "TAKE while something of the old home's is under way");
	s->node[e->node].cached -= p->frame;
	dvmm_rehome_take(&ctx, homes_chunk(s, e->node, e->page), homes_at(s, e->page), &p->pg,
			 &e->ev.msg, &out);
	sim_execute(s, e, &out);
}

/* ---- messages ---- */

static bool homes_agrees(const struct sim *s, const struct event *e)
{
	return !churn_unsettled(s, e->node) && e->ev.msg.id == churn_view(s, e->node);
}

static void homes_told(struct sim *s, struct event *e)
{
	struct snode *n = &s->node[e->node];
	struct dvmm_chunk *c = homes_chunk(s, e->node, e->page);
	bool came = c->phase == DVMM_CHUNK_COMING;
	struct dvmm_actions out;

	dvmm_rehome_message(c, &n->move, e->node, (u16)s->cfg->nodes, &e->ev.msg,
			    homes_agrees(s, e), &out);
	sim_execute(s, e, &out);
	n->coming += (c->phase == DVMM_CHUNK_COMING) - came;
	if (e->ev.msg.type == DVMM_MSG_UNABLE)
		n->moving = -1;
	if (e->ev.msg.type == DVMM_MSG_REST)
		sim_paid(s, &s->res->change[SIM_REHOME], s->moved[e->page / homes_size(s)]);
	if (c->phase == DVMM_CHUNK_GIVING && !out.count)
		sim_push(s, sim_event(e->node, 0, 0, homes_give), s->now);
}

void homes_message(struct sim *s, struct event *e)
{
	unsigned int next = homes_chunk(s, e->node, e->page)->next;

	if (e->ev.type == DVMM_MSG_TAKE) {
		homes_taken(s, e);
		homes_open(s, e, next);
	} else {
		homes_told(s, e);
		if (e->ev.type == DVMM_MSG_REST)
			homes_open(s, e, next);
	}
	free(e);
}

/* ---- asking for a move ---- */

static bool homes_start(struct sim *s, unsigned int node, unsigned int chunk, unsigned int to)
{
	struct event e = { .node = (u16)node, .page = (u16)(chunk * homes_size(s)) };
	struct snode *n = &s->node[node];
	struct dvmm_actions out;

	if (dvmm_rehome_start(&n->chunk[chunk], &n->move, (u16)node, (u16)s->cfg->nodes, (u16)to,
			      &out))
		return false;
	n->move.others = churn_others(s, node);
	out.act[0].msg.id = churn_view(s, node);
	n->moving = (int)chunk;
	s->moved[chunk] = s->now;
	sim_execute(s, &e, &out);
	return true;
}

bool homes_have(struct sim *s, unsigned int chunk, unsigned int node)
{
	const struct dvmm_chunk *c = &s->node[node].chunk[chunk];

	return c->home == node && c->phase == DVMM_CHUNK_SETTLED;
}

bool homes_move(struct sim *s, unsigned int chunk, unsigned int to)
{
	unsigned int node = homes_of(s, chunk * homes_size(s));

	if (homes_have(s, chunk, to))
		return true;
	if (s->node[node].moving >= 0 || churn_unsettled(s, node) || !churn_stays(s, node, to))
		return false;
	return homes_start(s, node, chunk, to);
}

/* ---- at rest ---- */

void homes_check(struct sim *s, unsigned int chunk)
{
	unsigned int home = homes_of(s, chunk * homes_size(s)), node;

	for (node = 0; node < s->cfg->nodes; node++) {
		const struct dvmm_chunk *c = &s->node[node].chunk[chunk];

		if (node != home && homes_here(s, node, chunk * homes_size(s)))
			sim_fails(s, "two nodes are the page's home");
		if (!churn_linked(s, node))
			continue;
		if (c->home != home || c->phase != DVMM_CHUNK_SETTLED)
			sim_fails(s, "at rest a node knows another home than there is");
		if (c->owes || c->owed || c->busy)
			sim_fails(s, "at rest a node believes that something is open");
	}
}
