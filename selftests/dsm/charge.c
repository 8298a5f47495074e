// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that a machine takes is charged to its owner's cgroup, bounded by what
 * there is, and given back where it can be.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "cluster.h"
#include "tap.h"

#define PAGES	2048ul
#define WAIT_MS	10000
#define DATAGRAMS	1000
#define ROOM	(2ll << 20)

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

/* Seven eighths of what node 1 holds, when the kernel is asked for memory. */
static bool given_by_node_1(const struct cluster *c)
{
	uint64_t end = now_ns() + WAIT_MS * tap_patience() * 1000000ull;

	do {
		if (!cgroup_put("/proc/sys/vm/drop_caches", "2"))
			tap_bail("drop_caches: %s", strerror(errno));
		usleep(100000);
	} while (frames(c, 1) > PAGES / 8 && now_ns() < end);
	return frames(c, 1) <= PAGES / 8;
}

/* In a child, so that the group is left with it. */
static int moved_pages(void)
{
	struct cluster c;
	long long got;

	if (!cgroup_enter() || open_machine(&c))
		return 2;
	/* Written there, back here: frames that messages brought. */
	write_all(map(&c, 1));
	if (wrong(map(&c, 0)))
		return 3;
	got = cgroup_bytes();
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

/* Each fits, both together do not: node 1 gets a limit by itself, and keeps it. */
static int bounded_pages(void)
{
	struct cluster c = { .nodes = 2, .transport = "loop", .regions = 2,
			     .spec = { { 0, PAGES * PAGE, 0 }, { 0, PAGES * PAGE, 0 } } };
	long long limit;

	if (!cgroup_bound("11M") || !cgroup_enter() || cluster_open(&c))
		return 2;
	limit = limit_shown();
	printf("# limit: %lld pages of %lu\n", limit, PAGES);
	fflush(stdout);
	if (limit <= 0 || limit >= (long long)PAGES)
		return 1;
	/* The other node's frames are charged to the same group. */
	if (!cgroup_bound("max"))
		return 2;
	write_all(map(&c, 1));
	return frames(&c, 1) > (uint64_t)limit ? 3 : 0;
}

static void bounded(void)
{
	int status = in_child(bounded_pages);

	cgroup_bound("max");
	tap_ok(!status, "regions that do not fit their owner's group are bounded (%d)", status);
}

/* Datagrams that wait for their reader: a link's thread has made room for them. */
static int unread_datagrams(void)
{
	static char data[DVMM_CHANNEL_DATA_MAX];
	int i, channel[2], first[2];
	struct dvmm_datagram d;
	struct cluster c;
	long long before;

	if (!cgroup_enter() || open_machine(&c))
		return 2;
	for (i = 0; i < 2; i++) {
		channel[i] = channel_create(c.machine[i], DVMM_CHANNEL_USER);
		first[i] = channel_create(c.machine[i], DVMM_CHANNEL_USER + 1);
	}
	before = cgroup_bytes();
	for (i = 0; i < DATAGRAMS; i++)
		if (channel_send(channel[0], 1, 0, 0, data, sizeof(data)) < 0)
			return 3;
	/* In order: when this one is there, all are. */
	if (channel_send(first[0], 1, 0, 0, data, 1) < 0 ||
	    channel_recv(first[1], &d, data, sizeof(data), WAIT_MS) != 1)
		return 4;
	before = cgroup_bytes() - before;
	printf("# %lld KiB for %d datagrams of %zu bytes\n", before / 1024, DATAGRAMS,
	       sizeof(data));
	fflush(stdout);
	return before < (long long)(DATAGRAMS * sizeof(data));
}

static void unread(void)
{
	int status = in_child(unread_datagrams);

	tap_ok(!status, "datagrams that nobody has read are charged to their reader (%d)", status);
}

/* The group has less than the region takes where it is at home. */
static int home_too_large(void)
{
	struct machine_params p = { .nodes = 2 };
	int machine, region;

	random_uuid(p.uuid);
	machine = machine_create(&p);
	if (machine < 0 || !cgroup_bound("6M") || !cgroup_enter())
		return 2;
	close(machine);
	random_uuid(p.uuid);
	machine = machine_create(&p);
	region = region_create(machine, 0, 0, PAGES * PAGE, 0);
	if (region >= 0 || errno != ENOMEM)
		return 1;
	return region_create(machine, 0, 1, PAGES * PAGE, 0) < 0 ? 3 : 0;
}

static void homeless(void)
{
	int status = in_child(home_too_large);

	cgroup_bound("max");
	tap_ok(!status, "a region that is larger than its home's group is refused (%d)", status);
}

/* Node 1 of two, alone in the group, takes more memory than that has. */
static void overdraw(const struct cluster *c)
{
	cluster_keep((struct cluster *)c, 1);
	if (cgroup_bound("5M"))
		write_all(map(c, 1));
	_exit(0);
}

static int owner_killed(void)
{
	struct dvmm_event_record ev = {};
	struct cluster c = { .nodes = 2, .transport = "loop", .regions = 1,
			     .spec = { { 1, PAGES * PAGE, 0 } } };
	int status, ret;
	pid_t pid;

	if (!cgroup_enter() || cluster_open(&c))
		return 2;
	pid = fork();
	if (!pid)
		overdraw(&c);
	cluster_keep(&c, 0);
	if (!cgroup_leave())
		return 3;
	waitpid(pid, &status, 0);
	ret = event_want(c.machine[0], DVMM_EVENT_STOPPED, &ev, WAIT_MS);
	printf("# status %#x, %s\n", status, ret == 1 ? ev.reason : "node 0 has heard nothing");
	fflush(stdout);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		return 4;
	return ret != 1 || !strstr(ev.reason, "node 1 left");
}

static void killed(void)
{
	int status = in_child(owner_killed);

	cgroup_bound("max");
	tap_ok(!status, "a node that its group kills leaves with a reason (%d)", status);
}

/* Node 0, the home, has written all pages outside of the group; node 1 joins in it. */
static int open_apart(struct cluster *c)
{
	*c = (struct cluster){ .nodes = 2, .transport = "loop", .regions = 1, .absent = 1 << 1,
			       .spec = { { 0, PAGES * PAGE, 0 } } };
	if (cluster_open(c))
		return -1;
	write_all(map(c, 0));
	return cgroup_enter() ? cluster_join(c, 1) : -1;
}

/* Bytes of room for more, or of what is there to go; by cgroup_bound() or cgroup_slow(). */
static bool from_now(bool (*set)(const char *bytes), long long more)
{
	char bytes[24];

	snprintf(bytes, sizeof(bytes), "%lld", cgroup_bytes() + more);
	return set(bytes);
}

static void show_copies(const struct cluster *c)
{
	printf("# the group has %lld KiB, node 1 %llu frames of %lu\n", cgroup_bytes() / 1024,
	       (unsigned long long)frames(c, 1), PAGES);
	fflush(stdout);
}

/* The group became small after the region was made, so there is no limit. */
static int more_copies_than_room(void)
{
	struct cluster c;
	size_t bad;

	if (open_apart(&c) || !from_now(cgroup_bound, ROOM))
		return 2;
	bad = wrong(map(&c, 1));
	show_copies(&c);
	return bad || frames(&c, 1) * PAGE > ROOM;
}

static int fewer_copies(void)
{
	struct cluster c;

	if (open_apart(&c) || wrong(map(&c, 1)))
		return 2;
	show_copies(&c);
	if (!from_now(cgroup_bound, -ROOM))
		return 3;
	show_copies(&c);
	return frames(&c, 1) * PAGE > PAGES * PAGE - ROOM / 2 || wrong(map(&c, 1));
}

/* Past memory.high nobody is killed, and who is there is slowed down until enough has gone. */
static int copies_past_high(void)
{
	struct cluster c;
	size_t bad;

	if (open_apart(&c) || !from_now(cgroup_slow, ROOM))
		return 2;
	bad = wrong(map(&c, 1));
	show_copies(&c);
	return bad || frames(&c, 1) * PAGE > 2 * ROOM;
}

static void copies(void)
{
	int status = in_child(more_copies_than_room);

	cgroup_bound("max");
	tap_ok(!status, "copies give way to others where their reader's group has no room (%d)",
	       status);
	status = in_child(fewer_copies);
	cgroup_bound("max");
	tap_ok(!status, "and when the group is made smaller (%d)", status);
	status = in_child(copies_past_high);
	cgroup_slow("max");
	tap_ok(!status, "and where it has more than its memory.high (%d)", status);
}

/* A process may be moved out, and its group be removed: what that was charged is its parent's. */
static int group_gone(void)
{
	struct cluster c;

	if (open_apart(&c) || wrong(map(&c, 1)) || !cgroup_leave() || !cgroup_orphan())
		return 2;
	if (!given_by_node_1(&c))
		return 3;
	write_all(map(&c, 1));
	return wrong(map(&c, 0)) || frames(&c, 1) != PAGES;
}

static void orphaned(void)
{
	int status = in_child(group_gone);

	tap_ok(!status, "a machine outlives its owner's group, and gives copies back (%d)", status);
}

/* Copies of pages that are at home elsewhere go when the kernel asks for memory. */
static void given_back(void)
{
	uint64_t before;
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
	tap_ok(before == PAGES && given_by_node_1(&c),
	       "clean copies are given back: %llu frames, then %llu",
	       (unsigned long long)before, (unsigned long long)frames(&c, 1));
	tap_ok(frames(&c, 0) == PAGES, "the home keeps its frames");
	tap_ok(!wrong(far), "and they can be read again");
	cluster_close(&c);
}

int main(void)
{
	tap_start(120);
	klog_open();
	close(dev_open());
	if (cgroup_make()) {
		charged();
		unread();
		bounded();
		homeless();
		copies();
		tap_ok(klog_clean(), "the kernel did not complain");
		killed();
		klog_open();	/* of that it tells at length */
		orphaned();
		cgroup_remove();
	} else {
		tap_skip("cgroup", "%s", strerror(errno));
	}
	given_back();
	tap_ok(klog_clean(), "the kernel did not complain");
	return tap_end();
}
