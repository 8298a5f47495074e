// SPDX-License-Identifier: GPL-2.0
/* Sharer sets, exact and coarse. */
#include "set.h"

unsigned int dvmm_set_group(unsigned int nodes)
{
	return nodes <= DVMM_SET_BITS ? 1 : (nodes + DVMM_SET_BITS - 1) / DVMM_SET_BITS;
}

bool dvmm_set_exact(unsigned int nodes)
{
	return nodes <= DVMM_SET_BITS;
}

u64 dvmm_set_bit(unsigned int node, unsigned int nodes)
{
	return 1ULL << (node / dvmm_set_group(nodes) % DVMM_SET_BITS);
}

int dvmm_set_next(u64 set, unsigned int nodes, int after)
{
	unsigned int group = dvmm_set_group(nodes);
	unsigned int node = after < 0 ? 0 : (unsigned int)after + 1;

	while (node < nodes) {
		unsigned int bit = node / group;

		if (set >> bit & 1)
			return (int)node;
		node = (bit + 1) * group;
	}
	return -1;
}

unsigned int dvmm_set_count(u64 set, unsigned int nodes, int a, int b)
{
	unsigned int count = 0;
	int node;

	for (node = dvmm_set_next(set, nodes, -1); node >= 0;
	     node = dvmm_set_next(set, nodes, node))
		count += node != a && node != b;
	return count;
}
