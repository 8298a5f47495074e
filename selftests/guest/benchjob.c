// SPDX-License-Identifier: GPL-2.0
/*
 * benchjob: one job, on all CPUs named at once, a thread pinned to each. Prints
 * "NAME: SECONDS s: correct" or "...: WRONG"; the time is the guest's, from
 * when all threads are ready until the last is done. Status 0 only where the
 * result is right, 2 where the job could not be done.
 *
 * usage: benchjob NAME[=SIZE] CPU...
 *        benchjob		names them
 *	BENCHJOB_SPOIL=1 benchjob ...	the result is made wrong, for a test of the check
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "benchjob.h"
#include "pin.h"

int cpus, cpu_of[MOST_CPUS];
uint64_t size;
const char *self;

static pthread_barrier_t barrier;
static const struct job *job;
static double began, ended;

void meet(void)
{
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
	job->part(me);
	meet();
	if (!me)
		ended = seconds();
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
	fprintf(stderr, "usage: benchjob NAME[=SIZE] CPU..., of up to %d CPUs; the names:\n",
		MOST_CPUS);
	list(compute_jobs);
	list(system_jobs);
	return 2;
}

int main(int argc, char **argv)
{
	char *how_much;
	bool right;

	self = "/proc/self/exe";
	if (argc == 3 && !strcmp(argv[1], "leaf"))
		return leaf_main(atoi(argv[2]));
	if (argc < 3 || argc - 2 > MOST_CPUS)
		return usage();
	how_much = strchr(argv[1], '=');
	if (how_much)
		*how_much++ = 0;
	job = find_in(compute_jobs, argv[1]) ?: find_in(system_jobs, argv[1]);
	if (!job)
		return usage();
	size = how_much ? strtoull(how_much, NULL, 0) : job->size;
	for (cpus = 0; cpus < argc - 2; cpus++)
		cpu_of[cpus] = atoi(argv[cpus + 2]);
	right = run();
	printf("%s: %.6f s: %s\n", job->name, ended - began, right ? "correct" : "WRONG");
	return !right;
}
