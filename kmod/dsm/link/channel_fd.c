// SPDX-License-Identifier: GPL-2.0
/* Channel descriptors: datagrams between the VMMs of a machine. */
#include <linux/anon_inodes.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <dvmm/channel.h>

#include "channel.h"
#include "link.h"

struct datagram {
	struct list_head list;
	struct dvmm_datagram head;
	u8 data[];
};

struct user_channel {
	struct dvmm_machine *m;
	struct dvmm_channel *c;
	spinlock_t lock;		/* guards @unread and @count */
	struct list_head unread;
	unsigned int count;
	wait_queue_head_t wait;
};

/* ---- from the peers ---- */

static void channel_datagram_free(struct user_channel *u, struct datagram *d)
{
	atomic_long_sub(ksize(d), &u->m->unread);
	kfree(d);
}

static bool channel_datagram_queue(struct user_channel *u, struct datagram *d)
{
	bool room;

	room = atomic_long_add_return(ksize(d), &u->m->unread) <= DVMM_UNREAD_BYTES;
	spin_lock(&u->lock);
	room = room && u->count < DVMM_UNREAD_MAX;
	if (room) {
		list_add_tail(&d->list, &u->unread);
		u->count++;
	}
	spin_unlock(&u->lock);
	return room;
}

static int channel_user_rx(void *priv, u16 node, u8 type, u64 id, const void *data,
			   unsigned int length)
{
	struct user_channel *u = priv;
	struct datagram *d = dvmm_machine_kmalloc(u->m, struct_size(d, data, length));

	if (!d) {
		dvmm_machine_fail(u->m, "node %u has no memory for a datagram", u->m->self);
		return 0;
	}
	d->head = (struct dvmm_datagram) {
		.node = node, .type = type, .length = length, .id = id,
	};
	memcpy(d->data, data, length);
	if (!channel_datagram_queue(u, d)) {
		channel_datagram_free(u, d);
		dvmm_machine_fail(u->m, "node %u does not read its channels", u->m->self);
		return 0;
	}
	wake_up_all(&u->wait);
	return 0;
}

static void channel_user_node_down(void *priv, u16 node)
{
	struct user_channel *u = priv;

	wake_up_all(&u->wait);
}

static const struct dvmm_channel_ops user_ops = {
	.rx = channel_user_rx,
	.node_down = channel_user_node_down,
};

/* ---- descriptor ---- */

/* The oldest datagram if it fits, ERR_PTR(-EMSGSIZE) if it does not. */
static struct datagram *channel_datagram_take(struct user_channel *u, size_t len)
{
	struct datagram *d;

	spin_lock(&u->lock);
	d = list_first_entry_or_null(&u->unread, struct datagram, list);
	if (d && sizeof(d->head) + d->head.length > len) {
		d = ERR_PTR(-EMSGSIZE);
	} else if (d) {
		list_del(&d->list);
		u->count--;
	}
	spin_unlock(&u->lock);
	return d;
}

static bool channel_user_readable(struct user_channel *u)
{
	return !list_empty_careful(&u->unread) || dvmm_machine_stopped(u->m);
}

static ssize_t channel_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	struct user_channel *u = file->private_data;
	struct datagram *d;
	size_t n;

	while (!(d = channel_datagram_take(u, len))) {
		if (dvmm_machine_stopped(u->m))
			return 0;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible(u->wait, channel_user_readable(u)))
			return -ERESTARTSYS;
	}
	if (IS_ERR(d))
		return PTR_ERR(d);
	n = sizeof(d->head) + d->head.length;
	if (copy_to_user(buf, &d->head, n))
		n = -EFAULT;
	channel_datagram_free(u, d);
	return n;
}

static int channel_user_send_all(struct user_channel *u, const struct dvmm_datagram *h,
				 const void *data)
{
	int ret = 0;
	u16 node;

	for (node = 0; !ret && node < u->m->nodes; node++)
		if (node != u->m->self && dvmm_members_has(u->m, node)) {
			ret = dvmm_channel_send(u->c, node, h->type, h->id, data, h->length);
			if (!dvmm_members_matter(u->m, node))
				ret = 0;	/* the others hear of it all the same */
		}
	return ret;
}

static int channel_user_send(struct user_channel *u, const struct dvmm_datagram *h,
			     const void *data)
{
	if (h->node == DVMM_NODE_ALL)
		return channel_user_send_all(u, h, data);
	return dvmm_channel_send(u->c, h->node, h->type, h->id, data, h->length);
}

static bool channel_head_valid(struct user_channel *u, const struct dvmm_datagram *h, size_t len)
{
	return !h->reserved && h->length <= DVMM_CHANNEL_DATA_MAX &&
	       len == sizeof(*h) + h->length &&
	       (h->node == DVMM_NODE_ALL || (h->node < u->m->nodes && h->node != u->m->self));
}

static ssize_t channel_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	struct user_channel *u = file->private_data;
	struct dvmm_datagram h;
	void *data;
	int ret;

	if (len < sizeof(h))
		return -EINVAL;
	if (copy_from_user(&h, buf, sizeof(h)))
		return -EFAULT;
	if (!channel_head_valid(u, &h, len))
		return -EINVAL;
	data = memdup_user(buf + sizeof(h), h.length);
	if (IS_ERR(data))
		return PTR_ERR(data);
	ret = dvmm_machine_stopped(u->m) ? -EPIPE : channel_user_send(u, &h, data);
	kfree(data);
	return ret ?: len;
}

static __poll_t channel_poll(struct file *file, poll_table *wait)
{
	struct user_channel *u = file->private_data;

	poll_wait(file, &u->wait, wait);
	return (channel_user_readable(u) ? EPOLLIN | EPOLLRDNORM : 0) | EPOLLOUT | EPOLLWRNORM;
}

static void channel_user_free(struct user_channel *u)
{
	struct datagram *d, *tmp;

	dvmm_channel_close(u->c);
	list_for_each_entry_safe(d, tmp, &u->unread, list)
		channel_datagram_free(u, d);
	dvmm_machine_put(u->m);
	kfree(u);
}

static int channel_release(struct inode *inode, struct file *file)
{
	channel_user_free(file->private_data);
	return 0;
}

static const struct file_operations channel_fops = {
	.owner = THIS_MODULE,
	.read = channel_read,
	.write = channel_write,
	.poll = channel_poll,
	.release = channel_release,
	.llseek = noop_llseek,
};

int dvmm_channel_create_fd(struct dvmm_machine *m, const struct dvmm_create_channel *arg)
{
	struct user_channel *u;
	int ret;

	if (arg->reserved[0] || arg->reserved[1] || arg->reserved[2] ||
	    arg->id < DVMM_CHANNEL_USER || arg->id > DVMM_MAX_CHANNEL)
		return -EINVAL;
	u = kzalloc(sizeof(*u), GFP_KERNEL);
	if (!u)
		return -ENOMEM;
	u->m = m;
	spin_lock_init(&u->lock);
	INIT_LIST_HEAD(&u->unread);
	init_waitqueue_head(&u->wait);
	u->c = dvmm_channel_open(m, arg->id, &user_ops, u);
	if (IS_ERR(u->c)) {
		ret = PTR_ERR(u->c);
		kfree(u);
		return ret == -EBUSY ? -EEXIST : ret;
	}
	dvmm_machine_get(m);
	ret = anon_inode_getfd("dvmm-channel", &channel_fops, u, O_RDWR | O_CLOEXEC);
	if (ret < 0)
		channel_user_free(u);
	return ret;
}
