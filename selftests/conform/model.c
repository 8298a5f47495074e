// SPDX-License-Identifier: GPL-2.0
/*
 * Repeats the steps of a page on all nodes.  Data is a version: each right to write
 * makes a new one, since what is written is not in the trace.
 */
#include "model.h"

#define NO_FRAME	UINT64_MAX
#define NOBODY		-1	/* keeps the directory of an untouched page */
#define UNDER_WAY	-2

struct letter {
	struct dvmm_msg msg;
	u64 version;
};

struct node {
	struct dvmm_page pg;
	struct dvmm_txn txn;
	struct dvmm_dir dir;
	enum dvmm_perm perm;
	u64 version;		/* of the frame, or NO_FRAME */
	unsigned int next;	/* step */
	bool timer;
	bool due;		/* deferred events come before all others now */
	GQueue deferred;	/* of struct letter, whose msg.type may be a local event's */
	GQueue in[TRACE_NODES][DVMM_LANES];	/* of struct letter */
};

struct model {
	const struct trace_page *page;
	int keeper;		/* who has the directory entry, NOBODY or UNDER_WAY */
	u64 version;		/* of the last data written */
	struct dvmm_actions acts;	/* of the last step */
	u8 state;			/* after it */
	struct node node[TRACE_NODES];
};

struct model *model_new(const struct trace_page *page)
{
	struct model *m = g_new0(struct model, 1);
	int i;

	m->page = page;
	m->keeper = NOBODY;
	for (i = 0; i < TRACE_NODES; i++)
		m->node[i].version = NO_FRAME;
	return m;
}

void model_free(struct model *m)
{
	int i, j, lane;

	for (i = 0; i < TRACE_NODES; i++) {
		g_queue_clear_full(&m->node[i].deferred, g_free);
		for (j = 0; j < TRACE_NODES; j++)
			for (lane = 0; lane < DVMM_LANES; lane++)
				g_queue_clear_full(&m->node[i].in[j][lane], g_free);
	}
	g_free(m);
}

const struct trace_step *model_next(const struct model *m, int node)
{
	const GArray *steps = m->page->steps[node];
	unsigned int next = m->node[node].next;

	return next < steps->len ? &g_array_index(steps, struct trace_step, next) : NULL;
}

/* ---- where an event comes from ---- */

static bool gives(const struct trace_step *s)
{
	return trace_is_take(s) && s->ev.msg.src == s->node;
}

static bool is_message(const struct trace_step *s)
{
	return s->ev.type < DVMM_EV_LOAD || (trace_is_take(s) && !gives(s));
}

static GQueue *inbox(const struct model *m, const struct trace_step *s)
{
	return (GQueue *)&m->node[s->node].in[s->ev.msg.src][dvmm_msg_lane(s->ev.type)];
}

bool model_ready(const struct model *m, const struct trace_step *s)
{
	return s->again || !is_message(s) || !g_queue_is_empty(inbox(m, s));
}

static bool same_but_sender(const struct dvmm_msg *a, const struct trace_step *s)
{
	const struct dvmm_msg *b = &s->ev.msg;

	return a->type == s->ev.type && a->flags == b->flags && a->requester == b->requester &&
	       a->acks == b->acks && a->id == b->id;
}

static bool same(const struct letter *l, const struct trace_step *s)
{
	return same_but_sender(&l->msg, s) && l->msg.src == s->ev.msg.src;
}

/* Take the event from where it waits; what is wrong with that, or NULL. */
static const char *take(struct model *m, const struct trace_step *s, struct letter **l)
{
	struct node *n = &m->node[s->node];
	GQueue *q = s->again ? &n->deferred : inbox(m, s);

	if (n->due && !s->again && !g_queue_is_empty(&n->deferred))
		return "deferred events have to come first";
	if (s->again || is_message(s)) {
		*l = g_queue_pop_head(q);
		if (!*l || !same(*l, s))
			return s->again ? "not what was deferred" : "not what was sent";
		return NULL;
	}
	*l = g_new0(struct letter, 1);
	(*l)->msg.type = s->ev.type;
	(*l)->version = NO_FRAME;
	if (s->ev.type != DVMM_EV_TIMER)
		return NULL;
	if (!n->timer)
		return "no timer was running";
	n->timer = false;
	return NULL;
}

/* ---- what comes of it ---- */

static void post(struct model *m, u16 from, u16 to, const struct dvmm_msg *msg, u64 version)
{
	struct letter *l = g_new0(struct letter, 1);

	l->msg = *msg;
	l->msg.src = from;
	l->version = msg->flags & DVMM_MSGF_ZERO ? 0 : version;
	g_queue_push_tail(&m->node[to].in[from][dvmm_msg_lane(msg->type)], l);
}

static const char *post_one(struct model *m, u16 self, const struct dvmm_action *a, u64 version)
{
	if (a->dst >= m->page->nodes || a->dst == self)
		return "sends to nobody";
	if (a->msg.type == DVMM_MSG_REST)
		return NULL;		/* it is about the chunk */
	post(m, self, a->dst, &a->msg, version);
	return NULL;
}

static const char *post_set(struct model *m, u16 self, const struct dvmm_action *a)
{
	int node = -1;

	while ((node = dvmm_set_next(a->set, m->page->nodes, node)) >= 0)
		if (node != a->skip && node != self)
			post(m, self, (u16)node, &a->msg, NO_FRAME);
	return NULL;
}

static const char *set_perm(struct model *m, struct node *n, enum dvmm_perm perm)
{
	if (perm == DVMM_PERM_WRITE && n->perm != perm && n->version == m->version)
		n->version = ++m->version;
	n->perm = perm;
	return NULL;
}

static const char *act(struct model *m, struct node *n, u16 self, const struct letter *l,
		       const struct dvmm_action *a)
{
	switch (a->type) {
	case DVMM_ACT_SEND:
		return post_one(m, self, a, NO_FRAME);
	case DVMM_ACT_SEND_PAGE:
		return n->version == NO_FRAME ? "sends a page that it does not have" :
		       post_one(m, self, a, n->version);
	case DVMM_ACT_SEND_SET:
		return post_set(m, self, a);
	case DVMM_ACT_SET_PERM:
		return set_perm(m, n, a->perm);
	case DVMM_ACT_FILL:
		n->version = a->zero ? 0 : l->version;
		return n->version == NO_FRAME ? "fills from a message without a page" : NULL;
	case DVMM_ACT_TIMER:
		n->timer = true;
		return NULL;
	case DVMM_ACT_WAKE:
	case DVMM_ACT_DEFER:
		return NULL;
	}
	return a->why;
}

static bool defers(const struct dvmm_actions *acts)
{
	unsigned int i;

	for (i = 0; i < acts->count; i++)
		if (acts->act[i].type == DVMM_ACT_DEFER)
			return true;
	return false;
}

static void put_away(struct model *m, struct node *n, bool again, struct letter *l)
{
	n->due = !defers(&m->acts);
	if (n->due)
		g_free(l);
	else if (again)
		g_queue_push_head(&n->deferred, l);
	else
		g_queue_push_tail(&n->deferred, l);
}

static const char *check_coherence(const struct model *m)
{
	unsigned int readers = 0, writers = 0;
	int i;

	for (i = 0; i < m->page->nodes; i++) {
		const struct node *n = &m->node[i];

		readers += n->perm == DVMM_PERM_READ;
		writers += n->perm == DVMM_PERM_WRITE;
		if (n->perm != DVMM_PERM_NONE && n->version != m->version)
			return "somebody may read old data now";
	}
	if (writers > 1 || (writers && readers))
		return "a writer is not alone now";
	return NULL;
}

/* ---- who is the home ---- */

/* Takes the directory entry from its keeper, or to the next one. */
static const char *hand_over(struct model *m, const struct trace_step *s)
{
	if (gives(s)) {
		if (m->keeper != s->node)
			return "gives away what it does not keep";
		m->keeper = UNDER_WAY;
	} else if (trace_is_take(s)) {
		if (m->keeper != UNDER_WAY || s->home != s->node)
			return "takes what nobody gives it";
		m->keeper = s->node;
	} else if (s->home == s->node) {
		if (m->keeper == NOBODY)
			m->keeper = s->node;
		if (m->keeper != s->node)
			return "serves a page that another node keeps";
	}
	return NULL;
}

/* After the last page of a chunk comes REST, which is another action. */
static void give(struct model *m, struct node *n, const struct dvmm_ctx *ctx,
		 const struct trace_step *s)
{
	struct dvmm_chunk c = { .home = s->home, .phase = DVMM_CHUNK_GIVING,
				.pages = s->actions > 1 ? 1 : 2 };

	if (!dvmm_rehome_give(ctx, &c, &n->pg, &m->acts))
		m->acts.count = 0;
}

static void take_over(struct model *m, struct node *n, const struct dvmm_ctx *ctx,
		      const struct trace_step *s)
{
	struct dvmm_chunk c = { .home = s->node, .prev = s->ev.msg.src, .pages = 1,
				.phase = DVMM_CHUNK_COMING };

	dvmm_rehome_take(ctx, &c, 0, &n->pg, &s->ev.msg, &m->acts);
}

static void ask_engine(struct model *m, struct node *n, const struct trace_step *s)
{
	struct dvmm_ctx ctx = {
		.self = s->node,
		.home = s->home,
		.nodes = m->page->nodes,
		.now = s->now,
		.fresh_id = s->fresh,
		.wrote = s->wrote,
		.dir = s->node == s->home || gives(s) ? &n->dir : NULL,
		.policy = &s->policy,
	};

	memset(&m->acts, 0, sizeof(m->acts));
	if (gives(s))
		give(m, n, &ctx, s);
	else if (trace_is_take(s))
		take_over(m, n, &ctx, s);
	else
		dvmm_step(&ctx, &n->pg, &n->txn, &s->ev, &m->acts);
	m->state = n->pg.state;
}

static const char *compare(const struct model *m, const struct trace_step *s)
{
	if (m->state != s->to)
		return "the state after it is another";
	if (m->acts.count != s->actions || dvmm_actions_digest(&m->acts) != s->digest)
		return "the actions are others";
	if (gives(s) && !same_but_sender(&m->acts.act[0].msg, s))
		return "the entry that is given is another";
	return NULL;
}

const char *model_step(struct model *m, const struct trace_step *s)
{
	struct node *n = &m->node[s->node];
	struct letter *l = NULL;
	const char *why;
	unsigned int i;

	m->acts.count = 0;
	m->state = n->pg.state;
	if (n->pg.state != s->from)
		return "the state before it is another";
	why = take(m, s, &l);
	if (why) {
		g_free(l);
		return why;
	}
	why = hand_over(m, s);
	if (why) {
		g_free(l);
		return why;
	}
	ask_engine(m, n, s);
	why = compare(m, s);
	for (i = 0; i < m->acts.count && !why; i++)
		why = act(m, n, s->node, l, &m->acts.act[i]);
	if (!dvmm_state_has_frame(n->pg.state))
		n->version = NO_FRAME;
	put_away(m, n, s->again, l);
	n->next++;
	return why ? why : check_coherence(m);
}

void model_tell(const struct model *m, const struct trace_step *s, FILE *f)
{
	unsigned int i;

	fprintf(f, "  recorded: %s, %u actions, %08x\n  engine:   %s, %u actions, %08x:",
		dvmm_state_name(s->to), s->actions, s->digest, dvmm_state_name(m->state),
		m->acts.count, dvmm_actions_digest(&m->acts));
	for (i = 0; i < m->acts.count; i++)
		fprintf(f, " %s %s", dvmm_action_name(m->acts.act[i].type),
			dvmm_event_name(m->acts.act[i].msg.type));
	fputc('\n', f);
}
