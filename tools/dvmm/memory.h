/* SPDX-License-Identifier: GPL-2.0 */
/* The memory of a guest's cell, as a host has it. */
#ifndef DVMM_MEMORY_H
#define DVMM_MEMORY_H

#include "place.h"

/**
 * memory_open - a descriptor of the region that is a cell's memory
 * @p: a node; its QEMU runs on this host
 *
 * It is QEMU's own, taken over by pidfd_getfd(2), which needs the right to trace it.
 *
 * Return: the descriptor; -1 after a line on stderr
 */
int memory_open(const struct place *p, unsigned int cell);

/** memory_name - of the file in a checkpoint that has a cell's memory; to be freed */
char *memory_name(unsigned int cell);

/** memory_is_zero - whether a block has nothing but zeroes */
bool memory_is_zero(const void *data, size_t len);

/**
 * memory_fill - what a file has becomes the memory
 * @memory: of memory_open()
 * @from: the file, of @bytes
 *
 * Pages of zeroes are left alone: memory that nobody has touched has them.
 *
 * Return: true; false with errno
 */
bool memory_fill(int memory, int from, uint64_t bytes);

#endif
