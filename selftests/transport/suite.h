/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The conformance suite: a test takes a connected link's transport by name and
 * returns NULL, or what is wrong.
 */
#ifndef SUITE_H
#define SUITE_H

#include "module/xport-test.h"

struct test {
	const char *name;
	const char *(*run)(const char *transport);
};

extern int device;
extern const struct test tcp_tests[], abuse_tests[];
extern const char *const cannot;

const char *failed(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int ask(unsigned long what, struct xt_request *q);
int open_link(const char *transport, struct xt_request *q);
const char *close_link(const char *bad);
const char *expect_down(const char *why, int ups);
const char *wait_up(void);
const char *tls_traffic(const char *transport);
const char *tls_records(const char *transport);
void bench(const char *transport);

#endif
