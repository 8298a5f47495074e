// SPDX-License-Identifier: GPL-2.0
/* dvmm up: all nodes of a machine, on their hosts. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <glib-unix.h>

#include "copies.h"
#include "members.h"
#include "remote.h"

/**
 * struct waiter - "dvmm wait" on a node's host
 * @in: its input, open as long as somebody waits
 * @text: of its line that has not ended yet
 */
struct waiter {
	struct up *up;
	unsigned int node;
	GPid pid;
	int in;
	GString *text;
};

struct up {
	const struct options *o;
	const char *word;
	struct file *f;
	GMainLoop *loop;
	struct waiter waiters[FILE_NODES_MAX];
	int only;		/* a node that joins the others; -1: those from the start */
	int status;
};

static bool is_wanted(const struct up *u, unsigned int node)
{
	if (u->only >= 0)
		return (int)node == u->only;
	return !file_node(u->f, node)->later && (node || !u->o->satellites);
}

static const char *name_of(const struct waiter *w)
{
	return file_node(w->up->f, w->node)->name;
}

/* ---- the same verb on one node or all ---- */

static int on_node(struct up *u, unsigned int node, const char *verb)
{
	const char *name = file_node(u->f, node)->name;
	const char *words[] = { verb, u->word, name, NULL };

	return remote_run(name, remote_argv(u->o, u->f, node, words), NULL, NULL);
}

/* Of a machine that is not up nothing is left; one that is loses nobody but who has not joined. */
static void end_all(struct up *u, unsigned int nodes)
{
	while (nodes--)
		if (is_wanted(u, nodes))
			on_node(u, nodes, "down");
}

/* Only the boot node loads a state; parts of it are seen to when all nodes run. */
static int start(struct up *u, unsigned int node)
{
	const char *name = file_node(u->f, node)->name;
	const char *words[10] = { "run", u->word, name, "--detach" };
	unsigned int n = 4;

	if (!node && u->o->from) {
		words[n++] = "--from";
		words[n++] = u->o->from;
		words[n++] = "--parts";
		if (u->o->force)
			words[n++] = "--force";
		if (u->o->replace)
			words[n++] = "--replace";
	}
	return remote_run(name, remote_argv(u->o, u->f, node, words), NULL, NULL);
}

/* Hosts that may join later need not be there. */
static int compare_all(struct up *u)
{
	unsigned int i;
	int status, worst = 0;

	for (i = 0; i < u->f->nodes->len; i++) {
		status = is_wanted(u, i) ? copies_compare(u->o, u->f, i, u->word, false) : 0;
		worst = MAX(worst, status);
	}
	return worst;
}

static int start_all(struct up *u)
{
	unsigned int i;
	int status;

	for (i = 0; i < u->f->nodes->len; i++) {
		if (!is_wanted(u, i))
			continue;
		status = start(u, i);
		if (status) {
			end_all(u, i);
			return status;
		}
		printf("%s: %s started\n", u->word, file_node(u->f, i)->name);
		fflush(stdout);
	}
	return 0;
}

/* ---- until they are there ---- */

static gboolean on_text(gint fd, GIOCondition condition, gpointer arg)
{
	struct waiter *w = arg;
	char data[512];
	ssize_t i, len = read(fd, data, sizeof(data));

	(void)condition;
	for (i = 0; i < len; i++) {
		if (data[i] != '\n') {
			g_string_append_c(w->text, data[i]);
			continue;
		}
		printf("%s: %s: %s\n", w->up->word, name_of(w), w->text->str);
		g_string_truncate(w->text, 0);
	}
	fflush(stdout);
	if (len <= 0)
		close(fd);
	return len > 0;
}

/* The machine is up once its boot node is: that one waits for all others. */
static void on_waited(GPid pid, gint wait_status, gpointer arg)
{
	struct waiter *w = arg;
	int status = remote_status(name_of(w), wait_status);

	g_spawn_close_pid(pid);
	w->pid = 0;
	if (!status && w->node && w->up->only < 0)
		return;
	w->up->status = status;
	g_main_loop_quit(w->up->loop);
}

static bool wait_begin(struct up *u, unsigned int node)
{
	struct waiter *w = &u->waiters[node];
	char *patience = g_strdup_printf("%g", u->o->patience > 0 ? u->o->patience :
					 u->f->timeout + 10);
	const char *words[] = { "wait", u->word, file_node(u->f, node)->name, "--here", "-t",
				patience, NULL };
	char **argv = remote_argv(u->o, u->f, node, words);
	bool ok;
	int out;

	*w = (struct waiter){ .up = u, .node = node, .text = g_string_new(NULL) };
	ok = g_spawn_async_with_pipes(NULL, argv, NULL,
				      G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
				      &w->pid, &w->in, &out, NULL, NULL);
	g_strfreev(argv);
	g_free(patience);
	if (!ok)
		return verb_fail(0, name_of(w), "no process: end some");
	g_unix_fd_add(out, G_IO_IN | G_IO_HUP, on_text, w);
	g_child_watch_add(w->pid, on_waited, w);
	return true;
}

static int wait_all(struct up *u)
{
	unsigned int i;

	u->loop = g_main_loop_new(NULL, FALSE);
	u->status = EXIT_FAILED;
	for (i = 0; i < u->f->nodes->len; i++)
		if (is_wanted(u, i) && !wait_begin(u, i))
			return EXIT_FAILED;
	g_main_loop_run(u->loop);
	for (i = 0; i < u->f->nodes->len; i++)
		if (is_wanted(u, i))
			close(u->waiters[i].in);
	return u->status;
}

/* A verb without a node, where the boot node is */
static int on_machine(struct up *u, const char *verb)
{
	const char *words[] = { verb, u->word, "--here", NULL };

	return remote_run(file_node(u->f, 0)->name, remote_argv(u->o, u->f, 0, words), NULL, NULL);
}

/* Of a state in parts all hosts read what is theirs, now that there is memory for it. */
static int load(struct up *u)
{
	const char *words[] = { "load", u->word, u->o->from, "--here", NULL };

	return remote_run(file_node(u->f, 0)->name, remote_argv(u->o, u->f, 0, words), NULL, NULL);
}

/* A state has all vCPUs on the boot node, and they stand still. */
static int go_on(struct up *u)
{
	int status = load(u) ?: on_machine(u, "spread");

	return status ? status : on_machine(u, "resume");
}

static int up(struct up *u)
{
	gint64 begin = g_get_monotonic_time();
	int status = compare_all(u);

	if (!status)
		status = start_all(u);
	if (status || u->o->satellites)
		return status;
	status = wait_all(u);
	if (!status && u->o->from)
		status = go_on(u);
	if (status) {
		fprintf(stderr, "dvmm: %s is not up: its nodes were ended\n", u->word);
		end_all(u, u->f->nodes->len);
		return status;
	}
	printf("%s: running after %.1f s: %u vCPUs, %" G_GUINT64_FORMAT
	       " MiB; console: dvmm console %s\n", u->word,
	       (g_get_monotonic_time() - begin) / 1e6, u->f->cpus, u->f->memory >> 20, u->word);
	return 0;
}

int verb_up(const struct options *o, int argc, char **argv)
{
	struct up u = { .o = o, .word = argv[1], .f = machine_file(o, argv[1]), .only = -1 };
	int status;

	(void)argc;
	if (!u.f)
		return EXIT_FILE;
	status = o->from && o->satellites ?
		 verb_fail(EXIT_USAGE, "--from with --satellites",
			   "the boot node begins with a checkpoint, and it is another's here") :
		 up(&u);
	file_free(u.f);
	return status;
}

static int add(struct up *u)
{
	const char *name = file_node(u->f, u->only)->name;
	int status = compare_all(u);

	if (!status)
		status = start_all(u);
	if (status)
		return status;
	status = wait_all(u);
	if (!status)
		status = members_await(u->o, u->f, u->word, u->only, "member");
	if (status)
		on_node(u, u->only, "down");
	else
		printf("%s: %s has joined: dvmm spread, dvmm rehome\n", u->word, name);
	return status;
}

int verb_add(const struct options *o, int argc, char **argv)
{
	struct up u = { .o = o, .word = argv[1], .f = machine_file(o, argv[1]) };
	int status;

	(void)argc;
	if (!u.f)
		return EXIT_FILE;
	u.only = place_node(u.f, argv[2]);
	if (u.only < 0)
		status = EXIT_USAGE;
	else if (!file_node(u.f, u.only)->later)
		status = verb_fail(EXIT_USAGE, argv[2], "it is there from the start: for another "
				   "one write 'joins = later' in its section before dvmm up");
	else
		status = add(&u);
	file_free(u.f);
	return status;
}
