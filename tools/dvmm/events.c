// SPDX-License-Identifier: GPL-2.0
/* What happens to machines, as it happens; the state at the beginning first. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "json.h"
#include "kernel.h"

static const char *const notices[] = {
	[DVMM_NOTICE_LINK_UP] = "link-up",
	[DVMM_NOTICE_LINK_DOWN] = "link-down",
	[DVMM_NOTICE_STOPPED] = "stopped",
	[DVMM_NOTICE_STALLED] = "stalled",
	[DVMM_NOTICE_CREATED] = "created",
	[DVMM_NOTICE_READY] = "ready",
	[DVMM_NOTICE_REMOVED] = "removed",
};

/**
 * struct stream - a run of the verb
 * @wanted: the machine that was asked for, as far as it is there or has a file; NULL: all
 * @seen: events so far
 */
struct stream {
	const struct options *o;
	const char *wanted;
	unsigned long seen;
};

/* CLOCK_BOOTTIME in ns as people write times */
static const char *when(uint64_t boot, char buf[40])
{
	struct timespec b, r;
	struct tm tm;
	int64_t ns;
	size_t n;
	time_t s;

	clock_gettime(CLOCK_BOOTTIME, &b);
	clock_gettime(CLOCK_REALTIME, &r);
	ns = (r.tv_sec - b.tv_sec) * 1000000000ll + r.tv_nsec - b.tv_nsec + boot;
	s = ns / 1000000000;
	gmtime_r(&s, &tm);
	n = strftime(buf, 40, "%FT%T", &tm);
	snprintf(buf + n, 40 - n, ".%03uZ", (unsigned int)(ns / 1000000 % 1000));
	return buf;
}

static void say(const struct stream *s, const char *what, const struct machine_event *e)
{
	struct json_object *o;
	char buf[40];

	if (!s->o->json) {
		printf("%s %s %s node:%u", when(e->time, buf), what, e->uuid, e->node);
		if (e->peer >= 0)
			printf(" peer:%d", e->peer);
		printf("%s%s\n", *e->reason ? " " : "", e->reason);
		fflush(stdout);
		return;
	}
	o = json_object_new_object();
	json_text(o, "time", when(e->time, buf));
	json_text(o, "event", what);
	json_text(o, "uuid", e->uuid);
	json_number(o, "node", e->node);
	if (e->peer >= 0)
		json_number(o, "peer", e->peer);
	if (*e->reason)
		json_text(o, "reason", e->reason);
	json_print(o);
}

static void happened(const struct machine_event *e, void *arg)
{
	struct stream *s = arg;

	if (s->wanted && g_ascii_strncasecmp(e->uuid, s->wanted, strlen(s->wanted)))
		return;
	s->seen++;
	say(s, e->type < G_N_ELEMENTS(notices) && notices[e->type] ? notices[e->type] : "unknown",
	    e);
}

static void say_machines(const struct stream *s, const GPtrArray *list)
{
	struct machine_event e = { .peer = -1 };
	unsigned int i;

	for (i = 0; i < list->len; i++) {
		const struct machine *m = g_ptr_array_index(list, i);

		strcpy(e.uuid, m->uuid);
		e.node = m->node;
		e.time = m->since;
		e.reason = m->reason;
		say(s, m->state == DVMM_MACHINE_STATE_READY ? "is-ready" :
		       m->state == DVMM_MACHINE_STATE_STOPPED ? "is-stopped" : "is-joining", &e);
	}
}

/* Follows first and looks then, on another socket, so that nothing is missed between. */
int verb_events(const struct options *o, int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : NULL;
	struct stream s = { .o = o };
	char *uuid = NULL;
	int status;
	struct kernel *follow = kernel_open(&status), *look = NULL;
	GPtrArray *list;

	if (!follow)
		return status;
	status = kernel_follow(follow);
	look = status ? NULL : kernel_open(&status);
	list = look ? kernel_machines(look, o, word, &status) : NULL;
	if (list) {
		uuid = word ? kernel_uuid(o, word) : NULL;
		s.wanted = uuid;
		say_machines(&s, list);
		g_ptr_array_unref(list);
		while (!o->count || s.seen < o->count)
			if (!kernel_event(follow, happened, &s)) {
				status = EXIT_FAILED;
				break;
			}
	}
	g_free(uuid);
	if (look)
		kernel_close(look);
	kernel_close(follow);
	return status;
}
