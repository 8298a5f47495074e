// SPDX-License-Identifier: GPL-2.0
/* Channels: services beside the coherence protocol. */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/srcu.h>

#include <dvmm/channel.h>

#include "channel.h"
#include "link.h"

struct dvmm_channel {
	struct dvmm_machine *m;
	u16 id;
	const struct dvmm_channel_ops *ops;
	void *priv;
};

struct early {
	struct list_head list;
	u16 node;
	u16 channel;
	u8 type;
	u64 id;
	u32 length;
	u8 data[] __counted_by(length);
};

DEFINE_STATIC_SRCU(channel_srcu);

/* ---- datagrams that come too early ---- */

static const char *channel_keep_early(struct dvmm_machine *m, u16 node, const struct dvmm_frame *f,
				      const void *data)
{
	struct early *e;

	lockdep_assert_held(&m->early_lock);
	if (m->early_count >= DVMM_EARLY_MAX)
		return "too many datagrams for a channel that nobody opened";
	e = dvmm_machine_kmalloc(m, struct_size(e, data, f->length));
	if (!e)
		return "no memory for a datagram";
	e->node = node;
	e->channel = f->index;
	e->type = f->msg.type;
	e->id = f->msg.id;
	e->length = f->length;
	memcpy(e->data, data, f->length);
	list_add_tail(&e->list, &m->early);
	m->early_count++;
	return NULL;
}

static void channel_deliver_early(struct dvmm_channel *c)
{
	struct dvmm_machine *m = c->m;
	struct early *e, *tmp;

	lockdep_assert_held(&m->early_lock);
	list_for_each_entry_safe(e, tmp, &m->early, list) {
		if (e->channel != c->id)
			continue;
		list_del(&e->list);
		m->early_count--;
		if (c->ops->rx(c->priv, e->node, e->type, e->id, e->data, e->length) < 0)
			dvmm_link_fence(m, e->node, "malformed datagram");
		kfree(e);
	}
}

void dvmm_channels_free_early(struct dvmm_machine *m)
{
	struct early *e, *tmp;

	list_for_each_entry_safe(e, tmp, &m->early, list) {
		list_del(&e->list);
		kfree(e);
	}
}

/* ---- receiving ---- */

static const char *channel_deliver(struct dvmm_channel *c, u16 node, const struct dvmm_frame *f,
				   const void *data)
{
	int ret = c->ops->rx(c->priv, node, f->msg.type, f->msg.id, data, f->length);

	return ret < 0 ? "malformed datagram" : NULL;
}

static const char *channel_deliver_or_keep(struct dvmm_machine *m, u16 node,
					   const struct dvmm_frame *f, const void *data)
{
	struct dvmm_channel *c;
	const char *why;

	mutex_lock(&m->early_lock);
	c = xa_load(&m->channels, f->index);
	why = c ? channel_deliver(c, node, f, data) : channel_keep_early(m, node, f, data);
	mutex_unlock(&m->early_lock);
	return why;
}

const char *dvmm_channel_receive(struct dvmm_machine *m, u16 node,
				 const struct dvmm_frame *f, const void *data)
{
	struct dvmm_channel *c;
	const char *why;
	int idx;

	if (f->index > DVMM_MAX_CHANNEL)
		return "datagram for an impossible channel";
	idx = srcu_read_lock(&channel_srcu);
	c = xa_load(&m->channels, f->index);
	why = c ? channel_deliver(c, node, f, data) : channel_deliver_or_keep(m, node, f, data);
	srcu_read_unlock(&channel_srcu, idx);
	return why;
}

void dvmm_channels_node_up(struct dvmm_machine *m, u16 node)
{
	struct dvmm_channel *c;
	unsigned long id;
	int idx = srcu_read_lock(&channel_srcu);

	xa_for_each(&m->channels, id, c)
		if (c->ops->node_up)
			c->ops->node_up(c->priv, node);
	srcu_read_unlock(&channel_srcu, idx);
}

void dvmm_channels_wake(struct dvmm_machine *m)
{
	struct dvmm_channel *c;
	unsigned long id;
	u16 node;
	int idx = srcu_read_lock(&channel_srcu);

	xa_for_each(&m->channels, id, c)
		for (node = 0; c->ops->node_down && node < m->nodes; node++)
			if (node != m->self)
				c->ops->node_down(c->priv, node);
	srcu_read_unlock(&channel_srcu, idx);
	wake_up_all(&m->wait);
}

/* ---- contract ---- */

static void channel_tell_nodes_up(struct dvmm_channel *c)
{
	u16 node;

	for (node = 0; c->ops->node_up && node < c->m->nodes; node++)
		if (dvmm_link_is_up(c->m, node))
			c->ops->node_up(c->priv, node);
}

struct dvmm_channel *dvmm_channel_open(struct dvmm_machine *m, u16 id,
				       const struct dvmm_channel_ops *ops, void *priv)
{
	struct dvmm_channel *c;
	int ret;

	if (id > DVMM_MAX_CHANNEL)
		return ERR_PTR(-EINVAL);
	c = kzalloc(sizeof(*c), GFP_KERNEL);
	if (!c)
		return ERR_PTR(-ENOMEM);
	c->m = m;
	c->id = id;
	c->ops = ops;
	c->priv = priv;
	mutex_lock(&m->early_lock);
	/* Reserve the id first: what came early must be delivered by one owner. */
	ret = xa_insert(&m->channels, id, NULL, GFP_KERNEL);
	if (!ret) {
		channel_deliver_early(c);
		xa_store(&m->channels, id, c, GFP_KERNEL);
	}
	mutex_unlock(&m->early_lock);
	if (ret) {
		kfree(c);
		return ERR_PTR(ret);
	}
	channel_tell_nodes_up(c);
	return c;
}
EXPORT_SYMBOL_NS_GPL(dvmm_channel_open, DVMM);

void dvmm_channel_close(struct dvmm_channel *c)
{
	xa_erase(&c->m->channels, c->id);
	synchronize_srcu(&channel_srcu);
	kfree(c);
}
EXPORT_SYMBOL_NS_GPL(dvmm_channel_close, DVMM);

static int channel_send(struct dvmm_channel *c, u16 node, struct dvmm_frame *f,
			const void *data, bool nowait)
{
	struct page *page = NULL;

	if (f->length > DVMM_WIRE_PAYLOAD_MAX)
		return -EMSGSIZE;
	if (dvmm_members_may_send(c->m, node))
		return -ENOTCONN;
	if (f->length) {
		page = alloc_page(GFP_KERNEL);
		if (!page)
			return -ENOMEM;
		memcpy(page_address(page), data, f->length);
	}
	return nowait ? dvmm_link_try_send(c->m, node, f, page) :
			dvmm_link_send_wait(c->m, node, f, page);
}

static struct dvmm_frame channel_frame(const struct dvmm_channel *c, u8 type, u64 id,
				       unsigned int length)
{
	return (struct dvmm_frame) {
		.kind = DVMM_WIRE_CHANNEL,
		.index = c->id,
		.length = length,
		.epoch = c->m->epoch,
		.msg = { .type = type, .id = id },
	};
}

int dvmm_channel_send(struct dvmm_channel *c, u16 node, u8 type, u64 id,
		      const void *data, unsigned int length)
{
	struct dvmm_frame f = channel_frame(c, type, id, length);

	return channel_send(c, node, &f, data, false);
}
EXPORT_SYMBOL_NS_GPL(dvmm_channel_send, DVMM);

int dvmm_channel_try_send(struct dvmm_channel *c, u16 node, u8 type, u64 id,
			  const void *data, unsigned int length)
{
	struct dvmm_frame f = channel_frame(c, type, id, length);

	return channel_send(c, node, &f, data, true);
}
EXPORT_SYMBOL_NS_GPL(dvmm_channel_try_send, DVMM);

bool dvmm_machine_needs(const struct dvmm_machine *m, u16 node)
{
	return dvmm_members_matter(m, node);
}
EXPORT_SYMBOL_NS_GPL(dvmm_machine_needs, DVMM);
