// SPDX-License-Identifier: GPL-2.0
/* A region: creation, its descriptor, and waiting for a page. */
#include <linux/fadvise.h>
#include <linux/file.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/pseudo_fs.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "dispatch.h"
#include "evict.h"
#include "flight.h"
#include "follow.h"
#include "machine/args.h"
#include "machine/stats.h"
#include "machine/trace.h"
#include "reclaim.h"
#include "region.h"

#define DVMM_FS_MAGIC	0x64766d6d	/* "dvmm" */

static struct vfsmount *region_mnt;

/* ---- the priv word ---- */

static void region_priv_change(struct dvmm_region *r, u64 index, u64 clear, u64 set)
{
	struct dvmm_bucket *b = dvmm_region_bucket(r, index);
	struct dvmm_page *pg = dvmm_region_page(r, index);

	spin_lock(&b->lock);
	WRITE_ONCE(pg->priv, (pg->priv & ~clear) | set);
	spin_unlock(&b->lock);
}

void dvmm_page_set_guess(struct dvmm_region *r, u64 index, u64 guess)
{
	region_priv_change(r, index, DVMM_PRIV_AHEAD | DVMM_PRIV_OVERSHOT, guess);
}

void dvmm_page_set_perm(struct dvmm_region *r, u64 index, u8 perm)
{
	dvmm_reclaim_perm(r, dvmm_page_perm(dvmm_region_page(r, index)), perm);
	if (perm == DVMM_PERM_NONE)
		dvmm_ahead_lost(r, index);
	region_priv_change(r, index, DVMM_PRIV_PERM | DVMM_PRIV_WROTE, perm);
}

void dvmm_page_set_wrote(struct dvmm_region *r, u64 index)
{
	if (!dvmm_page_wrote(dvmm_region_page(r, index)))
		region_priv_change(r, index, 0, DVMM_PRIV_WROTE);
}

void dvmm_page_set_frame(struct dvmm_region *r, u64 index, bool there)
{
	if (dvmm_page_has_frame(dvmm_region_page(r, index)) == there)
		return;
	region_priv_change(r, index, DVMM_PRIV_FRAME, there ? DVMM_PRIV_FRAME : 0);
	atomic64_add(there ? 1 : -1, &r->frames);
	if (!there && wq_has_sleeper(&r->room))
		wake_up_all(&r->room);
}

/* ---- references that are no pins ---- */

/* The reference keeps the index of a folio that has left the page cache. */
static struct dvmm_bucket *region_folio_bucket(struct dvmm_region *r, const struct folio *folio)
{
	return dvmm_region_bucket(r, folio->index);
}

void dvmm_region_announce(struct dvmm_region *r, struct dvmm_folio_ref *ref, struct folio *folio)
{
	struct dvmm_bucket *b = region_folio_bucket(r, folio);

	ref->folio = folio;
	spin_lock(&b->lock);
	list_add(&ref->list, &b->announced);
	spin_unlock(&b->lock);
}

void dvmm_region_withdraw(struct dvmm_region *r, struct dvmm_folio_ref *ref)
{
	struct dvmm_bucket *b = region_folio_bucket(r, ref->folio);

	spin_lock(&b->lock);
	list_del(&ref->list);
	spin_unlock(&b->lock);
}

int dvmm_region_announced(struct dvmm_region *r, const struct folio *folio)
{
	struct dvmm_bucket *b = region_folio_bucket(r, folio);
	struct dvmm_folio_ref *ref;
	int n = 0;

	spin_lock(&b->lock);
	list_for_each_entry(ref, &b->announced, list)
		n += ref->folio == folio;
	spin_unlock(&b->lock);
	return n;
}

/* ---- waiting ---- */

static bool region_look_again(struct dvmm_region *r, struct dvmm_bucket *b, u64 index,
			      u8 need, u32 wakes)
{
	return dvmm_page_perm(dvmm_region_page(r, index)) >= need ||
	       READ_ONCE(b->wakes) != wakes || dvmm_machine_stopped(r->m);
}

static int region_wait_ready(struct dvmm_machine *m, unsigned int state)
{
	if (likely(dvmm_machine_ready(m)))
		return 0;
	return wait_event_state(m->wait, dvmm_machine_ready(m) || dvmm_machine_stopped(m), state) ?
	       -EINTR : 0;
}

/**
 * struct region_sleeper - who waits in a bucket
 * @entry: in the bucket's queue
 * @page: for which one of its pages
 */
struct region_sleeper {
	wait_queue_entry_t entry;
	const struct dvmm_page *page;
};

/* @key is the page that has news, or NULL when everybody is to look. */
static int region_wake_sleeper(wait_queue_entry_t *entry, unsigned int mode, int flags, void *key)
{
	const struct region_sleeper *s = container_of(entry, struct region_sleeper, entry);

	return key && key != s->page ? 0 : autoremove_wake_function(entry, mode, flags, key);
}

void dvmm_region_wake(struct dvmm_region *r, u64 index)
{
	struct dvmm_bucket *b = dvmm_region_bucket(r, index);

	spin_lock(&b->lock);
	WRITE_ONCE(b->wakes, b->wakes + 1);
	spin_unlock(&b->lock);
	__wake_up(&b->wait, TASK_NORMAL, 0, dvmm_region_page(r, index));
}

/* Until there is news since @wakes: 0, -EINTR (a signal) or -ETIME. */
static int region_sleep(struct dvmm_region *r, u64 index, u8 need, u32 wakes,
			const struct dvmm_wait *w)
{
	struct region_sleeper s = { .page = dvmm_region_page(r, index) };
	struct dvmm_bucket *b = dvmm_region_bucket(r, index);
	long left = w->ticks;
	int ret = 0;

	init_wait(&s.entry);
	s.entry.func = region_wake_sleeper;
	while (!ret) {
		ret = prepare_to_wait_event(&b->wait, &s.entry, w->state) ? -EINTR : 0;
		if (region_look_again(r, b, index, need, wakes)) {
			ret = 0;
			break;
		}
		if (!ret && !left)
			ret = -ETIME;
		if (!ret)
			left = schedule_timeout(left);
	}
	finish_wait(&b->wait, &s.entry);
	return ret;
}

/* Ask, and wait until the engine has something to say about the page. */
static int region_ask(struct dvmm_region *r, u64 index, u8 need, const struct dvmm_wait *w)
{
	u8 type = need == DVMM_PERM_WRITE ? DVMM_EV_STORE : DVMM_EV_LOAD;
	u32 wakes = READ_ONCE(dvmm_region_bucket(r, index)->wakes);

	dvmm_dispatch_local(r, index, type);
	dvmm_prefetch(r, index, need);
	dvmm_follow(r, index, need);
	if (need == DVMM_PERM_READ)
		dvmm_ahead_copies(r, index);
	return region_sleep(r, index, need, wakes, w);
}

static int region_acquire_slow(struct dvmm_region *r, u64 index, u8 need, const struct dvmm_wait *w)
{
	struct dvmm_page *pg = dvmm_region_page(r, index);
	int ret = region_wait_ready(r->m, w->state);

	while (!ret && dvmm_page_perm(pg) < need) {
		bool reserved = false;

		if (dvmm_machine_stopped(r->m))
			return -EIO;
		if (!dvmm_page_has_frame(pg)) {
			ret = dvmm_evict_reserve(r, w->state);
			reserved = !ret;
		}
		ret = ret ?: region_ask(r, index, need, w);
		if (reserved)
			dvmm_evict_unreserve(r);
	}
	return ret;
}

/* At the home a page that nobody has touched is had without asking. */
static bool region_first_touch(struct dvmm_region *r, u64 index)
{
	return !READ_ONCE(dvmm_region_page(r, index)->state) && dvmm_homes_here(r, index);
}

bool dvmm_region_open(const struct dvmm_region *r)
{
	return (dvmm_machine_ready(r->m) || READ_ONCE(r->m->started)) &&
	       !dvmm_machine_stopped(r->m);
}

int dvmm_region_acquire(struct dvmm_region *r, u64 index, u8 need, const struct dvmm_wait *w)
{
	u8 had = dvmm_page_perm(dvmm_region_page(r, index));
	bool first = region_first_touch(r, index);
	struct dvmm_waiter waiter;
	u64 start, end;
	int ret;

	if (had >= need) {
		dvmm_stats_count(r->m, faults_local);
		if (dvmm_ahead_used(r, index)) {
			dvmm_prefetch(r, index, need);
			dvmm_follow(r, index, need);
		}
		return 0;
	}
	start = ktime_get_ns();
	dvmm_waiter_begin(r, &waiter, index, need);
	ret = region_acquire_slow(r, index, need, w);
	dvmm_waiter_end(r, &waiter);
	end = ktime_get_ns();
	trace_dvmm_wait(r->m->self, r->id, index, had, need, end - start, ret);
	if (first)
		dvmm_stats_count(r->m, faults_first);
	else
		dvmm_stats_fault(r->m, had, need, end - start);
	if (!dvmm_homes_here(r, index))
		dvmm_hold_learn(&r->m->hold, end, end - start);
	dvmm_ahead_used(r, index);
	if (waiter.untouched)
		dvmm_ahead_zeros(r, index);
	return ret;
}

void dvmm_regions_limit(struct dvmm_machine *m)
{
	struct dvmm_region *r;
	unsigned int far = 0;
	unsigned long id;
	u64 homed = 0;

	xa_for_each(&m->regions, id, r) {
		far += !dvmm_region_is_home(r);
		homed += dvmm_region_is_home(r) ? r->npages : 0;
	}
	xa_for_each(&m->regions, id, r)
		if (!dvmm_region_is_home(r))
			dvmm_reclaim_limit(r, homed, far);
}

u64 dvmm_regions_frames(struct dvmm_machine *m)
{
	struct dvmm_region *r;
	unsigned long id;
	u64 frames = 0;

	mutex_lock(&m->lock);
	xa_for_each(&m->regions, id, r)
		frames += atomic64_read(&r->frames);
	mutex_unlock(&m->lock);
	return frames;
}

void dvmm_regions_wake(struct dvmm_machine *m)
{
	struct dvmm_region *r;
	unsigned long id;
	int i;

	mutex_lock(&m->lock);
	xa_for_each(&m->regions, id, r) {
		for (i = 0; i < DVMM_BUCKETS; i++)
			wake_up_all(&r->buckets[i].wait);
		wake_up_all(&r->room);
	}
	mutex_unlock(&m->lock);
}

/* ---- references ---- */

static void region_unmake(struct dvmm_region *r)
{
	dvmm_homes_exit(r);
	vfree(r->pages);
	mem_cgroup_put(r->memcg);
	dvmm_machine_put(r->m);
	kvfree(r);
}

static void region_free(struct kref *ref)
{
	struct dvmm_region *r = container_of(ref, struct dvmm_region, ref);

	dvmm_reclaim_exit(r);
	dvmm_flights_forget(r);
	iput(r->inode);
	region_unmake(r);
}

void dvmm_region_put(struct dvmm_region *r)
{
	kref_put(&r->ref, region_free);
}

struct dvmm_region *dvmm_region_get(struct dvmm_machine *m, u16 id)
{
	struct dvmm_region *r;

	/* The machine's reference outlives its links; who comes from elsewhere has m->lock. */
	r = xa_load(&m->regions, id);
	if (r)
		kref_get(&r->ref);
	return r;
}

void dvmm_regions_release(struct dvmm_machine *m)
{
	struct dvmm_region *r;
	unsigned long id;

	xa_for_each(&m->regions, id, r) {
		mutex_lock(&m->lock);
		xa_erase(&m->regions, id);
		mutex_unlock(&m->lock);
		dvmm_region_put(r);
	}
}

/* ---- the descriptor ---- */

static int region_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct dvmm_region *r = file->private_data;

	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (vma->vm_pgoff >= r->npages || vma_pages(vma) > r->npages - vma->vm_pgoff)
		return -ENXIO;
	/*
	 * VM_DONTEXPAND carries more than its name: KSM, khugepaged, mlock() and
	 * userfaultfd leave a VMA that has it alone, and each of them would take
	 * references or mappings that the protocol does not know.
	 * VM_RAND_READ: an unmapped young page is not worth an LRU activation.
	 */
	vm_flags_set(vma, VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP | VM_RAND_READ);
	vma->vm_ops = &dvmm_vm_ops;
	return 0;
}

/* MADV_WILLNEED comes here as well, also that of another process (process_madvise()). */
static int region_fadvise(struct file *file, loff_t offset, loff_t len, int advice)
{
	struct dvmm_region *r = file->private_data;
	u64 end;

	if (offset < 0 || len < 0)
		return -EINVAL;
	if (advice != POSIX_FADV_WILLNEED || !dvmm_region_open(r))
		return 0;
	end = len ? DIV_ROUND_UP_ULL((u64)offset + len, PAGE_SIZE) : r->npages;
	return dvmm_prefetch_range(r, offset >> PAGE_SHIFT, min(end, r->npages));
}

static int region_snapshot(struct dvmm_region *r, void __user *uarg)
{
	struct dvmm_create_snapshot arg;
	int ret = dvmm_args_in(&arg, uarg, sizeof(arg), 0);

	return ret ?: dvmm_snapshot_create(r);
}

static long region_ioctl(struct file *file, unsigned int cmd, unsigned long uarg)
{
	if (!dvmm_args_same_cmd(cmd, DVMM_CREATE_SNAPSHOT))
		return -ENOTTY;
	return region_snapshot(file->private_data, (void __user *)uarg);
}

/* /proc/PID/fdinfo: which one it is, for who takes it over by pidfd_getfd(2) */
static void region_show_fdinfo(struct seq_file *s, struct file *file)
{
	const struct dvmm_region *r = file->private_data;

	seq_printf(s, "dvmm-region:\t%u\n", r->id);
}

static int region_release(struct inode *inode, struct file *file)
{
	dvmm_region_put(file->private_data);
	return 0;
}

static const struct file_operations region_fops = {
	.owner = THIS_MODULE,
	.mmap = region_mmap,
	.fadvise = region_fadvise,
	.unlocked_ioctl = region_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.show_fdinfo = region_show_fdinfo,
	.release = region_release,
	.llseek = generic_file_llseek,
};

/* ---- creation ---- */

/* So many pages that what we keep of each would fill all memory. */
#define METADATA_MAX_PAGES \
	((u64)totalram_pages() * (PAGE_SIZE / sizeof(struct dvmm_home_page)))

static int region_check(struct dvmm_machine *m, const struct dvmm_create_region *arg)
{
	if (arg->reserved || arg->id > DVMM_MAX_REGION || arg->home >= m->nodes)
		return -EINVAL;
	/* Who joins is told of each chunk that has left its first home. */
	if (!dvmm_members_has(m, arg->home) && !dvmm_members_joins(m))
		return -EINVAL;
	if (!arg->bytes || arg->bytes > MAX_LFS_FILESIZE ||
	    (arg->bytes | arg->cache_bytes) & (PAGE_SIZE - 1))
		return -EINVAL;
	if (arg->cache_bytes && arg->cache_bytes < DVMM_REGION_CACHE_MIN)
		return -EINVAL;
	if (arg->home == m->self && arg->bytes >> PAGE_SHIFT > dvmm_reclaim_available(m->memcg))
		return -ENOMEM;
	/* vmalloc complains, loudly, of what can never fit. */
	if (arg->bytes >> PAGE_SHIFT > METADATA_MAX_PAGES)
		return -ENOMEM;
	return 0;
}

static struct inode *region_inode(u64 bytes)
{
	struct inode *inode = alloc_anon_inode(region_mnt->mnt_sb);

	if (IS_ERR(inode))
		return inode;
	i_size_write(inode, bytes);
	inode->i_mapping->a_ops = &dvmm_frame_aops;
	mapping_set_large_folios(inode->i_mapping);
	mapping_set_gfp_mask(inode->i_mapping, GFP_HIGHUSER_MOVABLE);
	/* Frames leave by the protocol only, not by reclaim. */
	mapping_set_unevictable(inode->i_mapping);
	return inode;
}

static void region_init(struct dvmm_region *r, struct dvmm_machine *m,
			const struct dvmm_create_region *arg)
{
	int i;

	kref_init(&r->ref);
	r->m = dvmm_machine_get(m);
	r->memcg = get_mem_cgroup_from_mm(current->mm);
	r->id = arg->id;
	r->home = arg->home;
	r->npages = arg->bytes >> PAGE_SHIFT;
	r->limit = r->home == m->self ? 0 : arg->cache_bytes >> PAGE_SHIFT;
	spin_lock_init(&r->room_lock);
	init_waitqueue_head(&r->room);
	dvmm_prefetch_init(r);
	dvmm_ahead_init(r);
	dvmm_snapshot_init(&r->snapshot);
	for (i = 0; i < DVMM_BUCKETS; i++) {
		spin_lock_init(&r->buckets[i].lock);
		init_waitqueue_head(&r->buckets[i].wait);
		INIT_LIST_HEAD(&r->buckets[i].announced);
		INIT_LIST_HEAD(&r->buckets[i].flights);
		INIT_LIST_HEAD(&r->buckets[i].waiters.list);
	}
}

static struct dvmm_region *region_alloc(struct dvmm_machine *m,
					const struct dvmm_create_region *arg)
{
	struct dvmm_region *r = kvzalloc(sizeof(*r), GFP_KERNEL_ACCOUNT);
	size_t entry;

	if (!r)
		return ERR_PTR(-ENOMEM);
	region_init(r, m, arg);
	if (dvmm_homes_init(r))
		goto unmake;
	entry = dvmm_region_is_home(r) ? sizeof(struct dvmm_home_page) :
					 sizeof(struct dvmm_page);
	r->pages = vmalloc_huge(array_size(r->npages, entry),
				GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN);
	r->inode = region_inode(arg->bytes);
	if (IS_ERR(r->inode))
		goto unmake;
	r->mapping = r->inode->i_mapping;
	if (r->pages && !dvmm_reclaim_init(r))
		return r;
	iput(r->inode);
unmake:
	region_unmake(r);
	return ERR_PTR(-ENOMEM);
}

static struct file *region_file(struct dvmm_region *r)
{
	struct file *file;

	ihold(r->inode);
	file = alloc_file_pseudo(r->inode, region_mnt, "dvmm-region", O_RDWR | O_LARGEFILE,
				 &region_fops);
	if (IS_ERR(file)) {
		iput(r->inode);
		return file;
	}
	/* The last fput() drops this; alloc_file_pseudo() does not take it. */
	__module_get(THIS_MODULE);
	kref_get(&r->ref);
	file->private_data = r;
	return file;
}

/* Make the region known; from here on peers may ask for it. */
static int region_publish(struct dvmm_region *r)
{
	struct dvmm_machine *m = r->m;
	int ret;

	mutex_lock(&m->lock);
	if (m->started || dvmm_machine_stopped(m))
		ret = -EBUSY;
	else
		ret = xa_insert(&m->regions, r->id, r, GFP_KERNEL);
	mutex_unlock(&m->lock);
	return ret == -EBUSY && xa_load(&m->regions, r->id) ? -EEXIST : ret;
}

int dvmm_region_create(struct dvmm_machine *m, const struct dvmm_create_region *arg)
{
	struct dvmm_region *r;
	struct file *file;
	int fd, ret;

	ret = region_check(m, arg);
	if (ret)
		return ret;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	r = region_alloc(m, arg);
	ret = PTR_ERR_OR_ZERO(r);
	if (ret)
		goto put_fd;
	file = region_file(r);
	ret = PTR_ERR_OR_ZERO(file);
	if (ret)
		goto put_region;
	ret = region_publish(r);
	if (ret) {
		fput(file);
		goto put_region;
	}
	fd_install(fd, file);
	return fd;
put_region:
	dvmm_region_put(r);
put_fd:
	put_unused_fd(fd);
	return ret;
}

/* ---- the file system that holds the inodes ---- */

static int region_fs_init(struct fs_context *fc)
{
	return init_pseudo(fc, DVMM_FS_MAGIC) ? 0 : -ENOMEM;
}

/* No owner: a mount would pin the module for ever; open files pin it anyway. */
static struct file_system_type region_fs = {
	.name = "dvmm",
	.init_fs_context = region_fs_init,
	.kill_sb = kill_anon_super,
};

int dvmm_region_init(void)
{
	region_mnt = kern_mount(&region_fs);
	return PTR_ERR_OR_ZERO(region_mnt);
}

void dvmm_region_exit(void)
{
	kern_unmount(region_mnt);
}
