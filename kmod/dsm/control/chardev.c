// SPDX-License-Identifier: GPL-2.0
/* /dev/dvmm: the way in. */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/dvmm.h>

#include "chardev.h"
#include "engine/engine.h"
#include "engine/wire.h"
#include "machine/args.h"
#include "machine_fd.h"

static int chardev_version(void __user *uarg)
{
	struct dvmm_version v;
	int ret = dvmm_args_in(&v, uarg, sizeof(v), 0);

	if (ret)
		return ret;
	v.api = DVMM_API_VERSION;
	v.wire_min = DVMM_WIRE_VERSION_MIN;
	v.wire_max = DVMM_WIRE_VERSION;
	v.page_size = DVMM_PAGE_SIZE;
	return dvmm_args_out(uarg, &v, sizeof(v));
}

static int chardev_create_machine(void __user *uarg)
{
	struct dvmm_create_machine arg;
	int ret = dvmm_args_in(&arg, uarg, sizeof(arg), DVMM_MACHINE_SECURE | DVMM_MACHINE_JOIN);

	return ret ?: dvmm_machine_create_fd(&arg);
}

static long chardev_ioctl(struct file *file, unsigned int cmd, unsigned long uarg)
{
	if (dvmm_args_same_cmd(cmd, DVMM_GET_VERSION))
		return chardev_version((void __user *)uarg);
	if (dvmm_args_same_cmd(cmd, DVMM_CREATE_MACHINE))
		return chardev_create_machine((void __user *)uarg);
	return -ENOTTY;
}

static const struct file_operations dev_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = chardev_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "dvmm",
	.fops = &dev_fops,
	.mode = 0600,
};

int dvmm_chardev_init(void)
{
	return misc_register(&dev);
}

void dvmm_chardev_exit(void)
{
	misc_deregister(&dev);
}
