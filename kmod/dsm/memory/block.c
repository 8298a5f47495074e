// SPDX-License-Identifier: GPL-2.0
/* Untouched blocks of 2 MiB at their home. */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>

#include "block.h"
#include "dispatch.h"
#include "machine/stats.h"
#include "region.h"

#define BLOCK_ORDER	(PMD_SHIFT - PAGE_SHIFT)
#define BLOCK_PAGES	(1ull << BLOCK_ORDER)

/* As the kernel's own huge pages: taken if there is one, without a search. */
#define BLOCK_GFP	(GFP_TRANSHUGE_LIGHT | __GFP_ZERO)

static bool blocks = IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE);
module_param(blocks, bool, 0644);
MODULE_PARM_DESC(blocks, "untouched memory is mapped by 2 MiB at its home (on)");

/* The kernel's own conditions for mapping a folio of a file with one entry. */
static bool block_fits(struct vm_area_struct *vma, u64 first)
{
	u64 start = vma->vm_start >> PAGE_SHIFT;

	return !((start - vma->vm_pgoff) % BLOCK_PAGES) && !(vma->vm_flags & VM_NOHUGEPAGE) &&
	       first >= vma->vm_pgoff &&
	       first + BLOCK_PAGES <= vma->vm_pgoff + vma_pages(vma);
}

static bool block_untouched(struct dvmm_region *r, u64 first)
{
	u64 i;

	for (i = first; i < first + BLOCK_PAGES; i++) {
		const struct dvmm_page *pg = dvmm_region_page(r, i);

		if (READ_ONCE(pg->priv) || READ_ONCE(pg->state))
			return false;
	}
	return true;
}

/* A chunk on its way comes and goes from its beginning on. */
static bool block_homed(struct dvmm_region *r, u64 first)
{
	static_assert(BLOCK_PAGES == DVMM_CHUNK_PAGES);
	return dvmm_homes_here(r, first) && dvmm_homes_here(r, first + BLOCK_PAGES - 1);
}

static void block_take(struct dvmm_region *r, u64 first, struct folio *folio)
{
	u64 claimed = dvmm_dispatch_claim(r, first, BLOCK_PAGES);

	folio_get(folio);
	if (claimed < BLOCK_PAGES || !block_homed(r, first)) {
		folio_put(folio);
	} else if (!dvmm_mem_fill(r, first, folio_page(folio, 0))) {
		dvmm_dispatch_touch(r, first, BLOCK_PAGES);
		dvmm_stats_count(r->m, faults_first);
		dvmm_stats_count(r->m, blocks);
	}
	dvmm_dispatch_release(r, first, claimed);
}

void dvmm_block_touch(struct dvmm_region *r, struct vm_area_struct *vma, u64 index)
{
	u64 first = round_down(index, BLOCK_PAGES);
	struct folio *folio;

	if (!READ_ONCE(blocks) || !dvmm_homes_here(r, index) || !dvmm_machine_ready(r->m))
		return;
	if (!block_fits(vma, first) || !block_untouched(r, first))
		return;
	folio = folio_alloc(BLOCK_GFP, BLOCK_ORDER);
	if (!folio)
		return;
	block_take(r, first, folio);
	folio_put(folio);
}

bool dvmm_block_whole(struct dvmm_region *r, struct folio *folio)
{
	u64 i, end = folio->index + folio_nr_pages(folio);

	if (!folio_test_large(folio))
		return true;
	for (i = folio->index; i < end; i++)
		if (dvmm_page_perm(dvmm_region_page(r, i)) != DVMM_PERM_WRITE)
			return false;
	return true;
}
