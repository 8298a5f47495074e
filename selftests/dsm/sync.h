/* SPDX-License-Identifier: GPL-2.0 */
/* A barrier in memory that all parties share, whoever makes it coherent. */
#ifndef DVMM_TEST_SYNC_H
#define DVMM_TEST_SYNC_H

#include <stdint.h>
#include <time.h>

/**
 * struct sync - all zeroes at first
 * @count: how many have arrived
 * @gen: how often all had arrived
 *
 * On pages of their own: those who wait read a copy and are told by its
 * invalidation, and arriving takes one page move.
 */
struct sync {
	uint64_t count __attribute__((aligned(4096)));
	uint64_t gen __attribute__((aligned(4096)));
	char pad[4096 - sizeof(uint64_t)];
};

/*
 * A moment for the others: a node may have one CPU, where whoever spins keeps
 * away those that it waits for, the module's workers among them.
 */
static inline void sync_relax(unsigned int *spins)
{
	static const struct timespec moment = { .tv_nsec = 20000 };

	if (++*spins % 64 == 0)
		nanosleep(&moment, NULL);
}

static inline void sync_wait(struct sync *s, unsigned int parties)
{
	uint64_t gen = __atomic_load_n(&s->gen, __ATOMIC_ACQUIRE);
	unsigned int spins = 0;

	if (__atomic_add_fetch(&s->count, 1, __ATOMIC_ACQ_REL) == parties) {
		__atomic_store_n(&s->count, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&s->gen, gen + 1, __ATOMIC_RELEASE);
		return;
	}
	while (__atomic_load_n(&s->gen, __ATOMIC_ACQUIRE) == gen)
		sync_relax(&spins);
}

#endif
