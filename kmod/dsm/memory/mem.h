/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the protocol does to memory.  Called only by the runner of a page's
 * flight, in process context, with no lock held; may sleep.
 */
#ifndef DVMM_MEM_H
#define DVMM_MEM_H

#include <linux/types.h>

struct dvmm_region;
struct folio;
struct page;

/**
 * dvmm_mem_lower - take away what mappings may no longer do
 * @r: the region
 * @index: page number
 * @perm: what they may still do, which was published before the call
 *
 * Return: 0: no CPU can use more and no I/O is under way that could; -EAGAIN: somebody
 * has the page pinned, try again.
 */
int dvmm_mem_lower(struct dvmm_region *r, u64 index, u8 perm);

/**
 * dvmm_mem_fill - make a page the frame
 * @r: the region
 * @index: page number
 * @page: consumed in any case; NULL: zeroes.  It MAY be the first one of a folio of
 *	untouched pages, zeroed, which becomes the frames of all of them at their home
 *
 * Return: 0 or -ENOMEM.
 */
int dvmm_mem_fill(struct dvmm_region *r, u64 index, struct page *page);

/**
 * dvmm_mem_read_out - the contents, as a page that nobody will write to
 * @r: the region
 * @index: page number
 * @last: the frame MAY be given away itself
 *
 * Return: a page, which the caller drops; NULL if there is no frame, or memory is broken,
 * for which the machine was stopped.
 */
struct page *dvmm_mem_read_out(struct dvmm_region *r, u64 index, bool last);

/**
 * dvmm_mem_lock - the folio that a page's frame is in, locked and with a reference
 * @r: the region
 * @index: page number
 *
 * Any process context.  Return: NULL if there is none; else dvmm_mem_unlock() it.
 */
struct folio *dvmm_mem_lock(struct dvmm_region *r, u64 index);
void dvmm_mem_unlock(struct folio *folio);

/** dvmm_mem_drop - free the frame; nobody maps it */
void dvmm_mem_drop(struct dvmm_region *r, u64 index);

extern const struct address_space_operations dvmm_frame_aops;
extern const struct vm_operations_struct dvmm_vm_ops;

#endif
