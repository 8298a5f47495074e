/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The agent's protocol: one message a line, words separated by one space, and
 * every byte of a word that is a blank, a control character, '%' or not ASCII
 * written as %XX. A line that was cut by a lost connection spoils nothing but
 * itself, which is why this is text.
 *
 *   client: hello NONCE | run ID ARG... | in ID DATA | eof ID | kill ID SIGNAL
 *   agent:  hello NONCE | out ID DATA | err ID DATA | exit ID STATUS
 *
 * STATUS is the exit status, or 128 + the signal that ended the program, or
 * 127 where it could not be started, as a shell has it.
 */
#ifndef DVMM_TESTBED_LINE_H
#define DVMM_TESTBED_LINE_H

#include <stddef.h>

enum {
	LINE_CHUNK = 4096,		/* payload bytes of one out/err/in line */
	LINE_MAX_LEN = 256 * 1024,	/* longer lines are dropped */
	LINE_MAX_WORDS = 1024,
};

struct line_reader {
	char buf[LINE_MAX_LEN];
	size_t len;
	int skipping;			/* inside a line that is too long */
};

/* Appends @len bytes of @data, escaped, to @out; returns the bytes written. */
size_t line_escape(char *out, const char *data, size_t len);
/* Undoes line_escape() in place; returns the new length, zero-terminated. */
size_t line_unescape(char *word);
/* Splits @line in place; returns the number of words, at most @max. */
int line_split(char *line, char **words, int max);
/*
 * Takes @len bytes that arrived and calls @handle for each complete line,
 * without its end. @handle may change the line.
 */
void line_feed(struct line_reader *r, const char *data, size_t len,
	       void (*handle)(char *line, void *ctx), void *ctx);
/* Writes all of @len bytes, waiting as long as it takes; 0 or -1. */
int line_write(int fd, const char *data, size_t len);

#endif
