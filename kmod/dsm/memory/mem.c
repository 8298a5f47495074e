// SPDX-License-Identifier: GPL-2.0
/*
 * Frames as page-cache folios of a shared mapping.
 *
 * A frame may be the only copy of a page, and nothing but the protocol may drop
 * it.  Hence it is dirty from the start, and the mapping has operations of its
 * own: the kernel may move a frame, but not invalidate it as it does with a
 * clean folio.
 */
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/sched/mm.h>

#include <dvmm/channel.h>

#include "machine/stats.h"
#include "mem.h"
#include "region.h"
#include "snapshot.h"

/* Memory for a frame must not wait for I/O that may need this very machine. */
#define FRAME_GFP	(GFP_NOIO | __GFP_HARDWALL | __GFP_HIGHMEM | __GFP_MOVABLE | __GFP_NOFAIL)

struct folio *dvmm_mem_lock(struct dvmm_region *r, u64 index)
{
	struct folio *folio = filemap_lock_folio(r->mapping, index);

	/* NULL on kernels before 6.4 */
	return IS_ERR_OR_NULL(folio) ? NULL : folio;
}

void dvmm_mem_unlock(struct folio *folio)
{
	folio_unlock(folio);
	folio_put(folio);
}

/* folio_mapcount() of a single page; not every kernel exports that one */
static int mem_frame_mapcount(const struct folio *folio)
{
	return atomic_read(&folio->_mapcount) + 1;
}

/*
 * True if someone holds the frame beside the page cache, ourselves and faults
 * that wait.  A folio that is not on the LRU yet is held by a per-CPU batch on
 * its way there; one with a memory error by the kernel, for ever.
 */
static bool mem_frame_pinned(struct dvmm_region *r, struct folio *folio)
{
	int expected = 2 + mem_frame_mapcount(folio) + (folio_test_lru(folio) ? 0 : 1) +
		       dvmm_region_announced(r, folio);

	if (folio_test_hwpoison(folio))
		return false;
	return folio_maybe_dma_pinned(folio) || folio_ref_count(folio) > expected;
}

/* ---- blocks (block.h) ---- */

static struct page *mem_frame_copy(struct folio *folio, u64 index);

/* Nobody maps or holds a folio of many pages: the kernel splits it for no one else. */
static bool mem_block_idle(struct dvmm_region *r, struct folio *folio)
{
	unmap_mapping_pages(r->mapping, folio->index, folio_nr_pages(folio), false);
	return folio_ref_count(folio) == 1 + folio_nr_pages(folio);
}

static bool mem_block_left(struct dvmm_region *r, u64 index)
{
	struct folio *folio = dvmm_mem_lock(r, index);
	bool left;

	if (!folio)
		return true;
	left = !folio_test_large(folio);
	dvmm_mem_unlock(folio);
	return left;
}

/*
 * A page leaves its block.  What the kernel lets modules do is to truncate part of a
 * folio, which makes single pages of it and drops those in question: the page's
 * contents come back in a frame of its own.  The kernel may fail; then it has
 * cleared the page, which is put back as it was.
 *
 * @folio: locked, with a reference; neither afterwards.  0, or -EAGAIN.
 */
static int mem_block_leave(struct dvmm_region *r, u64 index, struct folio *folio)
{
	loff_t at = (loff_t)index << PAGE_SHIFT;
	struct page *own = mem_block_idle(r, folio) ? mem_frame_copy(folio, index) : NULL;
	unsigned int noio;

	if (own) {
		dvmm_snapshot_keep(&r->snapshot, r, index, 1, folio);
		dvmm_page_set_frame(r, index, false);
	}
	dvmm_mem_unlock(folio);
	if (!own)
		return -EAGAIN;
	noio = memalloc_noio_save();
	truncate_inode_pages_range(r->mapping, at, at + PAGE_SIZE - 1);
	memalloc_noio_restore(noio);
	dvmm_mem_fill(r, index, own);
	dvmm_page_set_frame(r, index, true);
	if (!mem_block_left(r, index))
		return -EAGAIN;
	dvmm_stats_count(r->m, blocks_split);
	return 0;
}

/*
 * The new permission is published already, so a fault that takes the folio lock
 * after us maps no more than that; one that took it before us has its PTE in
 * place and is undone here.  A folio without a PTE is in no table of KVM's
 * either, and who has only just taken the last PTE away still holds the folio
 * until the TLBs are flushed.
 */
int dvmm_mem_lower(struct dvmm_region *r, u64 index, u8 perm)
{
	struct folio *folio = dvmm_mem_lock(r, index);
	int ret = 0;

	if (!folio)
		return 0;
	if (folio_test_large(folio))
		return mem_block_leave(r, index, folio);
	if (perm != DVMM_PERM_NONE)
		folio_mkclean(folio);
	else if (mem_frame_mapcount(folio))
		unmap_mapping_pages(r->mapping, index, 1, false);
	if (mem_frame_pinned(r, folio))
		ret = -EAGAIN;
	dvmm_mem_unlock(folio);
	return ret;
}

/* A frame is there already: only the contents change. */
static int mem_frame_refill(struct dvmm_region *r, u64 index, struct page *page)
{
	struct folio *folio = dvmm_mem_lock(r, index);

	if (!folio)
		return -EIO;
	copy_highpage(folio_file_page(folio, index), page);
	dvmm_mem_unlock(folio);
	return 0;
}

/* A block may be refused; for a page what a snapshot keeps goes before anybody is killed. */
static int mem_frame_charge(struct dvmm_region *r, u64 index, struct folio *folio)
{
	int ret = filemap_add_folio(r->mapping, folio, index,
				    GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN);

	if (ret != -ENOMEM || folio_test_large(folio))
		return ret;
	dvmm_snapshot_give_up(&r->snapshot);
	return filemap_add_folio(r->mapping, folio, index, GFP_NOIO | __GFP_NOFAIL);
}

/* Charged to the machine's owner, whoever brings the page. */
static int mem_frame_add(struct dvmm_region *r, u64 index, struct folio *folio)
{
	struct mem_cgroup *old = set_active_memcg(r->memcg);
	int ret = mem_frame_charge(r, index, folio);

	set_active_memcg(old);
	return ret;
}

int dvmm_mem_fill(struct dvmm_region *r, u64 index, struct page *page)
{
	struct folio *folio;
	int ret;

	/* At the home zeroes are for an untouched page, whose block may have come already. */
	if (!page && dvmm_homes_here(r, index) && xa_load(&r->mapping->i_pages, index))
		return 0;
	/* What comes into a page without a frame was written since the snapshot. */
	if (page && !dvmm_page_has_frame(dvmm_region_page(r, index)))
		dvmm_snapshot_keep(&r->snapshot, r, index, 1, NULL);
	if (!page)
		page = alloc_page(FRAME_GFP | __GFP_ZERO);
	folio = page_folio(page);
	folio_mark_uptodate(folio);
	ret = mem_frame_add(r, index, folio);
	if (!ret) {
		folio_mark_dirty(folio);
		folio_unlock(folio);
	} else if (ret == -EEXIST && !folio_test_large(folio)) {
		ret = mem_frame_refill(r, index, page);
	}
	folio_put(folio);
	return ret;
}

static void mem_frame_drop(struct dvmm_region *r, struct folio *folio)
{
	loff_t at = folio_pos(folio);

	folio_unlock(folio);
	truncate_inode_pages_range(r->mapping, at, at + PAGE_SIZE - 1);
}

/* Reading broken memory with an ordinary copy would be the end of this host. */
static struct page *mem_frame_copy(struct folio *folio, u64 index)
{
	struct page *copy = alloc_page(GFP_NOIO | __GFP_HIGHMEM | __GFP_NOFAIL);

	if (!copy_mc_highpage(copy, folio_file_page(folio, index)))
		return copy;
	__free_page(copy);
	return NULL;
}

struct page *dvmm_mem_read_out(struct dvmm_region *r, u64 index, bool last)
{
	struct folio *folio = dvmm_mem_lock(r, index);
	struct page *page = NULL;

	if (!folio)
		return NULL;
	if (folio_test_hwpoison(folio))
		goto broken;
	if (last) {
		/* Nobody maps or pins it: the frame itself can travel. */
		mem_frame_drop(r, folio);
		return folio_page(folio, 0);
	}
	page = mem_frame_copy(folio, index);
broken:
	dvmm_mem_unlock(folio);
	if (!page)
		dvmm_machine_fail(r->m, "memory error of node %u in page %llu of region %u",
				  r->m->self, index, r->id);
	return page;
}

void dvmm_mem_drop(struct dvmm_region *r, u64 index)
{
	loff_t at = (loff_t)index << PAGE_SHIFT;

	truncate_inode_pages_range(r->mapping, at, at + PAGE_SIZE - 1);
}

/* After a memory error: the folio stays, so that an access finds out. */
static int mem_keep_folio(struct address_space *mapping, struct folio *folio)
{
	return 0;
}

const struct address_space_operations dvmm_frame_aops = {
	.dirty_folio = noop_dirty_folio,
	.migrate_folio = filemap_migrate_folio,
	DVMM_ERROR_REMOVE(mem_keep_folio),
};
