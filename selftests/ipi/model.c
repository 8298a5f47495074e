// SPDX-License-Identifier: GPL-2.0
/*
 * A machine of local APICs on several nodes, as far as destinations go:
 * Intel SDM 3A, 11.6.2 and 11.12.10.
 */
#include <string.h>

#include "model.h"
#include "pending.h"
#include "tap.h"

static u32 logical_id(enum dvmm_ipi_space space, unsigned int index, u32 id)
{
	switch (space) {
	case DVMM_IPI_FLAT:
		return 1u << index;
	case DVMM_IPI_CLUSTER:
		return (index / 4) << 4 | 1u << index % 4;
	default:
		return (id >> 4) << 16 | 1u << (id & 15);
	}
}

static unsigned int cpus_of(enum dvmm_ipi_space space)
{
	switch (space) {
	case DVMM_IPI_FLAT:
		return 8;
	case DVMM_IPI_CLUSTER:
		return 20;
	default:
		return MODEL_CPUS;
	}
}

void model_random(struct model *m, enum dvmm_ipi_space space)
{
	unsigned int i;
	u32 id = 0;

	memset(m, 0, sizeof(*m));
	memset(m->node_of, 0xff, sizeof(m->node_of));
	m->space = space;
	m->nodes = rnd_range(2, 5);
	m->cpus = cpus_of(space);
	for (i = 0; i < m->cpus; i++) {
		struct cpu *c = &m->cpu[i];

		c->id = id;
		c->node = rnd_range(0, m->nodes - 1);
		c->x2apic = space == DVMM_IPI_X2APIC ||
			    (space == DVMM_IPI_MIXED && rnd_range(0, 1));
		c->ldr = logical_id(c->x2apic ? DVMM_IPI_X2APIC :
				    space == DVMM_IPI_MIXED ? DVMM_IPI_FLAT : space,
				    i % 8 + (space == DVMM_IPI_CLUSTER ? i / 8 * 8 : 0), id);
		m->node_of[id] = c->node;
		/* An xAPIC id has eight bits; 0xff is no CPU. */
		id += rnd_range(1, space == DVMM_IPI_X2APIC ? 20 : 10);
	}
	m->cpu[0].node = 0;
	m->node_of[0] = 0;
}

static bool is_broadcast(const struct cpu *c, u32 dest)
{
	return dest == (c->x2apic ? 0xffffffff : 0xff);
}

static bool in_logical(const struct model *m, const struct cpu *c, u32 dest)
{
	/* Beyond eight bits it names ids, also while modes are mixed. */
	if (c->x2apic || dest > 0xff)
		return c->id >> 4 == dest >> 16 && dest & 1u << (c->id & 15);
	if (m->space == DVMM_IPI_CLUSTER)
		return c->ldr >> 4 == dest >> 4 && c->ldr & dest & 0xf;
	return c->ldr & dest;
}

static bool in_dest(const struct model *m, const struct cpu *c, const struct dvmm_ipi_msg *msg)
{
	if (is_broadcast(c, msg->dest))
		return true;
	if (msg->flags & DVMM_IPI_LOGICAL)
		return in_logical(m, c, msg->dest);
	return c->id == msg->dest;
}

static bool addresses(const struct model *m, const struct dvmm_ipi_msg *msg, int from,
		      unsigned int cpu)
{
	switch (msg->shorthand) {
	case DVMM_IPI_TO_SELF:
		return from == (int)cpu;
	case DVMM_IPI_TO_ALL:
		return true;
	case DVMM_IPI_TO_OTHERS:
		return from != (int)cpu;
	default:
		return in_dest(m, &m->cpu[cpu], msg);
	}
}

u32 model_addressed(const struct model *m, const struct dvmm_ipi_msg *msg, int from)
{
	u32 set = 0;
	unsigned int i;

	for (i = 0; i < m->cpus; i++) {
		if (addresses(m, msg, from, i))
			set |= 1u << i;
	}
	return set;
}

static u32 on_node(const struct model *m, u16 node)
{
	u32 set = 0;
	unsigned int i;

	for (i = 0; i < m->cpus; i++) {
		if (m->cpu[i].node == node)
			set |= 1u << i;
	}
	return set;
}

/* The fake sink: one node of a model. */
struct fake {
	const struct model *m;
	u16 node;
	u32 got;
	u32 twice;
};

static bool in_record(const struct model *m, const struct cpu *c,
		      const struct dvmm_ipi_record *record)
{
	switch (record->to) {
	case DVMM_IPI_VCPU:
		return c->id == record->dest;
	case DVMM_IPI_EVERY:
		return true;
	case DVMM_IPI_BROADCAST:
		return is_broadcast(c, record->dest);
	default:
		return is_broadcast(c, record->dest) || in_logical(m, c, record->dest);
	}
}

static unsigned int fake_inject(void *sink, const struct dvmm_ipi_record *record)
{
	struct fake *f = sink;
	u32 set = 0;
	unsigned int i;

	for (i = 0; i < f->m->cpus; i++) {
		if (f->m->cpu[i].node == f->node && in_record(f->m, &f->m->cpu[i], record))
			set |= 1u << i;
	}
	f->twice |= f->got & set;
	f->got |= set;
	return __builtin_popcount(set);
}

static const struct dvmm_irq_sink_ops fake_sink = {
	.inject = fake_inject,
};

/* What waits for one node, emptied through the wire format, as between kernels. */
static void carry(struct fake *f, struct list_head *queue)
{
	u8 data[DVMM_IPI_WIRE_MAX];
	struct dvmm_ipi_record record;
	unsigned int length, records, at = 0;

	length = dvmm_ipi_take(queue, data, &records);
	if (length && dvmm_ipi_check(DVMM_IPI_WIRE_RECORDS, data, length) != (int)records)
		tap_bail("a message is refused by the receiver");
	while (at < length) {
		at += dvmm_ipi_unpack(&record, data + at);
		fake_sink.inject(f, &record);
	}
}

static void pend_one(struct list_head *queue, struct dvmm_ipi_pending *p, u8 to, u32 dest,
		     const struct dvmm_ipi_msg *msg)
{
	dvmm_ipi_pending_init(p, to, dest);
	dvmm_ipi_pend(queue, p, msg);
}

/* As send.c sends it. */
static void pend_for(const struct model *m, const struct dvmm_ipi_table *t, u16 node,
		     const struct dvmm_ipi_msg *msg, struct dvmm_ipi_pending *room,
		     struct list_head *queue)
{
	u32 bit, first = (msg->dest >> 16) * 16;

	if (dvmm_ipi_is_cluster(m->space, msg)) {
		for (bit = 0; bit < 16; bit++) {
			if (msg->dest & 1u << bit && dvmm_ipi_remote(t, first + bit) == node)
				pend_one(queue, &room[bit], DVMM_IPI_VCPU, first + bit, msg);
		}
	} else if (msg->shorthand != DVMM_IPI_TO_DEST) {
		pend_one(queue, room, DVMM_IPI_EVERY, 0, msg);
	} else if (msg->dest == 0xffffffff) {
		pend_one(queue, room, DVMM_IPI_BROADCAST, msg->dest, msg);
	} else if (msg->flags & DVMM_IPI_LOGICAL) {
		pend_one(queue, room, DVMM_IPI_LOGICALLY, msg->dest, msg);
	} else if (msg->dest == 0xff && m->space != DVMM_IPI_X2APIC) {
		pend_one(queue, room, DVMM_IPI_BROADCAST, msg->dest, msg);
	} else {
		pend_one(queue, room, DVMM_IPI_VCPU, msg->dest, msg);
	}
}

/* KVM takes the first that matches; which one does not matter here. */
static u32 local(const struct model *m, const struct dvmm_ipi_msg *msg, int from, u16 self,
		 bool one_only)
{
	u32 set = model_addressed(m, msg, from) & on_node(m, self);

	return one_only ? set & -set : set;
}

u32 model_deliver(const struct model *m, route_fn route, const struct dvmm_ipi_msg *original,
		  int from, bool one_only, u32 *twice)
{
	struct dvmm_ipi_table t = {
		.self = from < 0 ? 0 : m->cpu[from].node,
		.nodes = m->nodes,
		.count = MODEL_IDS,
		.node_of = (u16 *)m->node_of,
	};
	struct dvmm_ipi_msg msg = *original;
	int to = route(&t, m->space, one_only, &msg);
	struct dvmm_ipi_pending room[16];
	struct fake f = { .m = m };

	f.got = local(m, &msg, from, t.self, one_only);
	for (f.node = 0; f.node < m->nodes; f.node++) {
		struct list_head queue;

		INIT_LIST_HEAD(&queue);
		if (f.node != t.self && (to == DVMM_IPI_EVERYWHERE || to == f.node))
			pend_for(m, &t, f.node, &msg, room, &queue);
		carry(&f, &queue);
	}
	*twice = f.twice;
	return f.got;
}
