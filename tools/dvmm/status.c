// SPDX-License-Identifier: GPL-2.0
/* The machines of this host: status, is-active, list. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "json.h"
#include "kernel.h"

#define PAGE_MIB	256.0

static uint64_t machine_age(const struct machine *m)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (t.tv_sec * 1000000000ull + t.tv_nsec - m->since) / 1000000000;
}

/* ---- text ---- */

static void print_links(const struct machine *m)
{
	char buf[16];
	unsigned int i;

	for (i = 0; i < m->links->len; i++) {
		const struct machine_link *l = g_ptr_array_index(m->links, i);

		printf("  link to %s: %s, %s, ", machine_node(m, l->peer, buf), l->transport,
		       link_states[l->status]);
		printf("sent %.1f MB, received %.1f MB, %u frames on their way\n",
		       l->bytes_sent / 1e6, l->bytes_received / 1e6, l->in_flight);
	}
}

static void print_regions(const struct machine *m)
{
	char buf[16];
	unsigned int i;

	for (i = 0; i < m->regions->len; i++) {
		const struct machine_region *r = g_ptr_array_index(m->regions, i);

		printf("  region %u: at home on %s, %.0f MiB, %.1f held here", r->id,
		       machine_node(m, r->home, buf), r->pages / PAGE_MIB, r->frames / PAGE_MIB);
		if (r->limit)
			printf(", at most %.1f", r->limit / PAGE_MIB);
		if (r->homed != (r->home == m->node ? r->pages : 0))
			printf(", %.0f MiB at home here", r->homed / PAGE_MIB);
		putchar('\n');
	}
}

static void print_machine(const struct machine *m)
{
	const uint64_t *s = m->stats;
	char buf[16];

	printf("%s: %s for %llu s", machine_name(m), machine_states[m->state],
	       (unsigned long long)machine_age(m));
	if (*m->reason)
		printf(": %s", m->reason);
	printf("\n  node %s (%u of %u), %u members, %u of %u links up%s, pages kept for %u us\n",
	       machine_node(m, m->node, buf), m->node, m->nodes, m->members, m->links_up,
	       m->links->len,
	       m->secure ? ", secure" : "", m->hold_us);
	print_links(m);
	print_regions(m);
	printf("  faults: %llu read, %llu write, %llu upgrade; ",
	       (unsigned long long)s[DVMM_A_STATS_FAULTS_READ],
	       (unsigned long long)s[DVMM_A_STATS_FAULTS_WRITE],
	       (unsigned long long)s[DVMM_A_STATS_FAULTS_UPGRADE]);
	printf("waited %.3f s, p50 %.0f us, p99 %.0f us\n", s[DVMM_A_STATS_WAIT_NS] / 1e9,
	       s[DVMM_A_STATS_LATENCY_P50] / 1e3,
	       s[DVMM_A_STATS_LATENCY_P99] / 1e3);
}

/* ---- JSON ---- */

static struct json_object *links_object(const struct machine *m)
{
	struct json_object *list = json_object_new_array(), *o;
	unsigned int i;

	for (i = 0; i < m->links->len; i++) {
		const struct machine_link *l = g_ptr_array_index(m->links, i);

		o = json_object_new_object();
		json_number(o, "peer", l->peer);
		json_text(o, "transport", l->transport);
		json_text(o, "state", link_states[l->status]);
		json_number(o, "in_flight", l->in_flight);
		json_number(o, "sent", l->sent);
		json_number(o, "received", l->received);
		json_number(o, "bytes_sent", l->bytes_sent);
		json_number(o, "bytes_received", l->bytes_received);
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *regions_object(const struct machine *m)
{
	struct json_object *list = json_object_new_array(), *o;
	unsigned int i;

	for (i = 0; i < m->regions->len; i++) {
		const struct machine_region *r = g_ptr_array_index(m->regions, i);

		o = json_object_new_object();
		json_number(o, "region", r->id);
		json_number(o, "home", r->home);
		json_number(o, "pages", r->pages);
		json_number(o, "homed", r->homed);
		json_number(o, "frames", r->frames);
		json_number(o, "limit", r->limit);
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *stats_object(const struct machine *m)
{
	struct json_object *o = json_object_new_object();
	int i;

	for (i = 0; i <= DVMM_A_STATS_MAX; i++)
		if (stats_names[i])
			json_number(o, stats_names[i], m->stats[i]);
	return o;
}

static struct json_object *machine_object(const struct machine *m)
{
	struct json_object *o = json_object_new_object();
	char buf[16];

	json_text(o, "name", machine_name(m));
	json_text(o, "uuid", m->uuid);
	json_number(o, "node", m->node);
	json_text(o, "node_name", machine_node(m, m->node, buf));
	json_number(o, "nodes", m->nodes);
	json_text(o, "state", machine_states[m->state]);
	json_number(o, "seconds", machine_age(m));
	json_text(o, "reason", m->reason);
	json_number(o, "members", m->members);
	json_number(o, "links_up", m->links_up);
	json_number(o, "hold_us", m->hold_us);
	json_object_object_add(o, "secure", json_object_new_boolean(m->secure));
	json_object_object_add(o, "links", links_object(m));
	json_object_object_add(o, "regions", regions_object(m));
	json_object_object_add(o, "stats", stats_object(m));
	return o;
}

static void print_json(const GPtrArray *list)
{
	struct json_object *o = json_object_new_object(), *machines = json_object_new_array();
	unsigned int i;

	for (i = 0; i < list->len; i++)
		json_object_array_add(machines, machine_object(g_ptr_array_index(list, i)));
	json_number(o, "v", 2);
	json_object_object_add(o, "machines", machines);
	json_print(o);
}

/* ---- verbs ---- */

/* 0 if every node of it in this kernel is ready, else 3 */
static int activity(const GPtrArray *list)
{
	unsigned int i;

	for (i = 0; i < list->len; i++)
		if (((struct machine *)g_ptr_array_index(list, i))->state !=
		    DVMM_MACHINE_STATE_READY)
			return EXIT_STOPPED;
	return list->len ? 0 : EXIT_STOPPED;
}

/* All machines that the word means, or NULL after a line on stderr. */
static GPtrArray *machines(const struct options *o, const char *word, int *status)
{
	struct kernel *k = kernel_open(status);
	GPtrArray *list;

	if (!k)
		return NULL;
	list = kernel_machines(k, o, word, status);
	kernel_close(k);
	return list;
}

int verb_status(const struct options *o, int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : NULL;
	int status;
	GPtrArray *list = machines(o, word, &status);
	unsigned int i;

	if (!list)
		return status;
	if (o->json)
		print_json(list);
	for (i = 0; !o->json && i < list->len; i++)
		print_machine(g_ptr_array_index(list, i));
	if (!o->json && !list->len && word)
		printf("%s: not running on this host\n", word);
	else if (!o->json && !list->len)
		puts("no machine on this host");
	status = word ? activity(list) : 0;
	g_ptr_array_unref(list);
	return status;
}

int verb_is_active(const struct options *o, int argc, char **argv)
{
	const char *state = "inactive";
	int status;
	GPtrArray *list = machines(o, argv[1], &status);

	(void)argc;
	if (!list)
		return status;
	if (list->len)
		state = machine_states[((struct machine *)g_ptr_array_index(list, 0))->state];
	puts(state);
	status = activity(list);
	g_ptr_array_unref(list);
	return status;
}

/* ---- list ---- */

static void list_row(const struct options *o, struct json_object *rows, const char *name,
		     const char *uuid, const struct machine *m)
{
	const char *state = m ? machine_states[m->state] : "-";
	struct json_object *row;
	char buf[16];

	if (!o->json) {
		printf("%-16s %-8s %-8s %s\n", name, state,
		       m ? machine_node(m, m->node, buf) : "-", uuid);
		return;
	}
	row = json_object_new_object();
	json_text(row, "name", name);
	json_text(row, "uuid", uuid);
	if (m)
		json_text(row, "state", state);
	if (m)
		json_number(row, "node", m->node);
	json_object_array_add(rows, row);
}

static bool runs(const GPtrArray *list, const char *uuid)
{
	unsigned int i;

	for (i = 0; list && i < list->len; i++)
		if (!g_ascii_strcasecmp(((struct machine *)g_ptr_array_index(list, i))->uuid, uuid))
			return true;
	return false;
}

/* Those that have a file and do not run; a file that cannot be read is named on stderr. */
static void list_files(const struct options *o, struct json_object *rows, const GPtrArray *list)
{
	GDir *dir = g_dir_open(o->dir, 0, NULL);
	const char *name;

	while (dir && (name = g_dir_read_name(dir))) {
		char *path = g_strdup_printf("%s/%s", o->dir, name), *error = NULL;
		struct file *f = g_str_has_suffix(name, ".conf") ? file_read(path, &error) : NULL;

		if (f && !runs(list, f->uuid)) {
			char *stem = g_strndup(name, strlen(name) - 5);

			list_row(o, rows, stem, f->uuid, NULL);
			g_free(stem);
		}
		if (error)
			fprintf(stderr, "dvmm: %s\n", error);
		if (f)
			file_free(f);
		g_free(error);
		g_free(path);
	}
	if (dir)
		g_dir_close(dir);
}

int verb_list(const struct options *o, int argc, char **argv)
{
	struct json_object *rows = json_object_new_array();
	GPtrArray *list = NULL;
	struct kernel *k;
	unsigned int i;
	int status = 0;

	(void)argc;
	(void)argv;
	/* Without the module nothing runs, and files can be named all the same. */
	k = kernel_is_there() ? kernel_open(&status) : NULL;
	if (k) {
		list = kernel_machines(k, o, NULL, &status);
		kernel_close(k);
	}
	for (i = 0; list && i < list->len; i++) {
		const struct machine *m = g_ptr_array_index(list, i);

		list_row(o, rows, machine_name(m), m->uuid, m);
	}
	list_files(o, rows, list);
	if (o->json)
		json_print(rows);
	else
		json_object_put(rows);
	if (list)
		g_ptr_array_unref(list);
	return status;
}
