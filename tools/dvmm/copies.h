/* SPDX-License-Identifier: GPL-2.0 */
/* A machine's file and key on the hosts of its nodes. */
#ifndef DVMM_COPIES_H
#define DVMM_COPIES_H

#include "place.h"

/**
 * copies_compare - whether a node's host has the same file and key as this one
 * @word: what names the machine, on all hosts
 * @show: the difference is printed
 *
 * Return: 0, or an exit status after a line on stderr
 */
int copies_compare(const struct options *o, const struct file *f, unsigned int node,
		   const char *word, bool show);

/** copies_digest - what has to be the same on all hosts, in a line of text; to be freed */
char *copies_digest(const struct file *f);

#endif
