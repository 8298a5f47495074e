// SPDX-License-Identifier: GPL-2.0
/*
 * Breadth-first search over the real engine: every order in which messages,
 * loads, stores, evictions and timers may happen to a few nodes.
 *
 * Proves for each configuration that no reachable state breaks a rule of
 * world.c; that deliveries and timers alone always come to an end, in a state
 * where nothing is under way and nobody waits (so no deadlock, no livelock and
 * no lost wake-up), or, once a link was cut, at least to an end; and that no event
 * meets an IMPOSSIBLE cell.
 */
#include <stdlib.h>
#include <time.h>
#include "table.h"
#include "world.h"

#define NONE 0xffffffffu

struct config {
	struct w_config w;
	unsigned int limit;		/* states; 0: all there are */
	unsigned int big;		/* the same for a long run */
};

/* Homes move, and who is to be one may refuse; @most: states, in a long run all there are. */
#define REHOME(what, n, p, believed, times, hold, migrates, most)			\
	{ {										\
		.name = what, .nodes = n, .pages = p, .machine = believed,		\
		.rehomes = times, .unable = true,					\
		.policy = { .hold_us = hold, .migratory = migrates },			\
	}, most, 0 }

/* Node 0 makes a snapshot; page 0 is homed at @first, page 1 at node 1. */
#define SNAPSHOT(what, n, p, first, times, all, most, long_run)				\
	{ {										\
		.name = "snapshot, " what, .nodes = n, .pages = p, .machine = n,		\
		.home = { first, 1 }, .rehomes = times, .unable = times,		\
		.ahead = (p) == 1, .snapshot = &w_snapshot,				\
		.policy = { .hold_us = (all) * 100, .migratory = all, .history = all },	\
	}, most, long_run }

static const struct config configs[] = {
	{ { "2 nodes, 1 page", 2, 1, { 0 }, 2, 0, 0, 1, { 0, 0, 0 }, 0, 0, NULL }, 0, 0 },
	{ { "2 nodes, 1 page, hold", 2, 1, { 0 }, 2, 0, 0, 1, { 100, 0, 0 }, 0, 0, NULL }, 0, 0 },
	{ { "2 nodes, 1 page, migratory", 2, 1, { 0 }, 2, 0, 0, 1,
	    { 0, 1, 0 }, 0, 0, NULL }, 0, 0 },
	{ { "2 nodes, 1 page, hold, migratory", 2, 1, { 0 }, 2, 0, 0, 1,
	    { 100, 1, 0 }, 0, 0, NULL }, 0, 0 },
	{ { "2 nodes, 2 pages, homes 0 and 1", 2, 2, { 0, 1 }, 2, 0, 0, 1,
	    { 0, 0, 0 }, 0, 0, NULL }, 300000, 0 },
	{ { "2 nodes, 2 pages, home 0", 2, 2, { 0, 0 }, 2, 0, 0, 0,
	    { 0, 0, 0 }, 0, 0, NULL }, 0, 0 },
	{ { "2 nodes, 2 pages, hold", 2, 2, { 0, 0 }, 2, 0, 0, 0,
	    { 100, 0, 0 }, 0, 0, NULL }, 200000, 0 },
	{ { "2 nodes, 2 pages, migratory", 2, 2, { 0, 0 }, 2, 0, 0, 0,
	    { 0, 1, 0 }, 0, 0, NULL }, 200000, 0 },
	{ { "3 nodes, 1 page", 3, 1, { 0 }, 3, 0, 0, 1, { 0, 0, 0 }, 0, 0, NULL }, 0, 0 },
	{ { "3 nodes, 1 page, hold", 3, 1, { 0 }, 3, 0, 0, 1,
	    { 100, 0, 0 }, 0, 0, NULL }, 300000, 0 },
	{ { "3 nodes, 1 page, migratory", 3, 1, { 0 }, 3, 0, 0, 1,
	    { 0, 1, 0 }, 0, 0, NULL }, 0, 0 },
	{ { "2 nodes, 1 page, history", 2, 1, { 0 }, 2, 0, 0, 1, { 0, 0, 1 }, 0, 0, NULL }, 0, 0 },
	{ { "2 nodes, 1 page, every policy", 2, 1, { 0 }, 2, 0, 0, 1,
	    { 100, 1, 1 }, 0, 0, NULL }, 0, 0 },
	{ { "3 nodes, 1 page, history", 3, 1, { 0 }, 3, 0, 0, 1, { 0, 0, 1 }, 0, 0, NULL }, 0, 0 },
	{ { "3 nodes, 1 page, hold, history", 3, 1, { 0 }, 3, 0, 0, 0,
	    { 100, 0, 1 }, 0, 0, NULL }, 0, 0 },
	{ { "3 nodes, 1 page, coarse sharers", 3, 1, { 0 }, 192, 0, 0, 1,
	    { 0, 0, 0 }, 0, 0, NULL }, 0, 0 },
	{ { "3 nodes, 1 page, hold, migratory", 3, 1, { 0 }, 3, 0, 0, 1,
	    { 100, 1, 0 }, 0, 0, NULL }, 300000, 0 },
	{ { "2 nodes, 2 pages, link cut", 2, 2, { 0, 1 }, 2, 0, 1, 0,
	    { 0, 0, 0 }, 0, 0, NULL }, 0, 0 },
	{ { "3 nodes, 1 page, link cut", 3, 1, { 0 }, 3, 0, 1, 1, { 0, 0, 0 }, 0, 0, NULL }, 0, 0 },
	{ { "3 nodes, 1 page, all, link cut", 3, 1, { 0 }, 3, 0, 1, 0,
	    { 100, 1, 0 }, 0, 0, NULL }, 300000, 0 },
	REHOME("2 nodes, 1 page, 2 rehomes", 2, 1, 2, 2, 0, 0, 0),
	REHOME("2 nodes, 1 page, 2 rehomes, every policy", 2, 1, 2, 2, 100, 1, 0),
	REHOME("2 nodes, 2 pages, rehome", 2, 2, 2, 1, 0, 0, 200000),
	REHOME("3 nodes, 1 page, rehome", 3, 1, 3, 1, 0, 0, 500000),
	REHOME("3 nodes, 1 page, rehome, hold", 3, 1, 3, 1, 100, 0, 200000),
	REHOME("3 nodes, 1 page, rehome, migratory", 3, 1, 3, 1, 0, 1, 200000),
	REHOME("3 nodes, 1 page, rehome, coarse sharers", 3, 1, 192, 1, 0, 0, 200000),
	REHOME("3 nodes, 1 page, 2 rehomes", 3, 1, 3, 2, 0, 0, 200000),
	SNAPSHOT("2 nodes, 1 page", 2, 1, 0, 0, 0, 0, 0),
	SNAPSHOT("2 nodes, 1 page, home 1", 2, 1, 1, 0, 0, 0, 0),
	SNAPSHOT("2 nodes, 1 page, every policy", 2, 1, 0, 0, 1, 0, 0),
	SNAPSHOT("2 nodes, 1 page, home 1, every policy", 2, 1, 1, 0, 1, 0, 0),
	SNAPSHOT("2 nodes, 1 page, rehome", 2, 1, 0, 1, 0, 0, 0),
	SNAPSHOT("2 nodes, 1 page, home 1, rehome", 2, 1, 1, 1, 0, 0, 0),
	SNAPSHOT("2 nodes, 2 pages", 2, 2, 0, 0, 0, 300000, 3000000),
	SNAPSHOT("3 nodes, 1 page", 3, 1, 0, 0, 0, 0, 0),
	SNAPSHOT("3 nodes, 1 page, home 1", 3, 1, 1, 0, 0, 300000, 0),
	{ { "4 nodes, 1 page", 4, 1, { 0 }, 4, 0, 0, 0, { 0, 0, 0 }, 0, 0, NULL }, 300000, 0 },
	{ { "4 nodes, 1 page, all", 4, 1, { 0 }, 4, 0, 0, 0,
	    { 100, 1, 0 }, 0, 0, NULL }, 100000, 10000000 },
};

#define CONFIGS ((int)(sizeof(configs) / sizeof(*configs)))

struct search {
	const struct w_config *cfg;
	u8 *bytes;			/* all packed states, one after the other */
	size_t used, room;
	size_t *at;			/* where a state begins */
	unsigned int *parent;
	unsigned int *depth;
	unsigned int count, slots;
	struct slot { unsigned int hash, state; } *slot;	/* of the hash table */
	unsigned int hash_size;
	unsigned int *edge_at;		/* first progress edge of a state */
	unsigned int *edge;
	size_t edges, edge_room;
};

static void *grow(void *p, size_t count, size_t size)
{
	p = realloc(p, count * size);
	if (!p && count) {
		printf("Bail out! out of memory\n");
		exit(1);
	}
	return p;
}

static unsigned int hash_of(const u8 *b, unsigned int len)
{
	u64 h = len;

	while (len) {
		unsigned int part = len < 8 ? len : 8;
		u64 v = 0;

		memcpy(&v, b, part);
		h = (h ^ v) * 0x9e3779b97f4a7c15ULL;
		h ^= h >> 32;
		b += part;
		len -= part;
	}
	return (unsigned int)h;
}

static unsigned int length_of(const struct search *s, unsigned int n)
{
	return (unsigned int)((n + 1 < s->count ? s->at[n + 1] : s->used) - s->at[n]);
}

static void rehash(struct search *s)
{
	struct slot *old = s->slot;
	unsigned int size = s->hash_size, n, i;

	s->hash_size = size ? size * 2 : 1 << 12;
	s->slot = grow(NULL, s->hash_size, sizeof(*s->slot));
	memset(s->slot, 0xff, s->hash_size * sizeof(*s->slot));
	for (n = 0; n < size; n++) {
		if (old[n].state == NONE)
			continue;
		for (i = old[n].hash & (s->hash_size - 1); s->slot[i].state != NONE;
		     i = (i + 1) & (s->hash_size - 1))
			;
		s->slot[i] = old[n];
	}
	free(old);
}

static void reserve(struct search *s, unsigned int len)
{
	if (s->used + len > s->room) {
		s->room = s->room * 2 + (1 << 16);
		s->bytes = grow(s->bytes, s->room, 1);
	}
	if (s->count + 2 > s->slots) {
		s->slots = s->slots * 2 + 1024;
		s->at = grow(s->at, s->slots, sizeof(*s->at));
		s->parent = grow(s->parent, s->slots, sizeof(*s->parent));
		s->depth = grow(s->depth, s->slots, sizeof(*s->depth));
		s->edge_at = grow(s->edge_at, s->slots, sizeof(*s->edge_at));
	}
	if (s->count * 2 >= s->hash_size)
		rehash(s);
}

/* Returns the state's number, new or old. */
static unsigned int remember(struct search *s, const struct world *w, unsigned int parent)
{
	u8 buf[W_PACK_MAX];
	unsigned int len = w_pack(w, buf), hash = hash_of(buf, len), i, n;

	reserve(s, len);
	for (i = hash & (s->hash_size - 1); s->slot[i].state != NONE;
	     i = (i + 1) & (s->hash_size - 1)) {
		n = s->slot[i].state;
		if (s->slot[i].hash == hash && length_of(s, n) == len &&
		    !memcmp(s->bytes + s->at[n], buf, len))
			return n;
	}
	n = s->count++;
	s->slot[i] = (struct slot){ hash, n };
	s->at[n] = s->used;
	memcpy(s->bytes + s->used, buf, len);
	s->used += len;
	s->parent[n] = parent;
	s->depth[n] = parent == NONE ? 0 : s->depth[parent] + 1;
	return n;
}

static void add_edge(struct search *s, unsigned int to)
{
	if (s->edges == s->edge_room) {
		s->edge_room = s->edge_room * 2 + 4096;
		s->edge = grow(s->edge, s->edge_room, sizeof(*s->edge));
	}
	s->edge[s->edges++] = to;
}

static void print_header(const struct w_config *cfg, FILE *f)
{
	fprintf(f, "nodes %u\n", cfg->nodes);
	if (cfg->machine != cfg->nodes)
		fprintf(f, "machine %u\n", cfg->machine);
	if (cfg->policy.hold_us)
		fprintf(f, "hold %u\n", cfg->policy.hold_us);
	if (cfg->policy.migratory)
		fprintf(f, "migratory\n");
	if (cfg->policy.history)
		fprintf(f, "history\n");
}

static bool packs_to(const struct world *w, const struct search *s, unsigned int n)
{
	u8 buf[W_PACK_MAX];

	return w_pack(w, buf) == length_of(s, n) &&
	       !memcmp(buf, s->bytes + s->at[n], length_of(s, n));
}

/*
 * Make the move that leads to state @n, or, for NONE, the one that breaks a rule.
 * States are stored with their nodes renamed, so it has to be looked for.
 */
static bool retrace(const struct search *s, struct world *w, unsigned int n)
{
	struct w_move moves[W_MAX_MOVES];
	unsigned int count = w_moves(w, moves), i;

	for (i = 0; i < count; i++) {
		struct world next = *w;
		bool fine = w_fire(&next, &moves[i]);

		if (n == NONE ? fine : !fine || !packs_to(&next, s, n))
			continue;
		w_print_move(w, &moves[i], stdout);
		w->log = stdout;
		w_fire(w, &moves[i]);
		w->log = NULL;
		return true;
	}
	return false;
}

/* Tell the way to state @n as a scenario, and the broken rule after it. */
static void print_path(const struct search *s, unsigned int n, bool broken)
{
	unsigned int path[512], len = 0, i;
	struct world w;

	for (i = n; s->parent[i] != NONE && len < 512; i = s->parent[i])
		path[len++] = i;
	print_header(s->cfg, stdout);
	w_init(&w, s->cfg);
	while (len--)
		retrace(s, &w, path[len]);
	if (broken)
		retrace(s, &w, NONE);
}

/* Returns what is wrong with a move from state @n, or NULL. */
static const char *expand(struct search *s, unsigned int n)
{
	struct w_move moves[W_MAX_MOVES];
	struct world w, from;
	unsigned int count, i, to;
	bool moved = false;

	w_unpack(&from, s->cfg, s->bytes + s->at[n]);
	count = w_moves(&from, moves);
	s->edge_at[n] = (unsigned int)s->edges;
	for (i = 0; i < count; i++) {
		/* Most moves change nothing, and a world is large. */
		if (!i || w.changed)
			w = from;
		if (!w_fire(&w, &moves[i])) {
			print_path(s, n, true);
			return w.error;
		}
		if (!w.changed)
			continue;
		to = remember(s, &w, n);
		if (!w_progress(&moves[i]))
			continue;
		moved = true;
		add_edge(s, to);
	}
	if (moved || from.cut || w_quiescent(&from))
		return NULL;
	print_path(s, n, false);
	return "deadlock: something waits and nothing is on its way";
}

/* Deliveries and timers must come to an end: their graph has no cycle. */
static const char *find_cycle(struct search *s, unsigned int done)
{
	unsigned int *in = calloc(s->count, sizeof(*in));
	unsigned int *todo = calloc(s->count, sizeof(*todo));
	unsigned int head = 0, tail = 0, i;
	const char *why = NULL;
	size_t e;

	if (!in || !todo)
		return "out of memory";
	s->edge_at[done] = (unsigned int)s->edges;
	for (e = 0; e < s->edges; e++)
		in[s->edge[e]]++;
	for (i = 0; i < s->count; i++)
		if (!in[i])
			todo[tail++] = i;
	while (head < tail) {
		i = todo[head++];
		for (e = s->edge_at[i]; i < done && e < s->edge_at[i + 1]; e++)
			if (!--in[s->edge[e]])
				todo[tail++] = s->edge[e];
	}
	if (tail != s->count) {
		for (i = 0; !in[i]; i++)
			;
		print_path(s, i, false);
		why = "livelock: deliveries and timers can go on for ever";
	}
	free(in);
	free(todo);
	return why;
}

static void release(struct search *s)
{
	free(s->bytes);
	free(s->at);
	free(s->parent);
	free(s->depth);
	free(s->slot);
	free(s->edge_at);
	free(s->edge);
}

static const char *explore(const struct config *c, bool big, char *told, size_t size)
{
	struct search s = { .cfg = &c->w };
	unsigned int limit = big ? c->big : c->limit, n;
	const char *why = NULL;
	struct world w;
	clock_t t = clock();

	w_init(&w, &c->w);
	remember(&s, &w, NONE);
	for (n = 0; n < s.count && !why && (!limit || n < limit); n++)
		why = expand(&s, n);
	if (!why)
		why = find_cycle(&s, n);
	snprintf(told, size, "%u states%s, depth %u, %zu steps of progress, %.1f s",
		 n, n < s.count ? " (bounded)" : "", s.depth[n ? n - 1 : 0], s.edges,
		 (double)(clock() - t) / CLOCKS_PER_SEC);
	release(&s);
	return why;
}

static void report_cells(void)
{
	unsigned int row, ev, all = 0, hit = 0;

	for (row = 0; row < DVMM_ST_COUNT; row++)
		for (ev = 1; ev < DVMM_EV_COUNT; ev++) {
			enum dvmm_handler h = dvmm_table_cell((u8)row, (u8)ev);

			if (h == DVMM_DO_impossible)
				continue;
			all++;
			hit += !!w_cells[row][ev];
			if (!w_cells[row][ev])
				printf("# never reached: %s in %s (%s)\n",
				       dvmm_event_name((u8)ev), dvmm_state_name((u8)row),
				       dvmm_handler_name(h));
		}
	printf("# cells covered: %u of %u that are possible\n", hit, all);
}

/* Which states of a page at its new home, by those that it had there before? */
static void report_taken(void)
{
	static const u8 before[] = { DVMM_ST_I, DVMM_ST_S, DVMM_ST_M };
	unsigned int state, i;

	for (state = DVMM_ST_H_M; state <= DVMM_ST_H_R; state++)
		for (i = 0; i < 3; i++)
			if (w_taken[state][before[i]])
				printf("# handed over: %s to a node in %s, %lu times\n",
				       dvmm_state_name((u8)state), dvmm_state_name(before[i]),
				       w_taken[state][before[i]]);
}

/* explore [--big] [NAME OF A CONFIGURATION] */
int main(int argc, char **argv)
{
	bool big = argc > 1 && !strcmp(argv[1], "--big");
	const char *only = argc > 1 + big ? argv[1 + big] : NULL;
	int n = CONFIGS, i, done = 0, failed = 0;
	char told[128];

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n1..%d\n", only ? 1 : n);
	for (i = 0; i < n; i++) {
		const char *why;

		if (only && strcmp(only, configs[i].w.name))
			continue;
		done++;
		why = explore(&configs[i], big, told, sizeof(told));
		if (why)
			printf("# %s\n", why);
		printf("%sok %d %s: %s\n", why ? "not " : "", done,
		       configs[i].w.name, told);
		failed += !!why;
	}
	if (!only)
		report_cells();
	report_taken();
	if (!done)
		printf("Bail out! no configuration is called \"%s\"\n", only);
	return failed || !done;
}
