// SPDX-License-Identifier: GPL-2.0
/* dvmmd: this host's part in a pool of hosts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib-unix.h>

#include "../dvmm/json.h"
#include "door.h"
#include "fence.h"
#include "host.h"
#include "replica.h"
#include "ring.h"
#include "store.h"
#include "trip.h"
#include "work.h"

#define STATE_DIR	"/run/dvmm"
#define STORE		"/var/lib/dvmm/pool.json"
#define DOOR		"dvmmd.sock"
#define DVMM		"/usr/bin/dvmm"
#define QEMU		"/usr/lib/dvmm/qemu-system-x86_64"
#define AUTHKEY		"/etc/corosync/authkey"
#define EXIT_CHANGED	1
#define EXIT_ASKED	2
#define EXIT_NO_QUORUM	3
#define EXIT_DENIED	4
#define EXIT_MISFIT	3	/* of dvmmd itself: dvmmd.service does not start it again */

#define RETRY_MS	500	/* to find corosync */
#define NEWS_SECONDS	10	/* between looks at this host */
#define PATIENCE	20	/* seconds without decisions until machines here are ended */
#define FENCE_BOUND	60	/* seconds to fence a host */

/**
 * struct daemon - all of it
 * @name: of this host
 * @ring: NULL: corosync is not there
 * @ring_why: what is wrong with it then
 * @calls: struct door_call that wait for a message to be applied, by its id
 * @host: what was told last
 * @over: timer: machines here end when it does
 * @fence: program that switches hosts off; NULL: there is none
 */
struct daemon {
	char *name;
	char *state;
	char *store;
	char *root;
	char *qemu;
	GMainLoop *loop;
	struct door *door;
	struct ring *ring;
	char *ring_why;
	struct replica *r;
	GHashTable *calls;
	unsigned int last_id;
	struct json_object *host;
	struct work *work;
	struct runner runner;
	int patience;
	unsigned int over;
	char *fence;
	int fence_bound;
	struct fences *fences;
	bool was_open;
	int status;
};

static void daemon_say(void *arg, const char *line)
{
	(void)arg;
	fprintf(stderr, "dvmmd: %s\n", line);
}

/* ---- what the replica does ---- */

static void on_keep(void *arg, struct json_object *kept)
{
	struct daemon *d = arg;

	if (store_write(d->store, kept))
		return;
	/* A vote that is not kept must not be given. */
	fprintf(stderr, "dvmmd: %s cannot be written: make room on its disk\n", d->store);
	exit(EXIT_FAILURE);
}

static void on_send(void *arg, const char *text)
{
	struct daemon *d = arg;

	if (d->ring)
		ring_send(d->ring, text);
}

static void on_done(void *arg, struct json_object *message, const char *why)
{
	struct daemon *d = arg;
	gpointer id = GUINT_TO_POINTER((unsigned int)json_number_of(message, "id"));
	struct door_call *call = json_number_of(message, "pid") == (uint64_t)getpid() ?
				 g_hash_table_lookup(d->calls, id) : NULL;

	if (!call)
		return;
	g_hash_table_remove(d->calls, id);
	if (why)
		door_refuse(call, EXIT_CHANGED, g_strdup(why));
	else
		door_answer(call, json_object_new_object());
}

static gboolean call_is_lost(gpointer id, gpointer call, gpointer arg)
{
	(void)id;
	(void)arg;
	door_refuse(call, EXIT_CHANGED,
		    g_strdup("the hosts of the pool have just changed, and it is not known whether "
			     "that was done: see dvmm machines, and ask again"));
	return TRUE;
}

static void daemon_propose(struct daemon *d, struct json_object *message)
{
	char *why = replica_propose(d->r, message);

	g_free(why);	/* when the view is open it is told again */
}

/* What changes all the time is told only when all of it is. */
static void daemon_tell_host(struct daemon *d)
{
	struct json_object *message = json_object_new_object();
	char *address;

	json_object_put(d->host);
	d->host = host_look(d->root, d->name, d->qemu);
	address = ring_address(d->ring);
	json_text(d->host, "address", address);
	g_free(address);
	json_text(d->host, "fence", d->fence ? d->fence : "");
	json_object_object_add(d->host, "round_trips", trips_look());
	json_text(message, "kind", "host");
	json_object_object_add(message, "host", json_object_get(d->host));
	daemon_propose(d, message);
	json_object_put(message);
}

static gboolean on_over(gpointer arg)
{
	struct daemon *d = arg;

	d->over = 0;
	work_end(d->work);
	return G_SOURCE_REMOVE;
}

/* The others take what runs here for lost as long as they do not hear of its end. */
static void daemon_watch_patience(struct daemon *d, bool open)
{
	if (open && d->over) {
		g_source_remove(d->over);
		d->over = 0;
	} else if (!open && !d->over) {
		d->over = g_timeout_add_seconds(d->patience, on_over, d);
	}
}

static void on_changed(void *arg)
{
	struct daemon *d = arg;
	bool open = d->r && replica_is_open(d->r);

	if (d->r && replica_is_misfit(d->r)) {
		d->status = EXIT_MISFIT;
		g_main_loop_quit(d->loop);
	}
	if (d->was_open && !open)
		g_hash_table_foreach_remove(d->calls, call_is_lost, d);
	if (open && !d->was_open)
		daemon_tell_host(d);
	if (d->was_open != open)
		daemon_watch_patience(d, open);
	d->was_open = open;
	if (!d->work)
		return;
	work_look(d->work);
	fences_look(d->fences);
}

static const struct replica_ops replica_ops = {
	on_keep, on_send, daemon_say, on_done, on_changed
};

static gboolean on_news(gpointer arg)
{
	struct daemon *d = arg;

	if (d->was_open)
		daemon_tell_host(d);
	return G_SOURCE_CONTINUE;
}

/* ---- what corosync gives ---- */

static void on_view(void *arg, const struct replica_ring *ring,
		    const struct replica_member *members, unsigned int n)
{
	struct daemon *d = arg;

	work_new_view(d->work);
	replica_view(d->r, ring, members, n);
}

static void on_message(void *arg, unsigned int sender, const char *data, size_t len)
{
	replica_take(((struct daemon *)arg)->r, sender, data, len);
}

static void on_quorum(void *arg, const struct replica_ring *ring, bool quorate,
		      const unsigned int *nodes, unsigned int n, unsigned int enough)
{
	replica_quorum(((struct daemon *)arg)->r, ring, quorate, nodes, n, enough);
}

static gboolean on_retry(gpointer arg);

static void daemon_set_why(struct daemon *d, char *why)
{
	if (g_strcmp0(d->ring_why, why))
		daemon_say(d, why);
	g_free(d->ring_why);
	d->ring_why = why;
}

static void on_gone(void *arg)
{
	struct daemon *d = arg;

	d->ring = NULL;
	daemon_set_why(d, g_strdup("corosync has ended: systemctl start corosync"));
	replica_leave(d->r);
	g_timeout_add(RETRY_MS, on_retry, d);
}

static const struct ring_ops ring_ops = { on_view, on_message, on_quorum, on_gone };

/* The node id comes from corosync and stays as long as this process. */
static bool daemon_has_replica(struct daemon *d)
{
	static unsigned int self;
	struct json_object *kept;
	char *why = NULL;

	if (d->r && self == ring_self(d->ring))
		return true;
	if (d->r) {
		daemon_say(d, "corosync has given this host another node id: start dvmmd again");
		return false;
	}
	self = ring_self(d->ring);
	kept = store_read(d->store, &why);
	d->r = why ? NULL : replica_new(self, kept, &replica_ops, d);
	json_object_put(kept);
	if (!d->r && !why)
		why = g_strdup_printf("%s: it has no pool's state in it: if other hosts have it, "
				      "move the file away", d->store);
	if (why)
		daemon_say(d, why);
	g_free(why);
	if (!d->r)
		return false;
	d->work = work_new(self, d->r, &d->runner);
	d->fences = fences_new(self, d->r, d->fence, d->fence_bound);
	daemon_watch_patience(d, false);
	return true;
}

static gboolean on_retry(gpointer arg)
{
	struct daemon *d = arg;
	char *why = NULL;

	d->ring = ring_open(&ring_ops, d, &why);
	if (!d->ring) {
		daemon_set_why(d, why);
		return G_SOURCE_CONTINUE;
	}
	g_clear_pointer(&d->ring_why, g_free);
	if (!daemon_has_replica(d)) {
		d->status = EXIT_FAILURE;
		g_main_loop_quit(d->loop);
	}
	return G_SOURCE_REMOVE;
}

/* ---- what is asked ---- */

/* "": the pool decides */
static const char *daemon_why_closed(struct daemon *d)
{
	if (!d->ring)
		return d->ring_why ? d->ring_why : "corosync is not found yet: try again";
	if (!replica_is_open(d->r) && ring_is_pair(d->ring))
		return "one of two hosts decides nothing alone: bring up the other, or add a third "
		       "vote: corosync-qdevice(8)";
	return replica_phase(d->r);
}

static void add_reason(struct json_object *machine, struct json_object *host)
{
	const char *reason = json_text_of(machine, "reason"), *why = json_text_of(host, "unfenced");
	char *more = g_strdup_printf("; %s is not fenced: %s", json_text_of(host, "name"), why);
	char *all = g_strconcat(reason, more, NULL);

	if (*why && !strstr(reason, more))
		json_text(machine, "reason", all);
	g_free(all);
	g_free(more);
}

/* For whoever reads it. */
static void explain_machine(const struct pool *p, struct json_object *machine)
{
	struct json_object *cells = json_list_of(machine, "cells");
	size_t i;

	for (i = 0; cells && i < json_object_array_length(cells); i++) {
		struct json_object *cell = json_object_array_get_idx(cells, i);
		struct json_object *host = pool_host(p, json_number_of(cell, "host"));

		if (host)
			json_text(cell, "host_name", json_text_of(host, "name"));
		if (host && !strcmp(json_text_of(cell, "state"), "lost"))
			add_reason(machine, host);
	}
}

/* By name, for whoever reads it. */
static void explain_host(const struct pool *p, struct json_object *host)
{
	struct json_object *trips, *named = json_object_new_object();

	if (json_object_object_get_ex(host, "round_trips", &trips) &&
	    json_object_is_type(trips, json_type_object)) {
		json_object_object_foreach(trips, key, us) {
			struct json_object *other = pool_host(p, strtoul(key, NULL, 10));

			if (other)
				json_object_object_add(named, json_text_of(other, "name"),
						       json_object_get(us));
		}
	}
	json_object_object_add(host, "round_trips", named);
}

static struct json_object *values_of(const struct pool *p, struct json_object *all)
{
	struct json_object *list = json_object_new_array();

	json_object_object_foreach(all, key, value) {
		struct json_object *copy = NULL;

		(void)key;
		if (json_object_deep_copy(value, &copy, NULL))
			continue;
		if (all == p->machines)
			explain_machine(p, copy);
		else
			explain_host(p, copy);
		json_object_array_add(list, copy);
	}
	return list;
}

static void answer_list(struct daemon *d, struct door_call *call, const char *what)
{
	struct json_object *answer = json_object_new_object();
	const struct pool *p = d->r ? replica_pool(d->r) : NULL;
	struct json_object *all = !p ? NULL : strcmp(what, "hosts") ? p->machines : p->hosts;

	json_object_object_add(answer, what, p ? values_of(p, all) : json_object_new_array());
	json_text(answer, "host", d->name);
	json_text(answer, "closed", daemon_why_closed(d));
	if (p) {
		char *digest = pool_digest(p);

		json_number(answer, "term", p->term);
		json_number(answer, "sequence", p->sequence);
		json_text(answer, "digest", digest);
		g_free(digest);
	}
	door_answer(call, answer);
}

/* Of two hosts that have lost each other each takes the other for dead. */
static bool daemon_may_restart(struct daemon *d, struct door_call *call,
			       struct json_object *request)
{
	if (!*json_text_of(request, "restart") || !ring_is_pair(d->ring))
		return true;
	door_refuse(call, EXIT_CHANGED,
		    g_strdup("two hosts without a third vote restart nothing by themselves: leave "
			     "--restart out, or add a vote: corosync-qdevice(8)"));
	return false;
}

static void propose_for(struct daemon *d, struct door_call *call, struct json_object *request)
{
	struct json_object *message = NULL;
	char *why;

	json_object_deep_copy(request, &message, NULL);
	json_text(message, "kind", json_text_of(request, "do"));
	json_number(message, "pid", getpid());
	json_number(message, "id", ++d->last_id);
	g_hash_table_insert(d->calls, GUINT_TO_POINTER(d->last_id), call);
	why = replica_propose(d->r, message);
	if (why) {
		g_hash_table_remove(d->calls, GUINT_TO_POINTER(d->last_id));
		door_refuse(call, EXIT_NO_QUORUM, why);
	}
	json_object_put(message);
}

static void on_call(void *arg, struct door_call *call, struct json_object *request,
		    bool may_change)
{
	static const char *const changes[] = {
		"define", "undefine", "start", "stop", "fenced", NULL
	};
	const char *what = json_text_of(request, "do");
	struct daemon *d = arg;

	if (!strcmp(what, "hosts") || !strcmp(what, "machines"))
		answer_list(d, call, what);
	else if (!g_strv_contains(changes, what))
		door_refuse(call, EXIT_ASKED, g_strdup_printf("'%s' is nothing that dvmmd "
							      "does: use the dvmm of this version",
							      what));
	else if (!may_change)
		door_refuse(call, EXIT_DENIED, g_strdup("only root changes the pool: run as root"));
	else if (*daemon_why_closed(d))
		door_refuse(call, EXIT_NO_QUORUM, g_strdup_printf("the pool decides nothing: %s",
								  daemon_why_closed(d)));
	else if (daemon_may_restart(d, call, request))
		propose_for(d, call, request);
}

/* ---- begin and end ---- */

/* As dvmm run finds it; "": there is none. */
static char *qemu_version(void)
{
	const char *named = g_getenv("DVMM_QEMU");
	char *argv[] = { (char *)(named ? named : QEMU), "--version", NULL };
	char *text = NULL;

	if (!g_spawn_sync(NULL, argv, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &text, NULL,
			  NULL, NULL))
		return g_strdup("");
	text[strcspn(text, "\n")] = 0;
	return text;
}

static gboolean on_signal(gpointer arg)
{
	g_main_loop_quit(((struct daemon *)arg)->loop);
	return G_SOURCE_CONTINUE;
}

static bool daemon_can_fence(struct daemon *d)
{
	if (d->fence_bound < 1)
		daemon_say(d, "--fence-timeout: give the program a second at least");
	else if (d->fence && (!g_path_is_absolute(d->fence) || access(d->fence, X_OK)))
		fprintf(stderr, "dvmmd: --fence %s: name a program by its whole path\n", d->fence);
	else
		return true;
	return false;
}

static int daemon_run(struct daemon *d)
{
	char *path = g_build_filename(d->state, DOOR, NULL), *why = NULL;

	d->door = door_open(path, on_call, d, &why);
	g_free(path);
	if (!d->door) {
		daemon_say(d, why);
		g_free(why);
		return EXIT_FAILURE;
	}
	d->loop = g_main_loop_new(NULL, FALSE);
	d->calls = g_hash_table_new(NULL, NULL);
	if (on_retry(d))
		g_timeout_add(RETRY_MS, on_retry, d);
	g_timeout_add_seconds(NEWS_SECONDS, on_news, d);
	g_unix_signal_add(SIGTERM, on_signal, d);
	g_unix_signal_add(SIGINT, on_signal, d);
	if (!d->status)
		g_main_loop_run(d->loop);
	door_close(d->door);
	if (d->work) {
		fences_free(d->fences);
		work_free(d->work);
	}
	d->work = NULL;
	if (d->ring)
		ring_close(d->ring);
	return d->status;
}

/* Which words it was given; false after a line about one that is wrong. */
static bool daemon_parse(struct daemon *d, int argc, char **argv)
{
	const GOptionEntry options[] = {
		{ "state", 0, 0, G_OPTION_ARG_FILENAME, &d->state, "of what runs: " STATE_DIR,
		  "DIR" },
		{ "store", 0, 0, G_OPTION_ARG_FILENAME, &d->store, "kept for good: " STORE,
		  "FILE" },
		{ "name", 0, 0, G_OPTION_ARG_STRING, &d->name, "of this host", "NAME" },
		{ "dvmm", 0, 0, G_OPTION_ARG_FILENAME, &d->runner.dvmm, "command: " DVMM, "FILE" },
		{ "authkey", 0, 0, G_OPTION_ARG_FILENAME, &d->runner.authkey,
		  "of corosync: " AUTHKEY, "FILE" },
		{ "patience", 0, 0, G_OPTION_ARG_INT, &d->patience,
		  "without decisions until machines here are ended: " G_STRINGIFY(PATIENCE),
		  "SECONDS" },
		{ "fence", 0, 0, G_OPTION_ARG_FILENAME, &d->fence,
		  "run with name and address of a host to switch it off", "PROGRAM" },
		{ "fence-timeout", 0, 0, G_OPTION_ARG_INT, &d->fence_bound,
		  "it may take: " G_STRINGIFY(FENCE_BOUND), "SECONDS" },
		{ "root", 0, 0, G_OPTION_ARG_FILENAME, &d->root, "look below it for /proc and /sys",
		  "DIR" },
		{}
	};
	GOptionContext *context = g_option_context_new("- this host's part in a pool of hosts");
	GError *error = NULL;
	bool ok;

	g_option_context_add_main_entries(context, options, NULL);
	ok = g_option_context_parse(context, &argc, &argv, &error) && argc == 1;
	if (!ok)
		fprintf(stderr, "dvmmd: %s: see dvmmd --help\n",
			error ? error->message : "words are left");
	g_clear_error(&error);
	g_option_context_free(context);
	return ok && daemon_can_fence(d);
}

int main(int argc, char **argv)
{
	struct daemon d = { .patience = PATIENCE, .fence_bound = FENCE_BOUND };

	if (!daemon_parse(&d, argc, argv))
		return EXIT_ASKED;
	d.state = d.state ? d.state : g_strdup(STATE_DIR);
	d.store = d.store ? d.store : g_strdup(STORE);
	d.name = d.name ? d.name : g_strdup(g_get_host_name());
	if (!pool_name_is_fine(d.name)) {
		fprintf(stderr, "dvmmd: '%s' cannot be a host's name: give it one of fewer than 64 "
			"letters, digits, ., _ and - with --name\n", d.name);
		return EXIT_ASKED;
	}
	d.root = d.root ? d.root : g_strdup("");
	d.qemu = qemu_version();
	d.runner.state = d.state;
	d.runner.dvmm = d.runner.dvmm ? d.runner.dvmm : DVMM;
	d.runner.authkey = d.runner.authkey ? d.runner.authkey : AUTHKEY;
	return daemon_run(&d);
}
