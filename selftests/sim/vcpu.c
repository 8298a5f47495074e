// SPDX-License-Identifier: GPL-2.0
/* vCPUs: their programs, what an access costs, and that they go to other nodes. */
#include <stdlib.h>
#include "machine.h"

static void vcpu_turn(struct sim *s, struct event *e);

static void vcpu_put(struct sim *s, struct vcpu *v, unsigned int node)
{
	v->node = (u16)node;
	v->beside = s->node[node].vcpus;
	s->node[node].vcpus = v;
}

static void vcpu_take(struct sim *s, struct vcpu *v)
{
	struct vcpu **at = &s->node[v->node].vcpus;

	while (*at != v)
		at = &(*at)->beside;
	*at = v->beside;
}

static void vcpu_due(struct sim *s, struct vcpu *v, u64 at)
{
	struct event *e;

	if (v->due || v->away || v->next >= v->count)
		return;
	e = sim_event(v->node, 0, 0, vcpu_turn);
	e->what = (u16)(v - s->vcpu);
	e->version = v->turns;
	e->served = true;
	v->due = true;
	sim_push(s, e, at);
}

static void vcpu_next(struct sim *s, struct vcpu *v)
{
	if (v->next < v->count)
		vcpu_due(s, v, s->now + s->ops[v->todo[v->next]].think_ns);
}

void vcpu_init(struct sim *s, unsigned int count)
{
	unsigned int n = s->cfg->nodes, first = s->cfg->present ? s->cfg->present : n, i;

	s->vcpu = sim_zalloc(n, sizeof(*s->vcpu));
	for (i = 0; i < count; i++)
		s->vcpu[s->ops[i].node].count++;
	for (i = 0; i < n; i++) {
		s->vcpu[i].todo = sim_zalloc(s->vcpu[i].count, sizeof(*s->vcpu[i].todo));
		s->vcpu[i].count = 0;
		vcpu_put(s, &s->vcpu[i], i % first);
	}
	for (i = 0; i < count; i++) {
		struct vcpu *v = &s->vcpu[s->ops[i].node];

		v->todo[v->count++] = i;
	}
	for (i = 0; i < n; i++)
		vcpu_next(s, &s->vcpu[i]);
}

/* What it costs. */

void vcpu_close_bill(struct sim *s, struct bill *b)
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

void vcpu_open_bill(struct sim *s, struct spage *p, u8 class)
{
	vcpu_close_bill(s, &p->bill);
	memset(&p->bill, 0, sizeof(p->bill));
	p->bill.class = class;
	p->bill.open = true;
	p->bill.since = s->now;
}

static u8 vcpu_class(struct sim *s, const struct spage *p, unsigned int node,
		     const struct sim_op *op)
{
	if (homes_here(s, node, op->page))
		return op->store ? SIM_HOME_WRITE : SIM_HOME_READ;
	if (op->store && p->perm == DVMM_PERM_READ)
		return SIM_UPGRADE;
	return op->store ? SIM_WRITE_MISS : SIM_READ_MISS;
}

static void vcpu_pay(struct sim *s, const struct spage *p)
{
	struct sim_cost *c = &s->res->cost[p->bill.class];
	u64 ns = s->now - p->bill.since;

	c->ns += ns;
	c->max_ns = ns > c->max_ns ? ns : c->max_ns;
	c->max_hops = p->bill.hops > c->max_hops ? p->bill.hops : c->max_hops;
	if (p->bill.hops > 3)
		sim_fails(s, "an access took more than three hops");
}

/* Accesses. */

/* The vCPU has the permission: the value must be the last one written. */
static void vcpu_access(struct sim *s, struct vcpu *v, const struct sim_op *op)
{
	struct spage *p = sim_page(s, v->node, op->page);

	if (p->version != s->version[op->page])
		sim_fails(s, "a vCPU sees an old value");
	if (op->store) {
		cut_write(s, v->node, op->page);
		p->version = ++s->version[op->page];
	}
	s->res->done++;
	if (v->waiting)
		vcpu_pay(s, p);
	else
		s->res->hits++;
	v->waiting = false;
	v->next++;
	vcpu_next(s, v);
}

static void vcpu_look(struct sim *s, struct vcpu *v, const struct sim_op *op)
{
	struct spage *p = sim_page(s, v->node, op->page);

	if (p->perm >= (op->store ? DVMM_PERM_WRITE : DVMM_PERM_READ)) {
		vcpu_access(s, v, op);
		return;
	}
	if (!v->waiting)
		vcpu_open_bill(s, p, vcpu_class(s, p, v->node, op));
	v->waiting = true;
	sim_happen(s, sim_event(v->node, op->page, op->store ? DVMM_EV_STORE : DVMM_EV_LOAD,
				sim_happen));
}

static void vcpu_turn(struct sim *s, struct event *e)
{
	struct vcpu *v = &s->vcpu[e->what];
	bool stale = e->version != v->turns;

	free(e);
	if (stale)
		return;
	v->due = false;
	if (!s->node[v->node].stopped)
		vcpu_look(s, v, &s->ops[v->todo[v->next]]);
}

/* A woken vCPU looks again at once, before anything else happens here. */
void vcpu_wake(struct sim *s, unsigned int node, unsigned int page)
{
	struct vcpu *v;

	for (v = s->node[node].vcpus; v; v = v->beside)
		if (v->waiting && s->ops[v->todo[v->next]].page == page)
			vcpu_due(s, v, s->now);
}

void vcpu_go(struct sim *s, unsigned int node)
{
	struct vcpu *v;

	for (v = s->node[node].vcpus; v; v = v->beside)
		vcpu_due(s, v, s->now);
}

/* To other nodes. */

static void vcpu_arrived(struct sim *s, struct event *e)
{
	struct vcpu *v = &s->vcpu[e->what];

	s->node[e->node].inbound--;
	v->away = false;
	vcpu_put(s, v, e->node);
	sim_paid(s, &s->res->change[SIM_MOVE], v->since);
	vcpu_due(s, v, s->now);
	free(e);
}

bool vcpu_move(struct sim *s, struct vcpu *v, unsigned int to)
{
	struct event *e;

	if (v->away || cut_stands(s))
		return false;
	vcpu_take(s, v);
	v->turns++;
	v->due = false;
	v->away = true;
	v->waiting = false;
	v->since = s->now;
	s->node[to].inbound++;
	e = sim_note(s, &s->res->change[SIM_MOVE], v->node, to, DVMM_LANE_CTL,
		     s->cfg->state_bytes, vcpu_arrived);
	e->what = (u16)(v - s->vcpu);
	return true;
}
