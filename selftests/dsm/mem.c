// SPDX-License-Identifier: GPL-2.0
/*
 * Shared memory of nodes in one kernel: every value that is read is checked.
 *
 * usage: mem [SECONDS-PER-WORKLOAD [WORKLOAD]]	that one alone, on machines of every kind
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mem_io.h"
#include "tap.h"
#include "work.h"

#define REGION_BYTES	(512 * PAGE)

static struct cluster *fresh(struct cluster *c, int nodes, const char *transport, size_t cache,
			     uint32_t policy)
{
	memset(c, 0, sizeof(*c));
	c->nodes = nodes;
	c->transport = transport;
	c->bytes = REGION_BYTES;
	c->cache = cache;
	c->policy = policy;
	if (!cluster_open(c))
		return c;
	tap_ok(false, "%d nodes over %s come up: %s", nodes, transport, c->why);
	return NULL;
}

static void run(const struct workload *w, int nodes, const char *transport, unsigned int seconds)
{
	/* With pressure, a cache may hold a fifth of a region. */
	size_t cache = strcmp(w->name, "pressure") ? 0 : 100 * PAGE;
	struct cluster c;
	char why[200];
	int ret;

	if (!fresh(&c, nodes, transport, cache, w->run == work_scan ? DVMM_POLICY_PREFETCH : 0))
		return;
	ret = cluster_run(&c, w->run, seconds, why);
	cluster_close(&c);
	tap_ok(!ret, "%s, %d node%s, %s: %s%s%s", w->name, nodes, nodes > 1 ? "s" : "",
	       transport, w->proves, ret ? ": " : "", ret ? why : "");
}

/* These have programs of their own. */
static bool elsewhere(const struct workload *w)
{
	return w->run == work_litmus || w->run == work_bench || w->run == work_stream;
}

static void run_all(unsigned int seconds, const char *only)
{
	static const struct { int nodes; const char *transport; } on[] = {
		{ 1, "loop" }, { 2, "loop" }, { 4, "loop" }, { 2, "tcp" }, { 4, "tcp" },
	};
	size_t i;
	int w;

	for (i = 0; i < sizeof(on) / sizeof(on[0]); i++) {
		for (w = 0; w < workload_count; w++) {
			if (elsewhere(&workloads[w]) || (only && strcmp(only, workloads[w].name)))
				continue;
			run(&workloads[w], on[i].nodes, on[i].transport, seconds);
		}
	}
}

static bool map_fails(int region, size_t bytes, int prot, int flags, off_t at)
{
	void *p = mmap(NULL, bytes, prot, flags, region, at);

	if (p == MAP_FAILED)
		return true;
	munmap(p, bytes);
	return false;
}

static void mappings(struct cluster *c)
{
	const int rw = PROT_READ | PROT_WRITE;
	int r = c->region[0][0];
	char *p;

	tap_ok(map_fails(r, PAGE, rw, MAP_PRIVATE, 0), "a private mapping is refused");
	tap_ok(map_fails(r, REGION_BYTES + PAGE, rw, MAP_SHARED, 0),
	       "a mapping longer than the region is refused");
	tap_ok(map_fails(r, PAGE, rw, MAP_SHARED, REGION_BYTES),
	       "a mapping behind the region is refused");
	tap_ok(map_fails(r, PAGE, rw, MAP_SHARED, (off_t)1 << 62),
	       "a mapping at an absurd offset is refused");
	tap_ok(map_fails(c->machine[0], PAGE, rw, MAP_SHARED, 0) && errno == ENODEV,
	       "a machine descriptor cannot be mapped");
	p = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, r, 3 * PAGE);
	tap_ok(p != MAP_FAILED, "a part of a region is mapped read-only");
	if (p == MAP_FAILED)
		return;
	tap_ok(mremap(p, 2 * PAGE, 64 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED,
	       "a mapping does not grow");
	munmap(p, 2 * PAGE);
}

/* The same page through two windows, two processes and two nodes. */
static void windows(struct cluster *c)
{
	const int rw = PROT_READ | PROT_WRITE;
	volatile uint64_t *a = mmap(NULL, PAGE, rw, MAP_SHARED, c->region[0][1], 5 * PAGE);
	volatile uint64_t *b = mmap(NULL, REGION_BYTES, rw, MAP_SHARED, c->region[0][1], 0);
	volatile uint64_t *o = mmap(NULL, REGION_BYTES, rw, MAP_SHARED, c->region[1][1], 0);
	size_t at = 5 * PAGE / sizeof(*a);
	bool same = true;
	uint64_t i;

	if (a == MAP_FAILED || b == MAP_FAILED || o == MAP_FAILED) {
		tap_ok(false, "windows: %s", strerror(errno));
		return;
	}
	for (i = 1; i < 200 && same; i++) {
		a[i] = i;
		same = b[at + i] == i && o[at + i] == i;
		o[at + i] = ~i;
		same = same && a[i] == ~i && b[at + i] == ~i;
	}
	tap_ok(same, "two windows on one node and one on another show the same page");
	munmap((void *)a, PAGE);
	munmap((void *)b, REGION_BYTES);
	munmap((void *)o, REGION_BYTES);
}

#define WRITERS	4
#define WRITES	500

/* A forked writer maps for itself: mappings are not inherited. */
static void writer(struct cluster *c, int node, int nr)
{
	volatile uint64_t *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
				    c->region[node][0], 40 * PAGE);
	int i;

	if (p == MAP_FAILED)
		_exit(2);
	for (i = 0; i < WRITES; i++) {
		__atomic_add_fetch(&p[0], 1, __ATOMIC_SEQ_CST);
		p[8 + nr]++;
	}
	_exit(0);
}

static void forks(struct cluster *c)
{
	volatile uint64_t *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
				    c->region[0][0], 40 * PAGE);
	int i, status, bad = 0;

	if (p == MAP_FAILED) {
		tap_ok(false, "fork of writers: %s", strerror(errno));
		return;
	}
	for (i = 0; i < WRITERS; i++)
		if (!fork())
			writer(c, i % c->nodes, i);
	for (i = 0; i < WRITERS; i++)
		if (wait(&status) < 0 || status)
			bad++;
	for (i = 0; i < WRITERS; i++)
		bad += p[8 + i] != WRITES;
	tap_ok(!bad && p[0] == WRITERS * WRITES,
	       "%d forked writers on %d nodes: sum %llu of %d", WRITERS, c->nodes,
	       (unsigned long long)p[0], WRITERS * WRITES);
	munmap((void *)p, PAGE);
}

static void inherit(struct cluster *c)
{
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, c->region[0][0], 0);
	int status = 0;

	if (p == MAP_FAILED)
		return;
	p[0] = 1;
	if (!fork()) {
		/* Not mapped: SIGSEGV is what is expected of this child. */
		p[0] = 2;
		_exit(0);
	}
	wait(&status);
	tap_ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV && p[0] == 1,
	       "a child does not inherit a mapping");
	munmap(p, PAGE);
}

static void one_machine(const char *transport)
{
	struct cluster c;

	if (!fresh(&c, 2, transport, 0, 0))
		return;
	mappings(&c);
	windows(&c);
	forks(&c);
	inherit(&c);
	mem_io(&c);
	cluster_close(&c);
}

int main(int argc, char **argv)
{
	unsigned int seconds = argc > 1 ? atoi(argv[1]) : 2;
	const char *only = argc > 2 ? argv[2] : NULL;

	tap_start(120 + 80 * 3 * seconds);
	klog_open();
	close(dev_open());
	if (!only) {
		one_machine("loop");
		one_machine("tcp");
	}
	run_all(seconds, only);
	tap_ok(klog_clean(), "the kernel did not complain");
	return tap_end();
}
