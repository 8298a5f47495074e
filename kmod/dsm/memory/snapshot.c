// SPDX-License-Identifier: GPL-2.0
/* Copy on write for who reads a region as it was. */
#include <linux/anon_inodes.h>
#include <linux/bitmap.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>

#include "machine/stats.h"
#include "region.h"
#include "snapshot.h"

/* A snapshot is worth less than what others would have to give up for it. */
#define SNAPSHOT_GFP	(GFP_NOIO | __GFP_ACCOUNT | __GFP_HIGHMEM | __GFP_NORETRY | __GFP_NOWARN)

/* In the place of a copy that would be of nothing but zeroes. */
#define SNAPSHOT_ZEROES	xa_mk_value(0)

void dvmm_snapshot_init(struct dvmm_snapshot *s)
{
	mutex_init(&s->lock);
	xa_init(&s->kept);
}

static void snapshot_forget(struct dvmm_snapshot *s, int error)
{
	unsigned long index;
	void *entry;

	vfree(s->left);
	WRITE_ONCE(s->left, NULL);
	s->error = error;
	xa_for_each(&s->kept, index, entry)
		if (!xa_is_value(entry))
			put_page(entry);
	xa_destroy(&s->kept);
}

void dvmm_snapshot_give_up(struct dvmm_snapshot *s)
{
	if (!READ_ONCE(s->left))
		return;
	mutex_lock(&s->lock);
	if (s->left)
		snapshot_forget(s, -ENOMEM);
	mutex_unlock(&s->lock);
}

/* ---- before a page changes ---- */

static bool snapshot_is_zero(struct page *page)
{
	void *at = kmap_local_page(page);
	bool zero = !memchr_inv(at, 0, PAGE_SIZE);

	kunmap_local(at);
	return zero;
}

/* A copy, the mark of zeroes, or an error. */
static void *snapshot_copy(struct folio *folio, u64 index)
{
	struct page *copy = alloc_page(SNAPSHOT_GFP);

	if (!copy)
		return ERR_PTR(-ENOMEM);
	if (copy_mc_highpage(copy, folio_file_page(folio, index))) {
		__free_page(copy);
		return ERR_PTR(-EHWPOISON);
	}
	if (!snapshot_is_zero(copy))
		return copy;
	__free_page(copy);
	return SNAPSHOT_ZEROES;
}

static int snapshot_keep_page(struct dvmm_region *r, u64 index, struct folio *folio)
{
	void *entry = folio ? snapshot_copy(folio, index) : SNAPSHOT_ZEROES;
	int ret;

	if (IS_ERR(entry))
		return PTR_ERR(entry);
	ret = xa_err(xa_store(&r->snapshot.kept, index, entry, GFP_NOIO | __GFP_ACCOUNT));
	if (ret && !xa_is_value(entry))
		put_page(entry);
	if (ret)
		return ret;
	__clear_bit(index, r->snapshot.left);
	dvmm_stats_count(r->m, snapshot_copies);
	return 0;
}

void dvmm_snapshot_keep_slow(struct dvmm_region *r, u64 index, u64 n, struct folio *folio)
{
	struct dvmm_snapshot *s = &r->snapshot;
	struct mem_cgroup *old = set_active_memcg(r->memcg);
	u64 end = index + n;
	int ret = 0;

	mutex_lock(&s->lock);
	/* What comes before the cut is made is what the page is at the cut. */
	for (; s->left && (folio || s->made) && index < end && !ret; index++)
		if (test_bit(index, s->left))
			ret = snapshot_keep_page(r, index, folio);
	if (ret)
		snapshot_forget(s, ret);
	mutex_unlock(&s->lock);
	set_active_memcg(old);
}

void dvmm_snapshot_lose_slow(struct dvmm_region *r, u64 index)
{
	struct folio *folio = dvmm_mem_lock(r, index);

	if (!folio)
		return;
	dvmm_snapshot_keep_slow(r, index, 1, folio);
	dvmm_mem_unlock(folio);
}

bool dvmm_snapshot_wants(struct dvmm_region *r, u64 index)
{
	struct dvmm_snapshot *s = &r->snapshot;
	bool wants;

	if (likely(!READ_ONCE(s->left)))
		return false;
	mutex_lock(&s->lock);
	wants = s->left && test_bit(index, s->left);
	mutex_unlock(&s->lock);
	return wants;
}

/* ---- reading ---- */

static struct page *snapshot_zeroes(void)
{
	struct page *page = ZERO_PAGE(0);

	get_page(page);
	return page;
}

/* What nobody has changed; without a copy of it the page is still to be read. */
static void *snapshot_take_left(struct dvmm_region *r, u64 index, struct folio *folio)
{
	void *entry = folio ? snapshot_copy(folio, index) : SNAPSHOT_ZEROES;

	if (!IS_ERR(entry))
		__clear_bit(index, r->snapshot.left);
	return entry;
}

/* The caller drops the page. */
static struct page *snapshot_take_locked(struct dvmm_region *r, u64 index, struct folio *folio)
{
	struct dvmm_snapshot *s = &r->snapshot;
	void *entry;

	if (!s->left)
		return ERR_PTR(s->error);
	if (test_bit(index, s->left))
		entry = snapshot_take_left(r, index, folio);
	else
		entry = xa_erase(&s->kept, index) ?: ERR_PTR(-ENODATA);
	/* Before xa_is_value(), to which an error of an odd number is one. */
	if (IS_ERR(entry))
		return entry;
	return xa_is_value(entry) ? snapshot_zeroes() : entry;
}

static struct page *snapshot_take(struct dvmm_region *r, u64 index)
{
	struct folio *folio = dvmm_mem_lock(r, index);
	struct page *page;

	mutex_lock(&r->snapshot.lock);
	page = snapshot_take_locked(r, index, folio);
	mutex_unlock(&r->snapshot.lock);
	if (folio)
		dvmm_mem_unlock(folio);
	return page;
}

static ssize_t snapshot_read_page(struct dvmm_region *r, u64 index, struct iov_iter *to)
{
	struct page *page = snapshot_take(r, index);
	size_t n;

	if (IS_ERR(page))
		return PTR_ERR(page);
	n = copy_page_to_iter(page, 0, PAGE_SIZE, to);
	put_page(page);
	return n == PAGE_SIZE ? n : -EFAULT;
}

static ssize_t snapshot_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct dvmm_region *r = iocb->ki_filp->private_data;
	ssize_t done = 0, n = 0;

	if ((iocb->ki_pos | iov_iter_count(to)) & ~PAGE_MASK)
		return -EINVAL;
	while (iov_iter_count(to) && iocb->ki_pos >> PAGE_SHIFT < r->npages) {
		if (signal_pending(current) && done)
			break;
		n = snapshot_read_page(r, iocb->ki_pos >> PAGE_SHIFT, to);
		if (n < 0)
			break;
		done += n;
		iocb->ki_pos += n;
		cond_resched();
	}
	return done ?: n;
}

static void snapshot_end(struct dvmm_region *r)
{
	struct dvmm_snapshot *s = &r->snapshot;

	mutex_lock(&s->lock);
	snapshot_forget(s, 0);
	s->taken = false;
	s->made = false;
	mutex_unlock(&s->lock);
}

static int snapshot_release(struct inode *inode, struct file *file)
{
	struct dvmm_region *r = file->private_data;

	snapshot_end(r);
	dvmm_region_put(r);
	return 0;
}

static const struct file_operations snapshot_fops = {
	.owner = THIS_MODULE,
	.read_iter = snapshot_read_iter,
	.release = snapshot_release,
	.llseek = noop_llseek,
};

/* ---- the cut ---- */

static int snapshot_begin(struct dvmm_region *r)
{
	unsigned long *left = __vmalloc(BITS_TO_LONGS(r->npages) * sizeof(long),
					GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	struct dvmm_snapshot *s = &r->snapshot;
	int ret = left ? 0 : -ENOMEM;

	mutex_lock(&s->lock);
	if (s->taken)
		ret = -EBUSY;
	if (!ret) {
		bitmap_fill(left, r->npages);
		s->taken = true;
		WRITE_ONCE(s->left, left);
	}
	mutex_unlock(&s->lock);
	if (ret)
		vfree(left);
	return ret;
}

/* The page is here or copied already, or nobody has touched it. */
static bool snapshot_has(struct dvmm_region *r, u64 index)
{
	const struct dvmm_page *pg = dvmm_region_page(r, index);

	return dvmm_page_perm(pg) != DVMM_PERM_NONE || !dvmm_prefetch_has_data(r, index) ||
	       !dvmm_snapshot_wants(r, index);
}

static int snapshot_fetch(struct dvmm_region *r)
{
	static const struct dvmm_wait wait = { TASK_INTERRUPTIBLE, MAX_SCHEDULE_TIMEOUT };
	int ret = dvmm_prefetch_range(r, 0, r->npages);
	u64 index;

	for (index = 0; index < r->npages && !ret; index++) {
		while (!ret && !snapshot_has(r, index))
			ret = dvmm_region_acquire(r, index, DVMM_PERM_READ, &wait);
		cond_resched();
	}
	return ret;
}

/*
 * What is mapped is no longer so before anything is looked at: whoever writes afterwards comes
 * by dvmm_snapshot_keep().  A page that leaves while others are fetched is copied.
 */
static int snapshot_cut(struct dvmm_region *r)
{
	struct dvmm_snapshot *s = &r->snapshot;
	int ret;

	smp_mb();	/* pairs with dvmm_snapshot_lose() */
	unmap_mapping_pages(r->mapping, 0, r->npages, false);
	ret = snapshot_fetch(r);
	mutex_lock(&s->lock);
	ret = ret ?: s->error;
	s->made = !ret;
	mutex_unlock(&s->lock);
	return ret;
}

static struct file *snapshot_file(struct dvmm_region *r)
{
	struct file *file = anon_inode_getfile("dvmm-snapshot", &snapshot_fops, r, O_RDONLY);

	if (IS_ERR(file))
		return file;
	kref_get(&r->ref);
	file->f_mode |= FMODE_PREAD;
	return file;
}

static int snapshot_open(struct dvmm_region *r)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);
	struct file *file;

	if (fd < 0)
		return fd;
	file = snapshot_file(r);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

int dvmm_snapshot_create(struct dvmm_region *r)
{
	int ret;

	if (r->limit)
		return -ENOSPC;
	if (!dvmm_region_open(r))
		return -EIO;
	ret = snapshot_begin(r);
	if (ret)
		return ret;
	ret = snapshot_cut(r);
	if (!ret)
		ret = snapshot_open(r);
	if (ret < 0)
		snapshot_end(r);
	return ret;
}
