// SPDX-License-Identifier: GPL-2.0
/*
 * Page faults on a region's mapping, by the VMM, its devices, or KVM on behalf
 * of a vCPU.
 *
 * FAULT_FLAG_RETRY_NOWAIT is ignored on purpose: answering VM_FAULT_RETRY to
 * KVM's first, unwaiting attempt would start an async-page-fault worker, which
 * asks for write permission even for a read.
 */
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>

#include "region.h"
#include "stats.h"

static struct dvmm_region *vmf_region(struct vm_fault *vmf)
{
	return vmf->vma->vm_file->private_data;
}

/* Lock the page's frame if the permission is (still) there. */
static struct folio *lock_permitted(struct dvmm_region *r, u64 index, u8 need)
{
	struct folio *folio = filemap_lock_folio(r->mapping, index);

	/* NULL on kernels before 6.4 */
	if (IS_ERR_OR_NULL(folio))
		return NULL;
	if (dvmm_page_perm(dvmm_region_page(r, index)) >= need)
		return folio;
	folio_unlock(folio);
	folio_put(folio);
	return NULL;
}

static vm_fault_t region_fault(struct vm_fault *vmf)
{
	u8 need = vmf->flags & FAULT_FLAG_WRITE ? DVMM_PERM_WRITE : DVMM_PERM_READ;
	struct dvmm_region *r = vmf_region(vmf);
	struct folio *folio;

	if (vmf->pgoff >= r->npages)
		return VM_FAULT_SIGBUS;
	do {
		if (fatal_signal_pending(current) || dvmm_region_acquire(r, vmf->pgoff, need))
			return VM_FAULT_SIGBUS;
		folio = lock_permitted(r, vmf->pgoff, need);
	} while (!folio && !dvmm_machine_stopped(r->m));
	if (!folio)
		return VM_FAULT_SIGBUS;
	vmf->page = folio_page(folio, 0);
	return VM_FAULT_LOCKED;
}

static bool lock_writable(struct dvmm_region *r, struct folio *folio, u64 index)
{
	folio_lock(folio);
	if (folio->mapping == r->mapping &&
	    dvmm_page_perm(dvmm_region_page(r, index)) == DVMM_PERM_WRITE)
		return true;
	folio_unlock(folio);
	return false;
}

/*
 * The caller holds a reference on the folio all the while, and a peer's
 * invalidation that comes first must not take it for a pin: hence the holder.
 * Zapping the PTE and letting the access come back through ->fault would not
 * do: an emulator that reads before it writes would map it read-only for ever.
 */
static vm_fault_t region_mkwrite(struct vm_fault *vmf)
{
	struct folio *folio = page_folio(vmf->page);
	struct dvmm_region *r = vmf_region(vmf);
	struct dvmm_holder holder;
	int ret;

	if (lock_writable(r, folio, vmf->pgoff))
		return VM_FAULT_LOCKED;
	dvmm_region_hold(r, &holder, vmf->pgoff);
	ret = dvmm_region_acquire(r, vmf->pgoff, DVMM_PERM_WRITE);
	dvmm_region_unhold(r, &holder);
	if (ret)
		return VM_FAULT_SIGBUS;
	return lock_writable(r, folio, vmf->pgoff) ? VM_FAULT_LOCKED : VM_FAULT_NOPAGE;
}

const struct vm_operations_struct dvmm_vm_ops = {
	.fault = region_fault,
	.page_mkwrite = region_mkwrite,
};
