// SPDX-License-Identifier: GPL-2.0
/*
 * A snapshot of all pages at one node, made of what it has and copied before that
 * changes.  The rule: what it has of a page is what the page was when it was made.
 */
#include "world.h"

#define SAVER	0	/* the node that makes it */

static void snapshot_keep(struct world *w, unsigned int page, u8 data)
{
	struct w_saved *s = &w->saved[page];

	if (!s->left)
		return;
	s->left = false;
	s->kept = data;
}

/*
 * Without a frame it was untouched when the snapshot was made; what comes earlier is what
 * the page is then.
 */
static void snapshot_fill(struct world *w, unsigned int node, unsigned int page)
{
	if (node == SAVER && w->phase == W_MADE)
		snapshot_keep(w, page, w->zero[page]);
}

/*
 * The frame may go later, but what lies in one that is being given back when the snapshot
 * begins may be old by then.
 */
static void snapshot_lose(struct world *w, unsigned int node, unsigned int page)
{
	if (node == SAVER)
		snapshot_keep(w, page, w->page[node][page].frame);
}

static u8 snapshot_write(struct world *w, unsigned int node, unsigned int page)
{
	struct w_saved *s = &w->saved[page];
	u8 past = w->phase == W_MADE && !s->written ? W_THEN : W_OLD;

	if (node == SAVER)
		snapshot_keep(w, page, w->page[node][page].frame);
	w_age(&s->kept, past);
	s->written = w->phase == W_MADE;
	return past;
}

/* Moves. */

static bool snapshot_untouched(const struct world *w, unsigned int page)
{
	return !w->page[SAVER][page].pg.state && w_homed(w, SAVER, page);
}

/* The page is here, or kept already, or nobody has touched it. */
static bool snapshot_has(const struct world *w, unsigned int page)
{
	return w->page[SAVER][page].perm || !w->saved[page].left || snapshot_untouched(w, page);
}

static void snapshot_look_moves(const struct world *w, struct w_move *moves, unsigned int *count)
{
	unsigned int page, looked = 0;

	for (page = 0; page < w->cfg->pages; page++) {
		struct w_move m = { .kind = W_LOOK, .node = SAVER, .page = (u8)page };

		looked += w->saved[page].looked;
		if (w->saved[page].looked)
			continue;
		if (!snapshot_has(w, page))
			m.kind = W_FETCH;
		if (m.kind == W_LOOK || !w->page[SAVER][page].loading)
			moves[(*count)++] = m;
	}
	if (looked == w->cfg->pages)
		moves[(*count)++] = (struct w_move) { .kind = W_MAKE, .node = SAVER };
}

static void snapshot_moves(const struct world *w, struct w_move *moves, unsigned int *count)
{
	if (w->phase == W_RUNS)
		moves[(*count)++] = (struct w_move) { .kind = W_BEGIN, .node = SAVER };
	else if (w->phase == W_STANDS)
		snapshot_look_moves(w, moves, count);
}

static void snapshot_fire(struct world *w, const struct w_move *m)
{
	unsigned int page;

	w->changed = true;
	if (m->kind == W_BEGIN)
		w->phase = W_STANDS;
	else if (m->kind == W_MAKE)
		w->phase = W_MADE;
	else
		w->saved[m->page].looked = true;
	for (page = 0; page < w->cfg->pages && m->kind != W_LOOK; page++) {
		w->saved[page].left |= m->kind == W_BEGIN;
		w->saved[page].looked = false;
	}
}

static const char *snapshot_check(const struct world *w)
{
	unsigned int page;

	for (page = 0; page < w->cfg->pages && w->phase == W_MADE; page++) {
		const struct w_saved *s = &w->saved[page];
		u8 frame = w->page[SAVER][page].frame;
		u8 data = s->left ? frame ? frame : w->zero[page] : s->kept;

		if (data != (s->written ? W_THEN : W_LAST))
			return "the snapshot has of a page what it was not when it was made";
	}
	return NULL;
}

const struct w_snapshot w_snapshot = {
	.fill = snapshot_fill,
	.lose = snapshot_lose,
	.write = snapshot_write,
	.moves = snapshot_moves,
	.fire = snapshot_fire,
	.check = snapshot_check,
};
