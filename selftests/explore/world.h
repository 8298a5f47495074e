/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A whole machine around the engine: nodes, links, vCPUs and an executor, with
 * data reduced to "is it the last value written?".  Every move is checked.
 */
#ifndef DVMM_WORLD_H
#define DVMM_WORLD_H

#include <stdio.h>
#include "engine.h"
#include "rehome.h"

#define W_NODES		4
#define W_PAGES		2
#define W_QUEUE		6	/* messages in flight on one lane of one link */
#define W_DEFER		4	/* deferred events of one page on one node */
#define W_GATE		8	/* of one that is to be homed here first: two of each node */
#define W_LANES		3

/* A page's bytes, as far as coherence goes; W_THEN: a snapshot's, written over since. */
enum w_data { W_NO_DATA, W_OLD, W_LAST, W_THEN };

struct w_event {
	struct dvmm_event ev;
	u8 page;
	u8 data;
	u8 hops;		/* messages in a row that led here */
};

struct w_queue {
	u8 count;
	struct w_event e[W_QUEUE];
};

/* One page on one node. */
struct w_page {
	struct dvmm_page pg;
	struct dvmm_txn txn;
	struct dvmm_dir dir;
	u8 perm;
	u8 frame;		/* enum w_data */
	bool loading;		/* a vCPU sleeps until its LOAD is answered */
	bool storing;
	bool timer;
	bool wrote;		/* since WRITE was granted */
	u8 hops;		/* longest way of what came since the last fault */
	u8 deferred;
	struct w_event defer[W_DEFER];
	u8 gated;
	struct w_event gate[W_GATE];	/* what waits until the page is homed here */
};

/*
 * W_STANDS: a snapshot has begun.  vCPUs MUST NOT write before it is made.  All else MAY
 * happen: who waits is answered, looks again and perhaps asks again, so accesses begin too.
 */
enum w_phase { W_RUNS, W_STANDS, W_MADE };

/* One page of the snapshot. */
struct w_saved {
	u8 left : 1;		/* neither read out nor kept yet */
	u8 looked : 1;		/* need not be asked for before the snapshot is made */
	u8 written : 1;		/* since then, by whomever */
	u8 kept;		/* enum w_data */
};

/* What does not change while a world runs. */
struct w_config {
	const char *name;
	u8 nodes;
	u8 pages;
	u8 home[W_PAGES];
	u16 machine;		/* nodes that the engine believes in */
	bool no_evict;
	bool cuts;		/* one link may be cut */
	bool ahead;		/* pages may be asked for ahead of need */
	struct dvmm_policy policy;
	u8 rehomes;		/* so often homes may move; then all pages are one chunk */
	bool unable;		/* who is to be a home may lack memory */
	const struct w_snapshot *snapshot;	/* node 0 makes one of all pages; or NULL */
};

struct world {
	const struct w_config *cfg;
	u8 zero[W_PAGES];	/* enum w_data of an untouched page */
	u8 ids[W_NODES];	/* highest id given by each node */
	bool cut;		/* the link between @ends: nothing comes through any more */
	u8 ends[2];
	u8 rehomes;		/* that are left */
	struct dvmm_chunk chunk[W_NODES][W_PAGES];	/* see w_chunk() */
	struct dvmm_move move[W_NODES];
	struct w_page page[W_NODES][W_PAGES];
	struct w_queue q[W_NODES][W_NODES][W_LANES];
	bool changed;		/* by the last move; false is certain, true is not */
	u8 phase;		/* enum w_phase; here there is room: worlds are copied often */
	struct w_saved saved[W_PAGES];
	const char *error;	/* first rule that was broken */
	unsigned int sent;	/* messages so far, and how many of them with a page */
	unsigned int pages;
	unsigned int hops;	/* on the critical path of the last wake-up */
	FILE *log;		/* steps and actions are told here, if set */
};

/*
 * W_WRITE: a vCPU writes with the permission it has.
 * W_CUT: what is under way between two nodes is lost, and all that follows.  They and
 * all others go on until they hear of it: nobody may see a wrong value meanwhile.
 * W_REHOME: a home begins to move, to @src.  W_GIVE: it hands the next page over.
 * W_BEGIN: a snapshot begins.  W_MAKE: it is made.  W_FETCH: a page has to be asked for
 * between the two.  W_LOOK: it has not.
 */
enum w_kind { W_LOAD, W_STORE, W_WRITE, W_EVICT, W_TOUCH, W_COPY, W_TIMER, W_DELIVER, W_CUT,
	      W_REHOME, W_GIVE, W_BEGIN, W_MAKE, W_FETCH, W_LOOK };

/* One thing that may happen next. */
struct w_move {
	u8 kind;
	u8 node;		/* where it happens */
	u8 page;
	u8 src;			/* W_DELIVER; W_CUT: the link's other end; W_REHOME: to whom */
	u8 lane;		/* W_DELIVER */
	bool late;		/* the hold time has run out */
	bool unable;		/* no memory for what a home needs */
};

#define W_MAX_MOVES	128

extern unsigned long w_cells[DVMM_ST_COUNT][DVMM_EV_COUNT];

/* How often a page in a state of the old home's met one in a state of the new home's. */
extern unsigned long w_taken[DVMM_ST_COUNT][DVMM_ST_COUNT];

/** w_chunk - the chunk that @page belongs to, as @node sees it */
static inline struct dvmm_chunk *w_chunk(struct world *w, unsigned int node, unsigned int page)
{
	return &w->chunk[node][w->cfg->rehomes ? 0 : page];
}

/**
 * struct w_snapshot - what a snapshot adds to the executor
 * @fill: before a frame of @node is filled
 * @lose: before @node may no longer read a page
 * @write: before a vCPU of @node writes; returns what the last value is from then on
 * @moves: add those of the snapshot
 * @fire: make one of them
 * @check: what is wrong, or NULL
 */
struct w_snapshot {
	void (*fill)(struct world *w, unsigned int node, unsigned int page);
	void (*lose)(struct world *w, unsigned int node, unsigned int page);
	u8 (*write)(struct world *w, unsigned int node, unsigned int page);
	void (*moves)(const struct world *w, struct w_move *moves, unsigned int *count);
	void (*fire)(struct world *w, const struct w_move *m);
	const char *(*check)(const struct world *w);
};

extern const struct w_snapshot w_snapshot;

static inline void w_age(u8 *data, u8 past)
{
	if (*data == W_LAST)
		*data = past;
}

/** w_homed - is @node the home of @page, for all that it knows? */
bool w_homed(const struct world *w, unsigned int node, unsigned int page);
void w_init(struct world *w, const struct w_config *cfg);
/** w_moves - list what may happen; returns how many */
unsigned int w_moves(const struct world *w, struct w_move *moves);
/** w_fire - let it happen; returns false and sets @w->error if a rule broke */
bool w_fire(struct world *w, const struct w_move *m);
/** w_quiescent - nothing is under way and nobody waits */
bool w_quiescent(const struct world *w);
/** w_settle - deliver what is under way, until nothing is */
bool w_settle(struct world *w);
/** w_told - how many nodes a SEND_SET may go to */
unsigned int w_told(const struct world *w, const struct dvmm_action *a);
/** w_tell - an action, as it is told in the world's log, which there is */
void w_tell(struct world *w, const struct dvmm_action *a);
/** w_print_move - the move as a line of a scenario */
void w_print_move(const struct world *w, const struct w_move *m, FILE *f);
/** w_progress - true if the move needs no new wish of a vCPU or of eviction */
static inline bool w_progress(const struct w_move *m)
{
	return m->kind == W_DELIVER || m->kind == W_TIMER || m->kind == W_GIVE ||
	       m->kind > W_BEGIN;
}

/* pack.c: canonical form, symmetric in nodes that are no page's home. */
#define W_PACK_MAX	1024
/** w_pack - returns the length of @w's canonical form */
unsigned int w_pack(const struct world *w, u8 *out);
void w_unpack(struct world *w, const struct w_config *cfg, const u8 *in);

#endif
