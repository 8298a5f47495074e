/* SPDX-License-Identifier: GPL-2.0 */
/* One VM attached to one node: what the files of this module share. */
#ifndef DVMM_IPI_IPI_H
#define DVMM_IPI_IPI_H

#include <linux/atomic.h>
#include <linux/rculist.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <dvmm/channel.h>
#include <dvmm/kvm.h>

#include "ring.h"
#include "route.h"
#include "sink.h"
#include "wire.h"

struct kvm;

/* What is counted, in the order of debugfs. */
#define DVMM_IPI_COUNTS(X)	\
	X(seen)			\
	X(one_node)		\
	X(every_node)		\
	X(merged)		\
	X(sent)			\
	X(batches)		\
	X(received)		\
	X(delivered)		\
	X(unmatched)		\
	X(malformed)

enum dvmm_ipi_count {
#define X(name) DVMM_IPI_COUNT_##name,
	DVMM_IPI_COUNTS(X)
#undef X
	DVMM_IPI_COUNT_MAX,
};

/**
 * struct dvmm_ipi - a VM attached to a node
 * @link: in the list of watched VMs; RCU
 * @vm: identifies the VM in the hook; owned through @sink
 * @ops: how interrupts are delivered
 * @sink: word of @ops
 * @machine: the node's membership
 * @channel: messages of other nodes
 * @table: which node has which APIC id
 * @sender: thread that empties @ring
 * @work: wakes @sender
 * @lock: protects @ring; taken with interrupts off, from any context but NMI
 * @ring: messages for other nodes, in the order in which KVM saw them
 * @batch: the sender's own: messages taken from @ring
 * @wire: the sender's own: records for one node
 * @health: asks once a second whether interrupts are still seen
 * @prober: task that tests the hook at the moment
 * @probed: the hook saw its message
 * @walks: number of vCPUs that walk page tables by reading
 * @counts: DVMM_IPI_COUNT_*
 */
struct dvmm_ipi {
	struct hlist_node link;
	struct kvm *vm;
	const struct dvmm_irq_sink_ops *ops;
	void *sink;
	struct dvmm_machine *machine;
	struct dvmm_channel *channel;
	struct dvmm_ipi_table table;
	struct task_struct *sender;
	wait_queue_head_t work;
	raw_spinlock_t lock;
	struct dvmm_ipi_ring *ring;
	struct dvmm_ipi_entry batch[DVMM_IPI_BATCH_MAX];
	struct dvmm_ipi_wire wire[DVMM_IPI_BATCH_MAX];
	struct delayed_work health;
	struct task_struct *prober;
	bool probed;
	unsigned int walks;
	atomic64_t counts[DVMM_IPI_COUNT_MAX];
};

#define dvmm_ipi_count(a, name) atomic64_inc(&(a)->counts[DVMM_IPI_COUNT_##name])
#define dvmm_ipi_count_add(a, name, n) atomic64_add(n, &(a)->counts[DVMM_IPI_COUNT_##name])

#endif
