// SPDX-License-Identifier: GPL-2.0
/* dvmm trace: what all hosts of a machine do, by one clock. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib-unix.h>

#include "kernel.h"
#include "remote.h"
#include "tracefs.h"

#define ROUNDS	50

/* A line of a host's trace. */
struct record {
	gint64 tsc;	/* by this host's clock */
	const char *host;
	char *text;
};

/* ---- one host ---- */

/* Events name their page; others (links, stops) are left out where one page is asked for. */
static bool set_filter(const char *dir, const char *page)
{
	unsigned int region;
	unsigned long long number;
	char rest, *text;
	bool ok;

	if (!page)
		return tracefs_write(dir, "events/dvmm/enable", "1");
	if (sscanf(page, "%u:%llu%c", &region, &number, &rest) != 2)
		return verb_fail(0, page, "write --page REGION:NUMBER, as dvmm hot has them");
	text = g_strdup_printf("region == %u && page == %llu", region, number);
	ok = tracefs_write(dir, "events/dvmm/dvmm_step/filter", text);
	g_free(text);
	text = g_strdup_printf("index == %u && page == %llu && kind == 1", region, number);
	ok = ok && tracefs_write(dir, "events/dvmm/dvmm_send/filter", text) &&
	     tracefs_write(dir, "events/dvmm/dvmm_receive/filter", text) &&
	     tracefs_write(dir, "events/dvmm/dvmm_step/enable", "1") &&
	     tracefs_write(dir, "events/dvmm/dvmm_send/enable", "1") &&
	     tracefs_write(dir, "events/dvmm/dvmm_receive/enable", "1");
	g_free(text);
	return ok;
}

/* With the TSC as time, which is what the nodes know of each other. */
static char *record_here(const struct options *o)
{
	char *dir = tracefs_make(), *text = NULL;

	if (!dir)
		return NULL;
	if (tracefs_write(dir, "trace_clock", "x86-tsc") && set_filter(dir, o->page)) {
		tracefs_sleep(o->delay);
		tracefs_write(dir, "tracing_on", "0");
		text = tracefs_read(dir, "trace");
	}
	tracefs_end(dir);
	return text;
}

/* ---- all hosts ---- */

static int by_time(const void *a, const void *b)
{
	const struct record *r = a, *s = b;

	return r->tsc < s->tsc ? -1 : r->tsc > s->tsc;
}

/* "TASK-PID [CPU] FLAGS TSC: EVENT: ..." */
static void add_records(GArray *records, const char *host, const char *text, gint64 offset)
{
	char **lines = g_strsplit(text, "\n", -1), *at;
	struct record r;
	long long tsc;
	int i, end = 0;

	for (i = 0; lines[i]; i++) {
		at = strchr(lines[i], ']');
		if (*lines[i] == '#' || !at ||
		    sscanf(at, "] %*s %lld: %n", &tsc, &end) != 1 || !end)
			continue;
		r = (struct record){ tsc - offset, host, g_strdup(at + end) };
		g_array_append_val(records, r);
	}
	g_strfreev(lines);
}

/* What the host of a peer has recorded; its clock is compared afterwards. */
static int add_peer(struct kernel *k, const struct machine *m, unsigned int peer, GPid pid,
		    int out, GArray *records)
{
	const char *name = file_node(m->file, peer)->name;
	struct machine_clock c = {};
	char *text = remote_drain(out);
	int wait_status = 0, status;

	waitpid(pid, &wait_status, 0);
	status = remote_status(name, wait_status);
	if (!status)
		status = kernel_clock(k, m, peer, ROUNDS, &c);
	if (!status)
		add_records(records, name, text, c.offset);
	g_free(text);
	return status;
}

static bool begin_peer(const struct options *o, const struct file *f, const char *word,
		       unsigned int node, GPid *pid, int *out)
{
	char *seconds = g_strdup_printf("%g", o->delay);
	const char *words[] = { "trace", word, "--here", "-d", seconds, o->page ? "--page" : NULL,
				o->page, NULL };
	char **argv = remote_argv(o, f, node, words);
	bool ok = g_spawn_async_with_pipes(NULL, argv, NULL,
					   G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL,
					   NULL, pid, NULL, out, NULL, NULL);

	g_strfreev(argv);
	g_free(seconds);
	return ok || verb_fail(0, file_node(f, node)->name, "install ssh, or set DVMM_SSH");
}

static void print_records(const struct machine *m, GArray *records, unsigned int khz)
{
	unsigned int i;

	g_array_sort(records, by_time);
	for (i = 0; i < records->len; i++) {
		const struct record *r = &g_array_index(records, struct record, i);
		gint64 since = r->tsc - g_array_index(records, struct record, 0).tsc;

		printf("%12.6f %-10s %s\n", since / 1e3 / khz, r->host, r->text);
		g_free(r->text);
	}
	if (!records->len)
		fprintf(stderr, "dvmm: %s: nothing was recorded\n", machine_name(m));
}

static int trace(const struct options *o, struct kernel *k, const struct machine *m,
		 const char *word)
{
	GArray *records = g_array_new(FALSE, FALSE, sizeof(struct record));
	GPid pids[FILE_NODES_MAX] = {};
	int outs[FILE_NODES_MAX], status = 0, ret;
	struct machine_clock c = {};
	char *text, buf[16];
	unsigned int i;

	for (i = 0; i < m->nodes; i++)
		if (i != m->node && !place_is_here(m->file, i) &&
		    !begin_peer(o, m->file, word, i, &pids[i], &outs[i]))
			status = EXIT_SILENT;
	text = record_here(o);
	if (text)
		add_records(records, machine_node(m, m->node, buf), text, 0);
	else
		status = EXIT_FAILED;
	for (i = 0; i < m->nodes; i++) {
		ret = pids[i] ? add_peer(k, m, i, pids[i], outs[i], records) : 0;
		status = MAX(status, ret);
	}
	if (kernel_clock(k, m, m->node ? 0 : 1, 1, &c))
		status = MAX(status, EXIT_FAILED);
	else
		print_records(m, records, c.khz);
	g_array_unref(records);
	g_free(text);
	return status;
}

static int trace_here(const struct options *o)
{
	char *text = record_here(o);

	if (!text)
		return EXIT_FAILED;
	fputs(text, stdout);
	g_free(text);
	return 0;
}

int verb_trace(const struct options *o, int argc, char **argv)
{
	int status;
	struct kernel *k = kernel_open(&status);
	GPtrArray *list = k ? kernel_machines(k, o, argv[1], &status) : NULL;
	const struct machine *m = list && list->len ? g_ptr_array_index(list, 0) : NULL;

	(void)argc;
	if (list && !m)
		status = verb_fail(EXIT_STOPPED, argv[1], "it does not run on this host: dvmm up");
	else if (m && o->here)
		status = trace_here(o);
	else if (m && (!m->file || m->nodes < 2))
		status = verb_fail(EXIT_FAILED, argv[1], m->file ?
				   "it has one node: use tracefs itself" :
				   "its machine file is not here: give --dir");
	else if (m)
		status = trace(o, k, m, argv[1]);
	if (list)
		g_ptr_array_unref(list);
	if (k)
		kernel_close(k);
	return status;
}
