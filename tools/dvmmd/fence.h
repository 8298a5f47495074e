/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Hosts that are out of reach are switched off, by a program.
 *
 * It is run for a host that is away and has lost nodes, on one host of the open view: the one that
 * pool_fencer() names. Its exit status 0 says that the host is off, and the group is told so.
 * Nothing else says it.
 */
#ifndef DVMMD_FENCE_H
#define DVMMD_FENCE_H

#include "replica.h"

struct fences;

/**
 * fences_new - fences nothing yet
 * @r: stays the caller's; this host's part in it is @self
 * @program: takes a host's name and address; NULL: there is none
 * @bound: seconds that it may take
 */
struct fences *fences_new(unsigned int self, struct replica *r, const char *program, int bound);
/** fences_free - ends programs that run */
void fences_free(struct fences *all);

/**
 * fences_look - the state, or what of it is stable, is another
 *
 * Begins what there is to be done, and ends programs for hosts that have come back, that another
 * host fences, or that are of a view which is not open any more.
 */
void fences_look(struct fences *all);

#endif
