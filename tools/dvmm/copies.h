/* SPDX-License-Identifier: GPL-2.0 */
/* A machine's file and key on the hosts of its nodes. */
#ifndef DVMM_COPIES_H
#define DVMM_COPIES_H

#include "place.h"

/**
 * copies_compare - whether all hosts have the same file and key
 * @word: what names the machine, on all hosts
 * @show: the difference is printed
 *
 * Return: 0, or an exit status after a line on stderr for each host that differs
 */
int copies_compare(const struct options *o, const struct file *f, const char *word, bool show);

/** copies_digest - what has to be the same on all hosts, in a line of text; to be freed */
char *copies_digest(const struct file *f);

#endif
