// SPDX-License-Identifier: GPL-2.0
/* Which node is a page's home. */
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "flight.h"
#include "homes.h"
#include "mover.h"
#include "reclaim.h"
#include "region.h"

static u16 homes_at(u64 index)
{
	return index % DVMM_CHUNK_PAGES;
}

static spinlock_t *homes_lock_of(struct dvmm_region *r, u64 index)
{
	return &r->homes.locks[index / DVMM_CHUNK_PAGES % DVMM_CHUNK_LOCKS].lock;
}

struct dvmm_chunk *dvmm_homes_lock(struct dvmm_region *r, u64 index)
	__acquires(homes_lock_of(r, index))
{
	spin_lock(homes_lock_of(r, index));
	return &r->homes.chunks[index / DVMM_CHUNK_PAGES];
}

void dvmm_homes_unlock(struct dvmm_region *r, u64 index)
	__releases(homes_lock_of(r, index))
{
	spin_unlock(homes_lock_of(r, index));
}

u16 dvmm_homes_of(struct dvmm_region *r, u64 index)
{
	u16 home = dvmm_homes_lock(r, index)->home;

	dvmm_homes_unlock(r, index);
	return home;
}

bool dvmm_homes_here(struct dvmm_region *r, u64 index)
{
	bool here = dvmm_chunk_homed(dvmm_homes_lock(r, index), r->m->self, homes_at(index));

	dvmm_homes_unlock(r, index);
	return here;
}

static u16 homes_count(const struct dvmm_chunk *c, u16 self)
{
	switch (c->phase) {
	case DVMM_CHUNK_GIVING:
		return c->pages - c->next;
	case DVMM_CHUNK_COMING:
		return c->next;
	}
	return c->home == self ? c->pages : 0;
}

u64 dvmm_homes_count(struct dvmm_region *r)
{
	u64 index, n = 0;

	for (index = 0; index < r->npages; index += DVMM_CHUNK_PAGES) {
		n += homes_count(dvmm_homes_lock(r, index), r->m->self);
		dvmm_homes_unlock(r, index);
	}
	return n;
}

/* ---- directory entries ---- */

struct dvmm_dir *dvmm_homes_dir(struct dvmm_region *r, u64 index)
{
	struct dvmm_dir *dirs;

	if (dvmm_region_is_home(r))
		return &((struct dvmm_home_page *)r->pages)[index].dir;
	dirs = xa_load(&r->homes.dirs, index / DVMM_CHUNK_PAGES);
	return dirs ? &dirs[homes_at(index)] : NULL;
}

/* Where what is held of the region is bounded, frames that cannot leave would fill it. */
static bool homes_has_memory(struct dvmm_region *r)
{
	return !r->limit && dvmm_reclaim_available(r->memcg) >= DVMM_CHUNK_PAGES;
}

static struct dvmm_dir *homes_alloc_dirs(struct dvmm_region *r)
{
	struct mem_cgroup *old = set_active_memcg(r->memcg);
	struct dvmm_dir *dirs = kcalloc(DVMM_CHUNK_PAGES, sizeof(*dirs),
					GFP_NOIO | __GFP_ACCOUNT | __GFP_NOWARN);

	set_active_memcg(old);
	return dirs;
}

bool dvmm_homes_make_room(struct dvmm_region *r, u64 index)
{
	unsigned long chunk = index / DVMM_CHUNK_PAGES;
	struct dvmm_dir *dirs;

	if (dvmm_region_is_home(r) || xa_load(&r->homes.dirs, chunk))
		return true;
	dirs = homes_has_memory(r) ? homes_alloc_dirs(r) : NULL;
	if (dirs && !xa_err(xa_store(&r->homes.dirs, chunk, dirs, GFP_NOIO | __GFP_NOWARN)))
		return true;
	kfree(dirs);
	return false;
}

void dvmm_homes_drop_room(struct dvmm_region *r, u64 index)
{
	kfree(xa_erase(&r->homes.dirs, index / DVMM_CHUNK_PAGES));
}

/* ---- steps ---- */

/* A node that leaves asks for nothing more, and who would have it asked waits for its end. */
static bool homes_silent(const struct dvmm_flight *f)
{
	switch (f->item->ev.type) {
	case DVMM_EV_LOAD:
	case DVMM_EV_STORE:
	case DVMM_EV_TOUCH:
	case DVMM_EV_COPY:
		return dvmm_members_parts(f->r->m) &&
		       dvmm_state_stable(dvmm_region_page(f->r, f->index)->state);
	}
	return false;
}

static enum dvmm_gate homes_gate(struct dvmm_flight *f, struct dvmm_chunk *c)
{
	if (homes_silent(f))
		return DVMM_GATE_DROP;
	return dvmm_rehome_enter(c, f->r->m->self, homes_at(f->index),
				 dvmm_region_page(f->r, f->index), &f->txn, &f->item->ev,
				 &f->visit);
}

bool dvmm_homes_enter(struct dvmm_flight *f)
{
	struct dvmm_region *r = f->r;
	struct dvmm_chunk *c = dvmm_homes_lock(r, f->index);
	enum dvmm_gate gate = homes_gate(f, c);

	if (gate == DVMM_GATE_PASS && f->visit.homed && dvmm_flight_behind(f))
		gate = DVMM_GATE_WAIT;
	/* Under the lock: who makes the page homed here finds it. */
	if (gate == DVMM_GATE_WAIT)
		dvmm_flight_gate(f);
	dvmm_homes_unlock(r, f->index);
	return gate == DVMM_GATE_PASS;
}

void dvmm_homes_leave(struct dvmm_flight *f)
{
	struct dvmm_chunk *c = dvmm_homes_lock(f->r, f->index);

	dvmm_rehome_leave(c, &f->visit, &f->txn, &f->acts);
	dvmm_homes_unlock(f->r, f->index);
	if (f->acts.count)
		dvmm_mover_send(f->r, f->index, &f->acts);
}

bool dvmm_homes_give(struct dvmm_flight *f, const struct dvmm_ctx *ctx)
{
	struct dvmm_chunk *c = dvmm_homes_lock(f->r, f->index);
	bool given;

	given = dvmm_rehome_give(ctx, c, dvmm_region_page(f->r, f->index), &f->acts);
	dvmm_homes_unlock(f->r, f->index);
	f->r->m->mover->told += f->acts.count && f->acts.act[0].msg.type == DVMM_MSG_TAKE;
	return given;
}

u64 dvmm_homes_take(struct dvmm_flight *f, const struct dvmm_ctx *ctx)
{
	struct dvmm_chunk *c = dvmm_homes_lock(f->r, f->index);
	u64 first = f->index - homes_at(f->index) + c->next;

	dvmm_rehome_take(ctx, c, homes_at(f->index), dvmm_region_page(f->r, f->index),
			 &f->item->ev.msg, &f->acts);
	dvmm_homes_unlock(f->r, f->index);
	return first;
}

/* ---- life ---- */

int dvmm_homes_init(struct dvmm_region *r)
{
	u64 n = DIV_ROUND_UP(r->npages, DVMM_CHUNK_PAGES), i, left = r->npages;
	struct dvmm_homes *h = &r->homes;

	xa_init(&h->dirs);
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
	struct dvmm_dir *dirs;
	unsigned long chunk;

	xa_for_each(&r->homes.dirs, chunk, dirs)
		kfree(dirs);
	xa_destroy(&r->homes.dirs);
	kvfree(r->homes.chunks);
}
