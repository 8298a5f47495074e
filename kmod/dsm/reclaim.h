/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whose memory a region takes, how much of it, and giving back what the host
 * needs more.
 *
 * All frames and what is kept of each page are charged to the cgroup of the
 * process that created the region, whichever thread brings them.
 *
 * A clean copy of a page that is at home elsewhere can be fetched again: the
 * kernel may have it back.  The shrinker only counts, since who reclaims memory may
 * hold any lock; a worker sends the copies away.
 */
#ifndef DVMM_RECLAIM_H
#define DVMM_RECLAIM_H

#include <linux/types.h>

struct dvmm_region;
struct mem_cgroup;

/** dvmm_reclaim_available - pages that the host, and the group with those above it, have */
u64 dvmm_reclaim_available(struct mem_cgroup *memcg);
/** dvmm_reclaim_init - on creation, by the process that is to be charged; 0 or -ENOMEM */
int dvmm_reclaim_init(struct dvmm_region *r);
/** dvmm_reclaim_exit - waits for the worker */
void dvmm_reclaim_exit(struct dvmm_region *r);

/** dvmm_reclaim_perm - the node's permission for a page changes */
void dvmm_reclaim_perm(struct dvmm_region *r, u8 had, u8 perm);

/**
 * dvmm_reclaim_limit - bound a region that has no limit and may not fit
 * @r: the region, not homed here
 * @homed: pages of the regions that are
 * @far: number of regions that are not
 *
 * Called before the first link is connected, so before the first frame.
 */
void dvmm_reclaim_limit(struct dvmm_region *r, u64 homed, unsigned int far);

#endif
