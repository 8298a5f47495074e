/* SPDX-License-Identifier: GPL-2.0 */
/* A directory of files that gets its name when all of it is on the disk. */
#ifndef DVMM_DRAFT_H
#define DVMM_DRAFT_H

#include <stdbool.h>

/**
 * draft_begin - make the directory where the files are until then
 * @dir: the name that it is to get
 *
 * Return: DIR.part, to be freed; NULL after a line on stderr: that or @dir is there already, or it
 * cannot be made
 */
char *draft_begin(const char *dir);

/**
 * draft_commit - give it its name
 *
 * The files MUST be on the disk.  Return: true; false after a line on stderr.
 */
bool draft_commit(const char *part, const char *dir);

/** draft_sync - names in a directory are on the disk; false: they may not be, and errno says why */
bool draft_sync(const char *path);

/** draft_drop - remove a directory that has nothing but files */
void draft_drop(const char *path);

#endif
