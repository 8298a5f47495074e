// SPDX-License-Identifier: GPL-2.0
/*
 * What an interrupt to a CPU of another node costs beside the round trip of a
 * small message on the same link: two vCPUs answer each other's interrupts, and
 * share nothing else.  The best turn of each counts.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "checks.h"
#include "node.h"
#include "tap.h"

#define TURNS		10
#define ROUNDS		200
#define ASSERT		0x4000
#define ALL_BUT_SELF	0xc0000
#define INIT		0x500
#define SIPI		(0x600 | GUEST_CODE >> 12)

static const struct place four[] = { { 0, 0 }, { 1, 0 }, { 2, 1 }, { 3, 1 } };

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/* ns; the fastest of many, as the kernel measures it for the guest's TSC */
static double round_trip(struct guest *g)
{
	struct dvmm_clock c = { .size = sizeof(c), .peer = 1, .rounds = ROUNDS };

	if (ioctl(g->machine[0], DVMM_GET_CLOCK, &c))
		tap_bail("DVMM_GET_CLOCK: %s", strerror(errno));
	return 2.0 * c.error / c.tsc_khz * 1e6;
}

/* ns from one interrupt to its answer, by CPU 0 and @cpu */
static double interrupts(struct guest *g, unsigned int cpu)
{
	double start;

	*slot(g, cpu, SLOT_ICR_LOW) = VECTOR_PING | ASSERT;
	*slot(g, cpu, SLOT_ICR_HIGH) = 0;
	*slot(g, 0, SLOT_ICR_LOW) = VECTOR_ECHO | ASSERT;
	*slot(g, 0, SLOT_ICR_HIGH) = cpu << 24;
	*slot(g, 0, SLOT_REPEAT) = ROUNDS;
	*slot(g, cpu, SLOT_REPEAT) = 1;
	cpu_start(g, cpu, CMD_AWAIT);
	start = now();
	if (!cpu_do(g, 0, CMD_PING))
		tap_bail("CPU %u does not answer", cpu);
	start = now() - start;
	*slot(g, 0, SLOT_REPEAT) = 1;
	cpu_send(g, 0, VECTOR_PING | ASSERT, cpu << 24);
	return start / ROUNDS;
}

static double best(double a, double b)
{
	return a && a < b ? a : b;
}

static void measure(struct guest *g)
{
	double trip = 0, near = 0, far = 0;
	int i;

	for (i = 0; i < TURNS; i++) {
		trip = best(trip, round_trip(g));
		near = best(near, interrupts(g, 1));
		far = best(far, interrupts(g, 2));
	}
	tap_diag("small message, there and back:      %8.0f ns", trip);
	tap_diag("interrupt and answer, same node:    %8.0f ns", near);
	tap_diag("interrupt and answer, between nodes:%8.0f ns", far);
	tap_diag("interrupt between nodes / half of the round trip: %.2f", far / trip);
	tap_diag("interrupt between nodes / interrupt in a node:    %.2f", far / near);
	tap_ok(trip && near && far, "measured");
}

int main(void)
{
	struct guest *g;
	unsigned int i;

	tap_start(280);
	close_all((int[]){ dev_open(), kvm_open() }, 2);
	g = guest_create(four, 4, 2);
	guest_join(g);
	for (i = 0; i < 2; i++)
		if (guest_attach(g, i, g->vm[i]))
			tap_bail("attach: %s (see the kernel log)", strerror(errno));
	guest_run(g);
	cpu_send(g, 0, ALL_BUT_SELF | INIT | ASSERT, 0);
	cpu_send(g, 0, ALL_BUT_SELF | SIPI | ASSERT, 0);
	for (i = 1; i < 4; i++)
		if (!wait_for(slot(g, i, SLOT_STARTS), 1, 20000))
			tap_bail("CPU %u does not start", i);
	measure(g);
	guest_destroy(g);
	return tap_end();
}
