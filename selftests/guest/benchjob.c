// SPDX-License-Identifier: GPL-2.0
/*
 * benchjob: one job, on all CPUs named at once, a thread pinned to each. Prints
 * "NAME: SECONDS s: correct" or "...: WRONG"; the time is the guest's, from
 * when all threads are ready until the last is done, and of several times also
 * that of the first. Status 0 only where the result is right, 2 where the job could
 * not be done.
 *
 * usage: benchjob NAME[+spin][=SIZE][:TIMES] CPU...
 *        benchjob		names them
 *	:TIMES		all of it so many times over, in the same memory
 *	+spin		threads that wait for each other look again and again, and do not sleep
 *	BENCHJOB_SPOIL=1 benchjob ...	the result is made wrong, for a test of the check
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "benchjob.h"
#include "pin.h"

int cpus, cpu_of[MOST_CPUS];
uint64_t size, times;
const char *self;

static pthread_barrier_t barrier;
static bool spins;

/* Of those who spin; what they look at is nobody else's page. */
static struct {
	unsigned int here, turn;
} spot __attribute__((aligned(PAGE)));
static char spot_end __attribute__((aligned(PAGE), used));
static const struct job *job;
static double began, first, ended;

static void meet_spinning(void)
{
	unsigned int turn = __atomic_load_n(&spot.turn, __ATOMIC_SEQ_CST);

	if (__atomic_add_fetch(&spot.here, 1, __ATOMIC_SEQ_CST) == (unsigned int)cpus) {
		__atomic_store_n(&spot.here, 0, __ATOMIC_SEQ_CST);
		__atomic_store_n(&spot.turn, turn + 1, __ATOMIC_SEQ_CST);
		return;
	}
	while (__atomic_load_n(&spot.turn, __ATOMIC_SEQ_CST) == turn)
		__builtin_ia32_pause();
}

void meet(void)
{
	if (spins)
		meet_spinning();
	else
		pthread_barrier_wait(&barrier);
}

void die(const char *what)
{
	fprintf(stderr, "benchjob: %s: %s\n", what, strerror(errno));
	exit(2);
}

void *job_memory(uint64_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

uint64_t share(uint64_t total, int me)
{
	return total * me / cpus;
}

static void *thread_main(void *arg)
{
	int me = (int)(intptr_t)arg;

	meet();
	if (!me)
		began = seconds();
	for (uint64_t round = 0; round < times; round++) {
		job->part(me, round);
		meet();
		if (!me)
			ended = seconds();
		if (!me && !round)
			first = ended;
	}
	return NULL;
}

static bool run(void)
{
	pthread_t threads[MOST_CPUS];

	pthread_barrier_init(&barrier, NULL, cpus);
	if (job->prepare)
		job->prepare();
	for (int i = 0; i < cpus; i++)
		threads[i] = start_on(cpu_of[i], thread_main, (void *)(intptr_t)i);
	for (int i = 0; i < cpus; i++)
		pthread_join(threads[i], NULL);
	if (getenv("BENCHJOB_SPOIL"))
		job->spoil();
	return job->right();
}

static const struct job *find_in(const struct job *jobs, const char *name)
{
	for (; jobs->name; jobs++)
		if (!strcmp(jobs->name, name))
			return jobs;
	return NULL;
}

static void list(const struct job *jobs)
{
	for (; jobs->name; jobs++)
		printf("%s=%llu %s\n", jobs->name, (unsigned long long)jobs->size,
		       jobs->unit);
}

static int usage(void)
{
	fprintf(stderr, "usage: benchjob NAME[+spin][=SIZE][:TIMES] CPU...\n"
		"of up to %d CPUs; the names:\n", MOST_CPUS);
	list(compute_jobs);
	list(system_jobs);
	return 2;
}

/* Cuts a word in two; what follows @mark, or NULL. */
static char *cut(char *word, char mark)
{
	char *rest = strchr(word, mark);

	if (rest)
		*rest++ = 0;
	return rest;
}

/* NAME[+spin][=SIZE][:TIMES]; false where there is no such job. */
static bool parse(char *word)
{
	char *how_often = cut(word, ':'), *how_much = cut(word, '='), *how = cut(word, '+');

	if (how && strcmp(how, "spin"))
		return false;
	spins = how;
	times = how_often ? strtoull(how_often, NULL, 0) : 1;
	job = find_in(compute_jobs, word) ?: find_in(system_jobs, word);
	if (job)
		size = how_much ? strtoull(how_much, NULL, 0) : job->size;
	return job && times && !(job->once && times > 1);
}

static void report(bool right)
{
	printf("%s: %.6f s: %s", job->name, ended - began, right ? "correct" : "WRONG");
	if (times > 1)
		printf(", the first of %llu times %.6f s", (unsigned long long)times,
		       first - began);
	printf("\n");
}

int main(int argc, char **argv)
{
	bool right;

	self = "/proc/self/exe";
	if (argc == 3 && !strcmp(argv[1], "leaf"))
		return leaf_main(atoi(argv[2]));
	if (argc < 3 || argc - 2 > MOST_CPUS || !parse(argv[1]))
		return usage();
	for (cpus = 0; cpus < argc - 2; cpus++)
		cpu_of[cpus] = atoi(argv[cpus + 2]);
	right = run();
	report(right);
	return !right;
}
