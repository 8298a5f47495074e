/* SPDX-License-Identifier: GPL-2.0 */
/* The pool's machines on this host: units as the state wants them, run by systemd. */
#ifndef DVMMD_WORK_H
#define DVMMD_WORK_H

#include "replica.h"
#include "runner.h"

struct work;

/**
 * work_new - looks what runs here already
 * @r: stays the caller's; this host's part in it is @self
 */
struct work *work_new(unsigned int self, struct replica *r, const struct runner *runner);
void work_free(struct work *w);

/** work_look - the state, or what of it is stable, is another */
void work_look(struct work *w);
/** work_new_view - what was told before may not have been heard */
void work_new_view(struct work *w);
/** work_end - the pool goes on without this host: nothing of it may run here */
void work_end(struct work *w);

#endif
