// SPDX-License-Identifier: GPL-2.0
/* The executor of the model, and the rules that every move must keep. */
#include <stdlib.h>
#include "table.h"
#include "step.h"
#include "world.h"

unsigned long w_cells[DVMM_ST_COUNT][DVMM_EV_COUNT];
unsigned long w_taken[DVMM_ST_COUNT][DVMM_ST_COUNT];

static void broken(struct world *w, const char *why)
{
	if (!w->error)
		w->error = why;
	if (w->log)
		fprintf(w->log, "\t# %s\n", why);
}

void w_init(struct world *w, const struct w_config *cfg)
{
	unsigned int node, page;

	memset(w, 0, sizeof(*w));
	w->cfg = cfg;
	memset(w->zero, W_LAST, sizeof(w->zero));
	w->rehomes = cfg->rehomes;
	for (node = 0; node < cfg->nodes; node++)
		for (page = 0; page < cfg->pages; page++)
			dvmm_chunk_init(&w->chunk[node][page], cfg->home[page],
					cfg->rehomes ? cfg->pages : 1);
}

static const struct dvmm_chunk *chunk(const struct world *w, unsigned int node, unsigned int page)
{
	return w_chunk((struct world *)w, node, page);
}

/* The page's number in its chunk. */
static u16 place(const struct world *w, unsigned int page)
{
	return w->cfg->rehomes ? (u16)page : 0;
}

bool w_homed(const struct world *w, unsigned int node, unsigned int page)
{
	return dvmm_chunk_homed(chunk(w, node, page), (u16)node, place(w, page));
}

/* Messages. */

static bool is_cut(const struct world *w, unsigned int a, unsigned int b)
{
	return w->cut && w->ends[0] == (a < b ? a : b) && w->ends[1] == (a < b ? b : a);
}

static void put(struct world *w, unsigned int src, unsigned int dst,
		const struct w_event *cause, const struct dvmm_msg *msg, u8 data)
{
	struct w_queue *q;

	if (dst >= w->cfg->nodes || dst == src) {
		broken(w, "sent to itself or to a node that has no part in this page");
		return;
	}
	if (is_cut(w, src, dst))
		return;
	q = &w->q[src][dst][dvmm_msg_lane(msg->type)];
	if (q->count == W_QUEUE) {
		broken(w, "more messages in flight than the model holds");
		return;
	}
	q->e[q->count++] = (struct w_event) {
		.ev = { .type = msg->type, .msg = *msg }, .page = cause->page, .data = data,
		.hops = cause->hops + 1,
	};
	q->e[q->count - 1].ev.msg.src = (u16)src;
	w->sent++;
	w->pages += msg->flags & DVMM_MSGF_PAGE;
}

static struct w_event take(struct world *w, unsigned int src, unsigned int dst,
			   unsigned int lane)
{
	struct w_queue *q = &w->q[src][dst][lane];
	struct w_event e = q->e[0];

	q->count--;
	memmove(q->e, q->e + 1, q->count * sizeof(q->e[0]));
	memset(&q->e[q->count], 0, sizeof(q->e[0]));
	return e;
}

static bool is_refusal(const struct dvmm_msg *m)
{
	return m->type == DVMM_MSG_DATA && !m->flags && !m->acks;
}

/* What a permission must have come down to before a message may leave. */
static enum dvmm_perm perm_allowed(const struct dvmm_msg *m)
{
	if (is_refusal(m))
		return DVMM_PERM_WRITE;
	switch (m->type) {
	case DVMM_MSG_DATA:
	case DVMM_MSG_OWN_DATA:
		return m->flags & DVMM_MSGF_EXCL ? DVMM_PERM_NONE : DVMM_PERM_READ;
	case DVMM_MSG_INV_ACK:
	case DVMM_MSG_PUT_S:
	case DVMM_MSG_PUT_M:
		return DVMM_PERM_NONE;
	case DVMM_MSG_UNBLOCK:
	case DVMM_MSG_TAKE:
		return m->flags & DVMM_MSGF_PAGE ? DVMM_PERM_READ : DVMM_PERM_WRITE;
	default:
		return DVMM_PERM_WRITE;
	}
}

static void check_send(struct world *w, const struct w_page *p, const struct dvmm_action *a)
{
	bool flagged = a->msg.flags & DVMM_MSGF_PAGE;

	if (p->perm > perm_allowed(&a->msg))
		broken(w, "message sent before the permission was taken away");
	if (a->type == DVMM_ACT_SEND_PAGE && p->frame == W_NO_DATA)
		broken(w, "page sent without a frame");
	if (a->type == DVMM_ACT_SEND_PAGE ? !flagged : flagged)
		broken(w, "payload and PAGE flag differ");
}

/* Of a machine's nodes that the model leaves out none has asked for anything. */
unsigned int w_told(const struct world *w, const struct dvmm_action *a)
{
	return a->msg.type == DVMM_MSG_MOVE ? w->cfg->nodes : w->cfg->machine;
}

static void send_set(struct world *w, unsigned int node, const struct w_event *e,
		     const struct dvmm_action *a)
{
	unsigned int nodes = w_told(w, a);
	int dst;

	for (dst = dvmm_set_next(a->set, nodes, -1); dst >= 0;
	     dst = dvmm_set_next(a->set, nodes, dst))
		if (dst != (int)node && dst != a->skip)
			put(w, node, (unsigned int)dst, e, &a->msg, W_NO_DATA);
}

static u8 payload(const struct world *w, unsigned int page, const struct dvmm_action *a,
		  const struct w_page *p)
{
	if (a->type == DVMM_ACT_SEND_PAGE)
		return p->frame;
	return a->msg.flags & DVMM_MSGF_ZERO ? w->zero[page] : W_NO_DATA;
}

static void set_perm(struct world *w, unsigned int node, unsigned int page, u8 perm)
{
	struct w_page *p = &w->page[node][page];

	if (w->cfg->snapshot && p->perm && !perm)
		w->cfg->snapshot->lose(w, node, page);
	p->perm = perm;
	p->wrote = false;
}

static void wake(struct world *w, struct w_page *p)
{
	if (p->perm != dvmm_state_perm(p->pg.state))
		broken(w, "woken before the permission was set");
	p->loading = false;
	p->storing = false;
	w->hops = p->hops;
}

static void fill(struct world *w, unsigned int node, unsigned int page,
		 const struct dvmm_action *a, u8 data)
{
	struct w_page *p = &w->page[node][page];

	if (w->cfg->snapshot)
		w->cfg->snapshot->fill(w, node, page);
	if (p->perm != DVMM_PERM_NONE)
		broken(w, "filled while mapped");
	p->frame = a->zero ? w->zero[page] : data;
	if (p->frame == W_NO_DATA)
		broken(w, "filled from a message without a page");
}

static void arm(struct world *w, struct w_page *p)
{
	if (p->timer)
		broken(w, "second timer while one is running");
	p->timer = true;
}

/* Returns true if the event was deferred. */
static bool execute(struct world *w, unsigned int node, const struct w_event *e,
		    const struct dvmm_actions *acts)
{
	struct w_page *p = &w->page[node][e->page];
	bool deferred = false;
	unsigned int i;

	for (i = 0; i < acts->count; i++) {
		const struct dvmm_action *a = &acts->act[i];

		if (w->log)
			w_tell(w, a);
		switch (a->type) {
		case DVMM_ACT_SEND:
		case DVMM_ACT_SEND_PAGE:
			check_send(w, p, a);
			put(w, node, a->dst, e, &a->msg, payload(w, e->page, a, p));
			break;
		case DVMM_ACT_SEND_SET:
			check_send(w, p, a);
			send_set(w, node, e, a);
			break;
		case DVMM_ACT_SET_PERM:
			set_perm(w, node, e->page, a->perm);
			break;
		case DVMM_ACT_FILL:
			fill(w, node, e->page, a, e->data);
			break;
		case DVMM_ACT_WAKE:
			wake(w, p);
			break;
		case DVMM_ACT_DEFER:
			deferred = true;
			break;
		case DVMM_ACT_TIMER:
			arm(w, p);
			break;
		default:
			broken(w, a->why);
		}
	}
	return deferred;
}

static void check_page(struct world *w, struct w_page *p)
{
	static const struct dvmm_txn none;

	if (p->perm != dvmm_state_perm(p->pg.state))
		broken(w, "permission differs from the state's");
	if (!dvmm_state_has_frame(p->pg.state))
		p->frame = W_NO_DATA;
	else if (p->frame == W_NO_DATA)
		broken(w, "state needs a frame");
	if (dvmm_state_stable(p->pg.state) && memcmp(&p->txn, &none, sizeof(none)))
		broken(w, "transaction outlives its transient state");
}

static void keep(struct world *w, struct w_event *list, u8 *count, u8 room,
		 const struct w_event *e)
{
	w->changed = true;
	if (*count == room)
		broken(w, "more deferred events than the model holds");
	else
		list[(*count)++] = *e;
}

/* May the event happen now?  If not, it is kept or forgotten. */
static bool enter(struct world *w, unsigned int node, const struct w_event *e,
		  struct dvmm_visit *v)
{
	struct w_page *p = &w->page[node][e->page];
	enum dvmm_gate gate = dvmm_rehome_enter(w_chunk(w, node, e->page), (u16)node,
						place(w, e->page), &p->pg, &p->txn, &e->ev, v);

	if (gate == DVMM_GATE_WAIT)
		keep(w, p->gate, &p->gated, W_GATE, e);
	if (w->log && gate != DVMM_GATE_PASS)
		fputs(gate == DVMM_GATE_WAIT ? "\tgate\n" : "\tforget\n", w->log);
	return gate == DVMM_GATE_PASS;
}

static void leave(struct world *w, unsigned int node, const struct w_event *e,
		  const struct dvmm_visit *v)
{
	struct dvmm_actions acts;

	dvmm_rehome_leave(w_chunk(w, node, e->page), v, &w->page[node][e->page].txn, &acts);
	execute(w, node, e, &acts);
}

/* Returns true if the event was deferred. */
static bool step(struct world *w, unsigned int node, const struct w_event *e, bool late)
{
	struct w_page *p = &w->page[node][e->page];
	struct dvmm_ctx ctx = {
		.self = (u16)node, .nodes = w->cfg->machine,
		.now = late ? w->cfg->policy.hold_us : 0,
		.fresh_id = (u64)node << 8 | (w->ids[node] + 1u),
		.wrote = p->wrote,
		.policy = &w->cfg->policy,
	};
	struct dvmm_actions acts;
	struct dvmm_visit v;
	bool deferred;

	if (!enter(w, node, e, &v))
		return false;
	ctx.home = v.home;
	ctx.dir = v.homed ? &p->dir : NULL;
	if (e->ev.type >= DVMM_EV_LOAD)
		p->hops = 0;
	else if (e->hops > p->hops)
		p->hops = e->hops;
	w_cells[dvmm_table_row(p->pg.state, ctx.dir)][e->ev.type]++;
	dvmm_step(&ctx, &p->pg, &p->txn, &e->ev, &acts);
	w->changed |= acts.count || e->ev.type < DVMM_EV_LOAD || e->ev.type == DVMM_EV_TIMER;
	if (p->txn.id == ctx.fresh_id || e->ev.type == DVMM_EV_EVICT)
		w->ids[node]++;
	/* Time stands still between moves; only "too young" and "old enough" exist. */
	p->pg.stamp = 0;
	deferred = execute(w, node, e, &acts);
	check_page(w, p);
	leave(w, node, e, &v);
	if (w->log)
		fprintf(w->log, "\t= %s\n", p->pg.state || !ctx.dir ?
			dvmm_state_name(p->pg.state) : "H_U");
	return deferred;
}

static void drop_first(struct w_event *list, u8 *count)
{
	--*count;
	memmove(list, list + 1, *count * sizeof(*list));
	memset(list + *count, 0, sizeof(*list));
}

static void offer_again(struct world *w, unsigned int node, struct w_page *p, bool late)
{
	while (p->deferred && !w->error) {
		struct w_event e = p->defer[0];

		if (w->log)
			fprintf(w->log, "\tagain %s\n", dvmm_event_name(e.ev.type));
		if (step(w, node, &e, late))
			return;
		drop_first(p->defer, &p->deferred);
	}
}

static void happen(struct world *w, unsigned int node, const struct w_event *e, bool late)
{
	struct w_page *p = &w->page[node][e->page];

	if (step(w, node, e, late))
		keep(w, p->defer, &p->deferred, W_DEFER, e);
	else
		offer_again(w, node, p, late);
}

/* Homes that move. */

/* Pages that are homed here now: what waited for that happens, each as if it came now. */
static void release_gated(struct world *w, unsigned int node)
{
	unsigned int page;

	for (page = 0; page < w->cfg->pages; page++) {
		struct w_page *p = &w->page[node][page];

		while (p->gated && w_homed(w, node, page) && !w->error) {
			struct w_event e = p->gate[0];

			drop_first(p->gate, &p->gated);
			if (w->log)
				fprintf(w->log, "\topen %s\n", dvmm_event_name(e.ev.type));
			happen(w, node, &e, false);
		}
	}
}

static void rehome_taken(struct world *w, unsigned int node, const struct w_event *e)
{
	struct w_page *p = &w->page[node][e->page];
	struct dvmm_ctx ctx = {
		.self = (u16)node, .nodes = w->cfg->machine, .dir = &p->dir,
		.policy = &w->cfg->policy,
	};
	struct dvmm_actions acts;
	u8 was = p->pg.state;

	if (p->deferred || p->txn.id)
		broken(w, "TAKE while something of the old home's is under way");
	dvmm_rehome_take(&ctx, w_chunk(w, node, e->page), place(w, e->page), &p->pg, &e->ev.msg,
			 &acts);
	execute(w, node, e, &acts);
	check_page(w, p);
	w_taken[p->pg.state][was]++;
}

static void rehome_message(struct world *w, unsigned int node, const struct w_event *e,
			   bool unable)
{
	struct dvmm_actions acts;

	w->changed = true;
	if (e->ev.type == DVMM_MSG_TAKE) {
		rehome_taken(w, node, e);
	} else {
		dvmm_rehome_message(w_chunk(w, node, e->page), &w->move[node], (u16)node,
				    w->cfg->nodes, &e->ev.msg, !unable, &acts);
		execute(w, node, e, &acts);
	}
	release_gated(w, node);
}

static void rehome(struct world *w, unsigned int node, unsigned int to)
{
	const struct w_event e = { .page = 0 };
	struct dvmm_actions acts;
	const char *why = dvmm_rehome_start(w_chunk(w, node, 0), &w->move[node], (u16)node,
					    w->cfg->nodes, (u16)to, &acts);

	w->changed = true;
	w->rehomes--;
	if (why)
		broken(w, why);
	execute(w, node, &e, &acts);
}

/* The page that a home is to hand over next, or NULL. */
static const struct w_page *next_given(const struct world *w, unsigned int node)
{
	const struct dvmm_chunk *c = chunk(w, node, 0);

	if (c->phase != DVMM_CHUNK_GIVING || c->next >= w->cfg->pages)
		return NULL;
	return &w->page[node][c->next];
}

static bool may_give(const struct world *w, unsigned int node)
{
	const struct w_page *p = next_given(w, node);

	return p && !p->deferred && dvmm_state_stable(p->pg.state);
}

static void give(struct world *w, unsigned int node)
{
	struct w_page *p = (struct w_page *)next_given(w, node);
	const struct w_event e = { .page = (u8)chunk(w, node, 0)->next };
	struct dvmm_ctx ctx = {
		.self = (u16)node, .nodes = w->cfg->machine, .dir = &p->dir,
		.policy = &w->cfg->policy,
	};
	struct dvmm_actions acts;

	w->changed = true;
	if (!dvmm_rehome_give(&ctx, w_chunk(w, node, 0), &p->pg, &acts))
		broken(w, "a page at rest cannot be handed over");
	execute(w, node, &e, &acts);
	check_page(w, p);
}

/* The rules of the whole machine. */

static void check_coherence(struct world *w, unsigned int page)
{
	unsigned int node, readers = 0, writers = 0;

	for (node = 0; node < w->cfg->nodes; node++) {
		const struct w_page *p = &w->page[node][page];

		readers += p->perm == DVMM_PERM_READ;
		writers += p->perm == DVMM_PERM_WRITE;
		if (p->perm && p->frame != W_LAST)
			broken(w, "a vCPU can read an old value");
	}
	if (writers > 1 || (writers && readers))
		broken(w, "one writer or many readers: violated");
}

static bool knows_sharer(const struct world *w, const struct w_page *home, unsigned int node)
{
	return home->dir.sharers >> (node / dvmm_set_group(w->cfg->machine)) & 1;
}

/* With nothing under way the directory must agree with every cache. */
static const char *check_directory(const struct world *w, unsigned int page, unsigned int node)
{
	const struct w_page *home = &w->page[chunk(w, node, page)->home][page];
	u8 state = w->page[node][page].pg.state;
	bool owner = home->pg.state == DVMM_ST_H_R && home->pg.peer == node;

	if (w_homed(w, node, page))
		return NULL;
	if (owner ? state != DVMM_ST_M : state == DVMM_ST_M)
		return "directory and owner disagree";
	if (state == DVMM_ST_S && (home->pg.state != DVMM_ST_H_S || !knows_sharer(w, home, node)))
		return "a sharer that the directory does not know";
	if (state != DVMM_ST_S && knows_sharer(w, home, node) && w->cfg->machine <= 64)
		return "the directory knows a sharer that is none";
	return NULL;
}

static bool page_idle(const struct world *w, unsigned int page)
{
	unsigned int node;

	for (node = 0; node < w->cfg->nodes; node++) {
		const struct w_page *p = &w->page[node][page];

		if (p->deferred || p->gated || p->loading || p->storing ||
		    !dvmm_state_stable(p->pg.state) ||
		    chunk(w, node, page)->phase != DVMM_CHUNK_SETTLED)
			return false;
	}
	return true;
}

static bool links_idle(const struct world *w)
{
	const struct w_queue *q = &w->q[0][0][0];
	unsigned int i;

	for (i = 0; i < W_NODES * W_NODES * W_LANES; i++)
		if (q[i].count)
			return false;
	return true;
}

bool w_quiescent(const struct world *w)
{
	unsigned int page;

	if (w->phase == W_STANDS || !links_idle(w))
		return false;
	for (page = 0; page < w->cfg->pages; page++)
		if (!page_idle(w, page))
			return false;
	return true;
}

/* Two homes there must never be; with nothing under way there is one, which all know. */
static void check_homes(struct world *w, unsigned int page, bool at_rest)
{
	unsigned int node, homes = 0, last = 0;

	for (node = 0; node < w->cfg->nodes; node++)
		if (w_homed(w, node, page)) {
			homes++;
			last = node;
		}
	if (homes > 1)
		broken(w, "two nodes are the page's home");
	for (node = 0; node < w->cfg->nodes && at_rest; node++) {
		const struct dvmm_chunk *c = chunk(w, node, page);

		if (homes != 1 || c->home != last)
			broken(w, "at rest a node knows another home than there is");
		if (c->owes || c->owed || c->busy)
			broken(w, "at rest a node believes that something is open");
	}
}

/* What a node has asked of the home, and of the one before, is what it believes. */
static void check_open(struct world *w, unsigned int node)
{
	const struct dvmm_chunk *c = chunk(w, node, 0);
	unsigned int page, busy = 0, owed = 0;

	for (page = 0; page < w->cfg->pages; page++) {
		const struct dvmm_txn *txn = &w->page[node][page].txn;

		if (!txn->id || w_homed(w, node, page))
			continue;
		owed += c->owes && txn->asked == c->prev;
		busy += !(c->owes && txn->asked == c->prev);
	}
	if (busy != c->busy || owed != c->owed)
		broken(w, "a node's count of its open requests is wrong");
}

static void check_world(struct world *w)
{
	const char *why = w->cfg->snapshot ? w->cfg->snapshot->check(w) : NULL;
	unsigned int page, node;

	if (why)
		broken(w, why);
	for (page = 0; page < w->cfg->pages; page++)
		check_coherence(w, page);
	for (page = 0; page < w->cfg->pages && w->cfg->rehomes; page++)
		check_homes(w, page, !w->cut && w_quiescent(w));
	for (node = 0; node < w->cfg->nodes && w->cfg->rehomes; node++)
		check_open(w, node);
	if (w->error || w->cut || !w_quiescent(w))
		return;
	for (page = 0; page < w->cfg->pages; page++)
		for (node = 0; node < w->cfg->nodes; node++) {
			why = check_directory(w, page, node);
			if (why)
				broken(w, why);
		}
}

/* Moves. */

static void age_events(struct w_event *e, unsigned int count, unsigned int page, u8 past)
{
	for (; count--; e++)
		if (e->page == page)
			w_age(&e->data, past);
}

/* The processor writes: every other copy of the value is old from now on. */
static void written(struct world *w, unsigned int node, unsigned int page)
{
	u8 past = w->cfg->snapshot ? w->cfg->snapshot->write(w, node, page) : W_OLD;
	unsigned int i;

	w->changed = true;
	w_age(&w->zero[page], past);
	for (i = 0; i < w->cfg->nodes; i++) {
		struct w_page *p = &w->page[i][page];

		w_age(&p->frame, past);
		age_events(p->defer, p->deferred, page, past);
		age_events(p->gate, p->gated, page, past);
	}
	for (i = 0; i < W_NODES * W_NODES * W_LANES; i++) {
		struct w_queue *q = &(&w->q[0][0][0])[i];

		age_events(q->e, q->count, page, past);
	}
	w->page[node][page].frame = W_LAST;
	w->page[node][page].wrote = w->cfg->policy.history;
}

static const u8 event_of[] = {
	DVMM_EV_LOAD, DVMM_EV_STORE, 0, DVMM_EV_EVICT, DVMM_EV_TOUCH, DVMM_EV_COPY, DVMM_EV_TIMER,
	[W_FETCH] = DVMM_EV_LOAD,
};

static bool is_among(const struct w_event *e, unsigned int count, u8 type)
{
	while (count && e[count - 1].ev.type != type)
		count--;
	return count;
}

static void add(struct w_move *moves, unsigned int *count, const struct w_page *p,
		const struct w_config *cfg, struct w_move m)
{
	moves[(*count)++] = m;
	/* A young grant may also have grown old by now. */
	if (cfg->policy.hold_us && p->pg.flags & DVMM_PAGE_HELD) {
		m.late = true;
		moves[(*count)++] = m;
	}
}

static void local_moves(const struct world *w, unsigned int node, unsigned int page,
			struct w_move *moves, unsigned int *count)
{
	const struct w_page *p = &w->page[node][page];
	struct w_move m = { .node = (u8)node, .page = (u8)page };

	for (m.kind = W_LOAD; m.kind <= W_STORE; m.kind++)
		if (!is_among(p->defer, p->deferred, event_of[m.kind]) &&
		    !is_among(p->gate, p->gated, event_of[m.kind]))
			add(moves, count, p, w->cfg, m);
	m.kind = W_WRITE;
	if (p->perm == DVMM_PERM_WRITE && w->phase != W_STANDS)
		moves[(*count)++] = m;
	m.kind = W_EVICT;
	if (!w->cfg->no_evict)
		add(moves, count, p, w->cfg, m);
	for (m.kind = W_TOUCH; w->cfg->ahead && m.kind <= W_COPY; m.kind++)
		moves[(*count)++] = m;
	m.kind = W_TIMER;
	if (p->timer)
		moves[(*count)++] = m;
}

static void rehome_moves(const struct world *w, unsigned int node, struct w_move *moves,
			 unsigned int *count)
{
	struct w_move m = { .node = (u8)node };

	m.kind = W_GIVE;
	if (may_give(w, node))
		moves[(*count)++] = m;
	m.kind = W_REHOME;
	if (!w->rehomes || chunk(w, node, 0)->phase != DVMM_CHUNK_SETTLED ||
	    chunk(w, node, 0)->home != node)
		return;
	for (m.src = 0; m.src < w->cfg->nodes; m.src++)
		if (m.src != node)
			moves[(*count)++] = m;
}

static void cut_moves(const struct world *w, struct w_move *moves, unsigned int *count)
{
	unsigned int a, b;

	for (a = 0; a < w->cfg->nodes; a++)
		for (b = a + 1; b < w->cfg->nodes; b++)
			moves[(*count)++] = (struct w_move) {
				.kind = W_CUT, .node = (u8)a, .src = (u8)b,
			};
}

unsigned int w_moves(const struct world *w, struct w_move *moves)
{
	unsigned int src, dst, lane, page, count = 0;

	for (src = 0; src < w->cfg->nodes; src++)
		for (dst = 0; dst < w->cfg->nodes; dst++)
			for (lane = 0; lane < W_LANES; lane++) {
				const struct w_queue *q = &w->q[src][dst][lane];
				struct w_move m = {
					.kind = W_DELIVER, .node = (u8)dst, .src = (u8)src,
					.lane = (u8)lane, .page = q->e[0].page,
				};

				if (q->count)
					add(moves, &count, &w->page[dst][m.page], w->cfg, m);
				m.unable = w->cfg->unable && q->e[0].ev.type == DVMM_MSG_PREP;
				if (m.unable)
					moves[count++] = m;
			}
	for (dst = 0; dst < w->cfg->nodes; dst++)
		for (page = 0; page < w->cfg->pages; page++)
			local_moves(w, dst, page, moves, &count);
	for (dst = 0; dst < w->cfg->nodes && w->cfg->rehomes; dst++)
		rehome_moves(w, dst, moves, &count);
	if (w->cfg->cuts && !w->cut)
		cut_moves(w, moves, &count);
	if (w->cfg->snapshot)
		w->cfg->snapshot->moves(w, moves, &count);
	return count;
}

/*
 * A vCPU faults.  Another one of this node may have got the permission since:
 * then nothing but a WAKE must come of it.
 */
static void fault(struct world *w, const struct w_move *m, u8 type)
{
	struct w_page *p = &w->page[m->node][m->page];
	struct w_event e = { .ev = { .type = type }, .page = m->page };
	bool *waits = type == DVMM_EV_STORE ? &p->storing : &p->loading;

	w->changed = !*waits;
	*waits = true;
	happen(w, m->node, &e, m->late);
}

static void cut(struct world *w, u8 a, u8 b)
{
	w->changed = true;
	w->cut = true;
	w->ends[0] = a < b ? a : b;
	w->ends[1] = a < b ? b : a;
	memset(w->q[a][b], 0, sizeof(w->q[a][b]));
	memset(w->q[b][a], 0, sizeof(w->q[b][a]));
}

bool w_fire(struct world *w, const struct w_move *m)
{
	struct w_page *p = &w->page[m->node][m->page];
	struct w_event e = { .page = m->page };

	w->changed = false;
	switch (m->kind) {
	case W_LOAD:
	case W_STORE:
	case W_FETCH:
		fault(w, m, event_of[m->kind]);
		break;
	case W_WRITE:
		written(w, m->node, m->page);
		break;
	case W_TIMER:
	case W_EVICT:
	case W_TOUCH:
	case W_COPY:
		e.ev.type = event_of[m->kind];
		p->timer &= m->kind != W_TIMER;
		happen(w, m->node, &e, m->late);
		break;
	case W_DELIVER:
		e = take(w, m->src, m->node, m->lane);
		if (e.ev.type > DVMM_MSG_REHOME)
			rehome_message(w, m->node, &e, m->unable);
		else
			happen(w, m->node, &e, m->late);
		break;
	case W_REHOME:
		rehome(w, m->node, m->src);
		break;
	case W_GIVE:
		give(w, m->node);
		break;
	case W_CUT:
		cut(w, m->node, m->src);
		break;
	default:
		w->cfg->snapshot->fire(w, m);
	}
	if (w->changed)
		check_world(w);
	return !w->error;
}

bool w_settle(struct world *w)
{
	struct w_move moves[W_MAX_MOVES];
	unsigned int count, i;

	do {
		count = w_moves(w, moves);
		for (i = 0; i < count && !w_progress(&moves[i]); i++)
			;
	} while (i < count && w_fire(w, &moves[i]));
	return !w->error;
}
