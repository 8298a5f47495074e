/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sharer sets: one bit a node up to 64 nodes, one bit a group of neighbouring
 * nodes beyond (coarse vector: Gupta, Weber, Mowry, ICPP 1990).
 */
#ifndef DVMM_ENGINE_SET_H
#define DVMM_ENGINE_SET_H

#include "engine.h"

#define DVMM_SET_BITS	64

/** dvmm_set_exact - true if a bit stands for one node */
bool dvmm_set_exact(unsigned int nodes);
/** dvmm_set_bit - the bit of @node */
u64 dvmm_set_bit(unsigned int node, unsigned int nodes);
/** dvmm_set_count - number of nodes in @set, @a and @b left out */
unsigned int dvmm_set_count(u64 set, unsigned int nodes, int a, int b);

#endif
