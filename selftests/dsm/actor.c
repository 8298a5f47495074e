// SPDX-License-Identifier: GPL-2.0
/* Running one function on every node. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actor.h"
#include "tap.h"

/* What lies in the first pages of region 0. */
struct control {
	struct sync sync;
	uint64_t over __attribute__((aligned(4096)));
};
_Static_assert(sizeof(struct control) <= ACTOR_WORK * PAGE, "control pages");

int actor_fail(struct actor *a, const char *fmt, ...)
{
	va_list args;

	if (a->why[0])
		return -1;
	va_start(args, fmt);
	vsnprintf(a->why, sizeof(a->why), fmt, args);
	va_end(args);
	return -1;
}

void actor_barrier(struct actor *a)
{
	struct control *ctl = (struct control *)a->map[0];

	sync_wait(&ctl->sync, a->nodes);
}

/* Node 0 hears from all, then tells all. */
static int meet_all(struct actor *a)
{
	char c = 0;
	int i;

	for (i = 1; i < a->nodes; i++)
		if (recv(a->plain[i], &c, 1, MSG_WAITALL) != 1)
			return actor_fail(a, "node %d does not come", i);
	for (i = 1; i < a->nodes; i++)
		if (send(a->plain[i], &c, 1, MSG_NOSIGNAL) != 1)
			return actor_fail(a, "node %d has gone", i);
	return 0;
}

int actor_meet(struct actor *a)
{
	char c = 0;

	if (!a->self)
		return meet_all(a);
	if (send(a->plain[0], &c, 1, MSG_NOSIGNAL) != 1 ||
	    recv(a->plain[0], &c, 1, MSG_WAITALL) != 1)
		return actor_fail(a, "node 0 does not come");
	return 0;
}

char *actor_page(struct actor *a, int region, size_t page)
{
	return a->map[region] + (page + ACTOR_WORK) * PAGE;
}

size_t actor_pages(struct actor *a, int region)
{
	return a->bytes[region] / PAGE - ACTOR_WORK;
}

int actor_channel(struct actor *a)
{
	if (a->channel < 0)
		a->channel = channel_create(a->machine, ACTOR_CHANNEL);
	if (a->channel < 0)
		return actor_fail(a, "channel: %s", strerror(errno));
	return 0;
}

uint64_t actor_ns(const struct actor *a)
{
	const char *hurry = getenv("DVMM_HURRY");

	return a->seconds * 1000000000ull / (hurry && atoi(hurry) > 0 ? atoi(hurry) : 1);
}

/*
 * Clocks of different hosts do not end at the same round: node 0 decides, and
 * the two barriers make all nodes look at the same decision.
 */
bool actor_over(struct actor *a, uint64_t start)
{
	struct control *ctl = (struct control *)a->map[0];
	uint64_t over;

	if (!a->self)
		__atomic_store_n(&ctl->over, now_ns() - start > actor_ns(a), __ATOMIC_RELAXED);
	actor_barrier(a);
	over = __atomic_load_n(&ctl->over, __ATOMIC_RELAXED);
	actor_barrier(a);
	return over;
}

int actor_map(struct actor *a)
{
	int i;

	for (i = 0; i < a->regions; i++) {
		a->map[i] = mmap(NULL, a->bytes[i], PROT_READ | PROT_WRITE, MAP_SHARED,
				 a->region[i], 0);
		if (a->map[i] == MAP_FAILED)
			return actor_fail(a, "mmap of region %d: %s", i, strerror(errno));
	}
	return 0;
}

static void child(actor_fn fn, struct actor a, int report)
{
	int ret;

	/* The bound is the parent's: nobody outlives it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (actor_map(&a) || fn(&a)) {
		if (!a.why[0])
			snprintf(a.why, sizeof(a.why), "failed without a word");
		fflush(stdout);
		ret = write(report, a.why, sizeof(a.why));
		_exit(ret > 0 ? 1 : 2);
	}
	fflush(stdout);
	_exit(0);
}

/* Where the machine stopped, its reason tells more than the signal that came of it. */
static void signalled(char *text, size_t room, int machine, int number)
{
	struct dvmm_event_record ev = { 0 };

	if (number == SIGBUS)
		event_want(machine, DVMM_EVENT_STOPPED, &ev, 1000);
	snprintf(text, room, "killed by %s%s%.100s", strsignal(number),
		 ev.reason[0] ? ": " : "", ev.reason);
}

static int reap(pid_t pid, int node, int machine, int report, char *why)
{
	char text[200] = "";
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	if (WIFSIGNALED(status))
		signalled(text, sizeof(text), machine, WTERMSIG(status));
	else if (read(report, text, sizeof(text)) <= 0)
		snprintf(text, sizeof(text), "status %d", WEXITSTATUS(status));
	if (!why[0])
		snprintf(why, 200, "node %d: %.180s", node, text);
	return -1;
}

static struct actor actor_of(struct cluster *c, int i, const struct actor *model)
{
	struct actor a = *model;
	int r;

	a.self = i;
	a.nodes = c->nodes;
	a.machine = c->machine[i];
	a.channel = -1;
	a.regions = c->regions;
	for (r = 0; r < c->regions; r++)
		a.bytes[r] = c->spec[r].bytes;
	a.cache = c->spec[0].cache;
	memcpy(a.region, c->region[i], sizeof(a.region));
	memcpy(a.plain, c->plain[i], sizeof(a.plain));
	return a;
}

/*
 * One that failed leaves the others at a barrier for ever, and a stop does not
 * reach those who spin on a page that they hold: end them.
 */
static void give_up(const pid_t *pid, int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (pid[i] > 0)
			kill(pid[i], SIGKILL);
}

int cluster_run_as(struct cluster *c, actor_fn fn, const struct actor *model, char *why)
{
	pid_t pid[CLUSTER_NODES];
	int report[CLUSTER_NODES][2];
	int i, left = c->nodes, failed = 0;
	siginfo_t info;

	why[0] = 0;
	fflush(stdout);
	for (i = 0; i < c->nodes; i++) {
		if (pipe(report[i]))
			tap_bail("pipe: %s", strerror(errno));
		pid[i] = fork();
		if (pid[i] < 0)
			tap_bail("fork: %s", strerror(errno));
		if (!pid[i])
			child(fn, actor_of(c, i, model), report[i][1]);
		close(report[i][1]);
	}
	while (left && !waitid(P_ALL, 0, &info, WEXITED | WNOWAIT)) {
		for (i = 0; i < c->nodes && pid[i] != info.si_pid; i++)
			;
		if (i == c->nodes) {
			waitpid(info.si_pid, NULL, 0);
			continue;
		}
		left--;
		pid[i] = 0;
		if (reap(info.si_pid, i, c->machine[i], report[i][0], why) && !failed++)
			give_up(pid, c->nodes);
	}
	for (i = 0; i < c->nodes; i++)
		close(report[i][0]);
	return failed ? -1 : 0;
}

int cluster_run(struct cluster *c, actor_fn fn, unsigned int seconds, char *why)
{
	struct actor model = { .seconds = seconds };

	return cluster_run_as(c, fn, &model, why);
}
