// SPDX-License-Identifier: GPL-2.0
/*
 * Checkpoints: memory as it was at one moment, the cut, copied before it changes and
 * written while all go on: a model of the module's snapshot.c and of what the boot node
 * does around it.
 *
 *	READS	savers read what they have not, while all go on
 *	STOPS	vCPUs are stopped, node by node
 *	STANDS	savers read what has changed since; nobody writes
 *	WRITES	all go on; pages are written one by one, in order
 *
 * The rule: what is written of a page is its value at the cut.
 */
#include <stdlib.h>
#include "machine.h"

#define BOOT		0		/* the node that has it made */
#define WINDOW		64		/* pages that are asked for at a time */
#define FETCH_NS	1000		/* between looks at what was asked for */

enum cut_phase { RUNS, READS, STOPS, STANDS, WRITES };

/* One page: neither written nor kept yet; or kept, and what it was. */
struct saved {
	bool left, kept;
	bool asked;			/* to be read while all go on */
	u16 saver;
	u32 version, cut;
};

/* What one node has to do. */
struct saver {
	unsigned int next;		/* pages below have been read, or written */
	bool made;			/* it has all of the cut */
	bool writes;			/* its pages, still */
};

struct cut {
	u8 phase;
	unsigned int due;		/* nodes that have not answered yet */
	u64 since, stopped_since;
	struct saved *page;
	struct saver *saver;
};

void cut_init(struct sim *s)
{
	s->cut = sim_zalloc(1, sizeof(*s->cut));
	s->cut->page = sim_zalloc(s->cfg->pages, sizeof(*s->cut->page));
	s->cut->saver = sim_zalloc(s->cfg->nodes, sizeof(*s->cut->saver));
}

void cut_end(struct sim *s)
{
	free(s->cut->page);
	free(s->cut->saver);
	free(s->cut);
}

bool cut_runs(const struct sim *s)
{
	return s->cut->phase != RUNS;
}

bool cut_stands(const struct sim *s)
{
	return s->cut->phase == STOPS || s->cut->phase == STANDS;
}

bool cut_saves(const struct sim *s, unsigned int node)
{
	return s->cut->phase != RUNS && (s->cut->phase != WRITES || s->cut->saver[node].writes);
}

/* What is kept. */

static void cut_keep(struct sim *s, unsigned int page, u32 version)
{
	struct saved *p = &s->cut->page[page];

	if (!p->left)
		return;
	p->left = false;
	p->kept = true;
	p->version = version;
	s->res->copies += version != 0;
}

static bool cut_is_saver(const struct sim *s, unsigned int node, unsigned int page)
{
	return s->cut->page[page].saver == node;
}

/* It had no frame, so nobody had touched it; what comes earlier is what the page is then. */
void cut_fill(struct sim *s, unsigned int node, unsigned int page)
{
	if (cut_is_saver(s, node, page) && s->cut->saver[node].made)
		cut_keep(s, page, 0);
}

void cut_lose(struct sim *s, unsigned int node, unsigned int page)
{
	if (cut_is_saver(s, node, page))
		cut_keep(s, page, sim_page(s, node, page)->version);
}

void cut_write(struct sim *s, unsigned int node, unsigned int page)
{
	if (s->cut->phase == STANDS)
		sim_fails(s, "a vCPU writes before the checkpoint's cut is made");
	if (cut_is_saver(s, node, page))
		cut_keep(s, page, sim_page(s, node, page)->version);
}

/* Reading what others have. */

static bool cut_untouched(struct sim *s, unsigned int node, unsigned int page)
{
	return !sim_page(s, node, page)->pg.state && homes_here(s, node, page);
}

static bool cut_has(struct sim *s, unsigned int node, unsigned int page)
{
	const struct saved *p = &s->cut->page[page];
	bool done = s->cut->phase == STANDS ? !p->left : p->asked;

	return sim_page(s, node, page)->perm || done || cut_untouched(s, node, page);
}

static void cut_ask(struct sim *s, unsigned int node, unsigned int page)
{
	struct spage *p = sim_page(s, node, page);

	if (sim_flies(p))
		return;
	s->cut->page[page].asked = true;
	vcpu_open_bill(s, p, SIM_SAVE);
	p->bill.also = &s->res->change[SIM_CHECKPOINT];
	sim_happen(s, sim_event(node, page, DVMM_EV_LOAD, sim_happen));
}

/* Ask for the next pages; true: none is missing. */
static bool cut_read(struct sim *s, unsigned int node)
{
	struct saver *v = &s->cut->saver[node];
	unsigned int page, asked = 0;

	for (page = v->next; page < s->cfg->pages && asked < WINDOW; page++)
		if (cut_is_saver(s, node, page) && !cut_has(s, node, page)) {
			cut_ask(s, node, page);
			asked++;
		} else if (!asked) {
			v->next = page + 1;
		}
	return v->next == s->cfg->pages;
}

static void cut_answer(struct sim *s, struct event *e);

static struct event *cut_send(struct sim *s, unsigned int from, unsigned int to,
			      unsigned int bytes, sim_act *act)
{
	return sim_note(s, &s->res->change[SIM_CHECKPOINT], from, to, DVMM_LANE_CTL, bytes, act);
}

static void cut_fetch(struct sim *s, struct event *e)
{
	struct saver *v = &s->cut->saver[e->node];

	if (!cut_read(s, e->node)) {
		e->served = true;
		sim_push(s, e, s->now + FETCH_NS);
		return;
	}
	v->made = s->cut->phase == STANDS;
	cut_send(s, e->node, BOOT, SIM_HEADER, cut_answer);
	free(e);
}

/* One page after the other is written. */

static void cut_write_out(struct sim *s, unsigned int node, unsigned int page)
{
	struct saved *p = &s->cut->page[page];
	const struct spage *here = sim_page(s, node, page);
	u32 version = p->kept ? p->version : here->frame ? here->version : 0;

	if (version != p->cut)
		sim_fails(s, "a checkpoint has of a page what it was not at the cut");
	p->left = false;
	s->res->saved += version != 0;
}

static void cut_ended(struct sim *s, struct event *e)
{
	struct cut *c = s->cut;

	if (!--c->due) {
		c->phase = RUNS;
		sim_paid(s, &s->res->change[SIM_CHECKPOINT], c->since);
	}
	free(e);
}

/* Zeroes take no time, as they take no place. */
static void cut_writes(struct sim *s, struct event *e)
{
	struct saver *v = &s->cut->saver[e->node];
	unsigned long was = s->res->saved;

	for (; v->next < s->cfg->pages && s->res->saved == was; v->next++)
		if (cut_is_saver(s, e->node, v->next))
			cut_write_out(s, e->node, v->next);
	if (s->res->saved > was) {
		e->served = true;
		sim_push(s, e, s->now + s->cfg->save_ns);
		return;
	}
	v->writes = false;
	cut_send(s, e->node, BOOT, SIM_HEADER, cut_ended);
	free(e);
}

/* From one phase to the next. */

static bool cut_saver_is(const struct sim *s, unsigned int node)
{
	return s->cfg->spread ? s->node[node].member.phase == IN : node == BOOT;
}

static void cut_tell(struct sim *s, bool savers, unsigned int bytes, sim_act *act)
{
	unsigned int node;

	for (node = 0; node < s->cfg->nodes; node++) {
		if (savers ? !cut_saver_is(s, node) : s->node[node].member.phase != IN)
			continue;
		if (savers)
			s->cut->saver[node] = (struct saver) { .writes = true };
		s->cut->due++;
		cut_send(s, BOOT, node, bytes, act);
	}
}

static void cut_stop(struct sim *s, struct event *e)
{
	s->node[e->node].stopped = true;
	cut_send(s, e->node, BOOT, s->cfg->state_bytes, cut_answer);
	free(e);
}

static void cut_go(struct sim *s, struct event *e)
{
	u64 ns = s->now - s->cut->stopped_since;

	s->node[e->node].stopped = false;
	s->res->pause_ns = ns > s->res->pause_ns ? ns : s->res->pause_ns;
	vcpu_go(s, e->node);
	free(e);
}

static void cut_begin(struct sim *s)
{
	unsigned int page;

	s->cut->phase = STANDS;
	for (page = 0; page < s->cfg->pages; page++) {
		struct saved *p = &s->cut->page[page];

		p->left = true;
		p->kept = false;
		p->cut = s->version[page];
	}
	cut_tell(s, true, SIM_HEADER, cut_fetch);
}

static void cut_made(struct sim *s)
{
	unsigned int node, savers = 0;

	s->cut->phase = WRITES;
	cut_tell(s, false, s->cfg->state_bytes, cut_go);
	for (node = 0; node < s->cfg->nodes; node++)
		if (s->cut->saver[node].writes) {
			struct event *e = sim_event(node, 0, 0, cut_writes);

			s->cut->saver[node].next = 0;
			savers++;
			sim_push(s, e, s->now);
		}
	s->cut->due = savers;
}

static void cut_answer(struct sim *s, struct event *e)
{
	struct cut *c = s->cut;

	free(e);
	if (--c->due)
		return;
	if (c->phase == READS) {
		c->phase = STOPS;
		c->stopped_since = s->now;
		cut_tell(s, false, SIM_HEADER, cut_stop);
	} else if (c->phase == STOPS) {
		cut_begin(s);
	} else {
		cut_made(s);
	}
}

static void cut_start(struct sim *s)
{
	unsigned int page;

	s->cut->phase = READS;
	s->cut->since = s->now;
	for (page = 0; page < s->cfg->pages; page++) {
		s->cut->page[page].saver = (u16)(s->cfg->spread ? homes_of(s, page) : BOOT);
		s->cut->page[page].asked = false;
	}
	cut_tell(s, true, SIM_HEADER, cut_fetch);
}

bool cut_make(struct sim *s)
{
	if (s->cut->phase != RUNS)
		return false;
	cut_start(s);
	return true;
}
