// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that a machine takes is charged to its owner's cgroup, bounded by what
 * there is, and given back where it can be.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster.h"
#include "tap.h"

#define ROOT	"/tmp/dvmm-cgroup"
#define OWN	ROOT "/owner"
#define PAGES	2048ul
#define WAIT_MS	10000

static bool put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

static long long number(const char *file)
{
	char text[64] = "";
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		tap_bail("%s: %s", file, strerror(errno));
	close(fd);
	return atoll(text);
}

static bool have_cgroup(void)
{
	mkdir(ROOT, 0700);
	return !mount("none", ROOT, "cgroup2", 0, NULL) &&
	       put(ROOT "/cgroup.subtree_control", "+memory") && !mkdir(OWN, 0700);
}

/* Region 0 is homed on node 0; node 1 may hold all of it. */
static int open_machine(struct cluster *c)
{
	*c = (struct cluster){ .nodes = 2, .transport = "loop", .regions = 1,
			       .spec = { { 0, PAGES * PAGE, 0 } } };
	return cluster_open(c);
}

static volatile uint64_t *map(const struct cluster *c, int node)
{
	void *p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		       c->region[node][0], 0);

	if (p == MAP_FAILED)
		tap_bail("mmap: %s", strerror(errno));
	return p;
}

static uint64_t frames(const struct cluster *c, int node)
{
	struct dvmm_stats s;

	if (machine_stats(c->machine[node], &s))
		tap_bail("DVMM_GET_STATS: %s", strerror(errno));
	return s.frames;
}

static void write_all(volatile uint64_t *p)
{
	size_t i;

	for (i = 0; i < PAGES; i++)
		p[i * PAGE / 8] = i + 1;
}

static size_t wrong(volatile uint64_t *p)
{
	size_t i, bad = 0;

	for (i = 0; i < PAGES; i++)
		bad += p[i * PAGE / 8] != i + 1;
	return bad;
}

/* In a child, so that the group is left with it. */
static int moved_pages(void)
{
	struct cluster c;
	long long got;

	if (!put(OWN "/cgroup.procs", "0") || open_machine(&c))
		return 2;
	/* Written there, back here: frames that messages brought. */
	write_all(map(&c, 1));
	if (wrong(map(&c, 0)))
		return 3;
	got = number(OWN "/memory.current");
	printf("# %lld KiB for %llu + %llu frames\n", got / 1024,
	       (unsigned long long)frames(&c, 0), (unsigned long long)frames(&c, 1));
	fflush(stdout);
	return got < (long long)((frames(&c, 0) + frames(&c, 1)) * PAGE);
}

static int in_child(int (*work)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(work());
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void charged(void)
{
	int status = in_child(moved_pages);

	tap_ok(!status, "frames that came over a link are charged to their owner (%d)", status);
}

/* Of region 0 on node 1, in pages. */
static long long limit_shown(void)
{
	FILE *f = popen("sed -n 's/.*limit: //p' /sys/kernel/debug/dvmm/*.1/regions", "r");
	char line[64];

	if (!f || !fgets(line, sizeof(line), f))
		tap_bail("debugfs shows no region of node 1");
	pclose(f);
	return atoll(line);
}

/* The region does not fit: node 1 gets a limit by itself, and keeps it. */
static int bounded_pages(void)
{
	struct cluster c;
	long long limit;

	if (!put(OWN "/memory.max", "6M") || !put(OWN "/cgroup.procs", "0") || open_machine(&c))
		return 2;
	limit = limit_shown();
	printf("# limit: %lld pages of %lu\n", limit, PAGES);
	fflush(stdout);
	if (limit <= 0 || limit >= (long long)PAGES)
		return 1;
	/* The other node's frames are charged to the same group. */
	if (!put(OWN "/memory.max", "max"))
		return 2;
	write_all(map(&c, 1));
	return frames(&c, 1) > (uint64_t)limit ? 3 : 0;
}

static void bounded(void)
{
	int status = in_child(bounded_pages);

	put(OWN "/memory.max", "max");
	tap_ok(!status, "a region that does not fit its owner's group is bounded (%d)", status);
}

/* Copies of pages that are at home elsewhere go when the kernel asks for memory. */
static void given_back(void)
{
	uint64_t before, after, end;
	volatile uint64_t *far;
	struct cluster c;

	if (open_machine(&c)) {
		tap_ok(false, "machine of 2 nodes: %s", c.why);
		return;
	}
	write_all(map(&c, 0));
	far = map(&c, 1);
	tap_ok(!wrong(far), "node 1 reads what node 0 wrote");
	before = frames(&c, 1);
	end = now_ns() + WAIT_MS * tap_patience() * 1000000ull;
	do {
		if (!put("/proc/sys/vm/drop_caches", "2"))
			tap_bail("drop_caches: %s", strerror(errno));
		usleep(100000);
		after = frames(&c, 1);
	} while (after > before / 8 && now_ns() < end);
	tap_ok(before == PAGES && after <= before / 8,
	       "clean copies are given back: %llu frames, then %llu",
	       (unsigned long long)before, (unsigned long long)after);
	tap_ok(frames(&c, 0) == PAGES, "the home keeps its frames");
	tap_ok(!wrong(far), "and they can be read again");
	cluster_close(&c);
}

int main(void)
{
	tap_start(120);
	klog_open();
	close(dev_open());
	if (have_cgroup()) {
		charged();
		bounded();
		rmdir(OWN);
		umount(ROOT);
	} else {
		tap_skip("cgroup", "%s", strerror(errno));
	}
	given_back();
	tap_ok(klog_clean(), "the kernel did not complain");
	return tap_end();
}
