/* SPDX-License-Identifier: GPL-2.0 */
/* How all vCPUs of a machine spend their time, wherever they are. */
#ifndef DVMM_LOOK_H
#define DVMM_LOOK_H

#include "place.h"

struct json_object;

/**
 * look_take - look at all nodes at the same time, for o->delay seconds
 * @word: the machine, as on the command line
 * @status: filled if there is no result
 *
 * Return: an array of an object a node, in the file's order, which dvmm(8) describes at "vcpus";
 * NULL after a line on stderr, but for a signal.
 */
struct json_object *look_take(const struct options *o, const struct file *f, const char *word,
			      int *status);

/** look_end_by_signals - from now on SIGINT and SIGTERM end a look, and look_is_over() */
void look_end_by_signals(void);
bool look_is_over(void);

#endif
