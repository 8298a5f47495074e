// SPDX-License-Identifier: GPL-2.0
/*
 * A vCPU moves between nodes under interrupts that are counted: none is lost, none
 * comes twice; and movers with a fault are found out.
 *
 * usage: ipi_move [ROUNDS [KIND]]	of each kind of interrupt, or of one, counted from 0
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checks.h"
#include "move.h"
#include "node.h"
#include "tap.h"

#define ALL_BUT_SELF	0xc0000
#define ASSERT		0x4000
#define NMI		0x400
#define INIT		0x500
#define SIPI		(0x600 | GUEST_CODE >> 12)
#define VECTOR_LEVEL	0x78
#define VECTOR_LAST	0x79
#define MOVING		2
#define FAULT_ROUNDS	5000
#define PATIENCE_MS	5000

static const struct place places[] = { { 0, 0 }, { 1, 1 }, { 2, 2 } };

static uint32_t xapic(uint32_t dest)
{
	return dest << 24;
}

/* ---- kinds of interrupts: @rounds of each; false if one is lost or comes twice ---- */

static bool ping(struct guest *g, unsigned int from, unsigned int to, unsigned int rounds)
{
	*slot(g, to, SLOT_ICR_LOW) = VECTOR_PING | ASSERT;
	*slot(g, to, SLOT_ICR_HIGH) = xapic(from);
	*slot(g, from, SLOT_ICR_LOW) = VECTOR_ECHO | ASSERT;
	*slot(g, from, SLOT_ICR_HIGH) = xapic(to);
	*slot(g, from, SLOT_REPEAT) = rounds;
	return cpu_start(g, from, CMD_PING);
}

/* Progress is what counts: how long all of it takes does not matter. */
static bool await_count(struct guest *g, unsigned int cpu, unsigned int vector, uint32_t count)
{
	uint32_t before = taken(g, cpu, vector);
	uint64_t end = now_ns() + PATIENCE_MS * 1000000ull;

	while (taken(g, cpu, vector) < count && now_ns() < end) {
		if (taken(g, cpu, vector) != before) {
			before = taken(g, cpu, vector);
			end = now_ns() + PATIENCE_MS * 1000000ull;
		}
		pause_ms(1);
	}
	return taken(g, cpu, vector) == count;
}

static bool pings(struct mover *m, unsigned int from, unsigned int to, unsigned int rounds)
{
	struct guest *g = m->g;

	/* It has seen its last answer, too: who clears counts before leaves it waiting. */
	return ping(g, from, to, rounds) && await_count(g, from, VECTOR_PING, rounds) &&
	       taken(g, to, VECTOR_ECHO) == rounds && cpu_do(g, from, CMD_NOP);
}

static bool to_mover(struct mover *m, unsigned int rounds)
{
	return pings(m, 0, MOVING, rounds);
}

static bool of_mover(struct mover *m, unsigned int rounds)
{
	return pings(m, MOVING, 0, rounds);
}

static bool nmis(struct mover *m, unsigned int rounds)
{
	unsigned int i;

	for (i = 1; i <= rounds / 8; i++) {
		if (!cpu_send(m->g, 0, NMI | ASSERT, xapic(MOVING)) ||
		    !await_count(m->g, MOVING, 2, i))
			return false;
	}
	return true;
}

static bool broadcasts(struct mover *m, unsigned int rounds)
{
	unsigned int i;

	for (i = 1; i <= rounds / 8; i++) {
		if (!cpu_send(m->g, 0, 0x53 | ASSERT | ALL_BUT_SELF, 0) ||
		    !await_count(m->g, MOVING, 0x53, i) || !await_count(m->g, 1, 0x53, i))
			return false;
	}
	return true;
}

static bool starts(struct mover *m, unsigned int rounds)
{
	uint32_t before = *slot(m->g, MOVING, SLOT_STARTS);
	unsigned int i;

	for (i = 1; i <= rounds / 16; i++) {
		if (!cpu_send(m->g, 0, INIT | ASSERT, xapic(MOVING)) ||
		    !cpu_send(m->g, 0, SIPI | ASSERT, xapic(MOVING)) ||
		    !wait_for(slot(m->g, MOVING, SLOT_STARTS), before + i, PATIENCE_MS))
			return false;
	}
	return true;
}

static unsigned int questions;	/* that the device still has */

/* Of whoever reports an end: in between nothing but that happens, so that moves fall into it. */
static void ask_again(struct vcpu *cpu)
{
	if (!questions)
		return;
	questions--;
	msi_send(cpu->g, 0, msi_address(cpu->id, 0), VECTOR_LEVEL | MSI_LEVEL);
}

/* The device asks again once the end of the last one was reported. */
static bool levels(struct mover *m, unsigned int rounds)
{
	unsigned int *eois = &m->cpu->eois[VECTOR_LEVEL], want = *eois + rounds;
	bool good;

	questions = rounds;
	m->cpu->ended = ask_again;
	pthread_rwlock_rdlock(&m->devices);
	ask_again(m->cpu);
	pthread_rwlock_unlock(&m->devices);
	good = await_count(m->g, MOVING, VECTOR_LEVEL, rounds) && wait_for(eois, want, PATIENCE_MS);
	m->cpu->ended = NULL;
	tap_diag("%u ends were the mover's to report", m->ends);
	return good && *eois == want;
}

static unsigned int await_last(struct mover *m, unsigned int want)
{
	uint64_t end = now_ns() + PATIENCE_MS * 1000000ull;

	while (m->lasts < want && now_ns() < end)
		pause_ms(1);
	return m->lasts;
}

/* Interrupts that are under way when the guest stops, one a move */
static bool lasts(struct mover *m, unsigned int rounds)
{
	unsigned int want, sent;

	starve_senders(true);
	m->last = VECTOR_LAST;
	do {
		want = m->lasts + 1;
		sent = await_last(m, want);
	} while (sent >= want && sent < rounds / 16);
	m->last = 0;
	starve_senders(false);
	return sent >= want && await_count(m->g, MOVING, VECTOR_LAST, m->lasts);
}

/* ---- a guest of three nodes, a CPU each ---- */

static struct guest *make_guest(void)
{
	struct guest *g = guest_create(places, 3, 3);
	unsigned int i;

	guest_join(g);
	for (i = 0; i < g->nodes; i++) {
		/* The IOAPIC's pins as routes of every node: an EOI leaves KVM by them. */
		close(irqfd_create(g, i, 5, msi_address(MOVING, 0), VECTOR_LEVEL | MSI_LEVEL));
		if (guest_attach(g, i, g->vm[i]))
			tap_bail("attach: %s (see the kernel log)", strerror(errno));
	}
	guest_run(g);
	cpu_send(g, 0, ALL_BUT_SELF | INIT | ASSERT, 0);
	cpu_send(g, 0, ALL_BUT_SELF | SIPI | ASSERT, 0);
	for (i = 1; i < g->cpus; i++)
		if (!wait_for(slot(g, i, SLOT_STARTS), 1, 20000))
			tap_bail("CPU %u does not start", i);
	return g;
}

static const struct {
	bool (*run)(struct mover *m, unsigned int rounds);
	const char *what;
} kinds[] = {
	{ to_mover, "IPIs to it, each answered" },
	{ of_mover, "IPIs of it, each answered" },
	{ nmis, "NMIs" },
	{ broadcasts, "broadcasts" },
	{ levels, "level-triggered interrupts, and their ends" },
	{ starts, "INIT and SIPI" },
	{ lasts, "interrupts that are under way when it stops" },
};

/* Where no CPU is the node may leave, with its VM; broadcasts go past it. */
static void leaves(struct guest *g)
{
	int ret = machine_leave(g->machine[1]) ? errno : 0;
	struct mover m;

	tap_ok(ret == EBUSY, "a node where a CPU is placed cannot leave (%s)", strerror(ret));
	while (g->cpu[MOVING].node == 2) {
		mover_start(&m, g, MOVING, FAULT_NONE);
		pause_ms(20);
		mover_stop(&m);
	}
	ret = machine_leave(g->machine[2]) ? errno : 0;
	tap_ok(!ret, "one where none is any more leaves (%s)", strerror(ret));
	clear_counts(g);
	tap_ok(cpu_send(g, 0, 0x53 | ASSERT | ALL_BUT_SELF, 0) && await_count(g, MOVING, 0x53, 1) &&
	       await_count(g, 1, 0x53, 1), "and a broadcast reaches all CPUs");
}

static void sound(unsigned int rounds, unsigned int first, unsigned int last)
{
	struct guest *g = make_guest();
	struct mover m;
	unsigned int i, moves = 0;

	mover_start(&m, g, MOVING, FAULT_NONE);
	for (i = first; i <= last; i++) {
		clear_counts(g);
		tap_ok(kinds[i].run(&m, rounds), "a CPU moves, counts are exact: %s",
		       kinds[i].what);
		tap_diag("%u moves", m.moves - moves);
		moves = m.moves;
	}
	mover_stop(&m);
	tap_ok(m.moves >= 20, "there were moves all the while: %u", m.moves);
	leaves(g);
	guest_destroy(g);
}

static void faulty(enum fault fault, bool (*run)(struct mover *m, unsigned int rounds),
		   const char *what)
{
	struct guest *g = make_guest();
	struct mover m;
	bool good;

	mover_start(&m, g, MOVING, fault);
	good = run(&m, FAULT_ROUNDS);
	mover_stop(&m);
	tap_ok(!good, "found out: %s", what);
	tap_diag("after %u moves", m.moves);
	guest_destroy(g);
}

#define KINDS	(sizeof(kinds) / sizeof(kinds[0]))

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 800;
	unsigned int kind = argc > 2 ? strtoul(argv[2], NULL, 10) : KINDS;

	if (kind < KINDS) {
		sound(rounds, kind, kind);
		return tap_end();
	}
	sound(rounds, 0, KINDS - 1);
	faulty(FAULT_NO_MARKS, lasts, "a state that is taken before the last interrupts came");
	faulty(FAULT_NO_IRR, to_mover, "interrupts that are pending are left behind");
	faulty(FAULT_ONE_ROUTE, to_mover, "a node that goes on sending to the old place");
	faulty(FAULT_NO_EOI, levels, "an end of interrupt that nobody reports");
	return tap_end();
}
