// SPDX-License-Identifier: GPL-2.0
/* All nodes of a machine at once, each by a command on its host; and the verb that shows them. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "json.h"
#include "look.h"
#include "measure.h"
#include "remote.h"

#define MIB	(1024 * 1024.0)
#define APART_MS	200

static volatile sig_atomic_t over;

static void on_signal(int signal)
{
	(void)signal;
	over = 1;
}

void look_end_by_signals(void)
{
	struct sigaction a = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	sigaction(SIGINT, &a, NULL);
	sigaction(SIGTERM, &a, NULL);
}

bool look_is_over(void)
{
	return over;
}

/* ---- who is where ---- */

/* As the boot node tells it; NULL after a line on stderr */
static struct json_object *ask_nodes(const struct options *o, const struct file *f,
				     const char *word, int *status)
{
	const char *words[] = { "nodes", word, "--json", "--here", NULL };
	struct json_object *list;
	char *text = NULL;

	*status = remote_run(file_node(f, 0)->name, remote_argv(o, f, 0, words), NULL, &text);
	list = *status ? NULL : json_tokener_parse(text);
	g_free(text);
	if (list && json_object_array_length(list) == f->nodes->len)
		return list;
	json_object_put(list);
	if (!*status)
		*status = verb_fail(EXIT_FAILED, word, "the boot node has another file: dvmm diff");
	return NULL;
}

static bool is_member(struct json_object *list, unsigned int node)
{
	struct json_object *n = json_object_array_get_idx(list, node);

	return !strcmp(json_text_of(n, "state"), "member");
}

/* ---- one node ---- */

/* Who looks at it, and what comes of that; @pid: 0: nobody */
struct looker {
	GPid pid;
	int out;
};

static bool begin(const struct options *o, const struct file *f, const char *word,
		  unsigned int node, struct looker *l)
{
	char *seconds = g_strdup_printf("%g", o->delay);
	const char *words[] = { "vcpus", word, file_node(f, node)->name, "--json", "--here", "-d",
				seconds, NULL };
	char **argv = remote_argv(o, f, node, words);
	bool ok = g_spawn_async_with_pipes(NULL, argv, NULL,
					   G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL,
					   NULL, &l->pid, NULL, &l->out, NULL, NULL);

	g_strfreev(argv);
	g_free(seconds);
	return ok || verb_fail(0, file_node(f, node)->name, "install ssh, or set DVMM_SSH");
}

/* All that it says, to be freed; NULL: a signal came before */
static char *hear(const struct looker *l)
{
	struct pollfd in = { .fd = l->out, .events = POLLIN };

	while (!over && poll(&in, 1, APART_MS) <= 0)
		;
	if (!over)
		return remote_drain(l->out);
	close(l->out);
	kill(l->pid, SIGTERM);
	return NULL;
}

static struct json_object *finish(const struct file *f, unsigned int node,
				  const struct looker *l, int *status)
{
	char *text = hear(l);
	struct json_object *seen = NULL;
	int wait_status = 0, ret;

	waitpid(l->pid, &wait_status, 0);
	ret = text ? remote_status(file_node(f, node)->name, wait_status) : EXIT_FAILED;
	if (!ret)
		seen = json_tokener_parse(text);
	if (!ret && !seen)
		ret = verb_fail(EXIT_FAILED, file_node(f, node)->name, "its dvmm tells nothing: "
				"install the same release on all hosts");
	*status = MAX(*status, ret);
	g_free(text);
	return seen;
}

/* Of all threads that a QEMU has for vCPUs, those of vCPUs that are there */
static struct json_object *own_vcpus(struct json_object *seen, struct json_object *told)
{
	struct json_object *all = json_list_of(seen, "vcpus"), *ids = json_list_of(told, "vcpus");
	struct json_object *own = json_object_new_array();
	size_t i, j;

	for (i = 0; all && ids && i < json_object_array_length(all); i++)
		for (j = 0; j < json_object_array_length(ids); j++) {
			struct json_object *v = json_object_array_get_idx(all, i);
			uint64_t id = json_object_get_int64(json_object_array_get_idx(ids, j));

			if (json_number_of(v, "vcpu") == id)
				json_object_array_add(own, json_object_get(v));
		}
	return own;
}

/* ---- all of them ---- */

static struct json_object *row_of(struct json_object *told, struct json_object *seen)
{
	struct json_object *row = seen ? seen : json_object_new_object();

	json_text(row, "node", json_text_of(told, "name"));
	json_text(row, "state", json_text_of(told, "state"));
	if (seen)
		json_object_object_add(row, "vcpus", own_vcpus(seen, told));
	return row;
}

static struct json_object *look_at(const struct options *o, const struct file *f,
				   const char *word, struct json_object *told, int *status)
{
	struct json_object *rows = json_object_new_array();
	struct looker lookers[FILE_NODES_MAX] = {};
	unsigned int i;

	for (i = 0; i < f->nodes->len; i++)
		if (is_member(told, i) && !begin(o, f, word, i, &lookers[i]))
			*status = EXIT_SILENT;
	for (i = 0; i < f->nodes->len; i++) {
		struct json_object *seen = NULL;

		if (lookers[i].pid)
			seen = finish(f, i, &lookers[i], status);
		json_object_array_add(rows, row_of(json_object_array_get_idx(told, i), seen));
	}
	return rows;
}

struct json_object *look_take(const struct options *o, const struct file *f, const char *word,
			      int *status)
{
	struct json_object *told = ask_nodes(o, f, word, status), *rows;

	if (!told)
		return NULL;
	rows = look_at(o, f, word, told, status);
	json_object_put(told);
	if (!*status)
		return rows;
	json_object_put(rows);
	return NULL;
}

/* ---- the verb ---- */

static void print_vcpu(struct json_object *v)
{
	printf("  vCPU %u: ran %.0f %%, waited for CPUs %.0f %%, for pages %.0f %%\n",
	       (unsigned int)json_number_of(v, "vcpu"), 100 * json_real_of(v, "ran"),
	       100 * json_real_of(v, "queued"), 100 * json_real_of(v, "waited"));
}

static void print_row(struct json_object *row)
{
	struct json_object *vcpus = json_list_of(row, "vcpus"), *peers = json_list_of(row, "peers");
	size_t i;

	if (!vcpus) {
		printf("%s: %s\n", json_text_of(row, "node"), json_text_of(row, "state"));
		return;
	}
	printf("%s: %.2f of %u CPUs busy, %.0f MiB free", json_text_of(row, "node"),
	       json_real_of(row, "busy"), (unsigned int)json_number_of(row, "cpus"),
	       json_number_of(row, "free") / MIB);
	for (i = 0; peers && i < json_object_array_length(peers); i++) {
		struct json_object *p = json_object_array_get_idx(peers, i);

		printf(", %.0f frames/s with %s", json_real_of(p, "frames"),
		       json_text_of(p, "node"));
	}
	putchar('\n');
	for (i = 0; i < json_object_array_length(vcpus); i++)
		print_vcpu(json_object_array_get_idx(vcpus, i));
}

static int show(const struct options *o, struct json_object *rows)
{
	size_t i;

	if (o->json) {
		json_print(rows);
		return 0;
	}
	for (i = 0; i < json_object_array_length(rows); i++)
		print_row(json_object_array_get_idx(rows, i));
	json_object_put(rows);
	return 0;
}

static int show_all(const struct options *o, const struct file *f, const char *word)
{
	int status = 0;
	struct json_object *rows = look_take(o, f, word, &status);

	return rows ? show(o, rows) : status;
}

static int show_here(const struct options *o, const struct file *f, const char *word,
		     const struct place *p)
{
	struct json_object *rows = json_object_new_array(), *seen;
	int status;

	seen = measure(o, f, word, p, &status);
	if (seen && o->json) {
		json_print(seen);
	} else if (seen) {
		json_object_array_add(rows, seen);
		return show(o, rows);
	}
	json_object_put(rows);
	return status;
}

static int forward(const struct options *o, const struct file *f, char **argv, unsigned int node)
{
	char *seconds = g_strdup_printf("%g", o->delay);
	const char *words[] = { argv[0], argv[1], argv[2], "--here", "-d", seconds,
				o->json ? "--json" : NULL, NULL };

	return remote_forward(o, f, node, words, false);
}

static int show_node(const struct options *o, const struct file *f, char **argv)
{
	int node = place_node(f, argv[2]), ret;
	struct place p;

	if (node < 0)
		return EXIT_USAGE;
	place_make(&p, o, f, node);
	ret = place_is_served(o, f, &p) ? show_here(o, f, argv[1], &p) : forward(o, f, argv, node);
	place_free(&p);
	return ret;
}

int verb_vcpus(const struct options *o, int argc, char **argv)
{
	struct file *f = machine_file(o, argv[1]);
	int ret;

	if (!f)
		return EXIT_FILE;
	ret = argc > 2 ? show_node(o, f, argv) : show_all(o, f, argv[1]);
	file_free(f);
	return ret;
}
