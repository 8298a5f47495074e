/* SPDX-License-Identifier: GPL-2.0 */
/* Memory that other nodes hold is brought to a node before it is needed. */
#ifndef DVMM_GATHER_H
#define DVMM_GATHER_H

#include <signal.h>

#include "place.h"

/**
 * gather - have a copy of what other nodes hold of the guest's memory, while the guest runs
 * @p: a node of this host
 * @stop: when it is not 0 any more, enough is enough
 *
 * All of the memory is gone through, and again for as long as that takes less than half of the
 * time before: what the guest writes meanwhile is elsewhere once more.  Whatever cannot be
 * had is had later, by who needs it.  It is how memory is copied before a live migration
 * (Clark et al., NSDI 2005).
 */
void gather(const struct place *p, const volatile sig_atomic_t *stop);

#endif
