// SPDX-License-Identifier: GPL-2.0
/* Which node is a page's home. */
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "homes.h"
#include "region.h"

static struct dvmm_chunk *homes_chunk(struct dvmm_region *r, u64 index)
{
	return &r->homes.chunks[index / DVMM_CHUNK_PAGES];
}

static spinlock_t *homes_lock(struct dvmm_region *r, u64 index)
{
	return &r->homes.locks[index / DVMM_CHUNK_PAGES % DVMM_CHUNK_LOCKS].lock;
}

u16 dvmm_homes_of(struct dvmm_region *r, u64 index)
{
	spinlock_t *lock = homes_lock(r, index);
	u16 home;

	spin_lock(lock);
	home = homes_chunk(r, index)->home;
	spin_unlock(lock);
	return home;
}

bool dvmm_homes_here(struct dvmm_region *r, u64 index)
{
	spinlock_t *lock = homes_lock(r, index);
	bool here;

	spin_lock(lock);
	here = dvmm_chunk_homed(homes_chunk(r, index), r->m->self, index % DVMM_CHUNK_PAGES);
	spin_unlock(lock);
	return here;
}

/* ---- life ---- */

int dvmm_homes_init(struct dvmm_region *r)
{
	u64 n = DIV_ROUND_UP(r->npages, DVMM_CHUNK_PAGES), i, left = r->npages;
	struct dvmm_homes *h = &r->homes;

	h->chunks = kvcalloc(n, sizeof(*h->chunks), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!h->chunks)
		return -ENOMEM;
	for (i = 0; i < n; i++, left -= DVMM_CHUNK_PAGES)
		dvmm_chunk_init(&h->chunks[i], r->home, min_t(u64, left, DVMM_CHUNK_PAGES));
	for (i = 0; i < DVMM_CHUNK_LOCKS; i++)
		spin_lock_init(&h->locks[i].lock);
	return 0;
}

void dvmm_homes_exit(struct dvmm_region *r)
{
	kvfree(r->homes.chunks);
}
