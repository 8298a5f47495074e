// SPDX-License-Identifier: GPL-2.0
/*
 * A machine of local APICs on several nodes, as far as destinations go:
 * Intel SDM 3A, 11.6.2 and 11.12.10.
 */
#include <string.h>

#include "model.h"
#include "tap.h"
#include "wire.h"

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
	if (c->x2apic)
		return c->ldr >> 16 == dest >> 16 && c->ldr & dest & 0xffff;
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

static unsigned int fake_inject(void *sink, const struct dvmm_ipi_msg *msg)
{
	struct fake *f = sink;
	u32 set = model_addressed(f->m, msg, -1) & on_node(f->m, f->node);

	f->twice |= f->got & set;
	f->got |= set;
	return __builtin_popcount(set);
}

static const struct dvmm_irq_sink_ops fake_sink = {
	.inject = fake_inject,
};

/* Through the wire format, as between kernels. */
static void carry(struct fake *f, const struct dvmm_ipi_msg *msg)
{
	struct dvmm_ipi_wire wire;
	struct dvmm_ipi_msg read;

	dvmm_ipi_pack(&wire, msg);
	if (dvmm_ipi_check(DVMM_IPI_WIRE_BATCH, &wire, sizeof(wire)) != 1)
		tap_bail("a routed message is refused by the receiver");
	dvmm_ipi_unpack(&read, &wire, 0);
	fake_sink.inject(f, &read);
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
		.node_of = m->node_of,
	};
	struct dvmm_ipi_msg msg = *original;
	int to = route(&t, m->space, one_only, &msg);
	struct fake f = { .m = m };

	f.got = local(m, &msg, from, t.self, one_only);
	for (f.node = 0; f.node < m->nodes; f.node++) {
		if (f.node != t.self && (to == DVMM_IPI_EVERYWHERE || to == f.node))
			carry(&f, &msg);
	}
	*twice = f.twice;
	return f.got;
}
