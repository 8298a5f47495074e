/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which node is a page's home: told for each chunk of a region (engine/rehome.h).
 *
 * A region is made with one home for all of it, where memory is set apart for it
 * (dvmm_region_is_home()).  Elsewhere the directory entries of a chunk are allocated when
 * it comes.
 *
 * Locks: a chunk's lock is taken outside the bucket locks of its pages, and is the
 * innermost otherwise.
 */
#ifndef DVMM_HOMES_H
#define DVMM_HOMES_H

#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/xarray.h>

#include "engine/rehome.h"

struct dvmm_flight;
struct dvmm_region;

#define DVMM_CHUNK_PAGES	512u	/* 2 MiB */
#define DVMM_CHUNK_LOCKS	16

struct dvmm_chunk_lock {
	spinlock_t lock;		/* guards chunks, outside bucket locks */
} ____cacheline_aligned_in_smp;

/**
 * struct dvmm_homes - the chunks of a region
 * @chunks: one for each DVMM_CHUNK_PAGES pages; the last one MAY have fewer
 * @dirs: number of a chunk that has come here -> its struct dvmm_dir[DVMM_CHUNK_PAGES];
 *	where the region was made they are beside the pages
 * @locks: chunk n belongs to lock n % DVMM_CHUNK_LOCKS
 */
struct dvmm_homes {
	struct dvmm_chunk *chunks;
	struct xarray dirs;
	struct dvmm_chunk_lock locks[DVMM_CHUNK_LOCKS];
};

/** dvmm_homes_init - all chunks are at the region's home; 0 or -ENOMEM */
int dvmm_homes_init(struct dvmm_region *r);
void dvmm_homes_exit(struct dvmm_region *r);

/** dvmm_homes_lock - the lock of a page's chunk, taken */
struct dvmm_chunk *dvmm_homes_lock(struct dvmm_region *r, u64 index);
void dvmm_homes_unlock(struct dvmm_region *r, u64 index);

/** dvmm_homes_of - whom this node asks for a page; MAY change at once */
u16 dvmm_homes_of(struct dvmm_region *r, u64 index);
/** dvmm_homes_here - does this node serve the page?  MAY change at once */
bool dvmm_homes_here(struct dvmm_region *r, u64 index);
/** dvmm_homes_count - how many pages this node serves; MAY change at once */
u64 dvmm_homes_count(struct dvmm_region *r);
/** dvmm_homes_dir - the directory entry of a page that is homed here or about to be, or NULL */
struct dvmm_dir *dvmm_homes_dir(struct dvmm_region *r, u64 index);

/** dvmm_homes_make_room - before a chunk comes; false: it cannot */
bool dvmm_homes_make_room(struct dvmm_region *r, u64 index);
/** dvmm_homes_drop_room - after a chunk has gone */
void dvmm_homes_drop_room(struct dvmm_region *r, u64 index);

/* ---- steps, by the runner of the page ---- */

/**
 * dvmm_homes_enter - before the step of @f->item
 * @f: the flight; @f->visit is filled
 *
 * Return: true: make it, and dvmm_homes_leave() then.  False: there is no step, and the
 * item was kept, if @f->item is gone, or nobody waits for it.
 */
bool dvmm_homes_enter(struct dvmm_flight *f);
/** dvmm_homes_leave - after the last action of the step; @f->acts is free for use */
void dvmm_homes_leave(struct dvmm_flight *f);
/** dvmm_homes_give - dvmm_rehome_give() for the page, into @f->acts */
bool dvmm_homes_give(struct dvmm_flight *f, const struct dvmm_ctx *ctx);
/**
 * dvmm_homes_take - dvmm_rehome_take() of @f->item, into @f->acts
 * @f: the flight
 * @ctx: of a step at the page's home
 *
 * Return: the first page that is homed here since.
 */
u64 dvmm_homes_take(struct dvmm_flight *f, const struct dvmm_ctx *ctx);

#endif
