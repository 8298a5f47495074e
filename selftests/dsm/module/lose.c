// SPDX-License-Identifier: GPL-2.0
/*
 * Takes a page out of a file's page cache, which nothing in the kernel does to a region:
 * echo "DESCRIPTOR PAGE" > /sys/module/dvmm_lose/parameters/page.  For tests.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>

static int lose_page(const char *text, const struct kernel_param *kp)
{
	unsigned int fd, page;
	struct file *file;
	loff_t at;

	if (sscanf(text, "%u %u", &fd, &page) != 2)
		return -EINVAL;
	file = fget(fd);
	if (!file)
		return -EBADF;
	at = (loff_t)page << PAGE_SHIFT;
	truncate_inode_pages_range(file->f_mapping, at, at + PAGE_SIZE - 1);
	fput(file);
	return 0;
}

static const struct kernel_param_ops page_ops = { .set = lose_page };
module_param_cb(page, &page_ops, NULL, 0200);

static int __init lose_init(void)
{
	return 0;
}

static void __exit lose_exit(void)
{
}

module_init(lose_init);
module_exit(lose_exit);
MODULE_DESCRIPTION("dvmm test: a region loses a page");
MODULE_LICENSE("GPL");
