/* SPDX-License-Identifier: GPL-2.0 */
/* Disks of the guest that are on a satellite's host: qemu-nbd there, for the boot node's QEMU. */
#ifndef DVMM_EXPORT_H
#define DVMM_EXPORT_H

#include "place.h"

#define EXPORT_PORTS	1000	/* from a node's port to that of the first disk on its host */
#define EXPORT_USER	"dvmm"	/* whom the key is said to be of */
#define EXPORT_DISKS	(GUEST_DISK4 - GUEST_DISK + 1)

/**
 * struct exports - of the node that this process runs
 * @pid: qemu-nbd of each disk, 0: none
 * @qemu: whether it was started
 * @failed: is called with @arg when one of them does, and all that it has said is in its @out
 */
struct exports {
	GPid pid[EXPORT_DISKS];
	bool qemu;
	void (*failed)(void *arg, const char *disk);
	void *arg;
};

/** export_port - where that host gives it to the boot node */
unsigned int export_port(const struct file *f, enum guest_key disk);
/** export_has - a disk that is on a node's host, or NULL */
const char *export_has(const struct file *f, int node);
/** export_any - is any disk on another host than the boot node's? */
bool export_any(const struct file *f);
/** export_keys - the directory with the key for both ends, to be freed; NULL: there is none */
char *export_keys(const struct file *f, const struct place *p);

/**
 * exports_begin - before QEMU is started
 * @e: with @failed and @arg, else zeroed; MUST stay where it is until exports_end()
 * @out: gets what the programs say
 *
 * Return: an exit status, after a line on stderr if it is not 0.
 */
int exports_begin(struct exports *e, const struct file *f, const struct place *p, int out);
/** exports_end - QEMU has ended; the boot node's may still write, for a while */
void exports_end(struct exports *e);

#endif
