// SPDX-License-Identifier: GPL-2.0
/*
 * Who waits for a page holds up nobody else of its process, and can be interrupted.
 *
 * Node 1 has written a page and keeps it in a pipe, which is a pin: the page does
 * not leave before the pipe is read, and a thread that wants it on node 0 waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cluster.h"
#include "tap.h"

#define PAGES	512
#define SAME_QUEUE	256	/* a page so much further on is waited for in the same queue */
#define BOUND_MS 3000

static volatile sig_atomic_t handled;
static sigjmp_buf after_fault;

static void on_usr1(int sig)
{
	(void)sig;
	handled = 1;
}

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(after_fault, 1);
}

static char *map_flags(int region, int flags)
{
	void *p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | flags, region, 0);

	if (p == MAP_FAILED)
		tap_bail("mmap: %s", strerror(errno));
	return p;
}

/* UPGRADE: to write what can be read already, which is mapped so. */
enum access { READ, WRITE, UPGRADE };

/**
 * struct scene - a page that does not come
 * @near: node 0's view
 * @far: node 1's view
 * @pipe: holds the page
 * @how: how the waiting thread accesses it
 * @done: it has
 * @tid: the thread
 */
struct scene {
	struct cluster c;
	char *near;
	char *far;
	int pipe[2];
	enum access how;
	volatile bool done;
	volatile pid_t tid;
	pthread_t thread;
};

static void *access_page(void *arg)
{
	struct scene *s = arg;

	s->tid = gettid();
	if (s->how != READ)
		*(volatile char *)s->near = 2;
	else
		(void)*(volatile char *)s->near;
	s->done = true;
	return NULL;
}

/* True once the thread sleeps in the kernel, as far as /proc tells. */
static void let_it_wait(void)
{
	usleep(300000 * tap_patience());
}

static bool set_scene(struct scene *s, enum access how)
{
	struct iovec page;

	memset(s, 0, sizeof(*s));
	s->c = (struct cluster){ .nodes = 2, .transport = "loop", .regions = 1,
				 .spec = { { 0, PAGES * PAGE, 0 } } };
	s->how = how;
	if (cluster_open(&s->c)) {
		tap_ok(false, "machine of 2 nodes: %s", s->c.why);
		return false;
	}
	s->near = map_flags(s->c.region[0][0], 0);
	s->far = map_flags(s->c.region[1][0], 0);
	s->far[0] = 1;
	if (how == UPGRADE && s->near[0] != 1)
		tap_bail("node 0 does not see what node 1 wrote");
	page = (struct iovec){ s->far, PAGE };
	if (pipe(s->pipe) || vmsplice(s->pipe[1], &page, 1, 0) != (ssize_t)PAGE)
		tap_bail("vmsplice: %s", strerror(errno));
	if (pthread_create(&s->thread, NULL, access_page, s))
		tap_bail("pthread_create");
	let_it_wait();
	return true;
}

static void strike_scene(struct scene *s)
{
	close(s->pipe[0]);
	close(s->pipe[1]);
	pthread_join(s->thread, NULL);
	munmap(s->near, PAGES * PAGE);
	munmap(s->far, PAGES * PAGE);
	cluster_close(&s->c);
}

/*
 * A thread that is there before the scene is set: making one maps its stack.
 * Each call may have to wait for 100 ms behind a write to a page that is mapped, which
 * is as long as that keeps mmap_lock.
 */
#define CALLS	20

struct mapper {
	volatile bool go;
	volatile bool done;
};

static void *map_and_unmap(void *arg)
{
	struct mapper *m = arg;
	int i;

	while (!m->go)
		usleep(1000);
	for (i = 0; i < CALLS / 2; i++)
		munmap(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), PAGE);
	m->done = true;
	return NULL;
}

static bool comes_true(const volatile bool *what)
{
	uint64_t end = now_ns() + BOUND_MS * tap_patience() * 1000000ull;

	while (!*what && now_ns() < end)
		usleep(1000);
	return *what;
}

static void others_go_on(enum access how)
{
	struct mapper mapper = {};
	bool in_time, waits;
	pthread_t thread;
	struct scene s;

	if (pthread_create(&thread, NULL, map_and_unmap, &mapper))
		tap_bail("pthread_create");
	if (!set_scene(&s, how))
		return;
	mapper.go = true;
	in_time = comes_true(&mapper.done);
	waits = !s.done;
	strike_scene(&s);
	pthread_join(thread, NULL);
	tap_ok(waits && in_time, "mmap and munmap go on while a thread waits to %s a page",
	       how == READ ? "read" : how == WRITE ? "write" : "write to");
}

#define SIGNALS	200

static void is_interrupted(void)
{
	int i, got = 0;
	struct scene s;
	uint64_t end;
	bool waits;

	if (!set_scene(&s, READ))
		return;
	for (i = 0; i < SIGNALS; i++) {
		handled = 0;
		pthread_kill(s.thread, SIGUSR1);
		end = now_ns() + BOUND_MS * tap_patience() * 1000000ull;
		while (!handled && now_ns() < end)
			usleep(100);
		got += handled;
		if (!handled)
			break;
	}
	waits = !s.done;
	tap_ok(waits && got == SIGNALS, "a thread that waits for a page handles signals (%d)", got);
	strike_scene(&s);
	tap_ok(s.done, "and gets the page afterwards");
}

#define GRANTS	200

/* Others get pages meanwhile. */
static void is_left_alone(void)
{
	const size_t other = SAME_QUEUE * PAGE;
	long before, woken;
	struct scene s;
	bool waits;
	int i;

	if (!set_scene(&s, READ))
		return;
	before = thread_switches(s.tid);
	for (i = 0; i < GRANTS; i++) {
		s.far[other] = i;
		s.near[other]++;
	}
	woken = thread_switches(s.tid) - before;
	waits = !s.done;
	tap_ok(waits && s.near[other] == (char)GRANTS && woken <= GRANTS / 10,
	       "what others get does not wake a thread that waits (%ld of %d times)", woken,
	       GRANTS);
	strike_scene(&s);
	tap_ok(s.done, "and it gets its page");
}

static void before_the_start(void)
{
	struct machine_params p = { .nodes = 2 };
	volatile bool failed;
	int machine, region;
	uint64_t start;
	char *m;

	random_uuid(p.uuid);
	machine = machine_create(&p);
	region = region_create(machine, 0, 1, PAGES * PAGE, 0);
	start = now_ns();
	m = map_flags(region, MAP_POPULATE);
	tap_ok(now_ns() - start < BOUND_MS * 1000000ull,
	       "a mapping that is to be populated before there are links does not wait for them");
	failed = sigsetjmp(after_fault, 1);
	if (!failed)
		*(volatile char *)m = 1;
	tap_ok(failed, "nor does an access, which gets SIGBUS");
	munmap(m, PAGES * PAGE);
	close(region);
	close(machine);
}

/* Eight pages in order make for sixteen more, which nobody has touched. */
static void reads_ahead(void)
{
	struct cluster c = { .nodes = 2, .transport = "loop", .regions = 1,
			     .policy = DVMM_POLICY_PREFETCH, .spec = { { 0, PAGES * PAGE, 0 } } };
	struct dvmm_stats s;
	char *near;
	int i;

	if (cluster_open(&c)) {
		tap_ok(false, "machine of 2 nodes: %s", c.why);
		return;
	}
	near = map_flags(c.region[0][0], 0);
	/* or the first of them would bring a whole block (block.c) */
	madvise(near, PAGES * PAGE, MADV_NOHUGEPAGE);
	for (i = 0; i < 8; i++)
		(void)*(volatile char *)(near + i * PAGE);
	machine_stats(c.machine[0], &s);
	tap_ok(s.frames == 8, "reading 8 untouched pages at their home takes %llu frames",
	       (unsigned long long)s.frames);
	munmap(near, PAGES * PAGE);
	cluster_close(&c);
}

int main(void)
{
	struct sigaction usr1 = { .sa_handler = on_usr1 }, bus = { .sa_handler = on_sigbus };

	tap_start(60);
	klog_open();
	close(dev_open());
	sigaction(SIGUSR1, &usr1, NULL);
	sigaction(SIGBUS, &bus, NULL);
	others_go_on(READ);
	others_go_on(WRITE);
	others_go_on(UPGRADE);
	is_interrupted();
	is_left_alone();
	before_the_start();
	reads_ahead();
	tap_ok(klog_clean(), "the kernel did not complain");
	return tap_end();
}
