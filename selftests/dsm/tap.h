/* SPDX-License-Identifier: GPL-2.0 */
/* What every test program needs: TAP on stdout, a bound, a look at the kernel log. */
#ifndef DVMM_TEST_TAP_H
#define DVMM_TEST_TAP_H

#include <stdbool.h>
#include <stdint.h>

/**
 * tap_start - begin the output
 * @seconds: bound of the whole program; beyond it "Bail out!" and status 1
 */
void tap_start(unsigned int seconds);

/** tap_patience - times as long as usual to wait: $DVMM_PATIENCE, for slow kernels; or 1 */
unsigned int tap_patience(void);

/** tap_ok - one result; @fmt names what it proves */
bool tap_ok(bool ok, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** tap_skip - one result that could not be had, with the reason */
void tap_skip(const char *what, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** tap_diag - a line for the reader */
void tap_diag(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** tap_skip_all - nothing of this program can run here; does not return */
void tap_skip_all(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
/** tap_bail - nothing more makes sense; does not return */
void tap_bail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
/** tap_end - print the plan; the status for exit() */
int tap_end(void);

/* Seeded numbers: a failing case can be had again from the seed in the output. */
uint64_t rnd_seed(uint64_t seed);
uint64_t rnd(void);
/** rnd_range - a number of @lo .. @hi */
uint64_t rnd_range(uint64_t lo, uint64_t hi);

/** now_ns - CLOCK_MONOTONIC */
uint64_t now_ns(void);

/** klog_open - remember where the kernel log ends now */
void klog_open(void);
/** klog_says - does a line of the kernel log have both texts? */
bool klog_says(const char *who, const char *what);
/** klog_clean - true if the kernel has not complained since; complaints are shown */
bool klog_clean(void);

#endif
