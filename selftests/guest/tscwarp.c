// SPDX-License-Identifier: GPL-2.0
/*
 * tscwarp: can CPUs see each other's time stamp counter go backwards?  As the
 * kernel's own check at the start of a CPU (arch/x86/kernel/tsc_sync.c): under
 * one lock each reads what the last one wrote, then its own counter.  Prints
 * rounds and handovers between CPUs; status 1 if a counter was behind.
 *
 * usage: tscwarp SECONDS CPU CPU...
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <x86intrin.h>

#include "pin.h"

static struct {
	uint32_t lock;
	int holder;
	uint64_t tsc;
	uint64_t rounds, handovers;
	uint64_t worst;			/* how far a counter was behind */
} shared __attribute__((aligned(4096)));

static double deadline;

static uint64_t ordered_tsc(void)
{
	uint64_t t;

	_mm_lfence();
	t = __rdtsc();
	_mm_lfence();
	return t;
}

static void take(void)
{
	while (__atomic_exchange_n(&shared.lock, 1, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void one_round(int cpu)
{
	uint64_t before, now;

	take();
	before = shared.tsc;
	now = ordered_tsc();
	shared.tsc = now;
	shared.rounds++;
	shared.handovers += shared.holder != cpu;
	shared.holder = cpu;
	if (before > now && before - now > shared.worst)
		shared.worst = before - now;
	__atomic_store_n(&shared.lock, 0, __ATOMIC_RELEASE);
}

static void *run(void *arg)
{
	int cpu = (intptr_t)arg, i;

	while (seconds() < deadline) {
		for (i = 0; i < 20; i++)
			one_round(cpu);
		sched_yield();
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread[64];
	int i, n = argc - 2;

	if (n < 2 || n > 64) {
		fprintf(stderr, "usage: tscwarp SECONDS CPU CPU...\n");
		return 2;
	}
	deadline = seconds() + atof(argv[1]);
	for (i = 0; i < n; i++)
		thread[i] = start_on(atoi(argv[i + 2]), run, (void *)(intptr_t)atoi(argv[i + 2]));
	for (i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	printf("tscwarp: rounds %llu handovers %llu worst %llu\n",
	       (unsigned long long)shared.rounds, (unsigned long long)shared.handovers,
	       (unsigned long long)shared.worst);
	return shared.worst || !shared.handovers;
}
