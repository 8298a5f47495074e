// SPDX-License-Identifier: GPL-2.0
/* Reading page after page what another node has just written, ahead or not. */
#include "tap.h"
#include "work.h"

#define SCANNED 128 /* pages of each region, at most */

static size_t scanned(struct actor *a, int region)
{
	size_t n = actor_pages(a, region);

	return n < SCANNED ? n : SCANNED;
}

static uint64_t stamp(uint64_t round, int region, size_t page)
{
	return round << 32 | (uint64_t)region << 24 | page;
}

static void write_all(struct actor *a, int region, uint64_t round)
{
	size_t p;

	for (p = 0; p < scanned(a, region); p++)
		*(volatile uint64_t *)actor_page(a, region, p) = stamp(round, region, p);
}

static int read_all(struct actor *a, int region, uint64_t round)
{
	size_t p;

	for (p = 0; p < scanned(a, region); p++) {
		uint64_t is = *(volatile uint64_t *)actor_page(a, region, p);

		if (is != stamp(round, region, p))
			return actor_fail(a, "round %llu: page %zu of region %d holds %#llx",
					  (unsigned long long)round, p, region,
					  (unsigned long long)is);
	}
	return 0;
}

/* Each node writes in its turn; to a region that it homes, or does not. */
int work_scan(struct actor *a)
{
	struct dvmm_stats s = { .size = sizeof(s) };
	uint64_t start = now_ns(), round = 0;

	do {
		int region = round % a->regions;

		if ((int)(round / a->regions % a->nodes) == a->self)
			write_all(a, region, round);
		actor_barrier(a);
		if (read_all(a, region, round))
			return -1;
		actor_barrier(a);
		round++;
	} while (!actor_over(a, start) && round != a->rounds);
	if (machine_stats(a->machine, &s))
		return actor_fail(a, "no statistics");
	tap_diag("scan: %llu rounds, node %d asked ahead for %llu pages", (unsigned long long)round,
		 a->self, (unsigned long long)s.prefetches);
	return 0;
}
