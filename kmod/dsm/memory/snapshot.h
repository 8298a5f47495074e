/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A region as it was at one moment, read while the guest goes on: copy on write, as of
 * files (Hitz, Lau and Malcolm, USENIX 1994) and of guests on one host (QEMU's
 * background-snapshot).
 *
 * At the cut this node may read every page that anybody has touched, and no page is mapped.  From
 * then on the contents of a page are copied before they change or go: before a mapping may write
 * (fault.c), when the page may no longer be read here (dispatch.c), before it leaves its block or
 * first gets a frame (mem.c).  What has been read out is no longer copied.
 *
 * A page is *left* until it is read out or copied.  One that is left after the cut may be read
 * here, or was untouched: zeroes.  A frame without permission MAY be older than the cut, and is
 * never copied.
 */
#ifndef DVMM_SNAPSHOT_H
#define DVMM_SNAPSHOT_H

#include <linux/mutex.h>
#include <linux/xarray.h>

struct dvmm_region;
struct folio;

/**
 * struct dvmm_snapshot - of a region, of which there is one at a time
 * @lock: guards all of this; taken with a folio locked
 * @taken: somebody has its descriptor
 * @left: a bit for each page; NULL: nothing is to be copied
 * @kept: copies of pages that have changed since, or a value for zeroes
 * @made: the cut is over
 * @error: why it was given up
 */
struct dvmm_snapshot {
	struct mutex lock; /* see above */
	bool taken;
	unsigned long *left;
	struct xarray kept;
	bool made;
	int error;
};

void dvmm_snapshot_init(struct dvmm_snapshot *s);
/**
 * dvmm_snapshot_give_up - there is no memory for what has to be
 * @s: of a region whose cgroup, or host, is full
 *
 * What was kept is free again, and who reads hears ENOMEM.  Context: may sleep; the caller
 * MUST NOT hold @lock.
 */
void dvmm_snapshot_give_up(struct dvmm_snapshot *s);

/** dvmm_snapshot_create - DVMM_CREATE_SNAPSHOT; a descriptor or -errno */
int dvmm_snapshot_create(struct dvmm_region *r);

/** dvmm_snapshot_keep_slow - see dvmm_snapshot_keep() */
void dvmm_snapshot_keep_slow(struct dvmm_region *r, u64 index, u64 n, struct folio *folio);

/**
 * dvmm_snapshot_keep - pages are about to change, or their frames to be others
 * @s: the snapshot of @r
 * @r: the region
 * @index: the first of them
 * @n: how many
 * @folio: what they are in, locked by the caller; NULL: they have no frame, and get one
 *
 * Process context; may sleep for memory, without I/O.  Where there is none the snapshot is
 * given up, and its reader told; the guest goes on.
 */
static inline void dvmm_snapshot_keep(struct dvmm_snapshot *s, struct dvmm_region *r, u64 index,
				      u64 n, struct folio *folio)
{
	if (unlikely(READ_ONCE(s->left)))
		dvmm_snapshot_keep_slow(r, index, n, folio);
}

/** dvmm_snapshot_lose_slow - see dvmm_snapshot_lose() */
void dvmm_snapshot_lose_slow(struct dvmm_region *r, u64 index);

/**
 * dvmm_snapshot_lose - a page that could be read here no longer may
 * @s: the snapshot of @r
 * @r: the region
 * @index: the page; it has its frame still, and that it may not be read is published
 *
 * Either this sees that there is a snapshot, or who makes one that the page is not here.
 * As dvmm_snapshot_keep().
 */
static inline void dvmm_snapshot_lose(struct dvmm_snapshot *s, struct dvmm_region *r, u64 index)
{
	smp_mb();	/* pairs with snapshot_cut() */
	if (unlikely(READ_ONCE(s->left)))
		dvmm_snapshot_lose_slow(r, index);
}

/** dvmm_snapshot_wants - would it cost a copy to drop the page?  A hint. */
bool dvmm_snapshot_wants(struct dvmm_region *r, u64 index);

#endif
