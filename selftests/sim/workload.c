// SPDX-License-Identifier: GPL-2.0
/* Programs of accesses with the patterns of sharing that guests show. */
#include "sim.h"

enum { PRIVATE, READ_MOSTLY, MIGRATORY, PRODUCER, FALSE_SHARING, LOCK, ALL_TO_ALL };

const char * const sim_workloads[] = {
	"private", "read-mostly", "migratory", "producer-consumer", "false-sharing", "lock",
	"all-to-all", NULL,
};

u32 sim_random(u64 *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (u32)(*state >> 33);
}

/* The @i-th access of a node, by pattern. */
static struct sim_op access_of(unsigned int which, const struct sim_config *cfg,
			       unsigned int node, unsigned int i, u64 *rnd)
{
	struct sim_op op = { .node = (u16)node };
	u32 r = sim_random(rnd), few = cfg->pages < 4 ? cfg->pages : 4;
	u32 own = cfg->pages / cfg->nodes + 1;

	op.think_ns = 200 + sim_random(rnd) % 2000;
	switch (which) {
	case PRIVATE:			/* pages that nobody else touches */
		op.page = (u16)((node + r % own * cfg->nodes) % cfg->pages);
		op.store = r >> 16 & 1;
		break;
	case READ_MOSTLY:
		op.page = (u16)(r % few);
		op.store = r >> 8 & 1 && !(i % 32) && node % 8 == 0;
		break;
	case MIGRATORY:			/* read, then write, then elsewhere */
		op.page = (u16)((node + i / 2) % cfg->pages);
		op.store = i & 1;
		break;
	case PRODUCER:			/* even nodes fill what the next one reads */
		op.page = (u16)((node / 2 * 2 + i % 4) % cfg->pages);
		op.store = !(node & 1);
		break;
	case FALSE_SHARING:		/* everybody writes its own part of few pages */
		op.page = (u16)(r % few);
		op.store = r >> 16 & 1;
		break;
	case LOCK:			/* one word, taken by everybody in turn */
		op.page = 0;
		op.store = i & 1;
		break;
	default:
		op.page = (u16)(r % cfg->pages);
		op.store = (r >> 16) % 4 == 0;
	}
	return op;
}

unsigned int sim_workload(unsigned int which, const struct sim_config *cfg,
			  unsigned int per_node, struct sim_op *ops, unsigned int max)
{
	u64 rnd = cfg->seed * 2654435761u + which;
	unsigned int n = 0, node, i;

	for (i = 0; i < per_node; i++)
		for (node = 0; node < cfg->nodes && n < max; node++)
			ops[n++] = access_of(which, cfg, node, i, &rnd);
	return n;
}
