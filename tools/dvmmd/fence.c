// SPDX-License-Identifier: GPL-2.0
/* Runs the program that switches a host off, until it has done so or nobody needs it any more. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../dvmm/json.h"
#include "fence.h"
#include "machine.h"

#define FENCE_PAUSE_MAX	64	/* seconds */

/**
 * struct fence - a host that is being fenced
 * @pid: of the program, which leads a process group
 * @watch: for its end; 0: it does not run
 * @timer: for its bound, or for the next try
 * @done: the group is told; the host's nodes will have ended
 */
struct fence {
	struct fences *all;
	unsigned int host;
	GPid pid;
	unsigned int watch, timer;
	unsigned int tries;
	bool done;
};

struct fences {
	unsigned int self;
	struct replica *r;
	const char *program;
	int bound;
	GPtrArray *list;
};

static struct json_object *fence_host(const struct fence *f)
{
	return pool_host(replica_pool(f->all->r), f->host);
}

static const char *fence_name(const struct fence *f)
{
	return json_text_of(fence_host(f), "name");
}

/* ---- what becomes of it ---- */

static void on_reaped(GPid pid, gint status, gpointer arg)
{
	(void)pid;
	(void)status;
	(void)arg;
}

static void fence_stop(struct fence *f)
{
	if (f->timer)
		g_source_remove(f->timer);
	if (f->watch) {
		g_source_remove(f->watch);
		kill(-f->pid, SIGKILL);
		g_child_watch_add(f->pid, on_reaped, NULL);
	}
	f->timer = 0;
	f->watch = 0;
}

static void fence_free(void *arg)
{
	struct fence *f = arg;

	if (f->watch)
		fprintf(stderr, "dvmmd: %s: %s is ended\n", fence_name(f), f->all->program);
	fence_stop(f);
	g_free(f);
}

/* If it is refused the view is closed, and the next one begins anew. */
static void fence_tell(struct fence *f, const char *kind, const char *reason)
{
	struct json_object *message = json_object_new_object();

	json_text(message, "kind", kind);
	json_text(message, "name", fence_name(f));
	json_text(message, "reason", reason);
	g_free(replica_propose(f->all->r, message));
	json_object_put(message);
}

static gboolean on_again(gpointer arg);

static void fence_fail(struct fence *f, const char *why)
{
	unsigned int pause = MIN(1u << MIN(f->tries - 1, 8), FENCE_PAUSE_MAX);
	char *reason = g_strdup_printf("try %u of %s: %s", f->tries, f->all->program, why);

	fence_stop(f);
	fprintf(stderr, "dvmmd: %s is not fenced: %s: again in %u s\n", fence_name(f), reason,
		pause);
	fence_tell(f, "unfenced", reason);
	g_free(reason);
	f->timer = g_timeout_add_seconds(pause, on_again, f);
}

static void on_end(GPid pid, gint status, gpointer arg)
{
	struct fence *f = arg;
	char why[32];

	(void)pid;
	f->watch = 0;
	fence_stop(f);
	if (!status) {
		fprintf(stderr, "dvmmd: %s is fenced\n", fence_name(f));
		f->done = true;
		fence_tell(f, "fenced", "");
		return;
	}
	if (WIFEXITED(status))
		snprintf(why, sizeof(why), "exit status %d", WEXITSTATUS(status));
	else
		snprintf(why, sizeof(why), "signal %d", WTERMSIG(status));
	fence_fail(f, why);
}

static gboolean on_late(gpointer arg)
{
	struct fence *f = arg;
	char why[32];

	f->timer = 0;
	snprintf(why, sizeof(why), "not done in %d s", f->all->bound);
	fence_fail(f, why);
	return G_SOURCE_REMOVE;
}

/* ---- its begin ---- */

/* In the child: all that it starts can be ended with it; without a dvmmd nobody would do that. */
static void fence_lead(gpointer arg)
{
	(void)arg;
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void fence_run(struct fence *f)
{
	const char *program = f->all->program, *address = json_text_of(fence_host(f), "address");
	char *argv[] = { (char *)program, (char *)fence_name(f), (char *)address, NULL };
	GError *error = NULL;

	f->tries++;
	fprintf(stderr, "dvmmd: %s is away and may still run nodes: %s %s %s\n", argv[1], program,
		argv[1], address);
	if (!g_spawn_async(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, fence_lead, NULL, &f->pid,
			   &error)) {
		fence_fail(f, error->message);
		g_error_free(error);
		return;
	}
	f->watch = g_child_watch_add(f->pid, on_end, f);
	f->timer = g_timeout_add_seconds(f->all->bound, on_late, f);
}

static gboolean on_again(gpointer arg)
{
	struct fence *f = arg;

	f->timer = 0;
	fence_run(f);
	return G_SOURCE_REMOVE;
}

/* ---- all of them ---- */

struct fences *fences_new(unsigned int self, struct replica *r, const char *program, int bound)
{
	struct fences *all = g_new0(struct fences, 1);

	all->self = self;
	all->r = r;
	all->program = program;
	all->bound = bound;
	all->list = g_ptr_array_new_with_free_func(fence_free);
	return all;
}

void fences_free(struct fences *all)
{
	g_ptr_array_unref(all->list);
	g_free(all);
}

static struct fence *fences_find(struct fences *all, unsigned int host)
{
	unsigned int i;

	for (i = 0; i < all->list->len; i++) {
		struct fence *f = g_ptr_array_index(all->list, i);

		if (f->host == host)
			return f;
	}
	return NULL;
}

/*
 * Its being away is a decision like others: only a stable one is acted on.  The program knows hosts
 * by their names and would switch off one that is back by another id, so all have told theirs, and
 * whether they have a program, which pool_fencer() goes by.
 */
static bool fences_want(struct fences *all, unsigned int id)
{
	const struct pool *p = replica_pool(all->r);
	struct json_object *host = pool_host(p, id);

	return replica_is_open(all->r) && pool_fencer(p) == all->self && host &&
	       !strcmp(json_text_of(host, "state"), "away") &&
	       pool_is_told(p) && !pool_has_named(p, json_text_of(host, "name")) &&
	       json_number_of(host, "since") <= replica_stable(all->r) && machines_lost_on(p, id);
}

static void fences_begin(struct fences *all, unsigned int host)
{
	struct fence *f = g_new0(struct fence, 1);

	f->all = all;
	f->host = host;
	g_ptr_array_add(all->list, f);
	fence_run(f);
}

void fences_look(struct fences *all)
{
	unsigned int i = 0;

	while (i < all->list->len) {
		struct fence *f = g_ptr_array_index(all->list, i);

		if (fences_want(all, f->host))
			i++;
		else
			g_ptr_array_remove_index(all->list, i);
	}
	json_object_object_foreach(replica_pool(all->r)->hosts, key, host) {
		unsigned int id = strtoul(key, NULL, 10);

		(void)host;
		if (fences_want(all, id) && !fences_find(all, id))
			fences_begin(all, id);
	}
}
