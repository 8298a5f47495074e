// SPDX-License-Identifier: GPL-2.0
/* The registry of transports. */
#include <linux/kmod.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include <dvmm/transport.h>

struct transport {
	struct list_head list;
	const struct dvmm_transport_ops *ops;
};

static LIST_HEAD(transports);
static DEFINE_MUTEX(transports_lock);

static struct transport *transport_find(const char *name)
{
	struct transport *t;

	lockdep_assert_held(&transports_lock);
	list_for_each_entry(t, &transports, list)
		if (!strcmp(t->ops->name, name))
			return t;
	return NULL;
}

static bool transport_same_table(const struct dvmm_transport_ops *ops)
{
	return ops->version == DVMM_TRANSPORT_VERSION && ops->size == sizeof(*ops);
}

static bool transport_has_all(const struct dvmm_transport_ops *ops)
{
	return ops->name && ops->connect && ops->disconnect && ops->send;
}

int dvmm_transport_register(const struct dvmm_transport_ops *ops)
{
	struct transport *t;
	int ret = 0;

	if (!transport_same_table(ops)) {
		pr_err("dvmm: transport's table is of version %u and %u bytes, this dvmm.ko wants %u and %zu: rebuild both\n",
		       ops->version, ops->size, DVMM_TRANSPORT_VERSION, sizeof(*ops));
		return -EINVAL;
	}
	if (!transport_has_all(ops)) {
		pr_err("dvmm: transport %s lacks a function that it must have\n", ops->name);
		return -EINVAL;
	}
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t)
		return -ENOMEM;
	t->ops = ops;
	mutex_lock(&transports_lock);
	if (transport_find(ops->name))
		ret = -EEXIST;
	else
		list_add_tail(&t->list, &transports);
	mutex_unlock(&transports_lock);
	if (ret)
		kfree(t);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(dvmm_transport_register, DVMM);

void dvmm_transport_unregister(const struct dvmm_transport_ops *ops)
{
	struct transport *t;

	mutex_lock(&transports_lock);
	t = transport_find(ops->name);
	if (!WARN_ON(!t || t->ops != ops))
		list_del(&t->list);
	mutex_unlock(&transports_lock);
	kfree(t);
}
EXPORT_SYMBOL_NS_GPL(dvmm_transport_unregister, DVMM);

static const struct dvmm_transport_ops *transport_get_loaded(const char *name)
{
	const struct dvmm_transport_ops *ops = NULL;
	struct transport *t;

	mutex_lock(&transports_lock);
	t = transport_find(name);
	if (t && try_module_get(t->ops->owner))
		ops = t->ops;
	mutex_unlock(&transports_lock);
	return ops;
}

const struct dvmm_transport_ops *dvmm_transport_get(const char *name)
{
	const struct dvmm_transport_ops *ops = transport_get_loaded(name);

	if (ops)
		return ops;
	request_module("dvmm-transport-%s", name);
	return transport_get_loaded(name);
}
EXPORT_SYMBOL_NS_GPL(dvmm_transport_get, DVMM);

void dvmm_transport_put(const struct dvmm_transport_ops *ops)
{
	module_put(ops->owner);
}
EXPORT_SYMBOL_NS_GPL(dvmm_transport_put, DVMM);
