/* SPDX-License-Identifier: GPL-2.0 */
/* Which nodes of a machine that runs take part. */
#ifndef DVMM_MEMBERS_H
#define DVMM_MEMBERS_H

#include "place.h"

/**
 * members_await - until a node's state is this one
 * @word: the machine, as on the command line
 * @state: "member" or "absent"
 *
 * Return: 0, or an exit status after a line on stderr: it will not be.
 */
int members_await(const struct options *o, const struct file *f, const char *word,
		  unsigned int node, const char *state);

#endif
