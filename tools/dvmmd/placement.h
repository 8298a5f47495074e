/* SPDX-License-Identifier: GPL-2.0 */
/* On which hosts the cells of a machine go. */
#ifndef DVMMD_PLACEMENT_H
#define DVMMD_PLACEMENT_H

#include "pool.h"

/**
 * placement_make - gives each cell a host that is present and has room
 *
 * The host that is named as the cell is the first choice, then the one with most CPUs left, of
 * several such the one that is nearest to those which have cells of the machine already.
 * Return: NULL; or which cell has no host, one line to be freed: then no cell is another.
 */
char *placement_make(struct pool *p, struct json_object *machine);

#endif
