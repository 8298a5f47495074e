// SPDX-License-Identifier: GPL-2.0
/* Extensible ioctl arguments. */
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "args.h"

struct args_head {
	u32 size;
	u32 flags;
};

int dvmm_args_in(void *arg, const void __user *uarg, size_t known, u32 flags)
{
	struct args_head head;
	int ret;

	if (copy_from_user(&head, uarg, sizeof(head)))
		return -EFAULT;
	if (head.size < sizeof(head) || head.size > PAGE_SIZE)
		return -EINVAL;
	ret = copy_struct_from_user(arg, known, uarg, head.size);
	if (ret)
		return ret;
	/* What was checked is what counts, however the caller changes it now. */
	memcpy(arg, &head, sizeof(head));
	return head.flags & ~flags ? -EINVAL : 0;
}

int dvmm_args_out(void __user *uarg, const void *arg, size_t known)
{
	const struct args_head *head = arg;

	return copy_to_user(uarg, arg, min_t(size_t, head->size, known)) ? -EFAULT : 0;
}
