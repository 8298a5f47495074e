/* SPDX-License-Identifier: GPL-2.0 */
/* One VM attached to one node: what the files of this module share. */
#ifndef DVMM_IPI_IPI_H
#define DVMM_IPI_IPI_H

#include <linux/percpu.h>
#include <linux/rculist.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <dvmm/channel.h>
#include <dvmm/kvm.h>

#include "pending.h"
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

#define DVMM_IPI_LOGICAL_MAX	256	/* logical destinations of xAPIC */

/**
 * struct dvmm_ipi_peer - another node
 * @a: ours
 * @node: its number
 * @sender: thread that empties @queue
 * @lock: protects @queue and all that waits for this node; taken from any context
 *	but NMI
 * @queue: struct dvmm_ipi_pending that wait
 * @sending: @sender has taken some from it and is not back yet
 * @idle: for those who wait until neither is so
 * @every: what waits for all of its vCPUs
 * @narrow: for those whose broadcast is 0xff
 * @wide: for those whose broadcast is 0xffffffff
 * @logical: for those that match an xAPIC's logical destination
 * @message: the sender's own
 */
struct dvmm_ipi_peer {
	struct dvmm_ipi *a;
	u16 node;
	struct task_struct *sender;
	raw_spinlock_t lock;
	struct list_head queue;
	bool sending;
	wait_queue_head_t idle;
	struct dvmm_ipi_pending every;
	struct dvmm_ipi_pending narrow;
	struct dvmm_ipi_pending wide;
	struct dvmm_ipi_pending logical[DVMM_IPI_LOGICAL_MAX];
	u8 message[DVMM_IPI_WIRE_MAX];
};

struct dvmm_ipi_counts {
	u64 n[DVMM_IPI_COUNT_MAX];
};

/**
 * struct dvmm_ipi - a VM attached to a node
 * @link: in the list of watched VMs; RCU
 * @vm: identifies the VM in the hook; owned through @sink
 * @ops: how interrupts are delivered
 * @sink: word of @ops
 * @machine: the node's membership
 * @channel: messages of other nodes
 * @table: which node has which APIC id; where a vCPU is changes under the lock of its node
 * @peers: a struct for each node; unused for this one
 * @vcpus: what waits for the vCPU of each APIC id; under the lock of its node
 * @health: asks once a second whether interrupts are still seen
 * @probed: the hook has seen a message of our own
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
	struct dvmm_ipi_peer *peers;
	struct dvmm_ipi_pending *vcpus;
	struct delayed_work health;
	bool probed;
	unsigned int walks;
	struct dvmm_ipi_counts __percpu *counts;
};

#define dvmm_ipi_count_add(a, name, add) \
	this_cpu_add((a)->counts->n[DVMM_IPI_COUNT_##name], add)
#define dvmm_ipi_count(a, name) dvmm_ipi_count_add(a, name, 1)

#endif
