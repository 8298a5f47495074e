/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which node is a page's home: told for each chunk of a region (engine/rehome.h).
 *
 * A region is made with one home for all of it, where memory is set apart for it
 * (dvmm_region_is_home()).
 *
 * Locks: a chunk's lock is taken outside the bucket locks of its pages, and is the
 * innermost otherwise.
 */
#ifndef DVMM_HOMES_H
#define DVMM_HOMES_H

#include <linux/spinlock.h>
#include <linux/types.h>

#include "engine/rehome.h"

struct dvmm_region;

#define DVMM_CHUNK_PAGES	512u	/* 2 MiB */
#define DVMM_CHUNK_LOCKS	16

struct dvmm_chunk_lock {
	spinlock_t lock;
} ____cacheline_aligned_in_smp;

/**
 * struct dvmm_homes - the chunks of a region
 * @chunks: one for each DVMM_CHUNK_PAGES pages; the last one MAY have fewer
 * @locks: chunk n belongs to lock n % DVMM_CHUNK_LOCKS
 */
struct dvmm_homes {
	struct dvmm_chunk *chunks;
	struct dvmm_chunk_lock locks[DVMM_CHUNK_LOCKS];
};

/** dvmm_homes_init - all chunks are at the region's home; 0 or -ENOMEM */
int dvmm_homes_init(struct dvmm_region *r);
void dvmm_homes_exit(struct dvmm_region *r);

/** dvmm_homes_of - whom this node asks for a page; MAY change at once */
u16 dvmm_homes_of(struct dvmm_region *r, u64 index);
/** dvmm_homes_here - does this node serve the page?  MAY change at once */
bool dvmm_homes_here(struct dvmm_region *r, u64 index);

#endif
