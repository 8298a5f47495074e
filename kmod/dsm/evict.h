/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Room for frames where a region is not homed.
 *
 * A fault reserves one frame before it asks for a page and gives the
 * reservation back when it is done; meanwhile the frame that came counts as
 * well.  So frames never exceed the limit.
 */
#ifndef DVMM_EVICT_H
#define DVMM_EVICT_H

#include "region.h"

/** dvmm_evict_reserve - wait for room for one frame; 0, -EINTR or -EIO */
int dvmm_evict_reserve(struct dvmm_region *r);
void dvmm_evict_unreserve(struct dvmm_region *r);

#endif
