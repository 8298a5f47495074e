// SPDX-License-Identifier: GPL-2.0
/* Nodes of a machine that runs: nodes, evacuate, remove. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "export.h"
#include "json.h"
#include "members.h"
#include "qmp.h"
#include "remote.h"

#define ANSWER_SECONDS	10
#define AWAIT_SECONDS	60
#define STEP_US		200000

/* ---- nodes ---- */

static char *vcpus_text(struct json_object *node)
{
	struct json_object *list = json_list_of(node, "vcpus");
	GString *s = g_string_new(NULL);
	size_t i;

	for (i = 0; list && i < json_object_array_length(list); i++)
		g_string_append_printf(s, "%s%d", i ? "," : "",
				       json_object_get_int(json_object_array_get_idx(list, i)));
	return g_string_free(s, FALSE);
}

static void print_nodes(struct json_object *list)
{
	size_t i;

	for (i = 0; i < json_object_array_length(list); i++) {
		struct json_object *n = json_object_array_get_idx(list, i);
		char *vcpus = vcpus_text(n);

		printf("%s %s%s%s%s%s\n", json_text_of(n, "name"), json_text_of(n, "state"),
		       *vcpus ? ", vCPUs " : "", vcpus,
		       *json_text_of(n, "refusal") ? ": " : "", json_text_of(n, "refusal"));
		g_free(vcpus);
	}
}

/* As the boot node's QEMU tells, which is asked here */
static int show_nodes(const struct options *o, const struct place *p)
{
	struct json_object *answer, *list;
	int ret = qmp_call(p, "query-dvmm", NULL, &answer,
			   o->patience > 0 ? o->patience : ANSWER_SECONDS);

	if (ret)
		return ret;
	list = json_list_of(answer, "nodes");
	if (!list)
		ret = verb_fail(EXIT_FAILED, "QEMU names no nodes", "see dvmm status");
	else if (o->json)
		json_print(json_object_get(list));
	else
		print_nodes(list);
	json_object_put(answer);
	return ret;
}

/* ---- by those who change them ---- */

/* What is to be done, and with which node */
struct change {
	const struct options *o;
	const char *word;
	struct file *f;
	int node;
	int to;			/* who gets what it has */
};

static const char *node_name(const struct change *c, unsigned int node)
{
	return file_node(c->f, node)->name;
}

/* "dvmm WORDS..." on a node's host, which is asked for it */
static int run_on(const struct change *c, unsigned int node, const char *const *words,
		  char **output)
{
	return remote_run(node_name(c, node), remote_argv(c->o, c->f, node, words), NULL, output);
}

static struct json_object *find(struct json_object *list, const char *name)
{
	size_t i;

	for (i = 0; i < json_object_array_length(list); i++) {
		struct json_object *n = json_object_array_get_idx(list, i);

		if (!strcmp(json_text_of(n, "name"), name))
			return json_object_get(n);
	}
	return NULL;
}

/* What the boot node knows of it, the caller's; NULL after a line, @status is filled */
static struct json_object *ask(const struct change *c, int *status)
{
	const char *words[] = { "nodes", c->word, "--json", "--here", NULL };
	struct json_object *list, *n = NULL;
	char *text = NULL;

	*status = run_on(c, 0, words, &text);
	list = *status ? NULL : json_tokener_parse(text);
	if (list)
		n = find(list, node_name(c, c->node));
	if (!*status && !n)
		*status = verb_fail(EXIT_FAILED, node_name(c, c->node),
				    "the boot node does not know it: dvmm diff");
	json_object_put(list);
	g_free(text);
	return n;
}

/* 0: it is so; 1 after a line: it will not be; -1: neither */
static int judge(const struct change *c, struct json_object *n, const char *state)
{
	const char *is = json_text_of(n, "state"), *why = json_text_of(n, "refusal");

	if (!strcmp(is, state))
		return 0;
	if (!strcmp(is, "member") && *why)
		return verb_fail(EXIT_FAILED, node_name(c, c->node), why);
	return -1;
}

static int await(const struct change *c, const char *state)
{
	double seconds = c->o->patience > 0 ? c->o->patience : AWAIT_SECONDS;
	gint64 deadline = g_get_monotonic_time() + seconds * 1000000;
	struct json_object *n;
	int status, ret;

	for (;;) {
		n = ask(c, &status);
		if (!n)
			return status;
		ret = judge(c, n, state);
		json_object_put(n);
		if (ret >= 0)
			return ret;
		if (g_get_monotonic_time() > deadline)
			return verb_fail(EXIT_SILENT, node_name(c, c->node),
					 "that takes long: see dvmm nodes");
		usleep(STEP_US);
	}
}

int members_await(const struct options *o, const struct file *f, const char *word,
		  unsigned int node, const char *state)
{
	struct change c = { .o = o, .word = word, .f = (struct file *)f, .node = node };

	return await(&c, state);
}

/* ---- evacuate ---- */

static int move_vcpus(const struct change *c, struct json_object *n)
{
	struct json_object *list = json_list_of(n, "vcpus");
	size_t i, count = list ? json_object_array_length(list) : 0;
	char **words = g_new0(char *, count + 4);
	int ret = 0;

	words[0] = g_strdup("move");
	words[1] = g_strdup(c->word);
	for (i = 0; i < count; i++) {
		struct json_object *vcpu = json_object_array_get_idx(list, i);

		words[i + 2] = g_strdup_printf("%d=%s", json_object_get_int(vcpu),
					       node_name(c, c->to));
	}
	words[count + 2] = g_strdup("--here");
	if (count)
		ret = run_on(c, 0, (const char *const *)words, NULL);
	g_strfreev(words);
	return ret;
}

static int move_memory(const struct change *c)
{
	const char *words[] = { "rehome", c->word, node_name(c, c->node), node_name(c, c->to),
				"--here", NULL };

	return run_on(c, c->node, words, NULL);
}

static int evacuate(const struct change *c)
{
	int status;
	struct json_object *n = ask(c, &status);

	if (!n)
		return status;
	if (strcmp(json_text_of(n, "state"), "member"))
		status = verb_fail(EXIT_STOPPED, node_name(c, c->node), "it does not take part: "
				   "see dvmm nodes");
	else
		status = move_vcpus(c, n);
	json_object_put(n);
	return status ? status : move_memory(c);
}

static int remove_node(const struct change *c)
{
	const char *words[] = { "remove", c->word, node_name(c, c->node), "--here", NULL };
	const char *disk = export_has(c->f, c->node);
	int status;

	if (disk)
		return verb_fail(EXIT_FAILED, disk, "it is on that node's host: the node stays");
	status = evacuate(c);
	if (!status)
		status = run_on(c, 0, words, NULL);
	if (!status)
		status = await(c, "absent");
	if (!status)
		printf("%s: %s has left\n", c->word, node_name(c, c->node));
	return status;
}

/* The boot node's QEMU is asked here. */
static int tell_remove(const struct change *c, const struct place *p)
{
	struct json_object *arguments = json_object_new_object(), *answer;
	int ret;

	json_text(arguments, "node", node_name(c, c->node));
	ret = qmp_call(p, "dvmm-remove", arguments, &answer, ANSWER_SECONDS);
	json_object_put(answer);
	json_object_put(arguments);
	return ret;
}

/* ---- verbs ---- */

static bool read_change(struct change *c, int argc, char **argv)
{
	c->node = place_node(c->f, argv[2]);
	c->to = argc > 3 ? place_node(c->f, argv[3]) : 0;
	if (c->node < 0 || c->to < 0)
		return false;
	if (!c->node)
		verb_fail(0, argv[2], "it is the boot node, which has the devices: it stays");
	else if (c->to == c->node)
		verb_fail(0, argv[2], "name another node to have what it has");
	return c->node && c->to != c->node;
}

static int change(const struct options *o, int argc, char **argv,
		  int (*fn)(const struct change *c))
{
	struct change c = { .o = o, .word = argv[1], .f = machine_file(o, argv[1]) };
	struct place p;
	int ret;

	if (!c.f)
		return EXIT_FILE;
	place_make(&p, o, c.f, 0);
	if (!read_change(&c, argc, argv))
		ret = EXIT_USAGE;
	else if (o->here)
		ret = tell_remove(&c, &p);
	else
		ret = fn(&c);
	place_free(&p);
	file_free(c.f);
	return ret;
}

int verb_evacuate(const struct options *o, int argc, char **argv)
{
	return change(o, argc, argv, evacuate);
}

int verb_remove(const struct options *o, int argc, char **argv)
{
	return change(o, argc, argv, remove_node);
}

int verb_nodes(const struct options *o, int argc, char **argv)
{
	const char *words[] = { "nodes", argv[1], "--here", o->json ? "--json" : NULL, NULL };
	struct file *f = machine_file(o, argv[1]);
	struct place p;
	int ret;

	(void)argc;
	if (!f)
		return EXIT_FILE;
	place_make(&p, o, f, 0);
	ret = place_is_served(o, f, &p) ? show_nodes(o, &p) : remote_forward(o, f, 0, words, false);
	place_free(&p);
	file_free(f);
	return ret;
}
