/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The machines of a pool.
 *
 * A machine is stopped, starting, running, stopping or failed; each of its cells, which is a node
 * of the machine file, is idle, starting, running, lost or ended. A cell that is neither idle nor
 * ended may run: its machine is started nowhere else.
 */
#ifndef DVMMD_MACHINE_H
#define DVMMD_MACHINE_H

#include "pool.h"

/** machines_apply - as pool_apply() */
char *machines_apply(struct pool *p, unsigned int sender, const char *kind,
		     struct json_object *message);
/** machines_lose_host - what runs there is out of reach */
void machines_lose_host(struct pool *p, unsigned int id);
/** machines_lost_on - whether a node may still run there that was lost with it */
bool machines_lost_on(const struct pool *p, unsigned int id);
/** machines_look - those that wait for room begin where there is some now; whether one does */
bool machines_look(struct pool *p);
/** machines_are_fine - whether another host's machines have all that is read of them */
bool machines_are_fine(struct json_object *machines);
/** machine_cells - an array of cell, node, cpus, memory, host, state */
struct json_object *machine_cells(struct json_object *machine);
/** cell_may_run - whether there may be a QEMU of it */
bool cell_may_run(struct json_object *cell);

#endif
