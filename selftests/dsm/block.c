// SPDX-License-Identifier: GPL-2.0
/*
 * Memory at its home in frames of 2 MiB: one fault for a block, one entry in the
 * page table, and single pages of it as soon as another node asks, with what
 * was written in place.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster.h"
#include "tap.h"

#define BLOCK	(2ul << 20)
#define PAGES	((int)(BLOCK / PAGE))
#define BLOCKS	2
#define SPLITS	32
#define READERS	2
#define SETTLE_US 4000	/* until all readers look at it */
#define ROUNDS	8
#define WRITES	400

typedef volatile uint64_t word;

static void open_blocks(struct cluster *c, const char *transport, int blocks)
{
	*c = (struct cluster){ .nodes = 2, .transport = transport, .regions = 1,
			       .spec = { { 0, blocks * BLOCK, 0 } } };
	if (cluster_open(c))
		tap_bail("cluster: %s", c->why);
}

static void open_two(struct cluster *c, const char *transport)
{
	open_blocks(c, transport, BLOCKS);
}

/* Region 0 as @node sees it, @off bytes away from where a block would fit. */
static word *map(const struct cluster *c, int node, size_t off)
{
	size_t bytes = c->spec[0].bytes;
	char *room = mmap(NULL, bytes + 2 * BLOCK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *at = room + BLOCK - (uintptr_t)room % BLOCK + off;

	if (room == MAP_FAILED ||
	    mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 c->region[node][0], 0) == MAP_FAILED)
		tap_bail("mmap: %s", strerror(errno));
	return (word *)at;
}

static word *page_of(word *m, int page)
{
	return m + page * (PAGE / sizeof(*m));
}

static struct dvmm_stats stats(const struct cluster *c, int node)
{
	struct dvmm_stats s = { .size = sizeof(s) };

	if (machine_stats(c->machine[node], &s))
		tap_bail("DVMM_GET_STATS: %s", strerror(errno));
	return s;
}

/* How much of the mapping at @at has an entry for 2 MiB, in KiB. */
static long huge_kib(const volatile void *at)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long start, end, kib;
	bool here = false;
	char line[256];
	long sum = 0;

	if (!f)
		tap_bail("smaps: %s", strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start == (uintptr_t)at;
		if (here && sscanf(line, "FilePmdMapped: %lu", &kib) == 1)
			sum += kib;
	}
	fclose(f);
	return sum;
}

static void whole(const char *transport)
{
	struct dvmm_stats s;
	struct cluster c;
	int i, wrong = 0;
	word *m;

	open_two(&c, transport);
	m = map(&c, 0, 0);
	for (i = 0; i < PAGES; i++)
		wrong += *page_of(m, i) != 0;
	for (i = 0; i < PAGES; i++)
		*page_of(m, i) = i + 1;
	s = stats(&c, 0);
	tap_ok(!wrong, "%s: untouched memory reads as zeroes", transport);
	tap_ok(s.faults_first == 1 && s.frames == (uint64_t)PAGES,
	       "%s: one first touch for a block: %llu, %llu frames", transport,
	       (unsigned long long)s.faults_first, (unsigned long long)s.frames);
	tap_ok(huge_kib(m) == BLOCK >> 10, "%s: one entry maps it: %ld KiB", transport,
	       huge_kib(m));
	cluster_close(&c);
}

/* A mapping that no entry of 2 MiB could map gets its pages one by one. */
static void does_not_fit(const char *transport)
{
	struct dvmm_stats s;
	struct cluster c;
	word *m;

	open_two(&c, transport);
	m = map(&c, 0, PAGE);
	*page_of(m, 3) = 1;
	*page_of(m, 9) = 1;
	s = stats(&c, 0);
	tap_ok(s.frames == 2, "%s: where it does not fit, a page at a time: %llu frames", transport,
	       (unsigned long long)s.frames);
	cluster_close(&c);
}

/* Node 1 reads one page and writes another; all else stays as node 0 wrote it. */
static void apart(const char *transport)
{
	struct dvmm_stats s;
	int i, wrong = 0;
	struct cluster c;
	word *m[2];

	open_two(&c, transport);
	m[0] = map(&c, 0, 0);
	m[1] = map(&c, 1, 0);
	for (i = 0; i < PAGES; i++)
		*page_of(m[0], i) = i + 1;
	tap_ok(*page_of(m[1], 7) == 8, "%s: another node reads what was written", transport);
	tap_ok(!huge_kib(m[0]), "%s: no entry of 2 MiB is left", transport);
	*page_of(m[1], 9) = 1000;
	for (i = 0; i < PAGES; i++)
		wrong += *page_of(m[0], i) != (i == 9 ? 1000 : (uint64_t)i + 1);
	tap_ok(!wrong, "%s: every page has its contents: %d have not", transport, wrong);
	for (i = 0; i < PAGES; i++)
		*page_of(m[0], i) = 2 * i;
	for (i = 0; i < PAGES; i++)
		wrong += *page_of(m[1], i) != 2 * (uint64_t)i;
	tap_ok(!wrong, "%s: and moves by itself afterwards", transport);
	s = stats(&c, 0);
	tap_ok(s.frames == (uint64_t)PAGES, "%s: a frame each: %llu", transport,
	       (unsigned long long)s.frames);
	cluster_close(&c);
}

/* What the readers look at, and how often it was not what had been written. */
struct look {
	volatile int page;
	int wrong;
};

static pid_t reader(const struct cluster *c, struct look *look)
{
	pid_t pid = fork();
	int page;
	word *m;

	if (pid < 0)
		tap_bail("fork: %s", strerror(errno));
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	m = map(c, 0, 0);
	while ((page = look->page) >= 0)
		if (*page_of(m, page) != (uint64_t)page + 1)
			__atomic_fetch_add(&look->wrong, 1, __ATOMIC_SEQ_CST);
	_exit(0);
}

#define PREEMPT "/sys/kernel/debug/sched/preempt"

/* The kernel's preemption as it is, "none voluntary (full)"; empty where it is fixed. */
static void preemption(char *how, size_t room)
{
	FILE *f = fopen(PREEMPT, "r");
	char line[64] = "";

	*how = '\0';
	if (f && fgets(line, sizeof(line), f) && strchr(line, '('))
		snprintf(how, room, "%s", strtok(strchr(line, '(') + 1, ")"));
	if (f)
		fclose(f);
}

static void preempt(const char *how)
{
	FILE *f = *how ? fopen(PREEMPT, "w") : NULL;

	if (f)
		fputs(how, f);
	if (f && fclose(f))
		tap_diag("preemption is not \"%s\": %s", how, strerror(errno));
}

/*
 * A page is read at home all the while that another node's first read takes it out of its
 * block.  Readers may run in the midst of what the kernel does there.
 */
static void looked_at(const char *transport)
{
	struct look *look = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				 -1, 0);
	pid_t pid[READERS];
	struct cluster c;
	char was[16];
	int i, status;
	word *m[2];

	if (look == MAP_FAILED)
		tap_bail("mmap: %s", strerror(errno));
	open_blocks(&c, transport, SPLITS);
	m[0] = map(&c, 0, 0);
	m[1] = map(&c, 1, 0);
	for (i = 0; i < SPLITS * PAGES; i++)
		*page_of(m[0], i) = i + 1;
	preemption(was, sizeof(was));
	preempt(*was ? "full" : was);
	for (i = 0; i < READERS; i++)
		pid[i] = reader(&c, look);
	for (i = 0; i < SPLITS; i++) {
		look->page = i * PAGES + i;
		usleep(SETTLE_US);
		look->wrong += *page_of(m[1], look->page) != (uint64_t)look->page + 1;
	}
	look->page = -1;
	preempt(was);
	for (i = 0; i < READERS; i++)
		waitpid(pid[i], &status, 0);
	tap_ok(!look->wrong, "%s: a page that leaves its block reads as ever at home: %d times not",
	       transport, look->wrong);
	cluster_close(&c);
}

static unsigned int next(unsigned int *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 8;
}

/* Adds one to @WRITES words of pages that chance takes. */
static void add(word *m, unsigned int seed, int pages)
{
	int i;

	for (i = 0; i < WRITES; i++)
		__atomic_fetch_add(page_of(m, next(&seed) % pages), 1, __ATOMIC_SEQ_CST);
}

static pid_t adder(const struct cluster *c, int node, unsigned int seed, int pages)
{
	pid_t pid = fork();

	if (pid < 0)
		tap_bail("fork: %s", strerror(errno));
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	add(map(c, node, 0), seed, pages);
	_exit(0);
}

/* All of it is untouched, and both nodes begin at once: block and single pages race. */
static uint64_t race(const char *transport, unsigned int seed)
{
	pid_t pid[4];
	uint64_t sum = 0;
	struct cluster c;
	int i, status;
	word *m;

	open_two(&c, transport);
	for (i = 0; i < 4; i++)
		pid[i] = adder(&c, i % 2, 4 * seed + i, BLOCKS * PAGES);
	for (i = 0; i < 4; i++)
		waitpid(pid[i], &status, 0);
	m = map(&c, 0, 0);
	for (i = 0; i < BLOCKS * PAGES; i++)
		sum += *page_of(m, i);
	cluster_close(&c);
	return sum;
}

static void races(const char *transport)
{
	int i, wrong = 0, rounds = ROUNDS / tap_patience();	/* each takes as much longer */

	for (i = 0; i < rounds; i++)
		wrong += race(transport, i) != 4 * WRITES;
	tap_ok(!wrong, "%s: no addition is lost while blocks come and go: %d of %d rounds",
	       transport, wrong, rounds);
}

int main(void)
{
	static const char *const transports[] = { "loop", "tcp" };
	size_t i;

	tap_start(250);
	dev_there();
	for (i = 0; i < 2; i++) {
		whole(transports[i]);
		does_not_fit(transports[i]);
		apart(transports[i]);
		looked_at(transports[i]);
		races(transports[i]);
	}
	return tap_end();
}
