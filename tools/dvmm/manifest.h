/* SPDX-License-Identifier: GPL-2.0 */
/* The manifest of a checkpoint. */
#ifndef DVMM_MANIFEST_H
#define DVMM_MANIFEST_H

#include "file.h"

/* Version of what a checkpoint's directory has */
#define MANIFEST_FORMAT	1
#define MANIFEST_NAME	"manifest.json"

/**
 * manifest_write - that makes a directory a checkpoint of that machine
 * @names: of its files, ended by NULL; they are on the disk when the manifest is
 *
 * Return: true; false after a line on stderr
 */
bool manifest_write(const struct file *f, const char *dir, const char *const *names);

/**
 * manifest_check - whether a machine can begin with the checkpoint
 * @force: it may be another machine's, of the same vCPUs and memory
 *
 * All files are read and compared with the manifest.
 *
 * Return: true; false after a line on stderr
 */
bool manifest_check(const struct file *f, const char *dir, bool force);

#endif
