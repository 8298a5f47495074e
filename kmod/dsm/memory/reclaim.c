// SPDX-License-Identifier: GPL-2.0
/* Whose memory a region takes, how much of it, and giving it back. */
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/workqueue.h>

#include <dvmm/shrinker.h>

#include "dispatch.h"
#include "evict.h"
#include "link/link.h"
#include "reclaim.h"
#include "region.h"

#define RECLAIM_SWEEPS	2	/* the hand may start anywhere */
#define RECLAIM_PART	32l	/* of the copies, for a cgroup */
#define RECLAIM_BATCH	128l	/* the kernel's, of any shrinker */
#define RECLAIM_WAIT	msecs_to_jiffies(10)	/* for one copy at least */

void dvmm_reclaim_perm(struct dvmm_region *r, u8 had, u8 perm)
{
	int change = (perm == DVMM_PERM_READ) - (had == DVMM_PERM_READ);

	if (change && !dvmm_region_is_home(r))
		atomic_long_add(change, &r->reclaim.clean);
}

/* ---- what the kernel asks for ---- */

/* The cgroup, or one above it, pays for the region; NULL is the host. */
static bool reclaim_is_paid_by(const struct dvmm_region *r, const struct mem_cgroup *memcg)
{
	struct mem_cgroup *payer = r->memcg;

	while (payer && payer != memcg)
		payer = parent_mem_cgroup(payer);
	return payer == memcg;
}

/* Reclaim for the host goes by its root; kswapd goes on to all others. */
static bool reclaim_is_for_cgroup(const struct shrink_control *sc)
{
	return sc->memcg && parent_mem_cgroup(sc->memcg) && !current_is_kswapd();
}

/*
 * What a cgroup gets back does not count for it as reclaimed, so that it goes on to ask,
 * ever more urgently, as if it had got nothing.  Hence it is offered a part at a time.
 */
static long reclaim_part(const struct dvmm_region *r)
{
	return max(atomic_long_read(&r->reclaim.clean) / RECLAIM_PART, RECLAIM_BATCH);
}

static unsigned long reclaim_count(struct shrinker *s, struct shrink_control *sc)
{
	struct dvmm_region *r = dvmm_shrinker_owner(s);
	long left = atomic_long_read(&r->reclaim.clean) - atomic_long_read(&r->reclaim.unwanted);

	if (left <= 0 || !dvmm_region_open(r) || !reclaim_is_paid_by(r, sc->memcg))
		return 0;
	return reclaim_is_for_cgroup(sc) ? min(left, reclaim_part(r)) : left;
}

static bool reclaim_await(struct dvmm_region *r)
{
	long left = atomic_long_read(&r->reclaim.unwanted), before;

	do {
		before = left;
		wait_event_idle_timeout(r->room, atomic_long_read(&r->reclaim.unwanted) <= 0,
					RECLAIM_WAIT);
		left = atomic_long_read(&r->reclaim.unwanted);
	} while (left > 0 && left < before);
	return left <= 0;
}

static unsigned long reclaim_scan(struct shrinker *s, struct shrink_control *sc)
{
	unsigned long n = min(sc->nr_to_scan, reclaim_count(s, sc));
	struct dvmm_region *r = dvmm_shrinker_owner(s);

	if (!n)
		return SHRINK_STOP;
	atomic_long_add(n, &r->reclaim.unwanted);
	queue_work(r->m->wq, &r->reclaim.work);
	if (reclaim_is_for_cgroup(sc) && !reclaim_await(r))
		return SHRINK_STOP;
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
	atomic_long_dec(&r->reclaim.unwanted);
}

static void reclaim_unwanted(struct dvmm_region *r)
{
	u64 index[DVMM_EVICT_BATCH];
	unsigned int i, n, sweeps = 0;

	while (sweeps < RECLAIM_SWEEPS && atomic_long_read(&r->reclaim.unwanted) > 0 &&
	       dvmm_region_open(r)) {
		n = dvmm_evict_take(r, index);
		for (i = 0; i < n; i++)
			reclaim_page(r, index[i]);
		sweeps += !n;
		cond_resched();
	}
}

/* What it takes to send a page away is less than what that sets free. */
static void reclaim_work(struct work_struct *work)
{
	struct dvmm_region *r = container_of(work, struct dvmm_region, reclaim.work);
	unsigned int flags = memalloc_noreclaim_save();

	reclaim_unwanted(r);
	memalloc_noreclaim_restore(flags);
	/* Copies that were asked for and are no longer there, in use, or of a home that is slow. */
	atomic_long_set(&r->reclaim.unwanted, 0);
	wake_up_all(&r->room);
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

struct dvmm_token {
	struct list_head list;
};

static struct kmem_cache *reclaim_tokens;

static int reclaim_add_token(struct dvmm_region *r)
{
	struct dvmm_token *token;
	int ret = list_lru_init_memcg(&r->reclaim.lru, r->reclaim.shrinker);

	if (ret)
		return ret;
	token = kmem_cache_alloc_lru(reclaim_tokens, &r->reclaim.lru, GFP_KERNEL_ACCOUNT);
	if (!token)
		return -ENOMEM;
	INIT_LIST_HEAD(&token->list);
	list_lru_add_obj(&r->reclaim.lru, &token->list);
	r->reclaim.token = token;
	return 0;
}

static void reclaim_del_token(struct dvmm_region *r)
{
	if (r->reclaim.token) {
		list_lru_del_obj(&r->reclaim.lru, &r->reclaim.token->list);
		kmem_cache_free(reclaim_tokens, r->reclaim.token);
	}
	list_lru_destroy(&r->reclaim.lru);
}

int dvmm_reclaim_init(struct dvmm_region *r)
{
	char name[24];
	int ret;

	INIT_WORK(&r->reclaim.work, reclaim_work);
	if (dvmm_region_is_home(r))
		return 0;
	snprintf(name, sizeof(name), "dvmm-%u-%u", r->m->self, r->id);
	r->reclaim.shrinker = dvmm_shrinker_add(reclaim_count, reclaim_scan, r, name);
	ret = r->reclaim.shrinker ? reclaim_add_token(r) : -ENOMEM;
	if (ret)
		dvmm_reclaim_exit(r);
	return ret;
}

void dvmm_reclaim_exit(struct dvmm_region *r)
{
	dvmm_shrinker_del(r->reclaim.shrinker);
	reclaim_del_token(r);
	cancel_work_sync(&r->reclaim.work);
}

int dvmm_reclaim_start(void)
{
	reclaim_tokens = KMEM_CACHE(dvmm_token, SLAB_ACCOUNT);
	return reclaim_tokens ? 0 : -ENOMEM;
}

void dvmm_reclaim_end(void)
{
	kmem_cache_destroy(reclaim_tokens);
}
