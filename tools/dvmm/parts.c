// SPDX-License-Identifier: GPL-2.0
/* dvmm keep and dvmm fill on the hosts of all nodes, at a time. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "draft.h"
#include "json.h"
#include "manifest.h"
#include "memory.h"
#include "parts.h"
#include "remote.h"

#define CUT_MS		60000
#define NO_END		(-1)
#define STEP_MS		500

/**
 * struct part - "dvmm keep" of a node
 * @files: that it writes, one of each cell
 * @in: what it reads
 * @out: what it says; NULL: it was never begun
 */
struct part {
	const char *name;
	unsigned int files;
	GPid pid;
	FILE *in;
	FILE *out;
};

/**
 * struct parts - all of them
 * @mark: a file in the boot host's directory, by which others know it
 * @stop: whether somebody breaks it off; NULL: it is too late for that
 */
struct parts {
	char *mark;
	const volatile sig_atomic_t *stop;
	unsigned int n;
	struct part part[FILE_NODES_MAX];
};

bool parts_has(const struct file *f, unsigned int node, unsigned int cell)
{
	const struct file_cell *c = file_cell(f, cell);

	return c->memory && node == (file_node(f, c->node)->later ? 0 : c->node);
}

/* How many of the cells have their memory in a node's part */
static unsigned int parts_files(const struct file *f, unsigned int node)
{
	unsigned int i, n = 0;

	for (i = 0; i < f->cells->len; i++)
		n += parts_has(f, node, i);
	return n;
}

/* ---- who keeps ---- */

static bool part_begin(struct part *p, char **argv)
{
	int in = -1, out = -1;
	GError *error = NULL;

	if (!g_spawn_async_with_pipes(NULL, argv, NULL, G_SPAWN_SEARCH_PATH |
				      G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &p->pid, &in, &out,
				      NULL, &error)) {
		verb_fail(0, p->name, error->message);
		g_error_free(error);
	} else {
		p->in = fdopen(in, "w");
		p->out = fdopen(out, "r");
		/* poll() does not see a line that stdio has read already */
		setvbuf(p->out, NULL, _IONBF, 0);
	}
	g_strfreev(argv);
	return p->out;
}

static bool part_await(const struct parts *parts, const struct part *p, int ms)
{
	struct pollfd fd = { .fd = fileno(p->out), .events = POLLIN };
	gint64 deadline = g_get_monotonic_time() + ms * 1000;
	int n;

	do {
		n = poll(&fd, 1, STEP_MS);
		if (n > 0)
			return true;
	} while ((!n || errno == EINTR) && !(parts->stop && *parts->stop) &&
		 (ms == NO_END || g_get_monotonic_time() < deadline));
	return false;
}

/* Its next line, to be freed; NULL after one of its own on stderr, or of ours */
static char *part_says(const struct parts *parts, struct part *p, int ms)
{
	char *line = NULL;
	size_t room = 0;
	int status = 0;

	if (part_await(parts, p, ms) && getline(&line, &room, p->out) > 0)
		return g_strchomp(line);
	free(line);
	if (parts->stop && *parts->stop) {
		verb_fail(0, p->name, "it was broken off: begin again");
	} else if (waitpid(p->pid, &status, WNOHANG) == p->pid) {
		remote_status(p->name, status);
		p->pid = 0;
	} else {
		verb_fail(0, p->name, "its part was not made: begin again");
	}
	return NULL;
}

static bool part_says_word(const struct parts *parts, struct part *p, const char *word, int ms)
{
	char *line = part_says(parts, p, ms);
	bool ok = line && (!strcmp(line, word) || verb_fail(0, p->name, line));

	free(line);
	return ok;
}

static bool parts_hear(struct parts *parts, const char *word, int ms)
{
	unsigned int i;
	bool ok = true;

	for (i = 0; ok && i < parts->n; i++)
		ok = part_says_word(parts, &parts->part[i], word, ms);
	return ok;
}

static void parts_tell(struct parts *parts, const char *word)
{
	unsigned int i;

	for (i = 0; i < parts->n; i++) {
		fprintf(parts->part[i].in, "%s\n", word);
		fflush(parts->part[i].in);
	}
}

static char *parts_mark(const char *part)
{
	char *uuid = g_uuid_string_random(), *path = g_build_filename(part, uuid, NULL);

	if (!g_file_set_contents(path, "", 0, NULL)) {
		verb_fail(0, path, strerror(errno));
		g_clear_pointer(&path, g_free);
	}
	g_free(uuid);
	return path;
}

struct parts *parts_begin(const struct options *o, const struct file *f, const char *dir,
			  const char *link, const volatile sig_atomic_t *stop)
{
	struct parts *parts = g_new0(struct parts, 1);
	char *part = g_strconcat(dir, ".part", NULL);
	char *mark;
	bool ok;
	unsigned int i;

	parts->stop = stop;
	parts->mark = parts_mark(part);
	mark = parts->mark ? g_path_get_basename(parts->mark) : NULL;
	ok = mark;
	for (i = 0; ok && i < f->nodes->len; i++) {
		const char *name = file_node(f, i)->name;
		const char *words[] = { "keep", f->path, name, dir, mark, link, NULL };
		struct part *p = &parts->part[parts->n];

		p->files = parts_files(f, i);
		if (!p->files)
			continue;
		p->name = name;
		ok = part_begin(p, remote_argv(o, f, i, words));
		parts->n += ok;
	}
	g_free(mark);
	g_free(part);
	if (ok && parts_hear(parts, "ready", NO_END))
		return parts;
	parts_end(parts, false);
	return NULL;
}

bool parts_cut(struct parts *parts)
{
	parts_tell(parts, "cut");
	return parts_hear(parts, "kept", CUT_MS);
}

/* One file more on the list; false after a line on stderr */
static bool part_written(const struct parts *parts, struct part *p, struct json_object *list)
{
	char *line = part_says(parts, p, NO_END);
	struct json_object *o = line ? json_tokener_parse(line) : NULL;

	if (o)
		json_object_array_add(list, o);
	else if (line)
		verb_fail(0, p->name, line);
	free(line);
	return o;
}

struct json_object *parts_written(struct parts *parts)
{
	struct json_object *list = json_object_new_array();
	unsigned int i, file;

	for (i = 0; i < parts->n; i++)
		for (file = 0; file < parts->part[i].files; file++)
			if (!part_written(parts, &parts->part[i], list)) {
				json_object_put(list);
				return NULL;
			}
	return list;
}

bool parts_name(struct parts *parts)
{
	/* who has heard that word has the directory */
	parts->stop = NULL;
	parts_tell(parts, "name");
	return parts_hear(parts, "named", NO_END) && !unlink(parts->mark);
}

void parts_end(struct parts *parts, bool whole)
{
	unsigned int i;

	if (whole)
		parts_tell(parts, "done");
	for (i = 0; i < parts->n; i++) {
		fclose(parts->part[i].in);
		fclose(parts->part[i].out);
		if (parts->part[i].pid)
			waitpid(parts->part[i].pid, NULL, 0);
	}
	g_free(parts->mark);
	g_free(parts);
}

/* ---- who reads ---- */

/**
 * struct reader - "dvmm fill" of a node
 * @sums: that its files are to have, by cell; NULL: they are loaded
 */
struct reader {
	const struct options *o;
	const struct file *f;
	unsigned int node;
	const char *dir;
	const char *const *sums;
	GThread *thread;
};

static gpointer parts_read_one(gpointer arg)
{
	const struct reader *r = arg;
	const char *name = file_node(r->f, r->node)->name;
	const char *words[FILE_NODES_MAX + 5] = { "fill", r->f->path, name, r->dir };
	unsigned int i, n = 4;
	char **argv;

	for (i = 0; r->sums && i < r->f->cells->len; i++)
		if (parts_has(r->f, r->node, i))
			words[n++] = r->sums[i];
	argv = remote_argv(r->o, r->f, r->node, words);
	return GINT_TO_POINTER(remote_run(name, argv, NULL, NULL));
}

/* @sums: of each cell that is in a part; NULL: they are loaded */
static bool parts_read(const struct options *o, const struct file *f, const char *dir,
		       const char *const *sums)
{
	struct reader r[FILE_NODES_MAX] = { 0 };
	char *real = realpath(dir, NULL);	/* other hosts have no link to it */
	unsigned int i;
	bool ok = true;

	for (i = 0; i < f->nodes->len; i++) {
		r[i] = (struct reader){ o, f, i, real ?: dir, sums, NULL };
		if (parts_files(f, i))
			r[i].thread = g_thread_new("part", parts_read_one, &r[i]);
	}
	for (i = 0; i < f->nodes->len; i++)
		if (r[i].thread)
			ok = !g_thread_join(r[i].thread) && ok;
	free(real);
	return ok;
}

bool parts_compare(const struct options *o, const struct file *f, struct json_object *manifest,
		   const char *dir)
{
	const char *sums[FILE_NODES_MAX] = { NULL };
	struct json_object *part;
	unsigned int i;
	char *name;

	for (i = 0; i < f->cells->len; i++) {
		if (!file_cell(f, i)->memory)
			continue;
		name = memory_name(i);
		part = manifest_part(manifest, name);
		g_free(name);
		if (!part)
			return verb_fail(0, dir, "its manifest lacks a part of its memory: "
					 "take another checkpoint");
		sums[i] = json_text_of(part, "sha256");
	}
	return parts_read(o, f, dir, sums);
}

bool parts_load(const struct options *o, const struct file *f, const char *dir)
{
	return parts_read(o, f, dir, NULL);
}
