// SPDX-License-Identifier: GPL-2.0
/* TAP output, bounds, seeded numbers and the kernel log. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

static unsigned int count, failed, bound;
static int klog = -1;
static __thread uint64_t state = 1;

static void too_long(int sig)
{
	static const char text[] = "Bail out! the bound of this program has passed\n";

	(void)sig;
	if (write(1, text, sizeof(text) - 1) < 0)
		_exit(2);
	_exit(1);
}

unsigned int tap_patience(void)
{
	const char *text = getenv("DVMM_PATIENCE");

	return text && atoi(text) > 0 ? atoi(text) : 1;
}

void tap_start(unsigned int seconds)
{
	seconds *= tap_patience();
	setvbuf(stdout, NULL, _IOLBF, 0);
	bound = seconds;
	signal(SIGALRM, too_long);
	signal(SIGPIPE, SIG_IGN);
	alarm(seconds);
	printf("TAP version 13\n");
}

static void say(const char *head, const char *fmt, va_list args)
{
	fputs(head, stdout);
	vprintf(fmt, args);
	putchar('\n');
	fflush(stdout);
}

bool tap_ok(bool ok, const char *fmt, ...)
{
	va_list args;
	char head[40];

	snprintf(head, sizeof(head), "%sok %u - ", ok ? "" : "not ", ++count);
	failed += !ok;
	va_start(args, fmt);
	say(head, fmt, args);
	va_end(args);
	return ok;
}

void tap_skip(const char *what, const char *fmt, ...)
{
	va_list args;
	char head[120];

	snprintf(head, sizeof(head), "ok %u - %s # SKIP ", ++count, what);
	va_start(args, fmt);
	say(head, fmt, args);
	va_end(args);
}

void tap_diag(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say("# ", fmt, args);
	va_end(args);
}

void tap_skip_all(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say("1..0 # SKIP ", fmt, args);
	va_end(args);
	exit(4);
}

void tap_bail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say("Bail out! ", fmt, args);
	va_end(args);
	exit(1);
}

int tap_end(void)
{
	printf("1..%u\n", count);
	if (failed)
		tap_diag("%u of %u failed", failed, count);
	fflush(stdout);
	return failed ? 1 : 0;
}

/* splitmix64 (Steele, Lea, Flood, OOPSLA 2014): any seed will do. */
uint64_t rnd_seed(uint64_t seed)
{
	state = seed;
	return seed;
}

uint64_t rnd(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

uint64_t rnd_range(uint64_t lo, uint64_t hi)
{
	return hi - lo == UINT64_MAX ? rnd() : lo + rnd() % (hi - lo + 1);
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

void klog_open(void)
{
	klog = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (klog >= 0)
		lseek(klog, 0, SEEK_END);
}

static bool is_complaint(const char *line)
{
	static const char * const words[] = {
		"BUG:", "WARNING:", "Oops", "general protection", "refcount_t",
		"blocked for more than", "INFO: rcu", "KASAN", "kernel BUG",
		"Call Trace", "soft lockup", "bad page", "Bad page",
	};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strstr(line, words[i]))
			return true;
	return false;
}

bool klog_says(const char *who, const char *what)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	bool says = false;
	char line[8192];
	ssize_t n = 0;

	while (!says && fd >= 0 && ((n = read(fd, line, sizeof(line) - 1)) > 0 || errno == EPIPE)) {
		line[n > 0 ? n : 0] = 0;
		says = strstr(line, who) && strstr(line, what);
	}
	if (fd >= 0)
		close(fd);
	return says;
}

bool klog_clean(void)
{
	char line[8192];
	bool clean = true;
	ssize_t n;

	if (klog < 0)
		return true;
	while ((n = read(klog, line, sizeof(line) - 1)) > 0 || errno == EPIPE) {
		if (n <= 0) {		/* overwritten records: go on with the oldest */
			errno = 0;
			continue;
		}
		line[n] = 0;
		if (!is_complaint(line))
			continue;
		clean = false;
		tap_diag("kernel: %.*s", (int)strcspn(line, "\n"), line);
	}
	return clean;
}
