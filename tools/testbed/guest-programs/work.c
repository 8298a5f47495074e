// SPDX-License-Identifier: GPL-2.0
/*
 * work: counts the primes below a limit on every CPU at once, one thread
 * pinned to each, and checks the sum against the same count by a sieve.
 * Threads take ranges from one shared counter, so they share memory as well
 * as work. Prints what each CPU did; status 0 only if the sum is right and
 * every CPU took part.  With a file it begins again until that is there, and prints
 * each result with its number; a CPU may come too late for one round then, but not for all of them.
 *
 * usage: work [LIMIT [CHUNK [FILE]]]
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CPUS = 1024 };

struct worker {
	pthread_t thread;
	int cpu;
	unsigned long found, ranges;
	double seconds;
} __attribute__((aligned(4096)));

static struct worker workers[MAX_CPUS];
static char took_part[MAX_CPUS];
static unsigned long next_start, limit = 400000, chunk = 2000;
static pthread_barrier_t start_line;

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int is_prime(unsigned long n)
{
	if (n < 4)
		return n > 1;
	if (n % 2 == 0)
		return 0;
	for (unsigned long d = 3; d * d <= n; d += 2)
		if (n % d == 0)
			return 0;
	return 1;
}

static unsigned long count_range(unsigned long from, unsigned long to)
{
	unsigned long found = 0;

	for (unsigned long n = from; n < to; n++)
		found += is_prime(n);
	return found;
}

static unsigned long count_by_sieve(void)
{
	unsigned char *composite = calloc(limit + 1, 1);
	unsigned long found = 0;

	for (unsigned long n = 2; n < limit; n++) {
		if (composite[n])
			continue;
		found++;
		for (unsigned long m = n * n; m < limit; m += n)
			composite[m] = 1;
	}
	free(composite);
	return found;
}

static void *run(void *arg)
{
	struct worker *w = arg;
	unsigned long from;

	pthread_barrier_wait(&start_line);
	for (;;) {
		from = __atomic_fetch_add(&next_start, chunk, __ATOMIC_RELAXED);
		if (from >= limit)
			break;
		w->found += count_range(from, from + chunk < limit ? from + chunk : limit);
		w->ranges++;
	}
	w->seconds = now(CLOCK_THREAD_CPUTIME_ID);
	if (sched_getcpu() != w->cpu)
		printf("work: the thread of CPU %d ran on CPU %d\n", w->cpu, sched_getcpu());
	return NULL;
}

static int start_all(const cpu_set_t *allowed)
{
	int n = 0;

	pthread_barrier_init(&start_line, NULL, CPU_COUNT(allowed));
	for (int cpu = 0; cpu < CPU_SETSIZE && n < MAX_CPUS; cpu++) {
		pthread_attr_t attr;
		cpu_set_t one;

		if (!CPU_ISSET(cpu, allowed))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		pthread_attr_init(&attr);
		pthread_attr_setaffinity_np(&attr, sizeof(one), &one);
		workers[n].cpu = cpu;
		if (pthread_create(&workers[n].thread, &attr, run, &workers[n])) {
			fprintf(stderr, "work: no thread for CPU %d\n", cpu);
			exit(2);
		}
		n++;
	}
	return n;
}

static unsigned long collect(int n)
{
	unsigned long sum = 0;

	for (int i = 0; i < n; i++) {
		struct worker *w = &workers[i];

		pthread_join(w->thread, NULL);
		printf("cpu %3d: %6lu primes in %3lu ranges, %.3f s\n",
		       w->cpu, w->found, w->ranges, w->seconds);
		sum += w->found;
		took_part[i] |= w->ranges > 0;
	}
	return sum;
}

static bool work(const cpu_set_t *allowed, bool again)
{
	static unsigned long rounds;
	double begin = now(CLOCK_MONOTONIC);
	unsigned long sum, expected;
	int n;

	next_start = 0;
	memset(workers, 0, sizeof(workers));
	n = start_all(allowed);
	sum = collect(n);
	expected = count_by_sieve();
	if (again)
		printf("round %lu: ", ++rounds);
	printf("%lu primes below %lu on %d CPUs in %.3f s: %s\n", sum, limit, n,
	       now(CLOCK_MONOTONIC) - begin, sum == expected ? "correct" : "WRONG");
	fflush(stdout);
	return sum == expected;
}

int main(int argc, char **argv)
{
	cpu_set_t allowed;
	bool right;

	limit = argc > 1 ? strtoul(argv[1], NULL, 0) : limit;
	chunk = argc > 2 ? strtoul(argv[2], NULL, 0) : chunk;
	sched_getaffinity(0, sizeof(allowed), &allowed);
	do
		right = work(&allowed, argc > 3);
	while (argc > 3 && right && access(argv[3], F_OK));
	return right && !memchr(took_part, 0, CPU_COUNT(&allowed)) ? 0 : 1;
}
