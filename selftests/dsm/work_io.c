// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel of each node reads and writes a file from and to pages that another
 * node wrote; with O_DIRECT they are pinned, and other nodes want them meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "mem_io.h"
#include "tap.h"
#include "work.h"

#define IO_AT		64
#define IO_PAGES	16
#define IO_WORDS	(IO_PAGES * PAGE / sizeof(uint64_t))

static uint64_t word(uint64_t round, int region, size_t i)
{
	return (round << 32 | region << 24) ^ (i * 0x9e3779b97f4a7c15ull);
}

static uint64_t *words(struct actor *a, int region)
{
	return (uint64_t *)actor_page(a, region, IO_AT);
}

static void write_words(struct actor *a, uint64_t round)
{
	uint64_t *w = words(a, a->self);
	size_t i;

	for (i = 0; i < IO_WORDS; i++)
		w[i] = word(round, a->self, i);
}

static int check_words(struct actor *a, int region, uint64_t round)
{
	volatile uint64_t *w = words(a, region);
	size_t i;

	for (i = 0; i < IO_WORDS; i++)
		if (w[i] != word(round, region, i))
			return actor_fail(a, "round %llu region %d word %zu: %llx",
					  (unsigned long long)round, region, i,
					  (unsigned long long)w[i]);
	return 0;
}

/* One word of each page while it is read in: it is there already, or not yet. */
static int touch_words(struct actor *a, uint64_t then, uint64_t now)
{
	volatile uint64_t *w = words(a, a->self);
	size_t i;
	uint64_t v;

	for (i = 0; i < IO_WORDS; i += PAGE / sizeof(*w)) {
		v = w[i];
		if (v != word(then, a->self, i) && v != word(now, a->self, i))
			return actor_fail(a, "word %zu: %llx is neither old nor new", i,
					  (unsigned long long)v);
	}
	return 0;
}

/* Node n works on the region of node n + 1, which writes, wipes and looks. */
static int io_round(struct actor *a, int file, uint64_t round)
{
	int next = (a->self + 1) % a->nodes;
	const uint64_t wiped = round | 1ull << 31;
	int ret = 0;

	write_words(a, round);
	actor_barrier(a);
	if (pwrite(file, words(a, next), IO_PAGES * PAGE, 0) != (ssize_t)(IO_PAGES * PAGE))
		ret = actor_fail(a, "pwrite: %s", strerror(errno));
	actor_barrier(a);
	write_words(a, wiped);
	actor_barrier(a);
	if (pread(file, words(a, next), IO_PAGES * PAGE, 0) != (ssize_t)(IO_PAGES * PAGE))
		ret = ret ?: actor_fail(a, "pread: %s", strerror(errno));
	ret = ret ?: touch_words(a, wiped, round);
	actor_barrier(a);
	ret = ret ?: check_words(a, a->self, round);
	return ret ?: check_words(a, next, round);
}

int work_io(struct actor *a)
{
	const char *where = "", *how = "O_DIRECT";
	uint64_t start = now_ns(), round = 0;
	int file = mem_io_file(O_DIRECT, &where), ret;

	if (file < 0) {
		how = "no O_DIRECT";
		file = mem_io_file(0, &where);
	}
	if (file < 0)
		return actor_fail(a, "no directory for a file: %s", strerror(errno));
	do {
		ret = io_round(a, file, ++round);
	} while (!ret && !actor_over(a, start) && round != a->rounds);
	close(file);
	if (!ret && !a->self)
		tap_diag("io: %llu rounds, %s in %s", (unsigned long long)round, how, where);
	return ret;
}
