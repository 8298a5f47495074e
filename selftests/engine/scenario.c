// SPDX-License-Identifier: GPL-2.0
/*
 * Runs scenario files: what happens, what must come of it.
 *
 *	nodes 3			node 0 is the home
 *	machine 192		nodes that the engine is told of (coarse sharers)
 *	hold 100		policies
 *	migratory
 *	history
 *	given 1 STORE		happens, and all that follows, unchecked
 *	1 LOAD [late]		a move; "late": the hold time has run out
 *	1>0 GET_S		the next message of that lane of that link arrives
 *		send 1 DATA	indented: exactly what the engine does
 *		= H_S		and the page's state after it
 *	state 0 H_S		the state of the page on a node
 *	settle			deliver all that is under way
 *
 * With --print the files are written anew with what the engine does, to be read
 * by their author before they are believed.
 */
#include <glob.h>
#include <stdlib.h>
#include "tap.h"
#include "world.h"

struct run {
	struct w_config cfg;
	struct world w;
	bool started;
	char *got;		/* what the last move did, not yet compared */
	size_t got_size;
	char *next;		/* next line of @got */
	const char *why;
	bool print;
};

static void start(struct run *r)
{
	if (r->started)
		return;
	if (!r->cfg.machine)
		r->cfg.machine = r->cfg.nodes;
	w_init(&r->w, &r->cfg);
	r->started = true;
}

static int kind_of(const char *word)
{
	static const char * const kinds[] = { "LOAD", "STORE", "WRITE", "EVICT", "TOUCH",
					     "COPY", "TIMER" };
	int i;

	for (i = 0; i < W_DELIVER; i++)
		if (!strcmp(word, kinds[i]))
			return i;
	return -1;
}

static int type_of(const char *word)
{
	int i;

	for (i = 1; i < DVMM_MSG_COUNT; i++)
		if (!strcmp(word, dvmm_event_name((u8)i)))
			return i;
	return 0;
}

static const char *find_cut(struct run *r, unsigned int a, const char *other, struct w_move *m)
{
	unsigned int b = (unsigned int)atoi(other);

	if (!*other || a >= r->cfg.nodes || b >= r->cfg.nodes || a == b)
		return "no such link";
	*m = (struct w_move) { .kind = W_CUT, .node = (u8)a, .src = (u8)b };
	return NULL;
}

static const char *find_move(struct run *r, const char *line, struct w_move *m)
{
	unsigned int src, dst;
	char word[16], more[16] = "";
	int type;

	memset(m, 0, sizeof(*m));
	if (sscanf(line, "%u>%u %15s %15s", &src, &dst, word, more) >= 3) {
		const struct w_queue *q;

		type = type_of(word);
		if (!type || src >= r->cfg.nodes || dst >= r->cfg.nodes)
			return "no such message or node";
		q = &r->w.q[src][dst][dvmm_msg_lane((u8)type)];
		if (!q->count || q->e[0].ev.type != type)
			return "that message is not the next on its lane";
		m->kind = W_DELIVER;
		m->src = (u8)src;
		m->lane = (u8)dvmm_msg_lane((u8)type);
		m->page = q->e[0].page;
	} else if (sscanf(line, "%u %15s %15s", &dst, word, more) >= 2) {
		if (!strcmp(word, "CUT"))
			return find_cut(r, dst, more, m);
		type = kind_of(word);
		if (type < 0 || dst >= r->cfg.nodes)
			return "no such event or node";
		m->kind = (u8)type;
		if (type == W_TIMER && !r->w.page[dst][0].timer)
			return "no timer is running there";
	} else {
		return "not understood";
	}
	m->node = (u8)dst;
	m->late = !strcmp(more, "late");
	return NULL;
}

static void make_move(struct run *r, const char *line, bool settle)
{
	struct w_move m;

	start(r);
	r->why = find_move(r, line, &m);
	if (r->why)
		return;
	if (!settle)
		r->w.log = open_memstream(&r->got, &r->got_size);
	w_fire(&r->w, &m);
	if (settle)
		w_settle(&r->w);
	else
		fclose(r->w.log);
	r->w.log = NULL;
	r->next = r->got;
	r->why = r->w.error;
	if (r->print && r->got) {
		fputs(r->got, stdout);
		r->next = NULL;
	}
}

static void compare(struct run *r, const char *line)
{
	size_t n = strlen(line);

	if (r->print)
		return;
	if (!r->next || strncmp(r->next, line, n) || r->next[n] != '\n') {
		printf("# the engine did:\n%s# here:\n",
		       r->next && *r->next ? r->next : "\tnothing\n");
		r->why = "something else was expected";
		return;
	}
	r->next += n + 1;
}

/* Nothing may be left of what the last move did. */
static void complete(struct run *r)
{
	if (r->next && *r->next && !r->why) {
		printf("# the engine did more:\n%s", r->next);
		r->why = "less was expected";
	}
	free(r->got);
	r->got = NULL;
	r->next = NULL;
}

static void check_state(struct run *r, unsigned int node, const char *name)
{
	const struct w_page *p;
	const char *is;

	start(r);
	p = &r->w.page[node < W_NODES ? node : 0][0];
	is = !node && !p->pg.state ? "H_U" : dvmm_state_name(p->pg.state);
	if (strcmp(is, name)) {
		printf("# node %u is in %s\n", node, is);
		r->why = "state differs";
	}
}

static void do_line(struct run *r, const char *line)
{
	char name[16];
	unsigned int n;

	complete(r);
	if (r->why)
		return;
	if (sscanf(line, "nodes %u", &n) == 1)
		r->cfg.nodes = n <= W_NODES ? (u8)n : W_NODES;
	else if (sscanf(line, "machine %u", &n) == 1)
		r->cfg.machine = (u16)n;
	else if (sscanf(line, "hold %u", &n) == 1)
		r->cfg.policy.hold_us = n;
	else if (!strcmp(line, "migratory"))
		r->cfg.policy.migratory = 1;
	else if (!strcmp(line, "history"))
		r->cfg.policy.history = 1;
	else if (sscanf(line, "state %u %15s", &n, name) == 2)
		check_state(r, n, name);
	else if (!strcmp(line, "settle"))
		r->why = w_settle(&r->w) ? NULL : r->w.error;
	else if (!strncmp(line, "given ", 6))
		make_move(r, line + 6, true);
	else
		make_move(r, line, false);
}

static void run_file(const char *path, bool print)
{
	struct run r = { .cfg.pages = 1, .print = print };
	char line[256] = "";
	unsigned int number = 0;
	FILE *f = fopen(path, "r");

	if (!f)
		r.why = "cannot be opened";
	while (f && !r.why && fgets(line, sizeof(line), f)) {
		number++;
		line[strcspn(line, "\n")] = 0;
		if (print && *line != '\t')
			puts(line);
		if (*line == '\t' && line[1] != '#')
			compare(&r, line);
		else if (*line && *line != '#' && *line != '\t')
			do_line(&r, line);
	}
	complete(&r);
	if (f)
		fclose(f);
	if (r.why)
		printf("# %s:%u: %s: %s\n", path, number, line, r.why);
	if (!print)
		tap(!r.why, "%s", path);
}

int main(int argc, char **argv)
{
	bool print = argc > 1 && !strcmp(argv[1], "--print");
	glob_t g;
	size_t i;

	if (argc > 1 + print) {
		for (i = 1 + print; i < (size_t)argc; i++)
			run_file(argv[i], print);
	} else if (!glob("scenarios/*", 0, NULL, &g)) {
		for (i = 0; i < g.gl_pathc; i++)
			run_file(g.gl_pathv[i], print);
		globfree(&g);
	}
	if (print)
		return 0;
	if (!tap_count)
		tap(false, "no scenario was found");
	return tap_done();
}
