/* SPDX-License-Identifier: GPL-2.0 */
/* The same command on the hosts of a machine's nodes. */
#ifndef DVMM_REMOTE_H
#define DVMM_REMOTE_H

#include "place.h"

/**
 * remote_argv - what runs "dvmm WORDS..." on the host of a node
 * @words: ended by NULL
 *
 * There is no other program between for a node on this host, and $DVMM_SSH for the others.
 *
 * Return: to be freed by g_strfreev()
 */
char **remote_argv(const struct options *o, const struct file *f, unsigned int node,
		   const char *const *words);

/** remote_host - as remote_argv() for a host that is of no machine */
char **remote_host(const struct options *o, const char *host, const char *const *words);

/**
 * remote_run - run it to its end
 * @name: of the host, for messages
 * @argv: of remote_argv(), freed here
 * @input: its standard input, NULL: nothing
 * @output: gets what it has printed, to be freed; NULL: it is printed here
 *
 * Return: its exit status; EXIT_SILENT after a line on stderr if the host was not reached
 */
int remote_run(const char *name, char **argv, const char *input, char **output);

/** remote_status - exit status of what remote_argv() was run as, said on stderr if it never ran */
int remote_status(const char *name, int wait_status);

/** remote_drain - all that comes through a pipe, which is closed; to be freed */
char *remote_drain(int fd);

/** remote_forward - become it; does not return but after a line on stderr */
int remote_forward(const struct options *o, const struct file *f, unsigned int node,
		   const char *const *words, bool terminal);

#endif
