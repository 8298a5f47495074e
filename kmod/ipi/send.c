// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts from this node to others, and from others to it.
 *
 * Each other node has a thread, which may wait for room on the way to its node:
 * what comes meanwhile is kept as bits, and the other nodes do not notice.
 */
#define pr_fmt(fmt) "dvmm-ipi: " fmt

#include <linux/cgroup.h>
#include <linux/kthread.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "ipi.h"
#include "send.h"
#include "trace.h"

/* ---- what waits ---- */

/* With the peer's lock.  Returns whether its sender has to be woken. */
static bool send_pend_locked(struct dvmm_ipi_peer *peer, struct dvmm_ipi_pending *p,
			     const struct dvmm_ipi_msg *msg)
{
	bool first = list_empty(&peer->queue);

	if (!dvmm_ipi_pend(&peer->queue, p, msg))
		dvmm_ipi_count(peer->a, merged);
	return first;
}

static void send_pend(struct dvmm_ipi_peer *peer, struct dvmm_ipi_pending *p,
		      const struct dvmm_ipi_msg *msg)
{
	unsigned long flags;
	bool first;

	raw_spin_lock_irqsave(&peer->lock, flags);
	first = send_pend_locked(peer, p, msg);
	raw_spin_unlock_irqrestore(&peer->lock, flags);
	if (first)
		wake_up_process(peer->sender);
}

/* False if the vCPU has left that node meanwhile. */
static bool send_vcpu(struct dvmm_ipi *a, int node, u32 id, const struct dvmm_ipi_msg *msg)
{
	struct dvmm_ipi_peer *peer = &a->peers[node];
	bool first = false, there;
	unsigned long flags;

	raw_spin_lock_irqsave(&peer->lock, flags);
	there = dvmm_ipi_remote(&a->table, id) == node;
	if (there)
		first = send_pend_locked(peer, &a->vcpus[id], msg);
	raw_spin_unlock_irqrestore(&peer->lock, flags);
	if (first)
		wake_up_process(peer->sender);
	return there;
}

void dvmm_ipi_send_vcpus(struct dvmm_ipi *a, u32 first, u64 bits, const struct dvmm_ipi_msg *msg)
{
	for (; bits; bits &= bits - 1) {
		u32 id = first + __ffs64(bits);
		int node;

		do {
			node = dvmm_ipi_remote(&a->table, id);
		} while (node != DVMM_IPI_NOWHERE && !send_vcpu(a, node, id, msg));
	}
}

static struct dvmm_ipi_pending *send_pending_of(struct dvmm_ipi_peer *peer,
						const struct dvmm_ipi_msg *msg)
{
	if (msg->shorthand != DVMM_IPI_TO_DEST)
		return &peer->every;
	if (msg->dest == 0xffffffff)
		return &peer->wide;
	if (msg->flags & DVMM_IPI_LOGICAL)
		return &peer->logical[msg->dest % DVMM_IPI_LOGICAL_MAX];
	return &peer->narrow;
}

void dvmm_ipi_send_group(struct dvmm_ipi *a, const struct dvmm_ipi_msg *msg)
{
	u16 node;

	for (node = 0; node < a->table.nodes; node++) {
		struct dvmm_ipi_peer *peer = &a->peers[node];

		if (node != a->table.self && dvmm_machine_has(a->machine, node))
			send_pend(peer, send_pending_of(peer, msg), msg);
	}
}

/* ---- sending ---- */

static unsigned int send_take(struct dvmm_ipi_peer *peer, unsigned int *records)
{
	unsigned int length;

	raw_spin_lock_irq(&peer->lock);
	length = dvmm_ipi_take(&peer->queue, peer->message, records);
	peer->sending = length;
	raw_spin_unlock_irq(&peer->lock);
	if (!length)
		wake_up_all(&peer->idle);
	return length;
}

static void send_message(struct dvmm_ipi_peer *peer, unsigned int length, unsigned int records)
{
	struct dvmm_ipi *a = peer->a;
	int err;

	trace_dvmm_ipi_send(a->table.self, peer->node, records);
	dvmm_ipi_count_add(a, sent, records);
	dvmm_ipi_count(a, batches);
	err = dvmm_channel_send(a->channel, peer->node, DVMM_IPI_WIRE_RECORDS, 0, peer->message,
				length);
	/* A broadcast goes to nodes without a vCPU, too: new ones, or those that leave. */
	if (err && !dvmm_machine_needs(a->machine, peer->node))
		return;
	/* A lost IPI would hang the guest in silence: stop it with the reason instead. */
	if (err && !kthread_should_stop())
		dvmm_machine_fail(a->machine,
				  "node %u: an interrupt for node %u was lost (error %d)",
				  a->table.self, peer->node, err);
}

/* What vCPUs wait for must not itself wait for storage, which may depend on them. */
static int send_thread(void *arg)
{
	unsigned int length, records, noio = memalloc_noio_save();
	struct dvmm_ipi_peer *peer = arg;

	for (;;) {
		set_current_state(TASK_IDLE);
		if (kthread_should_stop())
			break;
		length = send_take(peer, &records);
		if (!length) {
			schedule();
			continue;
		}
		__set_current_state(TASK_RUNNING);
		send_message(peer, length, records);
	}
	__set_current_state(TASK_RUNNING);
	memalloc_noio_restore(noio);
	return 0;
}

/*
 * In the cgroups of the VMM, which calls us: the guest makes this work.  A vCPU
 * waits for it, so it comes before vCPUs; not before everybody, as a real-time
 * thread would.
 */
static int send_start_one(struct dvmm_ipi_peer *peer)
{
	struct task_struct *task = kthread_create(send_thread, peer, "dvmm-ipi/%u-%u",
						  peer->a->table.self, peer->node);
	int err;

	if (IS_ERR(task))
		return PTR_ERR(task);
	err = cgroup_attach_task_all(current, task);
	if (err)
		pr_warn("node %u: the sender to node %u is not in the VM's cgroup (error %d)\n",
			peer->a->table.self, peer->node, err);
	set_user_nice(task, MIN_NICE);
	peer->sender = task;
	wake_up_process(task);
	return 0;
}

int dvmm_ipi_send_start(struct dvmm_ipi *a)
{
	int err = 0;
	u16 node;

	for (node = 0; node < a->table.nodes && !err; node++) {
		if (node != a->table.self)
			err = send_start_one(&a->peers[node]);
	}
	return err;
}

void dvmm_ipi_send_stop(struct dvmm_ipi *a)
{
	u16 node;

	for (node = 0; node < a->table.nodes; node++) {
		if (a->peers[node].sender)
			kthread_stop(a->peers[node].sender);
	}
}

/* ---- vCPUs that move ---- */

static bool send_idle(struct dvmm_ipi_peer *peer)
{
	bool idle;

	raw_spin_lock_irq(&peer->lock);
	idle = list_empty(&peer->queue) && !peer->sending;
	raw_spin_unlock_irq(&peer->lock);
	return idle;
}

/*
 * What waits for a vCPU is in the queue of one node, under that node's lock: the vCPU is
 * another node's only once nothing waits.
 */
static bool send_try_place(struct dvmm_ipi *a, u32 id, u16 node)
{
	struct dvmm_ipi_peer *from = &a->peers[a->table.node_of[id]];
	bool none;

	raw_spin_lock_irq(&from->lock);
	none = list_empty(&a->vcpus[id].waiting);
	if (none)
		WRITE_ONCE(a->table.node_of[id], node);
	raw_spin_unlock_irq(&from->lock);
	return none;
}

int dvmm_ipi_send_place(struct dvmm_ipi *a, u32 id, u16 node)
{
	u16 from = a->table.node_of[id];
	int err = wait_event_killable(a->peers[from].idle, send_try_place(a, id, node));

	if (!err)
		trace_dvmm_ipi_place(a->table.self, id, from, node);
	return err;
}

int dvmm_ipi_send_flush(struct dvmm_ipi *a)
{
	int err = 0;
	u16 node;

	for (node = 0; node < a->table.nodes && !err; node++)
		err = wait_event_killable(a->peers[node].idle, send_idle(&a->peers[node]));
	return err;
}

/* ---- receiving ---- */

static void send_receive_record(struct dvmm_ipi *a, u16 node, const struct dvmm_ipi_record *record)
{
	unsigned int reached = a->ops->inject(a->sink, record);

	trace_dvmm_ipi_inject(a->table.self, node, record, reached);
	if (reached)
		dvmm_ipi_count_add(a, delivered, reached);
	else
		dvmm_ipi_count(a, unmatched);
}

static int send_receive(void *priv, u16 node, u8 type, u64 id, const void *data,
			unsigned int length)
{
	int i, n = dvmm_ipi_check(type, data, length);
	struct dvmm_ipi_record record;
	struct dvmm_ipi *a = priv;

	if (n < 0) {
		dvmm_ipi_count(a, malformed);
		return n;
	}
	dvmm_ipi_count_add(a, received, n);
	for (i = 0; i < n; i++) {
		data += dvmm_ipi_unpack(&record, data);
		send_receive_record(a, node, &record);
	}
	return 0;
}

const struct dvmm_channel_ops dvmm_ipi_channel_ops = {
	.rx = send_receive,
};

/* ---- room ---- */

static void send_peer_init(struct dvmm_ipi *a, u16 node)
{
	struct dvmm_ipi_peer *peer = &a->peers[node];
	u32 dest;

	peer->a = a;
	peer->node = node;
	raw_spin_lock_init(&peer->lock);
	INIT_LIST_HEAD(&peer->queue);
	init_waitqueue_head(&peer->idle);
	dvmm_ipi_pending_init(&peer->every, DVMM_IPI_EVERY, 0);
	dvmm_ipi_pending_init(&peer->narrow, DVMM_IPI_BROADCAST, 0xff);
	dvmm_ipi_pending_init(&peer->wide, DVMM_IPI_BROADCAST, 0xffffffff);
	for (dest = 0; dest < DVMM_IPI_LOGICAL_MAX; dest++)
		dvmm_ipi_pending_init(&peer->logical[dest], DVMM_IPI_LOGICALLY, dest);
}

int dvmm_ipi_send_create(struct dvmm_ipi *a)
{
	u32 id;
	u16 node;

	a->peers = kvcalloc(a->table.nodes, sizeof(*a->peers), GFP_KERNEL_ACCOUNT);
	a->vcpus = kvcalloc(a->table.count, sizeof(*a->vcpus), GFP_KERNEL_ACCOUNT);
	if (!a->peers || !a->vcpus)
		return -ENOMEM;
	for (node = 0; node < a->table.nodes; node++)
		send_peer_init(a, node);
	for (id = 0; id < a->table.count; id++)
		dvmm_ipi_pending_init(&a->vcpus[id], DVMM_IPI_VCPU, id);
	return 0;
}

void dvmm_ipi_send_destroy(struct dvmm_ipi *a)
{
	kvfree(a->vcpus);
	kvfree(a->peers);
}
