/* SPDX-License-Identifier: GPL-2.0 */
/* How a cell is run on this host: its machine file, its key, its commands. */
#ifndef DVMMD_RUNNER_H
#define DVMMD_RUNNER_H

#include "pool.h"

/**
 * struct runner - where things are
 * @dvmm: the command
 * @state: directory of what runs
 * @authkey: corosync's key, which machines' keys are derived from
 */
struct runner {
	const char *dvmm;
	const char *state;
	const char *authkey;
};

/**
 * runner_prepare - writes the machine file of that run, with the addresses of the cells' hosts
 * @why: what is wrong, one line to be freed
 *
 * Return: commands, to be freed with g_ptr_array_unref(), each an array of words: the first runs
 * the cell, the others have to end well, in their order, once it is ready; NULL and @why.
 */
GPtrArray *runner_prepare(const struct runner *r, const struct pool *p,
			  struct json_object *machine, unsigned int cell, char **why);

#endif
