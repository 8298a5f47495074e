/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the protocol does to memory.  Called only by the runner of a page's
 * flight, in process context, with no lock held; may sleep.
 */
#ifndef DVMM_MEM_H
#define DVMM_MEM_H

#include <linux/types.h>

struct dvmm_region;
struct page;
struct seq_file;

/**
 * struct dvmm_mem_ops - a way to keep a region's frames
 * @lower: bring all mappings down to @perm, which was published before the
 *	call.  When it returns 0, no CPU can use more and no I/O is under way
 *	that could; -EAGAIN: somebody has the page pinned, try again
 * @fill: make @page (zeroes if NULL) the frame; consumes the caller's reference
 *	on @page in any case.  0 or -ENOMEM.  @page MAY be the first one of a folio of
 *	untouched pages, zeroed, which becomes the frames of all of them at their home
 * @read_out: give the contents as a page that nobody will write to; the
 *	caller drops it.  @last: the frame may be given away itself.  NULL if there
 *	is no frame, or memory is broken, for which the machine was stopped
 * @drop: free the frame; nobody maps it
 * @show: optional
 */
struct dvmm_mem_ops {
	int (*lower)(struct dvmm_region *r, u64 index, u8 perm);
	int (*fill)(struct dvmm_region *r, u64 index, struct page *page);
	struct page *(*read_out)(struct dvmm_region *r, u64 index, bool last);
	void (*drop)(struct dvmm_region *r, u64 index);
	void (*show)(struct dvmm_region *r, struct seq_file *m);
};

extern const struct dvmm_mem_ops dvmm_mem_vma;
extern const struct address_space_operations dvmm_frame_aops;
extern const struct vm_operations_struct dvmm_vm_ops;

#endif
