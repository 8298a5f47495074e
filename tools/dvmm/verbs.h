/* SPDX-License-Identifier: GPL-2.0 */
/* Verbs of the command: each gets its own argument vector and returns the exit status. */
#ifndef DVMM_VERBS_H
#define DVMM_VERBS_H

#include <stdbool.h>

/* Exit statuses; dvmm(8) lists them. */
#define EXIT_FAILED	1
#define EXIT_USAGE	2
#define EXIT_STOPPED	3
#define EXIT_DENIED	4
#define EXIT_UNKNOWN	4
#define EXIT_MISSING	5
#define EXIT_FILE	6
#define EXIT_SILENT	7

#define CONF_DIR	"/etc/dvmm"

struct options {
	bool json;
	bool force;
	bool detach;
	bool once;
	bool dry_run;
	bool parts;		/* each node's host writes or reads its memory */
	bool replace;		/* what an earlier one has left goes */
	bool here;		/* asked by another host: ask no further one */
	bool satellites;	/* somebody else has the boot node's QEMU */
	const char *dir;	/* of machine files */
	const char *state;	/* of what runs */
	const char *transport;
	const char *page;	/* "REGION:NUMBER" */
	const char *symbols;	/* of the guest's kernel: a file */
	const char *from;	/* a checkpoint to begin with */
	const char *since;	/* the checkpoint before */
	const char *restart;	/* a checkpoint to go on from after a failure */
	const char *keep;	/* where a node that runs makes checkpoints of itself */
	char **nodes;		/* of --node, ended by NULL */
	char **guest;		/* "KEY = VALUE" of [guest], ended by NULL */
	double patience;	/* seconds, 0: as long as the verb thinks right */
	unsigned long count;	/* of passes or events, 0: no end */
	double every;		/* seconds between checkpoints, 0: none are made */
	double delay;		/* seconds between passes, or of a look */
};

/** verb_fail - one line: what is wrong, and what to do about it; returns @status */
int verb_fail(int status, const char *what, const char *remedy);

int verb_check(const struct options *o, int argc, char **argv);
int verb_dump(const struct options *o, int argc, char **argv);
int verb_cmdline(const struct options *o, int argc, char **argv);
int verb_run(const struct options *o, int argc, char **argv);
int verb_share(const struct options *o, int argc, char **argv);
int verb_wait(const struct options *o, int argc, char **argv);
int verb_up(const struct options *o, int argc, char **argv);
int verb_down(const struct options *o, int argc, char **argv);
int verb_pause(const struct options *o, int argc, char **argv);
int verb_resume(const struct options *o, int argc, char **argv);
int verb_reset(const struct options *o, int argc, char **argv);
int verb_move(const struct options *o, int argc, char **argv);
int verb_spread(const struct options *o, int argc, char **argv);
int verb_pack(const struct options *o, int argc, char **argv);
int verb_vcpus(const struct options *o, int argc, char **argv);
int verb_balance(const struct options *o, int argc, char **argv);
int verb_checkpoint(const struct options *o, int argc, char **argv);
int verb_keep(const struct options *o, int argc, char **argv);
int verb_fill(const struct options *o, int argc, char **argv);
int verb_load(const struct options *o, int argc, char **argv);
int verb_fork(const struct options *o, int argc, char **argv);
int verb_console(const struct options *o, int argc, char **argv);
int verb_push(const struct options *o, int argc, char **argv);
int verb_receive(const struct options *o, int argc, char **argv);
int verb_diff(const struct options *o, int argc, char **argv);
int verb_create(const struct options *o, int argc, char **argv);
int verb_list(const struct options *o, int argc, char **argv);
int verb_topology(const struct options *o, int argc, char **argv);
int verb_status(const struct options *o, int argc, char **argv);
int verb_is_active(const struct options *o, int argc, char **argv);
int verb_top(const struct options *o, int argc, char **argv);
int verb_hot(const struct options *o, int argc, char **argv);
int verb_trace(const struct options *o, int argc, char **argv);
int verb_events(const struct options *o, int argc, char **argv);
int verb_clock(const struct options *o, int argc, char **argv);
int verb_add(const struct options *o, int argc, char **argv);
int verb_remove(const struct options *o, int argc, char **argv);
int verb_evacuate(const struct options *o, int argc, char **argv);
int verb_nodes(const struct options *o, int argc, char **argv);
int verb_rehome(const struct options *o, int argc, char **argv);
int verb_metrics(const struct options *o, int argc, char **argv);
int verb_hosts(const struct options *o, int argc, char **argv);
int verb_machines(const struct options *o, int argc, char **argv);
int verb_define(const struct options *o, int argc, char **argv);
int verb_named(const struct options *o, int argc, char **argv);
int verb_doctor(const struct options *o, int argc, char **argv);

#endif
