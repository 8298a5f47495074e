// SPDX-License-Identifier: GPL-2.0
/* A link's descriptor: connecting it. */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/net.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "link.h"
#include "machine/args.h"
#include "machine/machine.h"

static void link_put_socks(struct dvmm_xport_params *p)
{
	int i;

	for (i = 0; i < DVMM_LINK_LANES; i++)
		if (p->sock[i])
			sockfd_put(p->sock[i]);
}

static bool link_sock_repeats(const struct dvmm_xport_params *p, int lane)
{
	int i;

	for (i = 0; i < lane; i++)
		if (p->sock[i] == p->sock[lane])
			return true;
	return false;
}

static int link_get_socks(struct dvmm_xport_params *p, const s32 *fd)
{
	int i, err;

	for (i = 0; i < DVMM_LINK_LANES; i++) {
		if (fd[i] == -1)
			continue;
		p->sock[i] = sockfd_lookup(fd[i], &err);
		if (!p->sock[i])
			goto put;
		err = -EINVAL;
		if (link_sock_repeats(p, i))
			goto put;
	}
	return 0;
put:
	link_put_socks(p);
	return err;
}

static int link_connect_transport(struct dvmm_link *l, const struct dvmm_xport_params *p)
{
	const struct dvmm_transport_ops *ops = l->x.ops;

	if (ops->listen && l->m->self < l->peer)
		return ops->listen(&l->x, p);
	return ops->connect(&l->x, p);
}

static int link_connect_locked(struct dvmm_link *l, const struct dvmm_xport_params *p)
{
	int ret;

	lockdep_assert_held(&l->m->lock);
	if (l->state != DVMM_LINK_IDLE)
		return -EISCONN;
	if (dvmm_machine_stopped(l->m))
		return -EIO;
	if (!l->m->started)
		l->m->up->first(l->m);
	dvmm_link_move(l, DVMM_LINK_CONNECTING);
	l->attached = true;
	ret = link_connect_transport(l, p);
	if (!ret) {
		WRITE_ONCE(l->m->started, true);
		return 0;
	}
	l->attached = false;
	dvmm_link_move(l, DVMM_LINK_IDLE);
	return ret;
}

static int link_connect_arg(struct dvmm_link *l, const struct dvmm_link_connect *arg)
{
	struct dvmm_xport_params p = {
		.machine = l->m->uuid, .self = l->m->self, .peer = l->peer,
		.address = arg->address, .secure = l->m->secure, .key = arg->key,
	};
	int ret;

	if (strnlen(arg->address, sizeof(arg->address)) == sizeof(arg->address))
		return -EINVAL;
	ret = link_get_socks(&p, arg->sock);
	if (ret)
		return ret;
	mutex_lock(&l->m->lock);
	ret = link_connect_locked(l, &p);
	mutex_unlock(&l->m->lock);
	if (ret)
		link_put_socks(&p);
	return ret;
}

static int link_connect(struct dvmm_link *l, void __user *uarg)
{
	struct dvmm_link_connect arg;
	int ret = dvmm_args_in(&arg, uarg, sizeof(arg), 0);

	ret = ret ?: link_connect_arg(l, &arg);
	memzero_explicit(&arg, sizeof(arg));	/* there may be a key in it */
	return ret;
}

static long link_ioctl(struct file *file, unsigned int cmd, unsigned long uarg)
{
	if (dvmm_args_same_cmd(cmd, DVMM_LINK_CONNECT))
		return link_connect(file->private_data, (void __user *)uarg);
	return -ENOTTY;
}

/* The descriptor is gone, or never was; m->links keeps the link. */
static void link_abandon(struct dvmm_link *l)
{
	mutex_lock(&l->m->lock);
	l->open = false;
	mutex_unlock(&l->m->lock);
	dvmm_link_put(l);
}

static int link_release(struct inode *inode, struct file *file)
{
	link_abandon(file->private_data);
	return 0;
}

static const struct file_operations link_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = link_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = link_release,
	.llseek = noop_llseek,
};

int dvmm_link_create_fd(struct dvmm_machine *m, const struct dvmm_create_link *arg)
{
	const struct dvmm_transport_ops *ops;
	struct dvmm_link *l;
	int ret;

	if (arg->reserved || arg->peer >= m->nodes || arg->peer == m->self ||
	    strnlen(arg->transport, sizeof(arg->transport)) == sizeof(arg->transport))
		return -EINVAL;
	ops = dvmm_transport_get(arg->transport);
	if (!ops)
		return -EPROTONOSUPPORT;
	l = dvmm_link_claim(m, arg->peer, ops);
	if (IS_ERR(l))
		return PTR_ERR(l);
	ret = anon_inode_getfd("dvmm-link", &link_fops, l, O_RDWR | O_CLOEXEC);
	if (ret < 0)
		link_abandon(l);
	return ret;
}
