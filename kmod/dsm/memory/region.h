/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A region: a range of guest memory, seen from one node.
 *
 * Ownership: the machine holds one reference until it leaves, every descriptor
 * and mapping (through the file) one more; a region holds its machine.
 *
 * Concurrency: struct dvmm_page of a page belongs to whoever runs its flight
 * (flight.h); its @priv word is shared and changes only under the page's
 * bucket lock:
 *
 *	bits 0-1  enum dvmm_perm that local mappings may have
 *	bit  2    a frame is in the page cache
 *	bit  3    written to since WRITE was granted
 *	bit  4    a copy that was asked for ahead of need and not used since
 *	bit  5    the last such copy went unused: a stream ends before this page
 *	bits 6-   struct flight, or 0
 */
#ifndef DVMM_REGION_H
#define DVMM_REGION_H

#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "ahead.h"
#include "engine/engine.h"
#include "homes.h"
#include "machine/machine.h"
#include "mem.h"
#include "prefetch.h"
#include "reclaim.h"
#include "snapshot.h"
#include "waiter.h"

#define DVMM_BUCKETS	256

/* A fault that holds a reference on a page's folio while it waits for WRITE. */
struct dvmm_folio_ref {
	struct list_head list;
	struct folio *folio;
};

struct dvmm_bucket {
	spinlock_t lock;		/* guards all of this, priv words and flights */
	struct list_head announced;	/* of struct dvmm_folio_ref */
	struct list_head flights;	/* of struct dvmm_flight: those of its pages */
	struct dvmm_waiters waiters;
	u32 wakes;			/* counts WAKE actions */
	wait_queue_head_t wait;
} ____cacheline_aligned_in_smp;

struct dvmm_region {
	struct kref ref;
	struct dvmm_machine *m;
	u16 id;
	u16 home;			/* where memory is set apart for it */
	u64 npages;
	void *pages;			/* of struct dvmm_page, or struct home_page */
	bool dying;			/* flights are freed by their owner only */
	struct inode *inode;
	struct address_space *mapping;

	struct dvmm_homes homes;
	atomic64_t frames;		/* in the page cache */

	/* Room where not home, under room_lock: see evict.h */
	u64 limit;			/* pages; 0: none */
	u64 reserved;
	u64 hand;			/* where the search for victims goes on */
	spinlock_t room_lock;
	wait_queue_head_t room;

	struct mem_cgroup *memcg;	/* that of who created it */
	struct dvmm_reclaim reclaim;

	struct dvmm_snapshot snapshot;
	struct dvmm_streams streams[DVMM_STREAMS];
	struct dvmm_ahead ahead[DVMM_AHEAD_KINDS][DVMM_STREAMS];
	atomic_t credit;		/* for copies: see ahead.c */
	struct dvmm_bucket buckets[DVMM_BUCKETS];
};

struct dvmm_home_page {
	struct dvmm_page page;
	struct dvmm_dir dir;
};

/* Is memory set apart here for the region? */
static inline bool dvmm_region_is_home(const struct dvmm_region *r)
{
	return r->home == r->m->self;
}

static inline struct dvmm_page *dvmm_region_page(struct dvmm_region *r, u64 index)
{
	if (dvmm_region_is_home(r))
		return &((struct dvmm_home_page *)r->pages)[index].page;
	return &((struct dvmm_page *)r->pages)[index];
}

static inline struct dvmm_bucket *dvmm_region_bucket(struct dvmm_region *r, u64 index)
{
	return &r->buckets[index % DVMM_BUCKETS];
}

#define DVMM_PRIV_PERM	3ull
#define DVMM_PRIV_FRAME	4ull
#define DVMM_PRIV_WROTE	8ull
#define DVMM_PRIV_AHEAD	16ull
#define DVMM_PRIV_OVERSHOT	32ull
#define DVMM_PRIV_BITS	63ull

/** dvmm_page_perm - the permission that mappings may have; no lock needed */
static inline u8 dvmm_page_perm(const struct dvmm_page *pg)
{
	return READ_ONCE(pg->priv) & DVMM_PRIV_PERM;
}

static inline bool dvmm_page_has_frame(const struct dvmm_page *pg)
{
	return READ_ONCE(pg->priv) & DVMM_PRIV_FRAME;
}

static inline bool dvmm_page_wrote(const struct dvmm_page *pg)
{
	return READ_ONCE(pg->priv) & DVMM_PRIV_WROTE;
}

static inline bool dvmm_page_ahead(const struct dvmm_page *pg)
{
	return READ_ONCE(pg->priv) & DVMM_PRIV_AHEAD;
}

static inline bool dvmm_page_overshot(const struct dvmm_page *pg)
{
	return READ_ONCE(pg->priv) & DVMM_PRIV_OVERSHOT;
}

/**
 * dvmm_page_set_guess - note what became of a guess that the page is wanted
 * @r: the region
 * @index: the page
 * @guess: DVMM_PRIV_AHEAD: a copy was asked for and not used yet; DVMM_PRIV_OVERSHOT: it went
 *	unused; 0: neither
 */
void dvmm_page_set_guess(struct dvmm_region *r, u64 index, u64 guess);
/** dvmm_page_set_wrote - note that a mapping may write from now on; folio locked */
void dvmm_page_set_wrote(struct dvmm_region *r, u64 index);
/** dvmm_page_set_perm - publish a permission; called by the flight's runner */
void dvmm_page_set_perm(struct dvmm_region *r, u64 index, u8 perm);
/** dvmm_page_set_frame - record that a frame came or went, and account for it */
void dvmm_page_set_frame(struct dvmm_region *r, u64 index, bool there);

/** dvmm_region_announce - announce a reference that is no pin; @ref is the caller's */
void dvmm_region_announce(struct dvmm_region *r, struct dvmm_folio_ref *ref, struct folio *folio);
void dvmm_region_withdraw(struct dvmm_region *r, struct dvmm_folio_ref *ref);
/**
 * dvmm_region_announced - how many references on the folio were announced
 * @r: the region
 * @folio: maybe the frame of a page of it
 *
 * Those on a folio that was the page's frame before do not count.
 */
int dvmm_region_announced(struct dvmm_region *r, const struct folio *folio);

int dvmm_region_init(void);
void dvmm_region_exit(void);

/** dvmm_region_create - DVMM_CREATE_REGION; a descriptor or -errno */
int dvmm_region_create(struct dvmm_machine *m, const struct dvmm_create_region *arg);
/** dvmm_region_get - find a region for a peer's message, or with m->lock; dvmm_region_put() it */
struct dvmm_region *dvmm_region_get(struct dvmm_machine *m, u16 id);
void dvmm_region_put(struct dvmm_region *r);
/** dvmm_region_wake - there is news of a page for those who wait for it */
void dvmm_region_wake(struct dvmm_region *r, u64 index);
/** dvmm_regions_limit - bound what does not fit; before the first link, m->lock held */
void dvmm_regions_limit(struct dvmm_machine *m);
/** dvmm_regions_frames - pages of memory that the machine has here */
u64 dvmm_regions_frames(struct dvmm_machine *m);
/** dvmm_regions_wake - let all waiters of a stopped machine look again */
void dvmm_regions_wake(struct dvmm_machine *m);
/** dvmm_regions_release - drop the machine's own references */
void dvmm_regions_release(struct dvmm_machine *m);

/**
 * dvmm_region_open - whether waiting for a page makes sense
 * @r: the region
 *
 * False before the first link is connected, when who waits may be the one that
 * is to connect it, and after the machine has stopped.
 */
bool dvmm_region_open(const struct dvmm_region *r);

/**
 * struct dvmm_wait - how to wait for a page
 * @state: TASK_KILLABLE, or TASK_INTERRUPTIBLE where any signal ends the wait
 * @ticks: how long for each answer; MAX_SCHEDULE_TIMEOUT: no bound
 */
struct dvmm_wait {
	unsigned int state;
	long ticks;
};

/**
 * dvmm_region_acquire - wait until this node may access a page
 * @r: the region
 * @index: page number
 * @need: DVMM_PERM_READ or DVMM_PERM_WRITE
 * @w: how to wait
 *
 * The permission may be gone again when this returns: check under the folio
 * lock.  No folio lock may be held.  Return: 0, -EINTR (a signal), -ETIME (the page
 * is still to come), -EIO (the machine has stopped).
 */
int dvmm_region_acquire(struct dvmm_region *r, u64 index, u8 need, const struct dvmm_wait *w);

#endif
