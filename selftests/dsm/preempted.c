// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that are preempted at a bad moment: dvmm-halt keeps them from running there,
 * as a busy host may for long.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster.h"
#include "tap.h"

#define AT	"/sys/module/dvmm_halt/parameters/"
#define BOUND_MS	5000
/* Longer than a node that leaves waits for its peers. */
#define STILL_MS	1500

/* ---- places where threads stand still ---- */

static void halt(const char *places)
{
	char command[100];

	snprintf(command, sizeof(command), "modprobe dvmm-halt at=%s", places);
	if (system(command))
		tap_bail("%s", command);
}

static void halt_end(void)
{
	if (system("rmmod dvmm-halt"))
		tap_bail("rmmod dvmm-halt");
}

static void halt_go(const char *place)
{
	int fd = open(AT "go", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, place, 1) != 1)
		tap_bail(AT "go: %s", strerror(errno));
	close(fd);
}

/* How many stand at a place. */
static int halted(int place)
{
	FILE *f = fopen(AT "standing", "re");
	int n[2] = {};

	if (!f || fscanf(f, "%d %d", &n[0], &n[1]) < 1)
		tap_bail(AT "standing: %s", strerror(errno));
	fclose(f);
	return n[place];
}

static bool comes_true(bool (*what)(void *arg), void *arg, int ms)
{
	uint64_t end = now_ns() + ms * tap_patience() * 1000000ull;

	while (!what(arg) && now_ns() < end)
		usleep(1000);
	return what(arg);
}

/* ---- a fault whose frame is replaced while it does not run ---- */

struct page {
	struct cluster c;
	volatile char *near;	/* node 0's, the home's */
	volatile char *far;	/* node 1's */
	int waits_before;
	volatile bool go;
	volatile bool done;
};

static volatile char *map(const struct cluster *c, int node)
{
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, c->region[node][0], 0);

	if (p == MAP_FAILED)
		tap_bail("mmap: %s", strerror(errno));
	return p;
}

static bool writer_stands(void *arg)
{
	(void)arg;
	return halted(0) == 1;
}

/* Its fault holds the lock of its own address space only. */
static pid_t write_far(const struct page *p)
{
	volatile char *far;
	pid_t pid = fork();

	if (pid)
		return pid;
	far = map(&p->c, 1);
	/* Then the write is to a page that is mapped. */
	if (far[0] != 1)
		_exit(1);
	far[0] = 2;
	_exit(0);
}

static void *write_near(void *arg)
{
	struct page *p = arg;

	while (!p->go)
		usleep(1000);
	/* Where it is mapped to read this thread would come to the place, too. */
	madvise((void *)p->near, PAGE, MADV_DONTNEED);
	p->near[0] = 4;
	p->done = true;
	return NULL;
}

/* How often node 1 was asked for a page that somebody held. */
static int pin_waits(const struct page *p)
{
	char stats[4096], *waits;

	if (node_debugfs(p->c.uuid, 1, "stats", stats, sizeof(stats)))
		tap_bail("debugfs shows no counters of node 1");
	waits = strstr(stats, "pin_waits: ");
	if (!waits)
		tap_bail("no pin_waits");
	return atoi(waits + strlen("pin_waits: "));
}

static bool is_asked_for(void *arg)
{
	struct page *p = arg;

	return p->done || pin_waits(p) > p->waits_before;
}

/* The page is in a pipe: what a device that reads or writes it holds is no other reference. */
static void hold_in_pipe(struct page *p, int pipe_fd[2])
{
	struct iovec page = { (void *)p->far, PAGE };

	if (p->far[0] != 3)
		tap_bail("node 1 reads %d", p->far[0]);
	if (pipe(pipe_fd) || vmsplice(pipe_fd[1], &page, 1, 0) != (ssize_t)PAGE)
		tap_bail("vmsplice: %s", strerror(errno));
}

/*
 * A process of node 1 stands still after its fault has got the page; meanwhile node 0
 * takes it back, node 1 reads it again, into another frame, and somebody holds that
 * one.  The reference that the fault holds is on the former frame.
 */
static void replaced(void)
{
	struct page p = { .c = { .nodes = 2, .transport = "loop", .regions = 1,
				 .spec = { { 0, PAGE, 0 } } } };
	int pipe_fd[2], status;
	pthread_t writer;
	bool asked;
	pid_t pid;

	if (cluster_open(&p.c))
		tap_bail("machine of 2 nodes: %s", p.c.why);
	p.near = map(&p.c, 0);
	p.far = map(&p.c, 1);
	if (pthread_create(&writer, NULL, write_near, &p))
		tap_bail("pthread_create");
	p.near[0] = 1;
	halt("dvmm_region_withdraw");
	pid = write_far(&p);
	tap_ok(comes_true(writer_stands, NULL, BOUND_MS), "a fault that has its page stands still");
	p.near[0] = 3;
	hold_in_pipe(&p, pipe_fd);
	p.waits_before = pin_waits(&p);
	p.go = true;
	asked = comes_true(is_asked_for, &p, BOUND_MS);
	tap_ok(asked && !p.done, "its reference does not count for a frame that came since");
	close_all(pipe_fd, 2);
	pthread_join(writer, NULL);
	halt_end();
	tap_ok(waitpid(pid, &status, 0) == pid && !status, "and it comes to its end (%#x)", status);
	cluster_close(&p.c);
}

/* ---- a machine that is closed while a thread stops it ---- */

struct closing {
	int fd;
	volatile bool closed;
};

static void *close_machine(void *arg)
{
	struct closing *c = arg;

	close(c->fd);
	c->closed = true;
	return NULL;
}

static bool either_stands(void *arg)
{
	(void)arg;
	return halted(0) || halted(1);
}

static bool both_tell(void *arg)
{
	(void)arg;
	return halted(1) == 2;
}

static bool is_closed(void *arg)
{
	return ((struct closing *)arg)->closed;
}

/*
 * A link's threads find that it is cut, stop the machine, and stand still before they have
 * queued the work that tells the others; unless interrupts are off there, as they are to be.
 * That work stands still in any case, so that what has not waited for it is early.
 */
static void closed(void)
{
	struct cluster c = { .nodes = 2, .transport = "tcp", .regions = 1,
			     .spec = { { 0, PAGE, 0 } } };
	struct closing closing = {};
	pthread_t thread;

	if (cluster_open(&c))
		tap_bail("machine of 2 nodes: %s", c.why);
	closing.fd = c.machine[1];
	c.machine[1] = -1;
	halt("queue_work_on:stop_work,dvmm_links_bye");
	shutdown(c.sock[0][1][0], SHUT_RDWR);
	tap_ok(comes_true(either_stands, NULL, BOUND_MS), "a lost link stops both nodes");
	if (pthread_create(&thread, NULL, close_machine, &closing))
		tap_bail("pthread_create");
	usleep(STILL_MS * 1000);
	halt_go("0");
	tap_ok(comes_true(both_tell, NULL, BOUND_MS), "who is to tell the peers stands still");
	tap_ok(!comes_true(is_closed, &closing, STILL_MS),
	       "a machine that is closed meanwhile waits for that");
	halt_go("1");
	tap_ok(comes_true(is_closed, &closing, BOUND_MS), "and for no more");
	pthread_join(thread, NULL);
	halt_end();
	cluster_close(&c);
}

int main(void)
{
	tap_start(60);
	klog_open();
	close(dev_open());
	if (system("modprobe dvmm-halt && rmmod dvmm-halt"))
		tap_skip_all("no module dvmm-halt");
	replaced();
	closed();
	tap_ok(klog_clean(), "the kernel did not complain");
	return tap_end();
}
