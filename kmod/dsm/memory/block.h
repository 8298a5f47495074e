/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory at its home in frames of 2 MiB, for as long as nobody else has asked for any of it.
 *
 * The first access to a block of which no page has been touched makes one folio for all
 * of it and takes every page (TOUCH).  The kernel maps such a folio with one
 * entry, and so does KVM.  The first request of another node for one of its
 * pages makes single pages of it, for good (mem.c).
 *
 * Rule: a folio of many pages is mapped only while this node may write to each of
 * them, which is looked at under its lock; a permission is published before
 * that lock is taken to make single pages.
 *
 * To the engine a block is a TOUCH for each page.
 */
#ifndef DVMM_BLOCK_H
#define DVMM_BLOCK_H

#include <linux/mm_types.h>

struct dvmm_region;

/**
 * dvmm_block_touch - before a fault asks for a page: take its whole block
 * @r: the region; nothing is done unless it is homed here
 * @vma: where the page is wanted; it has to be able to map the block at once
 * @index: the page
 *
 * What came of it is seen in the page's permission.  Process context; may sleep for
 * memory, never for a page.  No folio lock may be held.
 */
void dvmm_block_touch(struct dvmm_region *r, struct vm_area_struct *vma, u64 index);

/** dvmm_block_whole - may this folio be mapped?  Locked by the caller; true for a single page */
bool dvmm_block_whole(struct dvmm_region *r, struct folio *folio);

#endif
