/* SPDX-License-Identifier: GPL-2.0 */
#ifndef DVMM_TEST_MEM_IO_H
#define DVMM_TEST_MEM_IO_H

#include "cluster.h"

/** mem_io - file and socket I/O from and to shared memory; @c has 2 nodes */
void mem_io(struct cluster *c);

/** mem_io_file - a new file that has no name, in a directory that allows @flags; or -1 */
int mem_io_file(int flags, const char **where);

#endif
