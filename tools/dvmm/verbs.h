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

#define CONF_DIR	"/etc/dvmm"

struct options {
	bool json;
	const char *dir;	/* of machine files */
	const char *transport;
	char **nodes;		/* of --node, ended by NULL */
	unsigned long count;	/* of passes or events, 0: no end */
	double delay;		/* seconds between passes */
};

/** verb_fail - one line: what is wrong, and what to do about it; returns @status */
int verb_fail(int status, const char *what, const char *remedy);

int verb_check(const struct options *o, int argc, char **argv);
int verb_dump(const struct options *o, int argc, char **argv);
int verb_cmdline(const struct options *o, int argc, char **argv);
int verb_create(const struct options *o, int argc, char **argv);
int verb_list(const struct options *o, int argc, char **argv);
int verb_topology(const struct options *o, int argc, char **argv);
int verb_status(const struct options *o, int argc, char **argv);
int verb_is_active(const struct options *o, int argc, char **argv);
int verb_top(const struct options *o, int argc, char **argv);
int verb_events(const struct options *o, int argc, char **argv);
int verb_clock(const struct options *o, int argc, char **argv);
int verb_metrics(const struct options *o, int argc, char **argv);
int verb_doctor(const struct options *o, int argc, char **argv);

#endif
