// SPDX-License-Identifier: GPL-2.0
/* Frames as page-cache folios of a shared mapping. */
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>

#include "region.h"

static struct folio *lock_frame(struct dvmm_region *r, u64 index)
{
	struct folio *folio = filemap_lock_folio(r->mapping, index);

	/* NULL on kernels before 6.4 */
	return IS_ERR_OR_NULL(folio) ? NULL : folio;
}

static void unlock_frame(struct folio *folio)
{
	folio_unlock(folio);
	folio_put(folio);
}

/*
 * True if someone holds the frame beside the page cache, ourselves and faults
 * that wait.  A folio that is not on the LRU yet is held by a per-CPU batch on
 * its way there.
 */
static bool frame_pinned(struct dvmm_region *r, struct folio *folio)
{
	/* folio_mapcount() of a single page; not every kernel exports that one */
	int mapped = atomic_read(&folio->_mapcount) + 1;
	int expected = 2 + mapped + (folio_test_lru(folio) ? 0 : 1) +
		       dvmm_region_holders(r, folio->index);

	return folio_maybe_dma_pinned(folio) || folio_ref_count(folio) > expected;
}

/*
 * The new permission is published already, so a fault that takes the folio lock
 * after us maps no more than that; one that took it before us has its PTE in
 * place and is undone here.
 */
static int vma_set_perm(struct dvmm_region *r, u64 index, u8 perm)
{
	struct folio *folio;
	int ret = 0;

	if (perm == DVMM_PERM_WRITE)
		return 0;
	folio = lock_frame(r, index);
	if (!folio)
		return 0;
	if (perm == DVMM_PERM_NONE)
		unmap_mapping_pages(r->mapping, index, 1, false);
	else
		folio_mkclean(folio);
	if (frame_pinned(r, folio))
		ret = -EAGAIN;
	unlock_frame(folio);
	return ret;
}

/* A frame is there already: only the contents change. */
static int refill(struct dvmm_region *r, u64 index, struct page *page)
{
	struct folio *folio = lock_frame(r, index);

	if (!folio)
		return -EIO;
	copy_highpage(folio_page(folio, 0), page);
	unlock_frame(folio);
	return 0;
}

static int vma_fill(struct dvmm_region *r, u64 index, struct page *page)
{
	gfp_t gfp = GFP_HIGHUSER | __GFP_NOFAIL;
	struct folio *folio;
	int ret;

	if (!page)
		page = alloc_page(gfp | __GFP_ZERO);
	folio = page_folio(page);
	folio_mark_uptodate(folio);
	ret = filemap_add_folio(r->mapping, folio, index, GFP_KERNEL | __GFP_NOFAIL);
	if (ret == -EEXIST)
		ret = refill(r, index, page);
	else if (!ret)
		folio_unlock(folio);
	folio_put(folio);
	return ret;
}

static void drop_locked(struct dvmm_region *r, struct folio *folio)
{
	loff_t at = folio_pos(folio);

	folio_unlock(folio);
	truncate_inode_pages_range(r->mapping, at, at + PAGE_SIZE - 1);
}

static struct page *copy_of(struct folio *folio)
{
	struct page *copy = alloc_page(GFP_HIGHUSER | __GFP_NOFAIL);

	copy_highpage(copy, folio_page(folio, 0));
	return copy;
}

static struct page *vma_read_out(struct dvmm_region *r, u64 index, bool last)
{
	struct folio *folio = lock_frame(r, index);
	struct page *page;

	if (!folio)
		return NULL;
	if (last) {
		/* Nobody maps or pins it: the frame itself can travel. */
		drop_locked(r, folio);
		return folio_page(folio, 0);
	}
	page = copy_of(folio);
	unlock_frame(folio);
	return page;
}

static void vma_drop(struct dvmm_region *r, u64 index)
{
	loff_t at = (loff_t)index << PAGE_SHIFT;

	truncate_inode_pages_range(r->mapping, at, at + PAGE_SIZE - 1);
}

const struct dvmm_mem_ops dvmm_mem_vma = {
	.set_perm = vma_set_perm,
	.fill = vma_fill,
	.read_out = vma_read_out,
	.drop = vma_drop,
};
