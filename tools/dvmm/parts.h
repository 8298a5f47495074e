/* SPDX-License-Identifier: GPL-2.0 */
/* The parts of a checkpoint that other hosts write and read: each node's memory. */
#ifndef DVMM_PARTS_H
#define DVMM_PARTS_H

#include <signal.h>

#include <json-c/json.h>

#include "place.h"

struct parts;

/**
 * parts_has - whether the memory of a cell is in a node's part
 *
 * That of a host that joins later is in the first node's, where it begins.
 */
bool parts_has(const struct file *f, unsigned int node, unsigned int cell);

/**
 * parts_begin - who keeps memory begins, on the host of each node that has some
 * @dir: of the checkpoint; DIR.part is there
 * @link: that will name it instead of the one before; NULL: none
 * @stop: once it is not 0, nobody is waited for until parts_name()
 *
 * What others hold of a node's memory has been read there when it returns.
 *
 * Return: to be given to parts_end(); NULL after a line on stderr
 */
struct parts *parts_begin(const struct options *o, const struct file *f, const char *dir,
			  const char *link, const volatile sig_atomic_t *stop);

/** parts_cut - all of it is kept as it is now; false after a line on stderr.  No vCPU MUST run. */
bool parts_cut(struct parts *parts);

/** parts_written - what the manifest says of them, or NULL; they are on the disks then */
struct json_object *parts_written(struct parts *parts);

/** parts_name - they get their place; false after a line on stderr */
bool parts_name(struct parts *parts);

/** parts_end - what @parts had before goes if @whole, else the parts themselves do */
void parts_end(struct parts *parts, bool whole);

/** parts_compare - each host has the part that the manifest names; false after lines on stderr */
bool parts_compare(const struct options *o, const struct file *f, struct json_object *manifest,
		   const char *dir);

/** parts_load - each host reads its part into a machine that has not begun; false after lines */
bool parts_load(const struct options *o, const struct file *f, const char *dir);

#endif
