// SPDX-License-Identifier: GPL-2.0
/* Which nodes a message concerns: a table of cases, then whole machines. */
#include <stdlib.h>

#include "model.h"
#include "tap.h"

#define LOCAL	DVMM_IPI_NOWHERE
#define ALL	DVMM_IPI_EVERYWHERE
#define FLAT	DVMM_IPI_FLAT
#define CLUSTER	DVMM_IPI_CLUSTER
#define X2	DVMM_IPI_X2APIC
#define MIXED	DVMM_IPI_MIXED
#define PHYS	0
#define LOG	DVMM_IPI_LOGICAL
#define MSI	DVMM_IPI_MSI

struct row {
	const char *what;
	enum dvmm_ipi_space space;
	u8 flags;
	u8 mode;
	u8 shorthand;
	u32 dest;
	bool one_only;
	u8 vector;
	int want;
	u32 want_dest;
};

/*
 * This is node 1 of 3.  Ids 0-3 are node 0's, 4-7 ours, 16-18 node 2's, 19 node
 * 0's, 255 and 300 node 2's.
 */
static const struct row rows[] = {
	{ "physical to another node", FLAT, PHYS, 0, 0, 2, 0, 0x31, 0, 2 },
	{ "physical to this node", FLAT, PHYS, 0, 0, 5, 0, 0x31, LOCAL, 5 },
	{ "physical to nobody", FLAT, PHYS, 0, 0, 9, 0, 0x31, LOCAL, 9 },
	{ "physical beyond the table", X2, PHYS, 0, 0, 100000, 0, 0x31, LOCAL, 100000 },
	{ "physical x2APIC id above 255", X2, PHYS, 0, 0, 300, 0, 0x31, 2, 300 },
	{ "xAPIC 0xff is everybody", FLAT, PHYS, 0, 0, 0xff, 0, 0x31, ALL, 0xff },
	{ "x2APIC 0xff is a vCPU", X2, PHYS, 0, 0, 0xff, 0, 0x31, 2, 0xff },
	{ "x2APIC 0xffffffff is everybody", X2, PHYS, 0, 0, ~0u, 0, 0x31, ALL, ~0u },
	{ "in doubt 0xff is everybody", MIXED, MSI, 0, 0, 0xff, 0, 0x31, ALL, 0xff },
	{ "in doubt 0xffffffff is everybody", MIXED, PHYS, 0, 0, ~0u, 0, 0x31, ALL, ~0u },
	{ "in doubt a physical id is one vCPU", MIXED, MSI, 0, 0, 17, 0, 0x31, 2, 17 },
	{ "INIT to another node", MIXED, PHYS, DVMM_IPI_INIT, 0, 17, 0, 0, 2, 17 },
	{ "SIPI to an id above 255", X2, PHYS, DVMM_IPI_SIPI, 0, 300, 0, 8, 2, 300 },
	{ "NMI to another node", X2, PHYS, DVMM_IPI_NMI, 0, 1, 0, 2, 0, 1 },
	{ "SMI to another node", FLAT, PHYS, DVMM_IPI_SMI, 0, 1, 0, 0, 0, 1 },
	{ "unhalt another node's vCPU", X2, MSI, DVMM_IPI_REMRD, 0, 1, 0, 0, 0, 1 },
	{ "EXTINT goes nowhere", FLAT, PHYS, DVMM_IPI_EXTINT, 0, 1, 0, 0, LOCAL, 1 },
	{ "shorthand self", FLAT, PHYS, 0, 1, 2, 0, 0x31, LOCAL, 2 },
	{ "shorthand all", FLAT, PHYS, 0, 2, 5, 0, 0x31, ALL, 5 },
	{ "shorthand all but self", X2, PHYS, DVMM_IPI_INIT, 3, 5, 0, 0, ALL, 5 },
	{ "logical flat", FLAT, LOG, 0, 0, 0x10, 0, 0x31, ALL, 0x10 },
	{ "logical cluster", CLUSTER, LOG, 0, 0, 0x13, 0, 0x31, ALL, 0x13 },
	{ "logical in doubt", MIXED, LOG, 0, 0, 0x10, 0, 0x31, ALL, 0x10 },
	{ "logical x2APIC, all here", X2, LOG, 0, 0, 0x00f0, 0, 0x31, LOCAL, 0x00f0 },
	{ "logical x2APIC, all on one node", X2, LOG, 0, 0, 0x10007, 0, 0x31, 2, 0x10007 },
	{ "logical x2APIC, here and one node", X2, LOG, 0, 0, 0x0011, 0, 0x31, 0, 0x0011 },
	{ "logical x2APIC, two nodes", X2, LOG, 0, 0, 0x1000f, 0, 0x31, ALL, 0x1000f },
	{ "logical x2APIC, nobody", X2, LOG, 0, 0, 0x7ffff, 0, 0x31, LOCAL, 0x7ffff },
	{ "logical x2APIC, last cluster", X2, LOG, 0, 0, 0xfffffffe, 0, 0x31, LOCAL, 0xfffffffe },
	{ "lowest priority, one candidate", FLAT, LOG, 1, 0, 0x08, 1, 0x31, ALL, 0x08 },
	{ "lowest priority, first of three", FLAT, LOG, 1, 0, 0x1a, 1, 0x30, ALL, 0x02 },
	{ "lowest priority, second of three", FLAT, LOG, 1, 0, 0x1a, 1, 0x31, ALL, 0x08 },
	{ "lowest priority, third of three", FLAT, LOG, 1, 0, 0x1a, 1, 0x32, ALL, 0x10 },
	{ "redirection hint counts as lowest", FLAT, LOG | MSI, 0, 0, 0x1a, 1, 0x32, ALL, 0x10 },
	{ "lowest priority in a cluster", CLUSTER, LOG, 1, 0, 0x2c, 1, 0x31, ALL, 0x28 },
	{ "lowest priority x2APIC, ids that exist", X2, LOG, 1, 0, 0x18008, 1, 0x31, 0, 0x10008 },
	{ "lowest priority x2APIC, one of ours", X2, LOG, 1, 0, 0x0018, 1, 0x31, LOCAL, 0x0010 },
	{ "lowest priority x2APIC, nobody", X2, LOG, 1, 0, 0x78000, 1, 0x31, LOCAL, 0x78000 },
	{ "lowest priority to everybody stays here", FLAT, LOG, 1, 0, 0xff, 1, 0x31, LOCAL, 0xff },
	{ "lowest priority in doubt goes to all", MIXED, LOG, 1, 0, 0x0c, 1, 0x31, ALL, 0x0c },
	{ "lowest priority, empty mask", CLUSTER, LOG, 1, 0, 0x20, 1, 0x31, LOCAL, 0x20 },
	{ "lowest priority, physical", X2, PHYS, 1, 0, 16, 1, 0x31, 2, 16 },
};

static u16 node_of[320];

static const struct dvmm_ipi_table table = {
	.self = 1, .nodes = 3, .count = 320, .node_of = node_of,
};

static void put_ids(u32 first, u32 last, u16 node)
{
	while (first <= last)
		node_of[first++] = node;
}

static void fill_table(void)
{
	put_ids(0, 319, DVMM_IPI_NO_NODE);
	put_ids(0, 3, 0);
	put_ids(4, 7, 1);
	put_ids(16, 18, 2);
	put_ids(19, 19, 0);
	put_ids(255, 255, 2);
	put_ids(300, 300, 2);
}

static void try_row(const struct row *r)
{
	struct dvmm_ipi_msg msg = {
		.dest = r->dest,
		.vector = r->vector,
		.mode = r->mode,
		.shorthand = r->shorthand,
		.flags = r->flags | DVMM_IPI_ASSERT,
	};
	int to = dvmm_ipi_route(&table, r->space, r->one_only, &msg);

	if (!tap_ok(to == r->want && msg.dest == r->want_dest, "%s", r->what))
		tap_diag("route %d for dest 0x%x, want %d and 0x%x", to, msg.dest, r->want,
			 r->want_dest);
}

static void one_node_machine(void)
{
	struct dvmm_ipi_table t = { .self = 0, .nodes = 1, .count = 320, .node_of = node_of };
	struct dvmm_ipi_msg msg = { .shorthand = DVMM_IPI_TO_ALL };

	tap_ok(dvmm_ipi_route(&t, DVMM_IPI_FLAT, false, &msg) == LOCAL,
	       "a machine of one node forwards nothing");
}

/* ---- whole machines ---- */

static u32 random_dest(const struct model *m, bool logical)
{
	const struct cpu *c = &m->cpu[rnd_range(0, m->cpus - 1)];

	if (!rnd_range(0, 7))
		return c->x2apic ? 0xffffffff : 0xff;
	if (!logical)
		return rnd_range(0, 3) ? c->id : rnd_range(0, MODEL_IDS - 1);
	if (c->x2apic)
		return c->ldr | rnd_range(0, 0xffff);
	if (m->space == DVMM_IPI_CLUSTER)
		return c->ldr | rnd_range(0, 15);
	return rnd_range(0, 0xff);
}

static void random_message(const struct model *m, struct dvmm_ipi_msg *msg, int *from)
{
	bool logical = rnd_range(0, 1);

	*from = (int)rnd_range(0, m->cpus) - 1;
	*msg = (struct dvmm_ipi_msg) {
		.dest = random_dest(m, logical),
		.vector = rnd_range(16, 255),
		.mode = rnd_range(DVMM_IPI_FIXED, DVMM_IPI_SIPI),
		.shorthand = *from < 0 || rnd_range(0, 2) ? 0 : rnd_range(1, 3),
		.flags = (logical ? LOG : PHYS) | (*from < 0 ? MSI : 0) | DVMM_IPI_ASSERT,
	};
}

static bool fixed_agrees(const struct model *m, route_fn route)
{
	struct dvmm_ipi_msg msg;
	u32 got, twice, want;
	int from;

	random_message(m, &msg, &from);
	want = model_addressed(m, &msg, from);
	got = model_deliver(m, route, &msg, from, false, &twice);
	return got == want && !twice;
}

/* Everything that addresses somebody and is no broadcast reaches exactly one of them. */
static bool lowest_agrees(const struct model *m, route_fn route)
{
	struct dvmm_ipi_msg msg;
	u32 got, twice, want;
	int from;

	do {
		random_message(m, &msg, &from);
		want = model_addressed(m, &msg, from);
	} while (msg.shorthand || !(msg.flags & LOG) || !want || msg.dest == 0xff ||
		 msg.dest == 0xffffffff);
	/* A mask in which every bit is a vCPU: KVM drops one that hits a gap, too. */
	if (m->space != DVMM_IPI_X2APIC &&
	    __builtin_popcount(want) !=
	    __builtin_popcount(msg.dest & (m->space == DVMM_IPI_FLAT ? 0xff : 0xf)))
		return true;
	got = model_deliver(m, route, &msg, from, true, &twice);
	return __builtin_popcount(got) == 1 && !(got & ~want) && !twice;
}

static unsigned int disagreements(route_fn route, enum dvmm_ipi_space space, bool lowest)
{
	unsigned int machine, i, bad = 0;
	struct model m;

	for (machine = 0; machine < 200; machine++) {
		model_random(&m, space);
		for (i = 0; i < 500; i++)
			bad += !(lowest ? lowest_agrees : fixed_agrees)(&m, route);
	}
	return bad;
}

static void whole_machines(void)
{
	static const char * const names[] = { "flat", "cluster", "x2APIC", "mixed" };
	enum dvmm_ipi_space space;

	for (space = DVMM_IPI_FLAT; space <= DVMM_IPI_MIXED; space++)
		tap_ok(!disagreements(dvmm_ipi_route, space, false),
		       "%s: 100000 messages reach whom one APIC bus would reach, once",
		       names[space]);
	for (space = DVMM_IPI_FLAT; space <= DVMM_IPI_X2APIC; space++)
		tap_ok(!disagreements(dvmm_ipi_route, space, true),
		       "%s: lowest priority reaches exactly one of the addressed", names[space]);
}

/* ---- the checks must see faults ---- */

static int forgets_logical(const struct dvmm_ipi_table *t, enum dvmm_ipi_space space,
			   bool one_only, struct dvmm_ipi_msg *msg)
{
	if (!msg->shorthand && msg->flags & DVMM_IPI_LOGICAL)
		return DVMM_IPI_NOWHERE;
	return dvmm_ipi_route(t, space, one_only, msg);
}

static int forgets_to_narrow(const struct dvmm_ipi_table *t, enum dvmm_ipi_space space,
			     bool one_only, struct dvmm_ipi_msg *msg)
{
	(void)one_only;
	return dvmm_ipi_route(t, space, false, msg);
}

static int off_by_one(const struct dvmm_ipi_table *t, enum dvmm_ipi_space space,
		      bool one_only, struct dvmm_ipi_msg *msg)
{
	int to = dvmm_ipi_route(t, space, one_only, msg);

	return to > 0 ? to - 1 : to;
}

static void faults(void)
{
	tap_ok(disagreements(forgets_logical, DVMM_IPI_FLAT, false),
	       "a router that forgets logical destinations is caught");
	tap_ok(disagreements(off_by_one, DVMM_IPI_X2APIC, false),
	       "a router that names the wrong node is caught");
	tap_ok(disagreements(forgets_to_narrow, DVMM_IPI_X2APIC, true),
	       "a router that delivers lowest priority twice is caught");
}

int main(int argc, char **argv)
{
	unsigned int i;

	tap_start(60);
	tap_diag("seed %llu",
		 (unsigned long long)rnd_seed(argc > 1 ? strtoull(argv[1], NULL, 0) : 0));
	fill_table();
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		try_row(&rows[i]);
	one_node_machine();
	whole_machines();
	faults();
	return tap_end();
}
