/* SPDX-License-Identifier: GPL-2.0 */
/* Refused calls, as data. */
#ifndef DVMM_TEST_UAPI_H
#define DVMM_TEST_UAPI_H

#include <stddef.h>
#include <stdint.h>

#include "node.h"

#define ARG_MAX_BYTES 256

enum where { ON_DEV, ON_MACHINE, ON_LINK, WHERES };

/**
 * struct call - an ioctl
 * @name: for messages
 * @on: the descriptor it belongs to
 * @cmd: its number
 * @size: of its argument
 * @sound: fills an argument that would be accepted
 */
struct call {
	const char *name;
	enum where on;
	unsigned long cmd;
	size_t size;
	void (*sound)(void *arg);
};

/**
 * struct refusal - a field with values that must be refused
 * @call: index into calls
 * @what: for messages
 * @at: offset of the field
 * @width: of the field in bytes: 1, 2, 4 or 8
 * @lo: lowest refused value
 * @hi: highest refused value
 * @mask: if not 0, the value is and-ed with it and made non-zero in it
 * @err: expected errno
 * @err2: another errno that is as good, or 0
 */
struct refusal {
	const struct call *call;
	const char *what;
	size_t at;
	int width;
	uint64_t lo, hi;
	uint64_t mask;
	int err, err2;
};

extern const struct call calls[];
extern const int call_count;
extern const struct refusal refusals[];
extern const int refusal_count;

#endif
