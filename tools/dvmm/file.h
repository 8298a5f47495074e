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
	char *ssh;		/* where its host is reached, NULL: at its address */
	unsigned int port;
	unsigned int cpus;	/* of its cells */
	uint64_t memory;	/* likewise, bytes */
	uint64_t cache;		/* bytes, 0: no limit */
	bool later;		/* its host is not there when the machine starts */
};

/* A NUMA node of the guest, whose memory is the region of the same number. */
struct file_cell {
	char *name;
	unsigned int node;	/* where its vCPUs and its memory begin */
	unsigned int cpus;
	unsigned int first_cpu;
	uint64_t memory;	/* bytes */
};

/*
 * [guest]: what QEMU is told beside CPUs and memory.  It reads those up to GUEST_SMP in its machine
 * file, on all nodes; devices are the boot node's.
 */
enum guest_key {
	GUEST_MACHINE,
	GUEST_CPU,
	GUEST_SMP,
	GUEST_FIRMWARE,
	GUEST_DISK,
	GUEST_DISK2,
	GUEST_DISK3,
	GUEST_DISK4,
	GUEST_CDROM,
	GUEST_NET,
	GUEST_MAC,
	GUEST_CONSOLE,
	GUEST_KERNEL,
	GUEST_INITRD,
	GUEST_APPEND,
	GUEST_SHARE,
	GUEST_ARGS,
	GUEST_KEYS
};

extern const char *const guest_keys[GUEST_KEYS + 1];

/** guest_wrong - NULL, or what to write instead of that @value of @key */
const char *guest_wrong(enum guest_key key, const char *value);

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
	unsigned int stall;	/* seconds */
	const char *start;	/* spread, packed */
	bool prefetch;
	bool migratory;
	unsigned int cpus;	/* of all nodes */
	uint64_t memory;
	GPtrArray *nodes;	/* struct file_node, in the file's order */
	GPtrArray *cells;	/* struct file_cell, likewise */
	bool has_cells;		/* they have sections; else each node has one of its name */
	bool has_guest;
	char *guest[GUEST_KEYS];	/* NULL: not said */
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

/** file_why - why it cannot be read */
const char *file_why(const char *path);

/** file_size - "512", "512M", "16G": bytes, MiB if nothing is said; 0: it is none */
uint64_t file_size(const char *s);

struct file_node *file_node(const struct file *f, unsigned int index);
struct file_cell *file_cell(const struct file *f, unsigned int index);
/** file_cell_named - number of the cell of that name; -1: there is none */
int file_cell_named(const struct file *f, const char *name);
/** file_disk - the path of an image, and the node on whose host it is; -1: there is no such node */
const char *file_disk(const struct file *f, enum guest_key disk, int *node);

/** file_is_share - whether it has no vCPUs: a region that machines share */
bool file_is_share(const struct file *f);
/** file_stem - the machine's name in its directory: that of the file without .conf; to be freed */
char *file_stem(const struct file *f);

/* What file_text() leaves out or adds: the node's own affairs; what QEMU does not read. */
#define FILE_LOCAL	1
#define FILE_TOOL	2

/** file_text - the file as it could be written, with all that is not said in it; to be freed */
char *file_text(const struct file *f, unsigned int parts);
/** file_digest - in hex, of all that has to be the same on all nodes; to be freed */
char *file_digest(const struct file *f);

#endif
