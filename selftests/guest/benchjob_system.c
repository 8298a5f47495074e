// SPDX-License-Identifier: GPL-2.0
/* Jobs that work with the guest's kernel, or with one word of memory. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "benchjob.h"

static uint64_t done[MOST_CPUS];

static bool all_done(uint64_t each)
{
	for (int i = 0; i < cpus; i++)
		if (done[i] != each)
			return false;
	return true;
}

static void spoil_done(void)
{
	done[0]++;
}

/* ---- counter: all add to one word ---- */

static uint64_t counter __attribute__((aligned(PAGE)));

static void counter_part(int me, uint64_t round)
{
	(void)round;
	for (uint64_t i = 0; i < size; i++)
		__atomic_fetch_add(&counter, 1, __ATOMIC_SEQ_CST);
	done[me] = size;
}

static bool counter_right(void)
{
	return counter == size * cpus * times;
}

static void counter_spoil(void)
{
	counter--;
}

/* ---- pipes: neighbours hand a number to and fro ---- */

static int pipes[MOST_CPUS][2];		/* thread i reads from pipes[i] */

static void pipes_prepare(void)
{
	for (int i = 0; i < cpus; i++)
		if (pipe(pipes[i]))
			die("pipe");
}

static void pipes_part(int me, uint64_t round)
{
	int partner = me ^ 1;
	uint64_t number = 0;

	(void)round;
	if (partner >= cpus)		/* an odd one out talks to itself */
		partner = me;
	for (uint64_t i = 0; i < size; i++) {
		if (me % 2 == 0 && write(pipes[partner][1], &number, sizeof(number)) < 0)
			die("write");
		if (read(pipes[me][0], &number, sizeof(number)) != sizeof(number))
			die("read");
		number++;
		if (me % 2 && write(pipes[partner][1], &number, sizeof(number)) < 0)
			die("write");
	}
	done[me] = number;
}

/* Both of a pair add one each turn; the even one begins. */
static bool pipes_right(void)
{
	for (int i = 0; i < cpus; i++) {
		uint64_t want = (i ^ 1) >= cpus ? size : 2 * size - i % 2;

		if (done[i] != want)
			return false;
	}
	return true;
}

/* ---- tree: short processes start shorter ones, wherever the scheduler puts them ---- */

enum { LEAF_FD = 63, LEAF_WORK = 3000 };

static int leaves[2];

static unsigned int leaf_work(void)
{
	unsigned int found = 0;

	for (unsigned int n = 2; n < LEAF_WORK; n++) {
		unsigned int d = 2;

		while (d * d <= n && n % d)
			d++;
		found += d * d > n;
	}
	return found;
}

static pid_t leaf_start(unsigned int depth)
{
	char text[16];
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid)
		return pid;
	snprintf(text, sizeof(text), "%u", depth);
	execl(self, "benchjob", "leaf", text, NULL);
	_exit(127);
}

int leaf_main(unsigned int depth)
{
	int status, bad = 0;

	if (!depth)
		return write(LEAF_FD, "", leaf_work() == 430) != 1;
	for (int i = 0; i < 2; i++)
		leaf_start(depth - 1);
	while (wait(&status) > 0)
		bad |= status;
	return !!bad;
}

static void tree_prepare(void)
{
	if (pipe(leaves) || fcntl(leaves[1], F_SETPIPE_SZ, 1 << 16) < 0)
		die("pipe");
	if (dup2(leaves[1], LEAF_FD) != LEAF_FD)
		die("dup2");
}

/* A thread's own CPU would bind its processes. */
static void tree_part(int me, uint64_t round)
{
	cpu_set_t all;
	int status;

	(void)round;
	CPU_ZERO(&all);
	for (int i = 0; i < cpus; i++)
		CPU_SET(cpu_of[i], &all);
	sched_setaffinity(0, sizeof(all), &all);
	if (me)
		return;
	waitpid(leaf_start((unsigned int)size), &status, 0);
	done[0] |= status;
}

static bool tree_right(void)
{
	static char text[1 << 16];
	ssize_t n = read(leaves[0], text, sizeof(text));

	return !done[0] && n == (ssize_t)(times << size);
}

static void tree_spoil(void)
{
	char one;

	if (read(leaves[0], &one, 1) != 1)
		die("read");
}

/*
 * ---- touch: memory that nobody had, a part for each. Written and not read first, which
 * would map the kernel's page of zeroes, and replacing that takes a TLB shootdown ----
 */

static uint64_t *touched;

static void touch_prepare(void)
{
	touched = job_memory(size << 20);
}

static void touch_part(int me, uint64_t round)
{
	uint64_t pages = (size << 20) / PAGE, step = PAGE / sizeof(uint64_t);
	uint64_t from = share(pages, me), to = share(pages, me + 1);

	(void)round;
	for (uint64_t i = from; i < to; i++)
		touched[i * step] = i + 1;
	for (uint64_t i = from; i < to; i++)
		done[me] += touched[i * step] != i + 1;
}

static bool touch_right(void)
{
	return all_done(0);
}

/* ---- reader: the last thread reads the file that the first has written ---- */

#define READER_FILE	"/dev/shm/benchjob-reader"

enum { CHUNK = 1 << 16 };

static uint64_t reader_sum(const unsigned char *text, uint64_t seed)
{
	for (int i = 0; i < CHUNK; i++)
		seed = seed * 31 + text[i];
	return seed;
}

static void reader_write(void)
{
	static unsigned char text[CHUNK];
	int fd = open(READER_FILE, O_CREAT | O_TRUNC | O_WRONLY, 0600);

	for (uint64_t i = 0; i < (size << 20) / CHUNK; i++) {
		for (int j = 0; j < CHUNK; j++)
			text[j] = (unsigned char)(i * 7 + j * 13 + (j >> 8));
		done[0] = reader_sum(text, done[0]);
		if (write(fd, text, CHUNK) != CHUNK)
			die(READER_FILE);
	}
	close(fd);
}

static void reader_prepare(void)
{
	cpu_set_t first;

	CPU_ZERO(&first);
	CPU_SET(cpu_of[0], &first);
	sched_setaffinity(0, sizeof(first), &first);
	reader_write();
}

static void reader_part(int me, uint64_t round)
{
	static unsigned char text[CHUNK];
	uint64_t sum = 0;
	int fd;

	(void)round;
	if (me != cpus - 1)
		return;
	fd = open(READER_FILE, O_RDONLY);
	while (read(fd, text, CHUNK) == CHUNK)
		sum = reader_sum(text, sum);
	close(fd);
	unlink(READER_FILE);
	done[MOST_CPUS - 1] = sum;
}

static bool reader_right(void)
{
	return done[0] == done[MOST_CPUS - 1];
}

const struct job system_jobs[] = {
	{ "counter", 100000000, "additions a thread", NULL, counter_part, counter_right,
	  counter_spoil, false },
	{ "pipes", 200, "turns a pair", pipes_prepare, pipes_part, pipes_right,
	  spoil_done, false },
	{ "tree", 5, "levels", tree_prepare, tree_part, tree_right,
	  tree_spoil, false },
	{ "touch", 256, "MiB", touch_prepare, touch_part, touch_right,
	  spoil_done, true },
	{ "reader", 16, "MiB", reader_prepare, reader_part, reader_right,
	  spoil_done, true },
	{ }
};
