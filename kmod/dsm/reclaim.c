// SPDX-License-Identifier: GPL-2.0
/* Whose memory a region takes, how much of it, and giving it back. */
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/workqueue.h>

#include <dvmm/shrinker.h>

#include "dispatch.h"
#include "evict.h"
#include "link.h"
#include "reclaim.h"
#include "region.h"

#define RECLAIM_SWEEPS	2	/* the hand may start anywhere */

void dvmm_reclaim_perm(struct dvmm_region *r, u8 had, u8 perm)
{
	int change = (perm == DVMM_PERM_READ) - (had == DVMM_PERM_READ);

	if (change && !dvmm_region_is_home(r))
		atomic_long_add(change, &r->clean);
}

/* ---- what the kernel asks for ---- */

static unsigned long reclaim_count(struct shrinker *s, struct shrink_control *sc)
{
	struct dvmm_region *r = dvmm_shrinker_owner(s);
	long left = atomic_long_read(&r->clean) - atomic_long_read(&r->unwanted);

	return dvmm_region_open(r) ? max(left, 0l) : 0;
}

static unsigned long reclaim_scan(struct shrinker *s, struct shrink_control *sc)
{
	unsigned long n = min(sc->nr_to_scan, reclaim_count(s, sc));
	struct dvmm_region *r = dvmm_shrinker_owner(s);

	if (!n)
		return SHRINK_STOP;
	atomic_long_add(n, &r->unwanted);
	queue_work(r->m->wq, &r->reclaim);
	return n;
}

/* ---- doing it ---- */

static void reclaim_page(struct dvmm_region *r, u64 index)
{
	struct dvmm_page *pg = dvmm_region_page(r, index);

	if (dvmm_page_perm(pg) != DVMM_PERM_READ || READ_ONCE(pg->priv) & ~DVMM_PRIV_BITS ||
	    dvmm_snapshot_wants(r, index) || !dvmm_link_is_calm(r->m, dvmm_homes_of(r, index)))
		return;
	dvmm_dispatch_local(r, index, DVMM_EV_EVICT);
	atomic_long_dec(&r->unwanted);
}

static void reclaim_work(struct work_struct *work)
{
	struct dvmm_region *r = container_of(work, struct dvmm_region, reclaim);
	u64 index[DVMM_EVICT_BATCH];
	unsigned int i, n, sweeps = 0;

	while (sweeps < RECLAIM_SWEEPS && atomic_long_read(&r->unwanted) > 0 &&
	       dvmm_region_open(r)) {
		n = dvmm_evict_take(r, index);
		for (i = 0; i < n; i++)
			reclaim_page(r, index[i]);
		sweeps += !n;
		cond_resched();
	}
	/* Copies that were asked for and are no longer there, in use, or of a home that is slow. */
	atomic_long_set(&r->unwanted, 0);
}

/* ---- limits ---- */

u64 dvmm_reclaim_available(struct mem_cgroup *memcg)
{
	u64 n = max(si_mem_available(), 0l);

#ifdef CONFIG_MEMCG
	for (; memcg; memcg = parent_mem_cgroup(memcg)) {
		u64 used = page_counter_read(&memcg->memory);
		u64 bound = READ_ONCE(memcg->memory.max);

		n = min(n, bound - min(bound, used));
	}
#endif
	return n;
}

void dvmm_reclaim_limit(struct dvmm_region *r, u64 homed, unsigned int far)
{
	u64 n = dvmm_reclaim_available(r->memcg);
	u64 share = (n - min(n, homed)) / far;

	if (r->limit || share >= r->npages)
		return;
	r->limit = max_t(u64, share, DVMM_REGION_CACHE_MIN >> PAGE_SHIFT);
	pr_info("dvmm: %pUb node %u holds at most %llu KiB of region %u, for want of memory\n",
		r->m->uuid, r->m->self, r->limit << (PAGE_SHIFT - 10), r->id);
}

/* ---- life ---- */

int dvmm_reclaim_init(struct dvmm_region *r)
{
	char name[24];

	INIT_WORK(&r->reclaim, reclaim_work);
	if (dvmm_region_is_home(r))
		return 0;
	snprintf(name, sizeof(name), "dvmm-%u-%u", r->m->self, r->id);
	r->shrinker = dvmm_shrinker_add(reclaim_count, reclaim_scan, r, name);
	return r->shrinker ? 0 : -ENOMEM;
}

void dvmm_reclaim_exit(struct dvmm_region *r)
{
	dvmm_shrinker_del(r->shrinker);
	cancel_work_sync(&r->reclaim);
}
