/* SPDX-License-Identifier: GPL-2.0 */
/* Where the nodes of a machine are, and what is kept of one that runs on this host. */
#ifndef DVMM_PLACE_H
#define DVMM_PLACE_H

#include "file.h"
#include "verbs.h"

#define STATE_DIR	"/run/dvmm"
#define VARS_DIR	"/var/lib/dvmm"
#define SHARE_SOCKET	"ivshmem"

/**
 * struct place - a node of a machine on this host
 * @node: its number in the file
 * @dir: what is kept of it: STATE/MACHINE/NODE
 * @machine: the machine file that QEMU reads
 * @vars: variables of its UEFI
 */
struct place {
	unsigned int node;
	char *dir;
	char *machine;
	char *vars;
};

/** place_file - of a word of the command line; NULL after a line on stderr */
struct file *place_file(const struct options *o, const char *word);
/** machine_file - the same, of a machine that has vCPUs */
struct file *machine_file(const struct options *o, const char *word);

/** place_node - number of a node by its name; -1 after a line on stderr */
int place_node(const struct file *f, const char *name);
/** place_cell - number of a cell by its name; -1 after a line on stderr */
int place_cell(const struct file *f, const char *name);
/** place_own - number of the node that is meant to be on this host; -1: none is */
int place_own(const struct file *f);
/** place_pick - by its name, or that of this host if @name is NULL; -1 after a line on stderr */
int place_pick(const struct file *f, const char *name);
/** place_host_is_this - whether a host's name, whole or up to the first dot, is ours */
bool place_host_is_this(const char *name);
/** place_is_here - whether a node is reached without a network */
bool place_is_here(const struct file *f, unsigned int node);

void place_make(struct place *p, const struct options *o, const struct file *f, unsigned int node);
void place_free(struct place *p);

/** place_path - DIR/NAME, to be freed */
char *place_path(const struct place *p, const char *name);
/** place_share - the socket of a shared region's node that has the name of this one; to be freed */
char *place_share(const struct place *p, const char *name);
/** place_read - content of DIR/NAME without its last end of line; NULL if there is none */
char *place_read(const struct place *p, const char *name);
/** place_write - false after a line on stderr */
bool place_write(const struct place *p, const char *name, const char *text);

/** place_lock - the node is run by this process from now on; false after a line on stderr */
bool place_lock(const struct place *p);
/** place_lock_checkpoint - nobody else makes its checkpoints; false after a line on stderr */
bool place_lock_checkpoint(const struct place *p);
/** place_runner - the process that runs the node, 0: none */
int place_runner(const struct place *p);
/** place_write_pid - this process does; false after a line on stderr */
bool place_write_pid(const struct place *p);
/** place_go_behind - a child goes on, without a terminal and out of whoever's way who has asked */
bool place_go_behind(const struct place *p);
/** place_in_child - a program of whoever runs a node begins: it does not outlive that one */
void place_in_child(gpointer parent);
/** place_unit - the service that runs the node here, to be freed; NULL: there is none */
char *place_unit(const struct options *o, const struct file *f, unsigned int node);
/** place_is_served - whether this host has that node, or is the one that was asked for it */
bool place_is_served(const struct options *o, const struct file *f, const struct place *p);

#endif
