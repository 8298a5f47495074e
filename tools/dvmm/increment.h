/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A file of a checkpoint in layers: NAME.0 is a whole one of an earlier checkpoint, each other
 * what has changed since the one below it.  A checkpoint has all layers of its files, as names of
 * what other checkpoints have too, and is there without those.
 */
#ifndef DVMM_INCREMENT_H
#define DVMM_INCREMENT_H

#include <stdbool.h>

#include <glib.h>
#include <json-c/json.h>

/* How many layers a file has at most, each of which is read for each page */
#define INCREMENT_MAX	32

/** increment_name - of a layer; to be freed */
char *increment_name(const char *name, unsigned int layer);

/** increment_layers - how many a checkpoint's file has; 0: it is whole, or not there */
unsigned int increment_layers(struct json_object *manifest, const char *name);

/**
 * increment_make - split a whole file of a checkpoint that is being made
 * @part: its directory; @name: the file, which is not there afterwards
 * @of: manifest of the checkpoint before; @since: its directory
 * @names: gets those of its layers
 *
 * Return: true; false after a line on stderr
 */
bool increment_make(const char *part, const char *name, struct json_object *of, const char *since,
		    GPtrArray *names);

#endif
