/* SPDX-License-Identifier: GPL-2.0 */
/* A machine's state in a directory. */
#ifndef DVMM_CHECKPOINT_H
#define DVMM_CHECKPOINT_H

#include "file.h"
#include "verbs.h"

/* QEMU's stream, in the directory */
#define CHECKPOINT_STATE	"state"

/**
 * checkpoint_restore - a machine that does not run will begin with it
 * @o: with parts memory may be on the hosts of the nodes; with force it may be another
 *	machine's; with replace IMAGE.before may be there, from an earlier time, and goes
 *
 * Disks of [guest] become those of the checkpoint.  What was there stays as IMAGE.before; where
 * there is one already, nothing is done.  Of disks that the checkpoint has and [guest] does not
 * name, nothing is made.
 *
 * Return: true; false after a line on stderr.  No image has changed then, unless it is a rename
 * that has failed; copies that were whole may be left as IMAGE.new.
 */
bool checkpoint_restore(const struct options *o, const struct file *f, const char *dir);

/** checkpoint_loaded - of an increment the state as a whole file is not wanted any more */
void checkpoint_loaded(const char *dir);

#endif
