/* SPDX-License-Identifier: GPL-2.0 */
/* What the kernel tells of its machines, by generic netlink. */
#ifndef DVMM_KERNEL_H
#define DVMM_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>
#include <linux/dvmm_netlink.h>

#include "file.h"
#include "verbs.h"

struct machine_link {
	unsigned int peer;
	char *transport;
	unsigned int status;	/* enum dvmm_link_status */
	unsigned int in_flight;	/* frames */
	uint64_t sent;		/* frames, as received */
	uint64_t received;
	uint64_t bytes_sent;
	uint64_t bytes_received;
};

struct machine_region {
	unsigned int id;
	unsigned int home;
	uint64_t pages;
	uint64_t homed;		/* pages whose home the node is */
	uint64_t frames;
	uint64_t limit;		/* pages, 0: none */
};

/**
 * struct machine - a node of a machine in this kernel
 * @file: its machine file, NULL if there is none in the directory
 * @since: CLOCK_BOOTTIME in ns, of the state
 * @stats: by enum dvmm_stats_attr
 */
struct machine {
	struct file *file;
	char uuid[37];
	unsigned int node;
	unsigned int nodes;
	unsigned int state;	/* enum dvmm_machine_state */
	unsigned int members;	/* of nodes, those that are there */
	unsigned int links_up;
	unsigned int hold_us;
	bool secure;
	uint64_t since;
	char *reason;
	GPtrArray *links;
	GPtrArray *regions;
	uint64_t stats[DVMM_A_STATS_MAX + 1];
};

/**
 * struct machine_event - something happened
 * @time: CLOCK_BOOTTIME in ns
 * @peer: -1: it is about no other node
 */
struct machine_event {
	unsigned int type;	/* enum dvmm_notice */
	char uuid[37];
	unsigned int node;
	int peer;
	uint64_t time;
	const char *reason;	/* "" if there is none */
};

struct kernel;

/** kernel_is_there - whether the module is loaded */
bool kernel_is_there(void);
/** kernel_open - NULL after a line on stderr, with the exit status in @status */
struct kernel *kernel_open(int *status);
void kernel_close(struct kernel *k);

/**
 * kernel_machines - all that may be seen, sorted by UUID and node
 * @k: the kernel
 * @o: where machine files are
 * @word: NULL for all, the path or name of a machine file, or the beginning of a UUID
 * @status: if the result is NULL, after a line on stderr
 *
 * Return: of struct machine, freed by g_ptr_array_unref().  Empty if a machine has a file
 * and does not run here.
 */
GPtrArray *kernel_machines(struct kernel *k, const struct options *o, const char *word,
			   int *status);

/** kernel_uuid - UUID of the machine that a word means, or its beginning; to be freed; or NULL */
char *kernel_uuid(const struct options *o, const char *word);

/**
 * struct machine_clock - the TSC of another node beside ours
 * @offset: theirs minus ours, cycles
 * @error: bound of its error, cycles
 * @khz: of this host's TSC
 * @time: CLOCK_BOOTTIME in ns, when it was measured
 */
struct machine_clock {
	int64_t offset;
	uint64_t error;
	unsigned int khz;
	uint64_t time;
};

/** kernel_clock - measure now, @rounds times; 0 or an exit status after a line */
int kernel_clock(struct kernel *k, const struct machine *m, unsigned int peer,
		 unsigned int rounds, struct machine_clock *c);

/* What came of a chunk, and how many of its pages had been used */
struct rehomed {
	bool moved;
	uint64_t touched;
};

/**
 * kernel_rehome - a node in this kernel makes another one the home of a chunk
 * @m: the node
 * @region: id of the region
 * @page: number of one of the chunk's pages
 * @to: the new home
 * @if_here: a chunk whose home is elsewhere stays there, which is no error
 * @what: filled
 *
 * Return: 0 or an exit status after a line.
 */
int kernel_rehome(struct kernel *k, const struct machine *m, unsigned int region, uint64_t page,
		  unsigned int to, bool if_here, struct rehomed *what);

/** kernel_follow - from now on kernel_event() works; 0 or an exit status after a line */
int kernel_follow(struct kernel *k);
/** kernel_event - wait for the next one; false after a line: there will be none */
bool kernel_event(struct kernel *k, void (*fn)(const struct machine_event *e, void *arg),
		  void *arg);

/** machine_name - as people call it: by its file, else by its UUID */
const char *machine_name(const struct machine *m);
/** machine_node - the name of one of its nodes by its file, else the number, in @buf */
const char *machine_node(const struct machine *m, unsigned int node, char buf[16]);

extern const char *const machine_states[];
extern const char *const link_states[];

/* Names of counters by enum dvmm_stats_attr; those of debugfs. */
extern const char *const stats_names[DVMM_A_STATS_MAX + 1];

#endif
