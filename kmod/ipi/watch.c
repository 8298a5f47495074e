// SPDX-License-Identifier: GPL-2.0
/* What happens when KVM is given an interrupt message. */
#include <linux/hash.h>
#include <linux/kvm_host.h>
#include <linux/rculist.h>
#include <linux/sched.h>

#include "ipi.h"
#include "kvm_compat.h"
#include "send.h"
#include "trace.h"
#include "watch.h"

#define BUCKET_BITS	6

static struct hlist_head watched[1 << BUCKET_BITS];
static DEFINE_SPINLOCK(watched_lock);

static struct hlist_head *watch_bucket(const struct kvm *vm)
{
	return &watched[hash_ptr(vm, BUCKET_BITS)];
}

static struct dvmm_ipi *watch_find(const struct kvm *vm)
{
	struct dvmm_ipi *a;

	hlist_for_each_entry_rcu(a, watch_bucket(vm), link, lockdep_is_held(&watched_lock)) {
		if (a->vm == vm)
			return a;
	}
	return NULL;
}

int dvmm_ipi_watch(struct dvmm_ipi *a)
{
	int err = 0;

	spin_lock(&watched_lock);
	if (watch_find(a->vm))
		err = -EBUSY;
	else
		hlist_add_head_rcu(&a->link, watch_bucket(a->vm));
	spin_unlock(&watched_lock);
	return err;
}

void dvmm_ipi_unwatch(struct dvmm_ipi *a)
{
	spin_lock(&watched_lock);
	hlist_del_rcu(&a->link);
	spin_unlock(&watched_lock);
	synchronize_rcu();
}

static void watch_forward(struct dvmm_ipi *a, struct dvmm_kvm_sight *sight, void *irq)
{
	struct dvmm_ipi_msg msg = sight->msg;
	int to = dvmm_ipi_route(&a->table, sight->space, sight->one_only, &msg);

	trace_dvmm_ipi_seen(a->table.self, &msg, to);
	if (msg.dest != sight->msg.dest)
		dvmm_kvm_redirect(irq, msg.dest);
	if (to == DVMM_IPI_NOWHERE)
		return;
	if (to == DVMM_IPI_EVERYWHERE)
		dvmm_ipi_count(a, every_node);
	else
		dvmm_ipi_count(a, one_node);
	if (dvmm_ipi_is_cluster(sight->space, &msg))
		dvmm_ipi_send_vcpus(a, (msg.dest >> 16) * 16, msg.dest & 0xffff, &msg);
	else if (to == DVMM_IPI_EVERYWHERE)
		dvmm_ipi_send_group(a, &msg);
	else
		dvmm_ipi_send_vcpus(a, msg.dest, 1, &msg);
}

static void watch_deliver(struct dvmm_ipi *a, const void *src, void *irq)
{
	struct dvmm_kvm_sight sight;

	if (dvmm_kvm_is_ours()) {
		WRITE_ONCE(a->probed, true);
		return;
	}
	dvmm_kvm_read(&sight, a->vm, src, irq);
	if (sight.again || sight.msg.shorthand == DVMM_IPI_TO_SELF)
		return;
	dvmm_ipi_count(a, seen);
	watch_forward(a, &sight, irq);
}

void dvmm_ipi_deliver(struct kvm *vm, const void *src, void *irq)
{
	struct dvmm_ipi *a;

	rcu_read_lock();
	a = watch_find(vm);
	if (a)
		watch_deliver(a, src, irq);
	rcu_read_unlock();
}

void dvmm_ipi_hypercall(struct kvm *vm, const struct dvmm_ipi_msg *msg, u32 first,
			const u64 bits[2], unsigned int width)
{
	struct dvmm_ipi *a;
	unsigned int i;

	rcu_read_lock();
	a = watch_find(vm);
	for (i = 0; a && i < 2; i++) {
		dvmm_ipi_count(a, seen);
		dvmm_ipi_send_vcpus(a, first + i * width, bits[i], msg);
	}
	rcu_read_unlock();
}
