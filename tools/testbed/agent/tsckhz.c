// SPDX-License-Identifier: GPL-2.0
/*
 * tsckhz: prints how many thousand cycles the TSC of this machine counts in a second.
 *
 * An emulated node has the same counter.  Its kernel would measure it by timers that come late
 * when this machine is busy, and be wrong by a factor at times.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define SPAN_NS		50000000
#define TRIES		1000

struct look {
	uint64_t tsc;
	int64_t ns;
};

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Both at once: of many pairs the one with least between them */
static struct look look(void)
{
	struct look best = {};
	uint64_t begin, took, least = UINT64_MAX;
	int64_t ns;
	int i;

	for (i = 0; i < TRIES; i++) {
		begin = __rdtsc();
		ns = now();
		took = __rdtsc() - begin;
		if (took < least) {
			least = took;
			best = (struct look){ .tsc = begin + took / 2, .ns = ns };
		}
	}
	return best;
}

int main(void)
{
	struct timespec span = { .tv_nsec = SPAN_NS };
	struct look a = look(), b;

	nanosleep(&span, NULL);
	b = look();
	printf("%.0f\n", (b.tsc - a.tsc) * 1e6 / (b.ns - a.ns));
	return 0;
}
