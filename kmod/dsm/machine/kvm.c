// SPDX-License-Identifier: GPL-2.0
/* Attaching a KVM VM: dvmm-ipi is found, or loaded, when it is needed. */
#include <linux/file.h>
#include <linux/kmod.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <dvmm/kvm.h>

#include "kvm.h"
#include "machine.h"

static const struct dvmm_kvm_service *service;
static DEFINE_MUTEX(service_lock);

int dvmm_kvm_register(const struct dvmm_kvm_service *s)
{
	int ret = 0;

	mutex_lock(&service_lock);
	if (service)
		ret = -EBUSY;
	else
		service = s;
	mutex_unlock(&service_lock);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(dvmm_kvm_register, DVMM);

void dvmm_kvm_unregister(const struct dvmm_kvm_service *s)
{
	mutex_lock(&service_lock);
	if (service == s)
		service = NULL;
	mutex_unlock(&service_lock);
}
EXPORT_SYMBOL_NS_GPL(dvmm_kvm_unregister, DVMM);

static const struct dvmm_kvm_service *service_get(void)
{
	const struct dvmm_kvm_service *s;

	mutex_lock(&service_lock);
	s = service;
	if (s && !try_module_get(s->owner))
		s = NULL;
	mutex_unlock(&service_lock);
	return s;
}

static const struct dvmm_kvm_service *service_load(void)
{
	const struct dvmm_kvm_service *s = service_get();

	if (s)
		return s;
	request_module("dvmm-ipi");
	return service_get();
}

/* At most one VM a machine, that is attached or being so. */
static int kvm_claim(struct dvmm_machine *m)
{
	int ret = 0;

	mutex_lock(&m->lock);
	if (m->kvm || m->kvm_claimed || dvmm_members_parts(m))
		ret = -EBUSY;
	else if (dvmm_machine_stopped(m))
		ret = -EIO;
	else
		m->kvm_claimed = true;
	mutex_unlock(&m->lock);
	return ret;
}

static void kvm_settle(struct dvmm_machine *m, const struct dvmm_kvm_service *s, void *priv)
{
	mutex_lock(&m->lock);
	m->kvm_claimed = false;
	if (!IS_ERR(priv)) {
		m->kvm_priv = priv;
		m->kvm = s;
	}
	mutex_unlock(&m->lock);
}

/*
 * modprobe may take its time, and so may ftrace: neither is waited for with the
 * machine's lock held, which a stop needs to tell the peers.
 */
static int kvm_load_and_attach(struct dvmm_machine *m, struct file *vm, const u16 *nodes_of,
			       u32 count)
{
	const struct dvmm_kvm_service *s = service_load();
	void *priv;
	int ret;

	if (!s) {
		pr_err("dvmm: module dvmm-ipi is not there: is kvm-amd or kvm-intel loaded?\n");
		return -ENODEV;
	}
	ret = kvm_claim(m);
	if (!ret) {
		priv = s->attach(m, vm, nodes_of, count);
		kvm_settle(m, s, priv);
		ret = PTR_ERR_OR_ZERO(priv);
	}
	if (ret)
		module_put(s->owner);
	return ret;
}

int dvmm_kvm_attach(struct dvmm_machine *m, const struct dvmm_attach_kvm *arg)
{
	struct file *vm;
	u16 *nodes_of;
	int ret;

	if (!arg->count || arg->count > DVMM_MAX_APIC_ID + 1)
		return -EINVAL;
	nodes_of = vmemdup_user(u64_to_user_ptr(arg->nodes_of),
				array_size(arg->count, sizeof(u16)));
	if (IS_ERR(nodes_of))
		return PTR_ERR(nodes_of);
	ret = -EINVAL;
	if (!dvmm_members_use_for_vcpus(m, nodes_of, arg->count))
		goto free;
	ret = -EBADF;
	vm = fget(arg->vm);
	if (!vm)
		goto free;
	ret = kvm_load_and_attach(m, vm, nodes_of, arg->count);
	fput(vm);
free:
	kvfree(nodes_of);
	return ret;
}

/* Until kvm_place_end() this node does not begin to leave. */
static int kvm_place_begin(struct dvmm_machine *m, u16 node)
{
	int ret = 0;

	mutex_lock(&m->lock);
	if (!m->kvm)
		ret = -ENOTCONN;
	else if (node == m->self && dvmm_members_parts(m))
		ret = -EBUSY;
	else
		m->kvm_claimed = true;
	mutex_unlock(&m->lock);
	return ret;
}

static void kvm_place_end(struct dvmm_machine *m)
{
	mutex_lock(&m->lock);
	m->kvm_claimed = false;
	mutex_unlock(&m->lock);
}

/* The caller holds the machine's descriptor, so that nobody detaches. */
int dvmm_kvm_place(struct dvmm_machine *m, struct dvmm_place_vcpu *arg)
{
	int ret;

	if (arg->reserved || arg->node >= m->nodes ||
	    !dvmm_members_use_for_vcpus(m, &arg->node, 1))
		return -EINVAL;
	if (mutex_lock_killable(&m->place_lock))
		return -EINTR;
	ret = kvm_place_begin(m, arg->node);
	if (!ret) {
		ret = m->kvm->place(m->kvm_priv, arg->id, arg->node, &arg->eoi);
		kvm_place_end(m);
	}
	mutex_unlock(&m->place_lock);
	return ret;
}

bool dvmm_kvm_runs(const struct dvmm_machine *m)
{
	lockdep_assert_held(&m->lock);
	return m->kvm_claimed || (m->kvm && m->kvm->runs(m->kvm_priv));
}

void dvmm_kvm_detach(struct dvmm_machine *m)
{
	const struct dvmm_kvm_service *s;

	mutex_lock(&m->lock);
	s = m->kvm;
	m->kvm = NULL;
	mutex_unlock(&m->lock);
	if (!s)
		return;
	s->detach(m->kvm_priv);
	module_put(s->owner);
}

void dvmm_kvm_show(struct dvmm_machine *m, struct seq_file *seq)
{
	mutex_lock(&m->lock);
	seq_printf(seq, "kvm: %s\n", m->kvm ? "attached" : "none");
	if (m->kvm && m->kvm->show)
		m->kvm->show(m->kvm_priv, seq);
	mutex_unlock(&m->lock);
}
