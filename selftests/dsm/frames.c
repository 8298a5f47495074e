// SPDX-License-Identifier: GPL-2.0
/*
 * Frames that the kernel would like to take away or to move: a page with
 * corrected errors is taken out of use, one with an uncorrected error is lost.
 *
 * The machine has two nodes; its region is homed on node 0, and node 1 may hold
 * few of its pages.  So what node 1 has written and sent away is in one frame only.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster.h"
#include "tap.h"

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101	/* asm-generic/mman-common.h */
#endif
#define PAGES	(4 * CACHE)
#define CACHE	(DVMM_REGION_CACHE_MIN / PAGE)
#define TARGETS	8
#define WORDS	(PAGE / sizeof(uint64_t))
#define BOUND_MS 5000

typedef volatile uint64_t word;

static bool opened(struct cluster *c)
{
	*c = (struct cluster){ .nodes = 2, .transport = "loop", .regions = 1,
			       .spec = { { 0, PAGES * PAGE, CACHE * PAGE } } };
	if (!cluster_open(c))
		return true;
	tap_ok(false, "machine of 2 nodes: %s", c->why);
	return false;
}

static word *map(const struct cluster *c, int node)
{
	void *p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		       c->region[node][0], 0);

	if (p == MAP_FAILED)
		tap_bail("mmap: %s", strerror(errno));
	return p;
}

static word *page_of(word *p, int page)
{
	return p + page * WORDS;
}

static uint64_t value(int page)
{
	return 0x5eed0000ull + page;
}

/* Node 1 writes all pages in turn; only the last CACHE of them are still there afterwards. */
static void written_far(const struct cluster *c)
{
	word *far = map(c, 1);
	size_t i;

	for (i = 0; i < PAGES; i++)
		*page_of(far, i) = value(i);
	munmap((void *)far, PAGES * PAGE);
}

/* The status of a child that does @work; 124 if it had to be killed. */
static int child(int (*work)(const struct cluster *c, void *arg), const struct cluster *c,
		 void *arg)
{
	uint64_t end = now_ns() + BOUND_MS * tap_patience() * 1000000ull;
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(work(c, arg));
	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (now_ns() < end) {
			usleep(10000);
			continue;
		}
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		return 124;
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* The frame behind a mapped page, as a physical address. */
static uint64_t frame_of(word *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (fd < 0 || pread(fd, &entry, 8, (uintptr_t)p / PAGE * 8) != 8)
		tap_bail("/proc/self/pagemap: %s", strerror(errno));
	close(fd);
	return (entry & ((1ull << 55) - 1)) * PAGE;
}

#define SOFT_OFFLINE	"/sys/devices/system/memory/soft_offline_page"

static bool soft_offline(uint64_t frame)
{
	int fd = open(SOFT_OFFLINE, O_WRONLY | O_CLOEXEC);
	char text[32];
	bool done;

	if (fd < 0)
		tap_bail("soft_offline_page: %s", strerror(errno));
	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)frame);
	done = write(fd, text, strlen(text)) > 0;
	close(fd);
	return done;
}

/* Wrong values among the targets, as node 0 sees them. */
static int wrong(const struct cluster *c, void *arg)
{
	word *near = map(c, 0);
	int i, bad = 0;

	(void)arg;
	for (i = 0; i < TARGETS; i++)
		bad += *page_of(near, i) != value(i);
	return bad;
}

/* Clean, not mapped, and the only copy: what the kernel drops where it may. */
static void unmapped_offline(void)
{
	uint64_t frame[TARGETS];
	int i, done = 0, bad;
	struct cluster c;
	word *near;

	if (!opened(&c))
		return;
	written_far(&c);
	near = map(&c, 0);
	for (i = 0; i < TARGETS; i++)
		frame[i] = *page_of(near, i) == value(i) ? frame_of(page_of(near, i)) : 0;
	madvise((void *)near, PAGES * PAGE, MADV_DONTNEED);
	for (i = 0; i < TARGETS; i++)
		done += soft_offline(frame[i]);
	bad = child(wrong, &c, NULL);
	tap_ok(done == TARGETS, "frames are taken out of use: %d of %d", done, TARGETS);
	tap_ok(!bad, "their pages are still there (%d)", bad);
	munmap((void *)near, PAGES * PAGE);
	cluster_close(&c);
}

#define ROUNDS	2000

/* One word of each target, again and again. */
static int adds(const struct cluster *c, void *node)
{
	word *p = map(c, *(int *)node);
	int i;

	for (i = 0; i < ROUNDS * TARGETS; i++)
		__atomic_add_fetch(page_of(p, i % TARGETS) + 1, 1, __ATOMIC_SEQ_CST);
	return 0;
}

/* A reference that somebody holds just then makes an attempt fail. */
static bool moves(word *p)
{
	int tries;

	for (tries = 0; tries < 100; tries++) {
		if (!madvise((void *)p, PAGE, MADV_SOFT_OFFLINE))
			return true;
		usleep(1000);
	}
	return false;
}

/* Mapped, written, and used by both nodes: the kernel copies it to another frame. */
static void busy_offline(void)
{
	int node[2] = { 0, 1 }, status, i, moved = 0, bad = 0;
	struct cluster c;
	word *near;

	if (!opened(&c))
		return;
	fflush(stdout);
	for (i = 0; i < 2; i++)
		if (!fork())
			_exit(adds(&c, &node[i]));
	near = map(&c, 0);
	for (i = 0; i < TARGETS; i++)
		moved += moves(page_of(near, i));
	for (i = 0; i < 2; i++)
		bad += wait(&status) < 0 || status;
	tap_ok(moved == TARGETS, "frames in use are moved: %d of %d", moved, TARGETS);
	for (i = 0; i < TARGETS; i++)
		bad += page_of(near, i)[1] != 2 * ROUNDS;
	tap_ok(!bad, "and no write is lost");
	munmap((void *)near, PAGES * PAGE);
	cluster_close(&c);
}

/* The kernel kills who asks for this: see the status. */
static int break_page(const struct cluster *c, void *arg)
{
	word *p = page_of(map(c, 0), *(int *)arg);

	(void)*p;
	madvise((void *)p, PAGE, MADV_HWPOISON);
	return 0;
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	_exit(info->si_code == BUS_MCEERR_AR ? 10 : 11);
}

static int read_page(const struct cluster *c, void *arg)
{
	struct sigaction sa = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

	sigaction(SIGBUS, &sa, NULL);
	return *page_of(map(c, ((int *)arg)[1]), *(int *)arg) == 0;
}

static void broken(void)
{
	int near[2] = { 0, 0 }, far[2] = { 0, 1 }, status;
	struct dvmm_event_record ev = {};
	struct cluster c;

	if (!opened(&c))
		return;
	written_far(&c);
	child(break_page, &c, near);
	status = child(read_page, &c, near);
	tap_ok(status == 10, "an access to a frame with a memory error gets SIGBUS for it (%d)",
	       status);
	status = child(read_page, &c, far);
	tap_ok(status == 11, "another node gets no contents of it (%d)", status);
	tap_ok(event_want(c.machine[0], DVMM_EVENT_STOPPED, &ev, BOUND_MS) == 1 &&
	       strstr(ev.reason, "memory error of node 0 in page 0 of region 0"),
	       "the machine stops and says why: %s", ev.reason);
	cluster_close(&c);
}

/* Page 0 of a region: dvmm-lose is loaded. */
static void lose_page(int region)
{
	int fd = open("/sys/module/dvmm_lose/parameters/page", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || dprintf(fd, "%d 0", region) < 0)
		tap_bail("dvmm-lose: %s", strerror(errno));
	close(fd);
}

/* Nothing in the kernel is known to do that; who takes it for impossible would look for ever. */
static void lost(void)
{
	int near[2] = { 0, 0 }, status;
	struct dvmm_event_record ev = {};
	struct cluster c;

	if (!opened(&c))
		return;
	*page_of(map(&c, 0), 0) = value(0);
	lose_page(c.region[0][0]);
	status = child(read_page, &c, near);
	tap_ok(status == 11, "an access to a page whose frame is gone ends (%d)", status);
	tap_ok(event_want(c.machine[0], DVMM_EVENT_STOPPED, &ev, BOUND_MS) == 1 &&
	       strstr(ev.reason, "node 0 lost the frame of page 0 of region 0"),
	       "the machine stops and says why: %s", ev.reason);
	cluster_close(&c);
}

#define THREADS	4
#define SWEEPS	8

/* Writes all pages, of which node 1 can hold a quarter. */
static void *sweep(void *arg)
{
	const struct cluster *c = arg;
	word *far = map(c, 1);
	size_t i;

	for (i = 0; i < SWEEPS * PAGES; i++)
		__atomic_add_fetch(page_of(far, i % PAGES), 1, __ATOMIC_RELAXED);
	munmap((void *)far, PAGES * PAGE);
	return NULL;
}

static long long pin_waits(void)
{
	FILE *f = popen("sed -n 's/pin_waits: //p' /sys/kernel/debug/dvmm/*.1/stats", "r");
	char line[64];

	if (!f || !fgets(line, sizeof(line), f))
		tap_bail("debugfs shows no counters of node 1");
	pclose(f);
	return atoll(line);
}

/* What one of them looks at is no pin to another. */
static void side_by_side(void)
{
	pthread_t thread[THREADS];
	struct dvmm_stats s;
	struct cluster c;
	long long pins;
	int i;

	if (!opened(&c))
		return;
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, sweep, &c))
			tap_bail("pthread_create");
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	machine_stats(c.machine[1], &s);
	pins = pin_waits();
	tap_ok(pins <= (long long)s.evictions / 100 && s.evictions > PAGES,
	       "%d threads that evict side by side: %llu pages sent away, %lld times one was in use",
	       THREADS, (unsigned long long)s.evictions, pins);
	cluster_close(&c);
}

int main(void)
{
	tap_start(120);
	klog_open();
	close(dev_open());
	side_by_side();
	if (system("modprobe dvmm-lose"))
		tap_skip("a frame is lost", "no module dvmm-lose");
	else
		lost();
	system("rmmod dvmm-lose");
	if (!access(SOFT_OFFLINE, W_OK)) {
		unmapped_offline();
		busy_offline();
		broken();
	} else {
		tap_skip("memory errors", "a kernel without CONFIG_MEMORY_FAILURE");
	}
	tap_ok(klog_clean(), "the kernel did not complain");
	return tap_end();
}
