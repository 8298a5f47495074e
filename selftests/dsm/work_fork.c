// SPDX-License-Identifier: GPL-2.0
/* Forked writers: a mapping is not inherited, so each process maps for itself. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "work.h"

#define WRITERS	4
#define ADDS	100

/* One page: false sharing is meant. */
struct tally {
	uint64_t shared;
	uint64_t own[CLUSTER_NODES][WRITERS];
};

static void add(struct actor *a, int region, int nr)
{
	size_t offset = actor_page(a, region, 0) - a->map[region];
	volatile struct tally *t = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
					a->region[region], offset);
	int i;

	if (t == MAP_FAILED)
		_exit(2);
	for (i = 0; i < ADDS; i++) {
		__atomic_add_fetch(&t->shared, 1, __ATOMIC_SEQ_CST);
		t->own[a->self][nr]++;
	}
	_exit(0);
}

static void start(struct actor *a, int region, pid_t *pid)
{
	int i;

	fflush(stdout);
	for (i = 0; i < WRITERS; i++) {
		pid[i] = fork();
		if (pid[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGBUS, SIG_DFL);
		add(a, region, i);
	}
}

static int finish(struct actor *a, const pid_t *pid)
{
	int i, status, bad = 0;

	for (i = 0; i < WRITERS; i++)
		if (pid[i] < 0 || waitpid(pid[i], &status, 0) < 0 || status)
			bad++;
	return bad ? actor_fail(a, "%d of %d writers failed", bad, WRITERS) : 0;
}

static int check(struct actor *a, const struct tally *t, uint64_t rounds)
{
	uint64_t want = rounds * ADDS * WRITERS * a->nodes;
	int n, i;

	if (t->shared != want)
		return actor_fail(a, "sum %llu, expected %llu", (unsigned long long)t->shared,
				  (unsigned long long)want);
	for (n = 0; n < a->nodes; n++)
		for (i = 0; i < WRITERS; i++)
			if (t->own[n][i] != rounds * ADDS)
				return actor_fail(a, "writer %d of node %d: %llu, expected %llu",
						  i, n, (unsigned long long)t->own[n][i],
						  (unsigned long long)rounds * ADDS);
	return 0;
}

int work_fork(struct actor *a)
{
	int region = a->regions - 1;
	const struct tally *t = (struct tally *)actor_page(a, region, 0);
	uint64_t begin = now_ns(), round = 0;
	pid_t pid[WRITERS];

	do {
		start(a, region, pid);
		if (finish(a, pid))
			return -1;
		round++;
		actor_barrier(a);
		if (check(a, t, round))
			return -1;
	} while (!actor_over(a, begin) && round != a->rounds);
	if (!a->self)
		tap_diag("fork: %llu times %d writers on each of %d nodes",
			 (unsigned long long)round, WRITERS, a->nodes);
	return 0;
}
