/* SPDX-License-Identifier: GPL-2.0 */
/* How the vCPUs of a node on this host spend their time. */
#ifndef DVMM_MEASURE_H
#define DVMM_MEASURE_H

#include "place.h"

struct json_object;

/**
 * measure - look at it for a while
 * @word: the machine, as on the command line
 * @p: the node, on this host
 * @status: filled if there is no result
 *
 * Return: an object, which dvmm(8) describes at "vcpus"; NULL after a line on stderr.
 */
struct json_object *measure(const struct options *o, const struct file *f, const char *word,
			    const struct place *p, int *status);

#endif
