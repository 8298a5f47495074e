// SPDX-License-Identifier: GPL-2.0
/* Between the agreed state, this host's units and systemd. */
#include <stdio.h>

#include <systemd/sd-daemon.h>

#include "../dvmm/json.h"
#include "service.h"
#include "work.h"

#define WORK_AGAIN_S	10
#define WORK_ALONE	"the pool decided nothing on its host for too long"

struct work {
	struct replica *r;
	const struct runner *runner;
	struct units *units;
	struct services *services;
	char *why;		/* there are none */
	bool alone;		/* the pool decides nothing here: nothing of it may run */
	unsigned int soon, again;
};

static gboolean on_soon(gpointer arg)
{
	struct work *w = arg;

	w->soon = 0;
	if (w->alone)
		units_stop_all(w->units, WORK_ALONE);
	work_look(w);
	return G_SOURCE_REMOVE;
}

/* Not from within what units_look() has called. */
static void work_look_soon(struct work *w)
{
	if (!w->soon)
		w->soon = g_idle_add(on_soon, w);
}

/* ---- what systemd tells ---- */

static void on_found(void *arg, const char *machine, const char *node, unsigned int run,
		     unsigned int cell)
{
	units_add(((struct work *)arg)->units, machine, node, run, cell);
}

static void on_known(void *arg)
{
	work_look_soon(arg);
}

static void on_active(void *arg, const char *machine, const char *node)
{
	struct work *w = arg;
	struct unit *u = units_find(w->units, machine, node);

	if (u)
		unit_be_active(u);
	work_look_soon(w);
}

static void on_ended(void *arg, const char *machine, const char *node, const char *reason)
{
	struct work *w = arg;
	struct unit *u = units_find(w->units, machine, node);

	fprintf(stderr, "dvmmd: %s: node %s has ended%s%s\n", machine, node, *reason ? ": " : "",
		reason);
	if (u)
		unit_end(u, u->stopping ? u->because : reason);
	work_look_soon(w);
}

static const struct service_ops service_ops = { on_found, on_known, on_active, on_ended };

/* ---- what the state wants ---- */

static void on_start(void *arg, struct unit *u)
{
	struct work *w = arg;
	const struct pool *p = replica_pool(w->r);
	char *why = w->why ? g_strdup(w->why) : NULL;
	GPtrArray *commands = NULL;

	if (!why)
		commands = runner_prepare(w->runner, p, pool_machine(p, u->machine), u->cell,
					  &why);
	if (commands) {
		fprintf(stderr, "dvmmd: %s: node %s is started, run %u\n", u->machine, u->node,
			u->run);
		service_start(w->services, u, commands);
	} else {
		unit_end(u, why);
		work_look_soon(w);
	}
	if (commands)
		g_ptr_array_unref(commands);
	g_free(why);
}

static void on_stop(void *arg, struct unit *u)
{
	struct work *w = arg;

	fprintf(stderr, "dvmmd: %s: node %s is ended, run %u\n", u->machine, u->node, u->run);
	service_stop(w->services, u);
}

static void on_tell(void *arg, struct json_object *message)
{
	/* If it is refused: all is told again in the next view. */
	g_free(replica_propose(((struct work *)arg)->r, message));
}

static const struct unit_ops unit_ops = { on_start, on_stop, on_tell };

/* ---- systemd ---- */

/* false after a line on stderr */
static bool work_open(struct work *w)
{
	g_clear_pointer(&w->why, g_free);
	w->services = services_open(&service_ops, w, &w->why);
	if (w->why)
		fprintf(stderr, "dvmmd: %s\n", w->why);
	return w->services;
}

static gboolean on_again(gpointer arg)
{
	struct work *w = arg;

	if (!work_open(w))
		return G_SOURCE_CONTINUE;
	w->again = 0;
	work_look(w);
	return G_SOURCE_REMOVE;
}

struct work *work_new(unsigned int self, struct replica *r, const struct runner *runner)
{
	struct work *w = g_new0(struct work, 1);

	w->r = r;
	w->runner = runner;
	w->units = units_new(self, &unit_ops, w);
	if (!work_open(w))
		w->again = g_timeout_add_seconds(WORK_AGAIN_S, on_again, w);
	return w;
}

void work_free(struct work *w)
{
	if (w->soon)
		g_source_remove(w->soon);
	if (w->again)
		g_source_remove(w->again);
	if (w->services)
		services_close(w->services);
	units_free(w->units);
	g_free(w->why);
	g_free(w);
}

static enum units_left work_left(const struct work *w)
{
	if (!w->services)
		return sd_booted() > 0 ? UNITS_LEFT_AWAITED : UNITS_LEFT_HIDDEN;
	return services_are_known(w->services) ? UNITS_LEFT_KNOWN : UNITS_LEFT_AWAITED;
}

void work_look(struct work *w)
{
	w->alone &= !replica_is_open(w->r);
	units_look(w->units, w->r, work_left(w));
}

void work_new_view(struct work *w)
{
	units_new_view(w->units);
}

void work_end(struct work *w)
{
	if (units_alive(w->units))
		fprintf(stderr, "dvmmd: the pool has decided nothing here for too long: all of its "
			"machines on this host are ended\n");
	w->alone = true;
	units_stop_all(w->units, WORK_ALONE);
}
