// SPDX-License-Identifier: GPL-2.0
/*
 * Counts what each transition costs: messages, how many of them carry a page,
 * and hops on the critical path (messages in a row until the vCPU may go on).
 */
#include "tap.h"
#include "world.h"

#define MAX_GIVEN 4

struct row {
	const char *what;
	struct { u8 node, kind; } given[MAX_GIVEN];
	unsigned int givens;
	u8 node, kind;
	unsigned int messages, pages, hops;
};

static const struct row rows[] = {
	{ "read miss, home has the only copy", { { 0, W_STORE } }, 1, 1, W_LOAD, 2, 1, 2 },
	{ "read miss, home and another have copies", { { 0, W_STORE }, { 2, W_LOAD } }, 2,
	  1, W_LOAD, 2, 1, 2 },
	{ "write miss, home has the only copy", { { 0, W_STORE } }, 1, 1, W_STORE, 2, 1, 2 },
	{ "read miss, another node owns it", { { 1, W_STORE } }, 1, 2, W_LOAD, 4, 2, 3 },
	{ "write miss, another node owns it", { { 1, W_STORE } }, 1, 2, W_STORE, 4, 1, 3 },
	{ "read at home, another node owns it", { { 1, W_STORE } }, 1, 0, W_LOAD, 2, 1, 2 },
	{ "write at home, another node owns it", { { 1, W_STORE } }, 1, 0, W_STORE, 2, 1, 2 },
	{ "write miss, 1 sharer", { { 0, W_STORE }, { 1, W_LOAD } }, 2, 2, W_STORE, 4, 1, 3 },
	{ "write miss, 2 sharers", { { 0, W_STORE }, { 1, W_LOAD }, { 2, W_LOAD } }, 3,
	  3, W_STORE, 6, 1, 3 },
	{ "upgrade, no other sharer", { { 0, W_STORE }, { 1, W_LOAD } }, 2, 1, W_STORE, 2, 0, 2 },
	{ "upgrade, 1 other sharer", { { 0, W_STORE }, { 1, W_LOAD }, { 2, W_LOAD } }, 3,
	  1, W_STORE, 4, 0, 3 },
	{ "upgrade, 2 other sharers", { { 0, W_STORE }, { 1, W_LOAD }, { 2, W_LOAD },
	  { 3, W_LOAD } }, 4, 1, W_STORE, 6, 0, 3 },
	{ "upgrade at home, no sharer left", { { 0, W_STORE }, { 1, W_LOAD }, { 1, W_EVICT } }, 3,
	  0, W_STORE, 0, 0, 0 },
	{ "upgrade at home, 3 sharers", { { 0, W_STORE }, { 1, W_LOAD }, { 2, W_LOAD },
	  { 3, W_LOAD } }, 4, 0, W_STORE, 6, 0, 2 },
	{ "first read at home", { { 0, 0 } }, 0, 0, W_LOAD, 0, 0, 0 },
	{ "first write at home", { { 0, 0 } }, 0, 0, W_STORE, 0, 0, 0 },
	{ "first read elsewhere", { { 0, 0 } }, 0, 1, W_LOAD, 2, 0, 2 },
	{ "first write elsewhere", { { 0, 0 } }, 0, 1, W_STORE, 2, 0, 2 },
	{ "eviction of a clean copy", { { 0, W_STORE }, { 1, W_LOAD } }, 2, 1, W_EVICT, 1, 0, 0 },
	{ "eviction of the owned page", { { 1, W_STORE } }, 1, 1, W_EVICT, 2, 1, 0 },
};

static void move(struct world *w, u8 node, u8 kind)
{
	struct w_move m = { .kind = kind, .node = node };

	w_fire(w, &m);
	w_settle(w);
}

int main(void)
{
	static const struct w_config cfg = { .nodes = W_NODES, .pages = 1, .machine = W_NODES };
	unsigned int i, j;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *r = &rows[i];
		struct world w;

		w_init(&w, &cfg);
		for (j = 0; j < r->givens; j++)
			move(&w, r->given[j].node, r->given[j].kind);
		w.sent = 0;
		w.pages = 0;
		w.hops = 0;
		move(&w, r->node, r->kind);
		if (r->kind == W_EVICT)	/* whoever is woken waits for nothing */
			w.hops = 0;
		tap(!w.error && w.sent == r->messages && w.pages == r->pages && w.hops == r->hops,
		    "%s: %u messages, %u with a page, %u hops", r->what, w.sent, w.pages, w.hops);
	}
	return tap_done();
}
