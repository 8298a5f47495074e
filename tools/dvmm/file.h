/* SPDX-License-Identifier: GPL-2.0 */
/* The machine file: what it says, and where it is wrong. */
#ifndef DVMM_FILE_H
#define DVMM_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#define FILE_NODES_MAX	64

struct file_node {
	char *name;
	char *address;		/* NULL with transport loop */
	unsigned int port;
	unsigned int cpus;
	uint64_t memory;	/* bytes */
	uint64_t cache;		/* bytes, 0: no limit */
};

struct file {
	char *path;
	char *name;
	char *uuid;
	const char *transport;
	const char *security;	/* tls, auth, none */
	char *key;		/* path of the key's file */
	unsigned int timeout;	/* seconds */
	unsigned int distance;
	unsigned int hold_us;
	bool prefetch;
	bool migratory;
	unsigned int cpus;	/* of all nodes */
	uint64_t memory;
	GPtrArray *nodes;	/* struct file_node, in the file's order */
};

/**
 * file_read - read and check a machine file
 * @path: the file
 * @error: gets one line "FILE:LINE: what is wrong: remedy"
 *
 * Return: what it says, to be given to file_free(); NULL and @error.
 */
struct file *file_read(const char *path, char **error);
void file_free(struct file *f);

#endif
