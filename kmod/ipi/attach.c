// SPDX-License-Identifier: GPL-2.0
/* Binding a VM to a node, and proving that its interrupts are seen. */
#define pr_fmt(fmt) "dvmm-ipi: " fmt

#include <linux/dvmm.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "attach.h"
#include "health.h"
#include "hook.h"
#include "ipi.h"
#include "kvm_compat.h"
#include "send.h"
#include "walk.h"
#include "watch.h"

static void attach_free(struct dvmm_ipi *a)
{
	dvmm_ipi_send_destroy(a);
	free_percpu(a->counts);
	kvfree(a->table.node_of);
	kfree(a);
}

static struct dvmm_ipi *attach_alloc(struct dvmm_machine *m, const u16 *nodes_of,
				     unsigned int count)
{
	struct dvmm_ipi *a = kzalloc(sizeof(*a), GFP_KERNEL_ACCOUNT);

	if (!a)
		return NULL;
	a->counts = alloc_percpu_gfp(struct dvmm_ipi_counts, GFP_KERNEL_ACCOUNT);
	a->table.node_of = kvmalloc_array(count, sizeof(u16), GFP_KERNEL_ACCOUNT);
	a->table.self = dvmm_machine_self(m);
	a->table.nodes = dvmm_machine_nodes(m);
	a->table.count = count;
	a->machine = m;
	a->ops = &dvmm_kvm_sink;
	if (!a->counts || !a->table.node_of || dvmm_ipi_send_create(a)) {
		attach_free(a);
		return NULL;
	}
	memcpy(a->table.node_of, nodes_of, count * sizeof(u16));
	return a;
}

static int attach_judge(const struct dvmm_ipi *a, const char *why)
{
	if (!why)
		return 0;
	pr_err("node %u: this VM cannot be attached: %s\n", a->table.self, why);
	return -EINVAL;
}

static int attach_bind(struct dvmm_ipi *a, struct file *vm)
{
	int err;

	a->sink = a->ops->bind(vm);
	if (IS_ERR(a->sink))
		return PTR_ERR(a->sink);
	a->vm = a->sink;
	err = attach_judge(a, dvmm_kvm_unfit(a->vm, &a->table));
	if (err)
		a->ops->unbind(a->sink);
	return err;
}

/* Allows first: from then on the VM may be another machine's. */
static void attach_unwatch(struct dvmm_ipi *a)
{
	dvmm_kvm_forbid_apicv(a->vm, false);
	dvmm_ipi_unwatch(a);
}

static int attach_watch(struct dvmm_ipi *a)
{
	int err;

	if (dvmm_ipi_hooks_place())
		return -ENODEV;
	err = dvmm_ipi_watch(a);
	if (err)
		return err;
	dvmm_kvm_forbid_apicv(a->vm, true);
	err = attach_judge(a, dvmm_kvm_unseen(a->vm)) ?: dvmm_ipi_health_first(a);
	if (err)
		attach_unwatch(a);
	else
		dvmm_ipi_health_start(a);
	return err;
}

static void attach_disconnect(struct dvmm_ipi *a)
{
	dvmm_ipi_send_stop(a);
	dvmm_channel_close(a->channel);
}

/* The senders need the channel, and must run before a hook wakes them. */
static int attach_connect(struct dvmm_ipi *a)
{
	int err;

	a->channel = dvmm_channel_open(a->machine, DVMM_CHANNEL_IPI, &dvmm_ipi_channel_ops, a);
	if (IS_ERR(a->channel))
		return PTR_ERR(a->channel);
	err = dvmm_ipi_send_start(a);
	if (err)
		attach_disconnect(a);
	return err;
}

static void *attach_vm(struct dvmm_machine *m, struct file *vm, const u16 *nodes_of,
		       unsigned int count)
{
	struct dvmm_ipi *a = attach_alloc(m, nodes_of, count);
	int err;

	if (!a)
		return ERR_PTR(-ENOMEM);
	err = attach_bind(a, vm);
	if (err)
		goto free;
	err = attach_connect(a);
	if (err)
		goto unbind;
	err = attach_watch(a);
	if (err)
		goto disconnect;
	return a;

disconnect:
	attach_disconnect(a);
unbind:
	a->ops->unbind(a->sink);
free:
	attach_free(a);
	return ERR_PTR(err);
}

static void attach_end(void *priv)
{
	struct dvmm_ipi *a = priv;

	dvmm_ipi_health_stop(a);
	attach_unwatch(a);
	attach_disconnect(a);
	a->ops->unbind(a->sink);
	attach_free(a);
}

static int attach_place(void *priv, u32 id, u16 node, u32 *eoi)
{
	struct dvmm_ipi *a = priv;
	bool here;
	int err;

	if (id >= a->table.count || a->table.node_of[id] >= a->table.nodes)
		return -EINVAL;
	here = a->table.node_of[id] == a->table.self;
	err = dvmm_ipi_send_place(a, id, node) ?: dvmm_ipi_send_flush(a);
	if (err)
		return err;
	*eoi = here ? dvmm_kvm_take_eoi(a->vm, id) : DVMM_NO_VECTOR;
	WRITE_ONCE(a->walks, dvmm_walk_set(a->vm));
	return 0;
}

static bool attach_runs(void *priv)
{
	const struct dvmm_ipi *a = priv;
	u32 id;

	for (id = 0; id < a->table.count; id++)
		if (READ_ONCE(a->table.node_of[id]) == a->table.self)
			return true;
	return false;
}

static u64 attach_count_sum(const struct dvmm_ipi *a, unsigned int which)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += per_cpu_ptr(a->counts, cpu)->n[which];
	return sum;
}

static void attach_show(void *priv, struct seq_file *m)
{
	static const char * const names[] = {
#define X(name) #name,
		DVMM_IPI_COUNTS(X)
#undef X
	};
	struct dvmm_ipi *a = priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		seq_printf(m, "ipi_%s: %llu\n", names[i], attach_count_sum(a, i));
	seq_printf(m, "ipi_walks: %u\n", READ_ONCE(a->walks));
}

const struct dvmm_kvm_service dvmm_ipi_service = {
	.owner = THIS_MODULE,
	.attach = attach_vm,
	.place = attach_place,
	.runs = attach_runs,
	.detach = attach_end,
	.show = attach_show,
};
