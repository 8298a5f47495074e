// SPDX-License-Identifier: GPL-2.0
/*
 * Messages between nodes: a thread sends in the order in which KVM was given
 * the messages, and the channel keeps that order between two nodes.
 */
#define pr_fmt(fmt) "dvmm-ipi: " fmt

#include <linux/kthread.h>

#include "ipi.h"
#include "send.h"
#include "trace.h"

static unsigned int take(struct dvmm_ipi *a)
{
	unsigned int n;

	raw_spin_lock_irq(&a->lock);
	n = dvmm_ipi_ring_take(a->ring, a->batch, DVMM_IPI_BATCH_MAX);
	raw_spin_unlock_irq(&a->lock);
	return n;
}

static unsigned int collect(struct dvmm_ipi *a, unsigned int n, u16 node)
{
	unsigned int i, count = 0;

	for (i = 0; i < n; i++) {
		if (a->batch[i].to == node || a->batch[i].to == DVMM_IPI_EVERYWHERE)
			dvmm_ipi_pack(&a->wire[count++], &a->batch[i].msg);
	}
	return count;
}

static int send_to(struct dvmm_ipi *a, unsigned int n, u16 node)
{
	unsigned int count = collect(a, n, node);

	if (!count)
		return 0;
	trace_dvmm_ipi_send(a->table.self, node, count);
	dvmm_ipi_count_add(a, sent, count);
	dvmm_ipi_count(a, batches);
	return dvmm_channel_send(a->channel, node, DVMM_IPI_WIRE_BATCH, 0, a->wire,
				 count * sizeof(*a->wire));
}

static void send_batch(struct dvmm_ipi *a, unsigned int n)
{
	u16 node;
	int err;

	for (node = 0; node < a->table.nodes; node++) {
		if (node == a->table.self)
			continue;
		err = send_to(a, n, node);
		if (err && !kthread_should_stop())
			dvmm_machine_fail(a->machine,
					  "node %u: an interrupt for node %u was lost (error %d)",
					  a->table.self, node, err);
	}
}

static bool has_work(struct dvmm_ipi *a)
{
	/* The waker put its entry before it woke us; a stale view only costs a turn. */
	return READ_ONCE(a->ring->head) != READ_ONCE(a->ring->tail);
}

static int sender(void *arg)
{
	struct dvmm_ipi *a = arg;

	while (!kthread_should_stop()) {
		unsigned int n = take(a);

		if (n)
			send_batch(a, n);
		else
			wait_event_idle(a->work, has_work(a) || kthread_should_stop());
	}
	return 0;
}

int dvmm_ipi_send_start(struct dvmm_ipi *a)
{
	struct task_struct *task = kthread_create(sender, a, "dvmm-ipi/%u", a->table.self);

	if (IS_ERR(task))
		return PTR_ERR(task);
	/* A vCPU waits for what this thread sends: let it run before vCPUs. */
	sched_set_fifo_low(task);
	a->sender = task;
	wake_up_process(task);
	return 0;
}

void dvmm_ipi_send_stop(struct dvmm_ipi *a)
{
	kthread_stop(a->sender);
}

static int receive(void *priv, u16 node, u8 type, u64 id, const void *data,
		   unsigned int length)
{
	int i, n = dvmm_ipi_check(type, data, length);
	struct dvmm_ipi *a = priv;

	if (n < 0) {
		dvmm_ipi_count(a, malformed);
		return n;
	}
	dvmm_ipi_count_add(a, received, n);
	for (i = 0; i < n; i++) {
		struct dvmm_ipi_msg msg;
		unsigned int reached;

		dvmm_ipi_unpack(&msg, data, i);
		reached = a->ops->inject(a->sink, &msg);
		trace_dvmm_ipi_inject(a->table.self, node, &msg, reached);
		if (reached)
			dvmm_ipi_count_add(a, delivered, reached);
		else
			dvmm_ipi_count(a, unmatched);
	}
	return 0;
}

const struct dvmm_channel_ops dvmm_ipi_channel_ops = {
	.rx = receive,
};
