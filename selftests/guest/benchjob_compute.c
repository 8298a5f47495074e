// SPDX-License-Identifier: GPL-2.0
/*
 * Numerical jobs. What each exchanges between CPUs, from nothing to everything,
 * is what the NAS parallel benchmarks EP, MG, CG and IS do (Bailey et al., RNR-94-007).
 * Sums are kept modulo 2^64, so that they are exact and do not depend on the number of threads.
 */
#define _GNU_SOURCE
#include <stdlib.h>

#include "benchjob.h"

/* On a page of its own: threads write to theirs at the end only. */
static struct sum {
	uint64_t value, bad;
} __attribute__((aligned(PAGE))) sums[MOST_CPUS];

static uint64_t total(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < cpus; i++)
		sum += sums[i].value;
	return sum;
}

static bool none_bad(void)
{
	for (int i = 0; i < cpus; i++)
		if (sums[i].bad)
			return false;
	return true;
}

static void spoil_sum(void)
{
	sums[cpus - 1].value++;
}

static uint64_t mix(uint64_t x)		/* Steele, Lea, Flood, OOPSLA 2014 */
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static uint64_t power(uint64_t base, uint64_t exponent)
{
	uint64_t result = 1;

	while (exponent--)
		result *= base;
	return result;
}

/* ---- ep: primes below SIZE by trial division; nothing is shared ---- */

enum { EP_BLOCK = 1000 };

static uint64_t is_prime(uint64_t n)
{
	if (n < 4)
		return n > 1;
	if (n % 2 == 0)
		return 0;
	for (uint64_t d = 3; d * d <= n; d += 2)
		if (n % d == 0)
			return 0;
	return 1;
}

static void ep_part(int me, uint64_t round)
{
	uint64_t found = 0;

	(void)round;
	for (uint64_t block = me; block * EP_BLOCK < size; block += cpus)
		for (uint64_t n = block * EP_BLOCK; n < (block + 1) * EP_BLOCK && n < size; n++)
			found += is_prime(n);
	sums[me].value = found;
}

static bool ep_right(void)
{
	unsigned char *composite = job_memory(size + 1);
	uint64_t found = 0;

	for (uint64_t n = 2; n < size; n++) {
		if (composite[n])
			continue;
		found++;
		for (uint64_t m = n * n; m < size; m += n)
			composite[m] = 1;
	}
	return found == total();
}

/* ---- spmv: a sparse matrix times a vector, again and again ---- */

/*
 * A sum of permutation matrices, the identity among them, so that each column has
 * ROW + 1 ones as well and the vector's sum grows by that factor with each product.
 * It is odd: a wrong value of whichever turn shows in the last sum.  Most columns
 * are near the diagonal, some are anywhere.
 */
enum { ROW = 64, NEAR = 48, SPMV_TURNS = 25 };

static uint32_t *columns;
static uint64_t *vector[2];

static void spmv_prepare(void)
{
	columns = job_memory(size * ROW * sizeof(*columns));
	vector[0] = job_memory(size * sizeof(uint64_t));
	vector[1] = job_memory(size * sizeof(uint64_t));
}

static uint32_t spmv_column(uint64_t row, int k)
{
	if (k < NEAR)
		return (row + k * k * 5) % size;
	/* a permutation where SIZE is a power of 2 */
	return (row * 8191 + k * 40503ull) % size;
}

static void spmv_fill(uint64_t from, uint64_t to, uint64_t round)
{
	for (uint64_t row = from; row < to; row++) {
		vector[0][row] = mix(round * size + row);
		for (int k = 0; k < ROW; k++)
			columns[row * ROW + k] = spmv_column(row, k);
	}
}

static void spmv_part(int me, uint64_t round)
{
	uint64_t from = share(size, me), to = share(size, me + 1);

	spmv_fill(from, to, round);
	meet();
	for (int turn = 0; turn < SPMV_TURNS; turn++) {
		const uint64_t *x = vector[turn % 2];
		uint64_t *y = vector[!(turn % 2)];

		for (uint64_t row = from; row < to; row++) {
			uint64_t sum = x[row];

			for (int k = 0; k < ROW; k++)
				sum += x[columns[row * ROW + k]];
			y[row] = sum;
		}
		meet();
	}
	sums[me].value = 0;
	for (uint64_t row = from; row < to; row++)
		sums[me].value += vector[SPMV_TURNS % 2][row];
}

static bool spmv_right(void)
{
	uint64_t first = 0;

	for (uint64_t row = 0; row < size; row++)
		first += mix((times - 1) * size + row);
	return total() == first * power(ROW + 1, SPMV_TURNS);
}

/* ---- stencil: each cell becomes the sum of itself and its four neighbours ---- */

enum { STENCIL_TURNS = 40 };

static uint64_t *grid[2];

static void stencil_prepare(void)
{
	grid[0] = job_memory(size * size * sizeof(uint64_t));
	grid[1] = job_memory(size * size * sizeof(uint64_t));
}

static void stencil_row(const uint64_t *old, uint64_t *new, uint64_t y)
{
	const uint64_t *up = old + (y + size - 1) % size * size;
	const uint64_t *down = old + (y + 1) % size * size;
	const uint64_t *row = old + y * size;

	for (uint64_t x = 0; x < size; x++)
		new[y * size + x] = row[x] + up[x] + down[x] + row[(x + size - 1) % size] +
				    row[(x + 1) % size];
}

static void stencil_part(int me, uint64_t round)
{
	uint64_t from = share(size, me), to = share(size, me + 1);

	for (uint64_t i = from * size; i < to * size; i++)
		grid[0][i] = mix(round * size * size + i);
	meet();
	for (int turn = 0; turn < STENCIL_TURNS; turn++) {
		for (uint64_t y = from; y < to; y++)
			stencil_row(grid[turn % 2], grid[!(turn % 2)], y);
		meet();
	}
	sums[me].value = 0;
	for (uint64_t i = from * size; i < to * size; i++)
		sums[me].value += grid[STENCIL_TURNS % 2][i];
}

static bool stencil_right(void)
{
	uint64_t first = 0;

	for (uint64_t i = 0; i < size * size; i++)
		first += mix((times - 1) * size * size + i);
	return total() == first * power(5, STENCIL_TURNS);
}

/* ---- sort: each thread deals its keys out to the threads' buckets ---- */

static uint32_t *keys, *dealt;
static uint64_t (*counts)[PAGE / sizeof(uint64_t)];	/* of a dealer: [dealer][receiver] */

static void sort_prepare(void)
{
	keys = job_memory(size * sizeof(*keys));
	dealt = job_memory(size * sizeof(*dealt));
	counts = job_memory((uint64_t)cpus * sizeof(*counts));
}

static int receiver_of(uint32_t key)
{
	return (int)((uint64_t)key * cpus >> 32);
}

/* Where @dealer's keys for @receiver go. */
static uint64_t place_of(int dealer, int receiver)
{
	uint64_t at = 0;

	for (int r = 0; r <= receiver; r++)
		for (int d = 0; d < (r < receiver ? cpus : dealer); d++)
			at += counts[d][r];
	return at;
}

static void deal(int me)
{
	uint64_t at[MOST_CPUS];

	for (int r = 0; r < cpus; r++)
		at[r] = place_of(me, r);
	for (uint64_t i = share(size, me); i < share(size, me + 1); i++)
		dealt[at[receiver_of(keys[i])]++] = keys[i];
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* What all threads exchange counts of before they deal. */
static void sort_fill(int me, uint64_t round)
{
	for (int r = 0; r < cpus; r++)
		counts[me][r] = 0;
	for (uint64_t i = share(size, me); i < share(size, me + 1); i++) {
		keys[i] = (uint32_t)mix(round * size + i);
		counts[me][receiver_of(keys[i])]++;
	}
}

static void sort_look(int me, uint64_t from, uint64_t to)
{
	sums[me].value = 0;
	sums[me].bad = 0;
	for (uint64_t i = from; i < to; i++) {
		sums[me].value += dealt[i];
		sums[me].bad += i > from && dealt[i - 1] > dealt[i];
	}
}

static void sort_part(int me, uint64_t round)
{
	uint64_t from, to;

	sort_fill(me, round);
	meet();
	deal(me);
	meet();
	from = place_of(0, me);
	to = place_of(0, me + 1);
	qsort(dealt + from, to - from, sizeof(*dealt), compare);
	sort_look(me, from, to);
}

static bool sort_right(void)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < size; i++)
		sum += (uint32_t)mix((times - 1) * size + i);
	for (uint64_t i = 1; i < size; i++)
		if (dealt[i - 1] > dealt[i])
			return false;
	return sum == total() && none_bad();
}

/* The sum stays what it was. */
static void sort_spoil(void)
{
	uint32_t first = dealt[0];

	dealt[0] = dealt[size - 1];
	dealt[size - 1] = first;
}

const struct job compute_jobs[] = {
	{ "ep", 10000000, "numbers", NULL, ep_part, ep_right, spoil_sum, false },
	{ "spmv", 1 << 14, "rows, a power of 2", spmv_prepare, spmv_part, spmv_right, spoil_sum,
	  false },
	{ "stencil", 512, "cells a side", stencil_prepare, stencil_part, stencil_right, spoil_sum,
	  false },
	{ "sort", 600000, "keys", sort_prepare, sort_part, sort_right, sort_spoil, false },
	{ }
};
