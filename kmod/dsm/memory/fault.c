// SPDX-License-Identifier: GPL-2.0
/*
 * Page faults on a region's mapping, by the VMM, its devices, or KVM on behalf
 * of a vCPU.
 *
 * Whoever may come back waits for the network without mmap_lock.  Three kinds wait
 * with it.  ptrace() and /proc/PID/mem let nobody come back.  FAULT_FLAG_RETRY_NOWAIT
 * is ignored on purpose: answering VM_FAULT_RETRY to KVM's first, unwaiting attempt
 * would start an async-page-fault worker, which asks for write permission even for a read.
 * And ->page_mkwrite is not told what its caller allows: it gives up after a
 * moment, and the access that comes again finds its request under way.
 */
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>

#include <dvmm/channel.h>

#include "block.h"
#include "machine/stats.h"
#include "region.h"
#include "snapshot.h"

#define MKWRITE_MS	100	/* mmap_lock is held for so long at most */
#define REFUSE_MS	100
#define APART_US	20

static struct dvmm_region *fault_region(struct vm_fault *vmf)
{
	return vmf->vma->vm_file->private_data;
}

/*
 * Lock the page's frame if the permission is (still) there, and its block is whole.  A page
 * that is just leaving its block has a folio for a moment that is not its frame.
 */
static struct folio *fault_lock_permitted(struct dvmm_region *r, u64 index, u8 need)
{
	const struct dvmm_page *pg = dvmm_region_page(r, index);
	struct folio *folio = dvmm_mem_lock(r, index);

	if (!folio)
		return NULL;
	if (dvmm_page_perm(pg) >= need && dvmm_page_has_frame(pg) && dvmm_block_whole(r, folio))
		return folio;
	dvmm_mem_unlock(folio);
	return NULL;
}

/*
 * A frame comes before its permission and leaves after it, and the bucket lock
 * keeps the permission as it is: there is no frame that it could belong to.  But
 * one that is being taken out of its block says so.
 */
static bool fault_frame_lost(struct dvmm_region *r, u64 index)
{
	struct dvmm_bucket *b = dvmm_region_bucket(r, index);
	const struct dvmm_page *pg = dvmm_region_page(r, index);
	bool lost;

	spin_lock(&b->lock);
	lost = dvmm_page_perm(pg) != DVMM_PERM_NONE && dvmm_page_has_frame(pg) &&
	       !xa_load(&r->mapping->i_pages, index);
	spin_unlock(&b->lock);
	if (lost)
		dvmm_machine_fail(r->m, "node %u lost the frame of page %llu of region %u",
				  r->m->self, index, r->id);
	return lost;
}

/*
 * The frame was not to be had: is it worth another look?  Where the permission is there
 * still, it is the page's block that is being made single pages, by another thread.
 */
static bool fault_again(struct dvmm_region *r, u64 index, u8 need)
{
	if (dvmm_machine_stopped(r->m) || fault_frame_lost(r, index))
		return false;
	if (dvmm_page_perm(dvmm_region_page(r, index)) >= need)
		usleep_range(APART_US, 2 * APART_US);
	return true;
}

static bool fault_may_unlock(const struct vm_fault *vmf)
{
	return vmf->flags & FAULT_FLAG_ALLOW_RETRY && !(vmf->flags & FAULT_FLAG_RETRY_NOWAIT);
}

/*
 * A signal ends the wait where it is delivered before the access is tried again:
 * a system call that copies comes back with the signal still pending, once.
 */
static unsigned int fault_wait_state(const struct vm_fault *vmf)
{
	if (vmf->flags & FAULT_FLAG_INTERRUPTIBLE &&
	    (vmf->flags & FAULT_FLAG_USER || !(vmf->flags & FAULT_FLAG_TRIED)))
		return TASK_INTERRUPTIBLE;
	return TASK_KILLABLE;
}

/* The VMA may be gone afterwards; whatever came of it, the access comes back. */
static vm_fault_t fault_wait_unlocked(struct vm_fault *vmf, u8 need)
{
	struct file *file = get_file(vmf->vma->vm_file);
	struct dvmm_wait wait = { fault_wait_state(vmf), MAX_SCHEDULE_TIMEOUT };
	pgoff_t index = vmf->pgoff;

	release_fault_lock(vmf);
	dvmm_region_acquire(file->private_data, index, need, &wait);
	fput(file);
	return VM_FAULT_RETRY;
}

/*
 * The machine has stopped, and the page will not come.  KVM takes that for a page
 * that is swapped out: it has a worker ask once more, and the vCPU after that, for
 * ever.  Until the VMM ends it, the vCPU is to sleep.
 */
static vm_fault_t fault_refuse(const struct vm_fault *vmf)
{
	if (vmf->flags & FAULT_FLAG_RETRY_NOWAIT)
		schedule_timeout_interruptible(msecs_to_jiffies(REFUSE_MS));
	return VM_FAULT_SIGBUS;
}

static vm_fault_t region_fault(struct vm_fault *vmf)
{
	static const struct dvmm_wait wait = { TASK_KILLABLE, MAX_SCHEDULE_TIMEOUT };
	u8 need = vmf->flags & FAULT_FLAG_WRITE ? DVMM_PERM_WRITE : DVMM_PERM_READ;
	struct dvmm_region *r = fault_region(vmf);
	struct folio *folio;

	if (vmf->pgoff >= r->npages)
		return VM_FAULT_SIGBUS;
	if (dvmm_page_perm(dvmm_region_page(r, vmf->pgoff)) < need) {
		if (!dvmm_region_open(r))
			return fault_refuse(vmf);
		dvmm_block_touch(r, vmf->vma, vmf->pgoff);
	}
	do {
		if (fault_may_unlock(vmf) && dvmm_page_perm(dvmm_region_page(r, vmf->pgoff)) < need)
			return fault_wait_unlocked(vmf, need);
		if (fatal_signal_pending(current) ||
		    dvmm_region_acquire(r, vmf->pgoff, need, &wait))
			return fault_refuse(vmf);
		folio = fault_lock_permitted(r, vmf->pgoff, need);
	} while (!folio && fault_again(r, vmf->pgoff, need));
	if (!folio)
		return fault_refuse(vmf);
	if (need == DVMM_PERM_WRITE)
		dvmm_page_set_wrote(r, vmf->pgoff);
	vmf->page = folio_file_page(folio, vmf->pgoff);
	return VM_FAULT_LOCKED;
}

static bool fault_lock_writable(struct dvmm_region *r, struct folio *folio, u64 index)
{
	folio_lock(folio);
	if (folio->mapping == r->mapping &&
	    dvmm_page_perm(dvmm_region_page(r, index)) == DVMM_PERM_WRITE &&
	    dvmm_block_whole(r, folio)) {
		/* A block is mapped as one. */
		dvmm_snapshot_keep(&r->snapshot, r, folio->index, folio_nr_pages(folio), folio);
		dvmm_page_set_wrote(r, index);
		return true;
	}
	folio_unlock(folio);
	return false;
}

/*
 * The caller holds a reference on the folio all the while, and a peer's
 * invalidation that comes first must not take it for a pin: hence it is announced.
 * Zapping the PTE and letting the access come back through ->fault would not
 * do: an emulator that reads before it writes would map it read-only for ever.
 */
static vm_fault_t region_mkwrite(struct vm_fault *vmf)
{
	const struct dvmm_wait wait = { TASK_KILLABLE, msecs_to_jiffies(MKWRITE_MS) };
	struct folio *folio = page_folio(vmf->page);
	struct dvmm_region *r = fault_region(vmf);
	struct dvmm_folio_ref ref;
	int ret;

	if (fault_lock_writable(r, folio, vmf->pgoff))
		return VM_FAULT_LOCKED;
	/* Our reference keeps the block from becoming single pages. */
	if (folio_test_large(folio))
		return VM_FAULT_NOPAGE;
	dvmm_region_announce(r, &ref, folio);
	ret = dvmm_region_acquire(r, vmf->pgoff, DVMM_PERM_WRITE, &wait);
	dvmm_region_withdraw(r, &ref);
	if (ret == -ETIME)
		return VM_FAULT_NOPAGE;
	if (ret)
		return VM_FAULT_SIGBUS;
	return fault_lock_writable(r, folio, vmf->pgoff) ? VM_FAULT_LOCKED : VM_FAULT_NOPAGE;
}

const struct vm_operations_struct dvmm_vm_ops = {
	.fault = region_fault,
	.page_mkwrite = region_mkwrite,
};
