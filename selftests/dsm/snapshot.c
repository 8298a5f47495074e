// SPDX-License-Identifier: GPL-2.0
/*
 * A region is read as it was at one moment, while all nodes go on writing to it: pages of the
 * node that reads, of others, untouched ones, and blocks of 2 MiB.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "cluster.h"
#include "tap.h"

#define NODES	3
#define PAGES	1536		/* three blocks, of which the last is not touched before */
#define TOUCHED	1024
#define BLOCK	(2ul << 20)
#define REGIONS	2
#define EVERY	8		/* one page of so many is not touched */
#define SPOILT_US 20000
#define LEAVING_US 100000
#define TIGHT	(1l << 20)
#define LAST	511		/* of the first block */

typedef volatile uint64_t word;

/* Region 0 is homed on node 0, which reads snapshots, region 1 on node 1. */
static void open_three(struct cluster *c, const char *transport, size_t cache)
{
	*c = (struct cluster){ .nodes = NODES, .transport = transport, .regions = REGIONS,
			       .spec = { { 0, PAGES * PAGE, 0 }, { 1, PAGES * PAGE, cache } } };
	if (cluster_open(c))
		tap_bail("cluster: %s", c->why);
}

/* Where a block fits. */
static word *map(const struct cluster *c, int node, int region)
{
	char *room = mmap(NULL, PAGES * PAGE + BLOCK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			  0);
	char *at = room + BLOCK - (uintptr_t)room % BLOCK;

	if (room == MAP_FAILED ||
	    mmap(at, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 c->region[node][region], 0) == MAP_FAILED)
		tap_bail("mmap: %s", strerror(errno));
	return (word *)at;
}

static void map_all(const struct cluster *c, word *m[NODES][REGIONS])
{
	int node, region;

	for (node = 0; node < NODES; node++)
		for (region = 0; region < REGIONS; region++)
			m[node][region] = map(c, node, region);
}

static word *word_of(word *m, int page)
{
	return m + page * (PAGE / sizeof(*m)) + page % (PAGE / sizeof(*m));
}

/* The first block of region 0 is node 0's alone. */
static int writer_of(int region, int page)
{
	return region || page >= PAGES / 3 ? page % NODES : 0;
}

static uint64_t value(int region, int page)
{
	return page >= TOUCHED || page % EVERY == EVERY - 1 ? 0 : region * PAGES + page + 1;
}

static void fill(word *m[NODES][REGIONS])
{
	int region, page;

	for (region = 0; region < REGIONS; region++)
		for (page = 0; page < PAGES; page++)
			if (value(region, page))
				*word_of(m[writer_of(region, page)][region], page) =
					value(region, page);
}

/* All pages, untouched ones as well, until it is ended. */
static pid_t spoiler(const struct cluster *c, int node)
{
	word *m[REGIONS];
	pid_t pid = fork();
	uint64_t n = 0;

	if (pid < 0)
		tap_bail("fork: %s", strerror(errno));
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	rnd_seed(node + 1);
	m[0] = map(c, node, 0);
	m[1] = map(c, node, 1);
	for (;; n++)
		*word_of(m[rnd_range(0, REGIONS - 1)], rnd_range(0, PAGES - 1)) = ~n;
}

static void spoil(const struct cluster *c, pid_t pid[NODES])
{
	int node;

	for (node = 0; node < NODES; node++)
		pid[node] = spoiler(c, node);
	usleep(SPOILT_US);
}

static void end_spoilers(const pid_t pid[NODES])
{
	int node;

	for (node = 0; node < NODES; node++)
		kill(pid[node], SIGKILL);
	for (node = 0; node < NODES; node++)
		waitpid(pid[node], NULL, 0);
}

/* By node 0, or each by its home: @apart */
static void take(const struct cluster *c, int fd[REGIONS], bool apart)
{
	int region;

	for (region = 0; region < REGIONS; region++) {
		fd[region] = snapshot_create(c->region[apart ? region : 0][region]);
		if (fd[region] < 0)
			tap_bail("DVMM_CREATE_SNAPSHOT: %s", strerror(errno));
	}
}

/* What @page of the snapshot has where writers write; ends the test on an error. */
static uint64_t read_word(int fd, int page)
{
	uint64_t bytes[PAGE / sizeof(uint64_t)];

	if (pread(fd, bytes, PAGE, page * PAGE) != PAGE)
		tap_bail("page %d: %s", page, strerror(errno));
	return bytes[page % (PAGE / sizeof(*bytes))];
}

/* How many pages are not what they were; from the end, so that those before it change. */
static int differ(int fd, const uint64_t was[PAGES])
{
	int i, wrong = 0;

	for (i = PAGES - 1; i >= 0; i--)
		wrong += read_word(fd, i) != was[i];
	return wrong;
}

/* While all nodes write: @was is what was there when they did not. */
static void read_while_spoilt(const struct cluster *c, uint64_t was[REGIONS][PAGES],
			      const char *what, bool apart)
{
	int region, wrong, fd[REGIONS];
	pid_t pid[NODES];

	take(c, fd, apart);
	spoil(c, pid);
	for (region = 0; region < REGIONS; region++) {
		wrong = differ(fd[region], was[region]);
		tap_ok(!wrong, "%s, homed on node %d, is read as it was: %d pages are not", what,
		       region, wrong);
	}
	end_spoilers(pid);
	close(fd[0]);
	close(fd[1]);
}

static unsigned long copies(const struct cluster *c)
{
	char text[4096], *at;

	if (node_debugfs(c->uuid, 0, "stats", text, sizeof(text)))
		tap_bail("debugfs: %s", strerror(errno));
	at = strstr(text, "snapshot_copies: ");
	if (!at)
		tap_bail("debugfs has no snapshot_copies");
	return strtoul(strchr(at, ' '), NULL, 10);
}

/* What node 0 finds when nobody writes */
static void look(word *m[NODES][REGIONS], uint64_t was[REGIONS][PAGES])
{
	int i;

	for (i = 0; i < REGIONS * PAGES; i++)
		was[i / PAGES][i % PAGES] = *word_of(m[0][i / PAGES], i % PAGES);
}

static void as_it_was(const char *transport)
{
	static uint64_t was[REGIONS][PAGES];
	word *m[NODES][REGIONS];
	struct cluster c;
	char what[64];
	int i;

	open_three(&c, transport, 0);
	map_all(&c, m);
	fill(m);
	for (i = 0; i < REGIONS * PAGES; i++)
		was[i / PAGES][i % PAGES] = value(i / PAGES, i % PAGES);
	snprintf(what, sizeof(what), "%s: memory", transport);
	read_while_spoilt(&c, was, what, false);
	look(m, was);
	snprintf(what, sizeof(what), "%s: memory that all have written", transport);
	read_while_spoilt(&c, was, what, false);
	look(m, was);
	snprintf(what, sizeof(what), "%s: memory that its home saves", transport);
	read_while_spoilt(&c, was, what, true);
	tap_ok(copies(&c), "%s: %lu pages were copied", transport, copies(&c));
	cluster_close(&c);
}

/* Who had pages mapped to write, a block by one entry among them, writes to all of them. */
static void mapped_before(void)
{
	word *m[NODES][REGIONS];
	int i, fd, wrong = 0;
	struct cluster c;

	open_three(&c, "loop", 0);
	map_all(&c, m);
	fill(m);
	fd = snapshot_create(c.region[0][0]);
	for (i = 0; i < PAGES; i++)
		*word_of(m[0][0], i) = ~0ull;
	for (i = 0; i < PAGES; i++)
		wrong += read_word(fd, i) != value(0, i);
	tap_ok(!wrong, "what was mapped is read as it was: %d pages are not", wrong);
	close(fd);
	cluster_close(&c);
}

/* Nobody had touched the page: what another node has written since comes here. */
static void touched_later(void)
{
	word *m[NODES][REGIONS];
	struct cluster c;
	uint64_t seen;
	int fd;

	open_three(&c, "loop", 0);
	map_all(&c, m);
	fd = snapshot_create(c.region[0][0]);
	*word_of(m[1][0], TOUCHED) = 1;
	seen = *word_of(m[0][0], TOUCHED);
	tap_ok(seen == 1 && !read_word(fd, TOUCHED), "a page that was touched later had zeroes");
	close(fd);
	cluster_close(&c);
}

/* Another node has just written to a page that was here; the old frame may still be. */
static void just_gone(void)
{
	word *m[NODES][REGIONS];
	struct cluster c;
	uint64_t was;
	int fd;

	open_three(&c, "loop", 0);
	map_all(&c, m);
	*word_of(m[1][1], 0) = 1;
	was = *word_of(m[0][1], 0);
	*word_of(m[1][1], 0) = 2;
	fd = snapshot_create(c.region[0][1]);
	tap_ok(was == 1 && read_word(fd, 0) == 2,
	       "a page that has just gone from here is fetched again");
	close(fd);
	cluster_close(&c);
}

/* Another node's read takes the page out of its block; for a moment it has no frame. */
static void leaves_its_block(void)
{
	word *m[NODES][REGIONS];
	struct cluster c;
	uint64_t was;
	pid_t pid;
	int fd;

	open_three(&c, "loop", 0);
	map_all(&c, m);
	fill(m);
	fd = snapshot_create(c.region[0][0]);
	pid = fork();
	if (!pid)
		_exit(*word_of(map(&c, 1, 0), 1) != value(0, 1));
	usleep(LEAVING_US);
	was = read_word(fd, 1);
	tap_ok(was == value(0, 1), "a page that leaves its block has what it had: %llu",
	       (unsigned long long)was);
	waitpid(pid, NULL, 0);
	close(fd);
	cluster_close(&c);
}

/* Who reads a page has it; what is not read costs nothing any more. */
static void once(void)
{
	char bytes[2 * PAGE];
	word *m[NODES][REGIONS];
	struct cluster c;
	int fd, second;
	ssize_t n;

	open_three(&c, "loop", 0);
	map_all(&c, m);
	fill(m);
	fd = snapshot_create(c.region[0][0]);
	second = snapshot_create(c.region[0][0]);
	tap_ok(fd >= 0 && second < 0 && errno == EBUSY, "one at a time: %s", strerror(errno));
	n = pread(fd, bytes, PAGE, 1);
	tap_ok(n < 0 && errno == EINVAL, "a part of a page is not read: %s", strerror(errno));
	n = pread(fd, bytes, 2 * PAGE, (PAGES - 1) * PAGE);
	tap_ok(n == (ssize_t)PAGE, "there is an end: %zd", n);
	n = pread(fd, bytes, PAGE, PAGES * PAGE);
	tap_ok(!n, "and nothing behind it: %zd", n);
	n = pread(fd, bytes, PAGE, (PAGES - 1) * PAGE);
	tap_ok(n < 0 && errno == ENODATA, "a page is read once: %s", strerror(errno));
	close(fd);
	fd = snapshot_create(c.region[0][0]);
	tap_ok(fd >= 0, "there may be another one afterwards");
	close(fd);
	cluster_close(&c);
}

/* Who finds a descriptor of another process knows by it which region it is. */
static void named(void)
{
	char path[64], text[512] = "", want[64];
	struct cluster c;
	int region, fd;

	open_three(&c, "loop", 0);
	for (region = 0; region < REGIONS; region++) {
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", c.region[0][region]);
		snprintf(want, sizeof(want), "dvmm-region:\t%d\n", region);
		fd = open(path, O_RDONLY);
		if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
			tap_bail("%s: %s", path, strerror(errno));
		close(fd);
		tap_ok(strstr(text, want), "fdinfo says that it is region %d", region);
	}
	cluster_close(&c);
}

/* errno of DVMM_CREATE_SNAPSHOT, or of another number, on region 0. */
static int asked(const struct cluster *c, unsigned long number, uint32_t size, uint32_t flags)
{
	struct dvmm_create_snapshot arg = { .size = size, .flags = flags };

	return ioctl(c->region[0][0], number, &arg) < 0 ? errno : 0;
}

static void refused(void)
{
	struct cluster c;
	int fd;

	open_three(&c, "loop", DVMM_REGION_CACHE_MIN);
	tap_ok(asked(&c, DVMM_CREATE_SNAPSHOT, sizeof(struct dvmm_create_snapshot), 1) == EINVAL &&
	       asked(&c, DVMM_CREATE_SNAPSHOT, 1, 0) == EINVAL &&
	       asked(&c, DVMM_GET_STATS, sizeof(struct dvmm_create_snapshot), 0) == ENOTTY,
	       "flags, sizes and numbers that are not known");
	fd = snapshot_create(c.region[0][1]);
	tap_ok(fd < 0 && errno == ENOSPC, "where not all pages may be here: %s", strerror(errno));
	machine_stop(c.machine[0], "for the test");
	fd = snapshot_create(c.region[0][0]);
	tap_ok(fd < 0 && errno == EIO, "of a machine that has stopped: %s", strerror(errno));
	cluster_close(&c);
}

/* Copies of all that is there do not fit. */
static int without_room(void)
{
	word *m[NODES][REGIONS];
	char bytes[PAGE], room[32];
	struct cluster c;
	int i, fd;

	if (!cgroup_enter())
		return 2;
	open_three(&c, "loop", 0);
	map_all(&c, m);
	fill(m);
	fd = snapshot_create(c.region[0][0]);
	snprintf(room, sizeof(room), "%lld", cgroup_bytes() + TIGHT);
	if (fd < 0 || !cgroup_bound(room))
		return 3;
	for (i = 0; i < TOUCHED; i++)
		*word_of(m[0][0], i) = i;
	if (pread(fd, bytes, PAGE, 0) >= 0 || errno != ENOMEM)
		return 4;
	for (i = 0; i < TOUCHED; i++)
		if (*word_of(m[0][0], i) != (uint64_t)i)
			return 5;
	return 0;
}

/* A group that has less than it uses: nothing is to be killed for it, so nothing is had. */
static bool leave_nothing(void)
{
	return cgroup_put("/proc/self/oom_score_adj", "-1000") && cgroup_bound("1M");
}

/*
 * One page is kept by then, and the next ones not, until copies that go make no more room.  What
 * is refused then is still to be had: not ENODATA.
 */
static int without_a_copy(void)
{
	static char bytes[2 * PAGE];	/* touched before there is no more */
	word *m[NODES][REGIONS];
	struct cluster c;
	ssize_t n;
	int i, fd;

	if (!cgroup_enter())
		return 2;
	open_three(&c, "loop", 0);
	map_all(&c, m);
	fill(m);
	fd = snapshot_create(c.region[0][0]);
	*word_of(m[0][0], LAST) = 1;
	memset(bytes, 1, sizeof(bytes));
	if (fd < 0 || !leave_nothing())
		return 3;
	n = pread(fd, bytes, 2 * PAGE, LAST * PAGE);
	if (n < (ssize_t)PAGE)
		return 4;
	for (i = LAST + n / PAGE; i < TOUCHED && n > 0; i += n / (ssize_t)PAGE)
		n = pread(fd, bytes, PAGE, i * PAGE);
	if (n >= 0 || errno != ENOMEM)
		return 5;
	return pread(fd, bytes, PAGE, i * PAGE) < 0 && errno == ENOMEM ? 0 : 6;
}

/* In a child, which the group is left with. */
static void no_room(int (*work)(void), const char *what)
{
	int status;
	pid_t pid;

	if (!cgroup_make()) {
		tap_skip(what, "no cgroups: %s", strerror(errno));
		return;
	}
	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(work());
	waitpid(pid, &status, 0);
	cgroup_bound("max");
	cgroup_remove();
	tap_ok(WIFEXITED(status) && !WEXITSTATUS(status), "%s (%#x)", what, status);
}

int main(void)
{
	tap_start(150);
	dev_there();
	klog_open();
	as_it_was("loop");
	as_it_was("tcp");
	mapped_before();
	touched_later();
	just_gone();
	leaves_its_block();
	named();
	once();
	refused();
	no_room(without_room,
		"without room for copies the snapshot is given up, and memory is right");
	tap_ok(klog_clean(), "the kernel has nothing to complain of");
	/* It tells at length that there was nobody to kill. */
	no_room(without_a_copy,
		"without room for the reader's copy it hears so, each time");
	return tap_end();
}
