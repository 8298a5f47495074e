// SPDX-License-Identifier: GPL-2.0
/* vCPUs of a machine that runs move between its nodes: move, spread, pack. */
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "move.h"
#include "qmp.h"
#include "remote.h"

#define MOVE_SECONDS	120
#define ANSWER_SECONDS	10

void move_add(struct json_object *vcpus, unsigned int vcpu, const char *node)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "cpu-index", json_object_new_int64(vcpu));
	json_object_object_add(o, "node", json_object_new_string(node));
	json_object_array_add(vcpus, o);
}

static void move_add_cell(struct json_object *vcpus, const struct file *f, unsigned int cell,
			  const char *node)
{
	const struct file_cell *c = file_cell(f, cell);
	unsigned int i;

	for (i = 0; i < c->cpus; i++)
		move_add(vcpus, c->first_cpu + i, node);
}

/* "VCPU=NODE" or "CELL=NODE", a number is a vCPU's; false after a line on stderr */
static bool add_word(struct json_object *vcpus, const struct file *f, const char *word)
{
	const char *node = strchr(word, '=');
	char *what = node ? g_strndup(word, node - word) : NULL, *end = NULL;
	unsigned long vcpu = node ? strtoul(what, &end, 10) : 0;
	bool number = node && g_ascii_isdigit(*what) && !*end;
	int cell = node && !number ? file_cell_named(f, what) : -1;
	bool good = cell >= 0 || (number && vcpu < f->cpus);

	if (!good)
		fprintf(stderr, "dvmm: %s: write VCPU=NODE, with a vCPU from 0 to %u, or "
			"CELL=NODE\n", word, f->cpus - 1);
	good = good && place_node(f, node + 1) >= 0;
	if (good && number)
		move_add(vcpus, vcpu, node + 1);
	else if (good)
		move_add_cell(vcpus, f, cell, node + 1);
	g_free(what);
	return good;
}

/* What is wanted */
struct plan {
	const struct options *o;
	const struct file *f;
	const struct place *p;		/* the boot node, on this host */
	int argc;
	char **argv;
};

static int move_words(struct json_object *vcpus, const struct plan *plan)
{
	int i;

	for (i = 2; i < plan->argc; i++)
		if (!add_word(vcpus, plan->f, plan->argv[i]))
			return EXIT_USAGE;
	return 0;
}

void move_add_all(struct json_object *vcpus, const struct file *f, unsigned int node)
{
	unsigned int vcpu;

	for (vcpu = 0; vcpu < f->cpus; vcpu++)
		move_add(vcpus, vcpu, file_node(f, node)->name);
}

/* The vCPUs of a node's cells */
static void move_add_cells(struct json_object *vcpus, const struct file *f, unsigned int node)
{
	unsigned int i;

	for (i = 0; i < f->cells->len; i++)
		if (file_cell(f, i)->node == node)
			move_add_cell(vcpus, f, i, file_node(f, node)->name);
}

/* Each vCPU to the node whose memory is near it, if that is there */
static int spread_all(struct json_object *vcpus, const struct plan *plan)
{
	struct json_object *answer, *nodes;
	int ret = qmp_call(plan->p, "query-dvmm", NULL, &answer, ANSWER_SECONDS);
	size_t i;

	if (ret)
		return ret;
	nodes = json_list_of(answer, "nodes");
	for (i = 0; nodes && i < plan->f->nodes->len && i < json_object_array_length(nodes); i++)
		if (!strcmp(json_text_of(json_object_array_get_idx(nodes, i), "state"), "member"))
			move_add_cells(vcpus, plan->f, i);
	json_object_put(answer);
	return 0;
}

static int pack_all(struct json_object *vcpus, const struct plan *plan)
{
	move_add_all(vcpus, plan->f, 0);
	return 0;
}

int move_ask(const struct place *p, struct json_object *vcpus, double seconds,
	     struct json_object **answer)
{
	struct json_object *arguments = json_object_new_object();
	int ret;

	json_object_object_add(arguments, "vcpus", json_object_get(vcpus));
	ret = qmp_call(p, "dvmm-move", arguments, answer, seconds > 0 ? seconds : MOVE_SECONDS);
	json_object_put(arguments);
	return ret;
}

static int forward(const struct plan *plan)
{
	const char *words[plan->argc + 2];

	memcpy(words, plan->argv, plan->argc * sizeof(*words));
	words[plan->argc] = "--here";
	words[plan->argc + 1] = NULL;
	return remote_forward(plan->o, plan->f, 0, words, false);
}

static int move(const struct plan *plan, struct json_object *vcpus)
{
	struct json_object *answer, *n, *us;
	int ret = move_ask(plan->p, vcpus, plan->o->patience, &answer);

	if (!ret && json_object_object_get_ex(answer, "vcpus", &n) &&
	    json_object_object_get_ex(answer, "pause-us", &us))
		printf("%s moved, the guest stood still for %.1f ms\n",
		       json_object_get_string(n), json_object_get_int64(us) / 1e3);
	json_object_put(answer);
	return ret;
}

static int place_vcpus(const struct options *o, int argc, char **argv,
		       int (*make)(struct json_object *vcpus, const struct plan *plan))
{
	struct file *f = machine_file(o, argv[1]);
	struct place p;
	struct plan plan = { .o = o, .f = f, .p = &p, .argc = argc, .argv = argv };
	struct json_object *vcpus;
	int ret;

	if (!f)
		return EXIT_FILE;
	vcpus = json_object_new_array();
	place_make(&p, o, f, 0);
	if (!place_is_served(o, f, &p)) {
		ret = forward(&plan);
	} else {
		ret = make(vcpus, &plan);
		ret = ret ? ret : move(&plan, vcpus);
	}
	json_object_put(vcpus);
	place_free(&p);
	file_free(f);
	return ret;
}

int verb_move(const struct options *o, int argc, char **argv)
{
	return place_vcpus(o, argc, argv, move_words);
}

int verb_spread(const struct options *o, int argc, char **argv)
{
	return place_vcpus(o, argc, argv, spread_all);
}

int verb_pack(const struct options *o, int argc, char **argv)
{
	return place_vcpus(o, argc, argv, pack_all);
}
