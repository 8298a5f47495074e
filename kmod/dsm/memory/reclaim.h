/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whose memory a region takes, how much of it, and giving back what the host
 * needs more.
 *
 * All frames and what is kept of each page are charged to the cgroup of the
 * process that created the region, whichever thread brings them.
 *
 * A clean copy of a page that is at home elsewhere can be fetched again: the
 * kernel may have it back.  The shrinker counts and leaves it to a worker to send the
 * copies away, since who reclaims memory may hold any lock.  For a cgroup that is full it
 * waits until they are gone, as long as some go: the OOM killer comes next.
 */
#ifndef DVMM_RECLAIM_H
#define DVMM_RECLAIM_H

#include <linux/list_lru.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct dvmm_region;
struct dvmm_token;
struct mem_cgroup;

/**
 * struct dvmm_reclaim - of a region that is not homed here
 * @shrinker: offers clean copies to the kernel
 * @lru: the kernel calls a shrinker for cgroups that have something in a list of it
 * @token: is there for the copies, which are in none
 * @clean: pages that may be read and not written here
 * @unwanted: how many of them the kernel wants back
 * @work: sends them away
 */
struct dvmm_reclaim {
	struct shrinker *shrinker;
	struct list_lru lru;
	struct dvmm_token *token;
	atomic_long_t clean;
	atomic_long_t unwanted;
	struct work_struct work;
};

/** dvmm_reclaim_start - what all regions need, when the module is loaded; 0 or -ENOMEM */
int dvmm_reclaim_start(void);
/** dvmm_reclaim_end - gives it back; no region is left */
void dvmm_reclaim_end(void);

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
