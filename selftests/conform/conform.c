// SPDX-License-Identifier: GPL-2.0
/*
 * conform: does a recorded run of the kernel follow the engine?
 *
 * Reads dvmm_step lines of ftrace, from one file or one a node, and repeats each
 * step with the engine as it is compiled here: the same state before, the same
 * state after, the same actions.  Nodes are joined by what they sent: a message
 * may only be received once it was sent, in order, and unchanged.  Any order that
 * respects this could have happened, so some are chosen by chance, and in each one
 * there must be at all times one writer or many readers, who see the last data.
 * A page's home may move: a TAKE that comes from the node itself is the end where it goes.
 *
 * usage: conform [-o ORDERS] [-s SEED] TRACE...
 * Tracing must begin before the machine does, and lose nothing.  Status 1: a step
 * is not what the engine does; 2: the trace cannot be read.
 */
#include <stdio.h>
#include <stdlib.h>

#include "model.h"

static GHashTable *pages;	/* of struct trace_page, by itself */
static unsigned int steps, nodes, takes;
static bool cells[DVMM_ST_COUNT][DVMM_EV_COUNT];

__attribute__((__format__(__printf__, 3, 4), noreturn))
static void unreadable(const char *file, unsigned int line, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%u: ", file, line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

/* ---- reading ---- */

static unsigned int page_hash(const void *key)
{
	const struct trace_page *p = key;

	return p->machine * 31 + p->region * 1009 + (unsigned int)p->page * 0x9e3779b9u;
}

static int page_equal(const void *a, const void *b)
{
	const struct trace_page *p = a, *q = b;

	return p->machine == q->machine && p->region == q->region && p->page == q->page;
}

static u8 event_named(const char *name)
{
	u8 i;

	for (i = 1; i < DVMM_MSG_REHOME_END; i++)
		if (!strcmp(name, dvmm_event_name(i)))
			return i;
	return 0;
}

static u8 state_named(const char *name)
{
	u8 i;

	for (i = 0; i < DVMM_ST_COUNT && strcmp(name, dvmm_state_name(i)); i++)
		;
	return i;
}

/* What is wrong with a line, or NULL. */
static const char *parse(const char *text, struct trace_page *p, struct trace_step *s)
{
	struct dvmm_msg *m = &s->ev.msg;
	char event[16], from[16], to[16];
	unsigned int migratory, history, wrote, again;

	if (sscanf(text, "dvmm_step: node=%hu region=%hu page=%" SCNu64
		   " %15[A-Z_]: %15[A-Z_] -> %15[A-Z_] actions=%u digest=%x machine=%x nodes=%hu"
		   " home=%hu again=%u src=%hu flags=%hhx requester=%hu acks=%hu id=%" SCNu64
		   " fresh=%" SCNu64 " now=%u hold=%u migratory=%u history=%u wrote=%u",
		   &s->node, &p->region, &p->page, event, from, to, &s->actions, &s->digest,
		   &p->machine, &p->nodes, &s->home, &again, &m->src, &m->flags, &m->requester,
		   &m->acks, &m->id, &s->fresh, &s->now, &s->policy.hold_us, &migratory,
		   &history, &wrote) != 23)
		return "a field is missing";
	s->ev.type = event_named(event);
	s->from = state_named(from);
	s->to = state_named(to);
	m->type = s->ev.type < DVMM_EV_LOAD || trace_is_take(s) ? s->ev.type : 0;
	s->again = again;
	s->policy.migratory = (u8)migratory;
	s->policy.history = (u8)history;
	s->wrote = wrote;
	if (!s->ev.type || (s->ev.type >= DVMM_EV_COUNT && !trace_is_take(s)))
		return "no such event";
	if (s->from == DVMM_ST_COUNT || s->to == DVMM_ST_COUNT)
		return "no such state";
	if (p->nodes > TRACE_NODES)
		return "more nodes than this program knows";
	if (s->node >= p->nodes || s->home >= p->nodes || m->src >= p->nodes)
		return "a node that the machine does not have";
	return NULL;
}

static struct trace_page *page_of(const struct trace_page *like)
{
	struct trace_page *p = g_hash_table_lookup(pages, like);
	unsigned int i;

	if (p)
		return p;
	p = g_new0(struct trace_page, 1);
	*p = *like;
	for (i = 0; i < p->nodes; i++)
		p->steps[i] = g_array_new(FALSE, FALSE, sizeof(struct trace_step));
	g_hash_table_add(pages, p);
	return p;
}

static void read_line(const char *file, unsigned int line, const char *text)
{
	struct trace_step step = { .file = file, .line = line };
	struct trace_page like = { 0 }, *p;
	const char *at = strstr(text, "dvmm_step: "), *why;

	if (strstr(text, "LOST"))
		unreadable(file, line, "events were lost: record with a larger buffer_size_kb");
	if (!at)
		return;
	why = parse(at, &like, &step);
	if (why)
		unreadable(file, line, "%s: %s", why, at);
	p = page_of(&like);
	if (p->nodes != like.nodes)
		unreadable(file, line, "the machine has another number of nodes");
	g_array_append_val(p->steps[step.node], step);
	nodes = MAX(nodes, p->nodes);
	takes += trace_is_take(&step);
	steps++;
}

static void read_file(const char *file)
{
	FILE *f = fopen(file, "r");
	unsigned int line = 0;
	size_t size = 0;
	char *text = NULL;

	if (!f)
		unreadable(file, 0, "cannot be opened");
	while (getline(&text, &size, f) > 0)
		read_line(file, ++line, text);
	free(text);
	fclose(f);
}

/* ---- repeating ---- */

/* A node that can go on, chosen by chance; -1 if none can, which is told by @left. */
static int choose(const struct trace_page *p, const struct model *m, GRand *chance, bool *left)
{
	int ready[TRACE_NODES];
	int n = 0, i;

	*left = false;
	for (i = 0; i < p->nodes; i++) {
		const struct trace_step *s = model_next(m, i);

		*left |= !!s;
		if (s && model_ready(m, s))
			ready[n++] = i;
	}
	return n ? ready[g_rand_int_range(chance, 0, n)] : -1;
}

static void complain(const struct trace_page *p, const struct model *m,
		     const struct trace_step *s, const char *why)
{
	printf("%s:%u: node %u page %" PRIu64 " of region %u, %s in %s: %s\n", s->file, s->line,
	       s->node, p->page, p->region, dvmm_event_name(s->ev.type),
	       dvmm_state_name(s->from), why);
	model_tell(m, s, stdout);
}

static bool stuck(const struct trace_page *p, const struct model *m)
{
	int i;

	for (i = 0; i < p->nodes; i++)
		if (model_next(m, i)) {
			complain(p, m, model_next(m, i), "received, but not sent before");
			return true;
		}
	return false;
}

static bool repeat(const struct trace_page *p, GRand *chance)
{
	struct model *m = model_new(p);
	const char *why = NULL;
	bool left;
	int node;

	while (!why && (node = choose(p, m, chance, &left)) >= 0) {
		const struct trace_step *s = model_next(m, node);

		why = model_step(m, s);
		if (why)
			complain(p, m, s, why);
		else if (!trace_is_take(s))
			cells[dvmm_table_row(s->from, s->node == s->home)][s->ev.type] = true;
	}
	if (!why && left)
		why = stuck(p, m) ? "stuck" : NULL;
	model_free(m);
	return !why;
}

static unsigned int covered(void)
{
	unsigned int row, ev, n = 0;

	for (row = 0; row < DVMM_ST_COUNT; row++)
		for (ev = 1; ev < DVMM_EV_COUNT; ev++)
			n += cells[row][ev];
	return n;
}

int main(int argc, char **argv)
{
	int orders = 3, seed = 1, i;
	GOptionEntry options[] = {
		{ "orders", 'o', 0, G_OPTION_ARG_INT, &orders, "orders to try (3)", "N" },
		{ "seed", 's', 0, G_OPTION_ARG_INT, &seed, "which ones (1)", "N" },
		{ 0 }
	};
	GOptionContext *context = g_option_context_new("TRACE...");
	GHashTableIter iter;
	unsigned int bad = 0;
	GRand *chance;
	void *p;

	g_option_context_add_main_entries(context, options, NULL);
	if (!g_option_context_parse(context, &argc, &argv, NULL) || argc < 2) {
		fprintf(stderr, "usage: conform [-o ORDERS] [-s SEED] TRACE...\n");
		return 2;
	}
	pages = g_hash_table_new(page_hash, page_equal);
	for (i = 1; i < argc; i++)
		read_file(argv[i]);
	if (!steps)
		unreadable(argv[1], 0, "holds no dvmm_step: is the tracepoint enabled?");
	chance = g_rand_new_with_seed((guint32)seed);
	g_hash_table_iter_init(&iter, pages);
	while (g_hash_table_iter_next(&iter, &p, NULL))
		for (i = 0; i < orders; i++)
			if (!repeat(p, chance)) {
				bad++;
				break;
			}
	printf("conform: %u steps of %u pages on %u nodes, %u cells, %u ends of homes that move, "
	       "%u pages do not conform\n", steps, g_hash_table_size(pages), nodes, covered(),
	       takes, bad);
	return bad != 0;
}
