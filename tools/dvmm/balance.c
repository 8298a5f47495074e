// SPDX-License-Identifier: GPL-2.0
/* dvmm balance: looks, takes a step, looks again. */
#include <stdio.h>
#include <string.h>

#include "decide.h"
#include "json.h"
#include "look.h"
#include "remote.h"

#define FAILURES	5	/* in a row, then it gives up */

struct balance {
	const struct options *o;
	const struct file *f;
	const char *word;
	struct decide_past past;
	struct decide_look look;
	unsigned int steps;
	unsigned int failures;
};

/* ---- what was seen, to decide from ---- */

static struct decide_look look_make(unsigned int nodes, unsigned int vcpus)
{
	return (struct decide_look){
		.nodes = nodes, .vcpus = vcpus,
		.node = g_new0(struct decide_node, nodes),
		.vcpu = g_new0(struct decide_vcpu, vcpus),
		.frames = g_new0(double, nodes * nodes),
	};
}

static void look_free(struct decide_look *look)
{
	g_free(look->node);
	g_free(look->vcpu);
	g_free(look->frames);
}

/* The legacy interrupts of devices are vCPU 0's, which stays with them. */
static double read_vcpus(struct decide_look *look, struct json_object *list, unsigned int node)
{
	double ran = 0;
	size_t i;

	for (i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *v = json_object_array_get_idx(list, i);
		uint64_t id = json_number_of(v, "vcpu");

		ran += json_real_of(v, "ran");
		if (id >= look->vcpus)
			continue;
		look->vcpu[id].node = node;
		look->vcpu[id].ran = json_real_of(v, "ran");
		look->vcpu[id].queued = json_real_of(v, "queued");
		look->vcpu[id].waited = json_real_of(v, "waited");
		look->vcpu[id].stays = !id;
	}
	return ran;
}

static void read_peers(const struct file *f, struct decide_look *look, struct json_object *list,
		       unsigned int node)
{
	unsigned int peer;
	size_t i;

	for (i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *p = json_object_array_get_idx(list, i);

		for (peer = 0; peer < look->nodes; peer++)
			if (!strcmp(file_node(f, peer)->name, json_text_of(p, "node")))
				look->frames[node * look->nodes + peer] = json_real_of(p, "frames");
	}
}

static void read_row(const struct file *f, struct decide_look *look, struct json_object *row,
		     unsigned int node)
{
	struct decide_node *n = &look->node[node];
	double ran = read_vcpus(look, json_list_of(row, "vcpus"), node);

	n->takes = !strcmp(json_text_of(row, "state"), "member");
	n->cpus = json_number_of(row, "cpus");
	n->others = MAX(0, json_real_of(row, "busy") - ran);
	n->free = json_number_of(row, "free");
	read_peers(f, look, json_list_of(row, "peers"), node);
}

static void set_cells(const struct file *f, struct decide_look *look)
{
	unsigned int cell, i, vcpu = 0;

	for (cell = 0; cell < f->cells->len; cell++)
		for (i = 0; i < file_cell(f, cell)->cpus; i++)
			look->vcpu[vcpu++].cell = file_cell(f, cell)->node;
}

static struct decide_look look_read(const struct file *f, struct json_object *rows)
{
	struct decide_look look = look_make(f->nodes->len, f->cpus);
	unsigned int i;

	set_cells(f, &look);
	for (i = 0; i < look.nodes; i++)
		read_row(f, &look, json_object_array_get_idx(rows, i), i);
	return look;
}

/* ---- a step ---- */

static const char *const why[] = {
	[DECIDE_CROWDED] = "its host has too few CPUs, %.2f more are expected to run",
	[DECIDE_APART] = "it waits for pages of that node, %.2f CPUs more are expected to run",
	[DECIDE_WORSE] = "back again: %.2f CPUs fewer ran",
};

static void say(const struct balance *b, const struct decide_step *step)
{
	printf("%s: vCPU %u from %s to %s: ", b->word, step->vcpu,
	       file_node(b->f, step->from)->name, file_node(b->f, step->to)->name);
	printf(why[step->reason], step->gain);
	putchar('\n');
	fflush(stdout);
}

/* @said: by the verb that did it, NULL: nothing was done */
static void say_json(const struct balance *b, const struct decide_step *step, int status,
		     const char *said)
{
	struct json_object *o = json_object_new_object();

	json_text(o, "machine", b->word);
	json_number(o, "vcpu", step->vcpu);
	json_text(o, "from", file_node(b->f, step->from)->name);
	json_text(o, "to", file_node(b->f, step->to)->name);
	json_text(o, "reason", decide_reasons[step->reason]);
	json_real(o, "cpus", step->gain);
	json_object_object_add(o, "done", json_object_new_boolean(said && !status));
	if (said)
		json_text(o, "said", said);
	json_print(o);
}

/* As "dvmm move" does it, on the boot node's host */
static int take(const struct balance *b, const struct decide_step *step)
{
	char *place = g_strdup_printf("%u=%s", step->vcpu, file_node(b->f, step->to)->name);
	const char *words[] = { "move", b->word, place, "--here", NULL };
	char *said = NULL;
	int status;

	if (!b->o->json)
		say(b, step);
	status = remote_run(file_node(b->f, 0)->name, remote_argv(b->o, b->f, 0, words), NULL,
			    &said);
	g_strchomp(said ? said : (said = g_strdup("")));
	if (b->o->json)
		say_json(b, step, status, said);
	else if (*said)
		printf("%s: %s\n", b->word, said);
	fflush(stdout);
	g_free(place);
	g_free(said);
	return status;
}

static bool is_last_failure(struct balance *b, int status)
{
	b->failures = status ? b->failures + 1 : 0;
	return status && (b->o->once || status == EXIT_STOPPED || b->failures >= FAILURES);
}

/* False: there is no more to do */
static bool go_on(struct balance *b, int *status)
{
	struct decide_step step = decide(&decide_usual, &b->past, &b->look);

	if (step.reason == DECIDE_REST)
		return !b->o->once;
	if (step.reason == DECIDE_SETTLES)
		return true;
	*status = take(b, &step);
	if (*status)
		decide_refused(&decide_usual, &b->past);
	else
		b->steps++;
	return true;
}

static int look_once(struct balance *b)
{
	int status = 0;
	struct json_object *rows = look_take(b->o, b->f, b->word, &status);

	if (!rows)
		return status;
	look_free(&b->look);
	b->look = look_read(b->f, rows);
	json_object_put(rows);
	return 0;
}

/* ---- the verb ---- */

/* All steps, if each has the effect that is expected of it */
static int plan(struct balance *b)
{
	struct decide_step step;
	int status = look_once(b);

	while (!status && b->steps < 2 * b->f->cpus) {
		step = decide(&decide_usual, &b->past, &b->look);
		if (step.reason == DECIDE_REST)
			break;
		if (step.reason == DECIDE_SETTLES)
			continue;
		if (b->o->json)
			say_json(b, &step, 0, NULL);
		else
			say(b, &step);
		decide_expect(&b->look, &step);
		b->steps++;
	}
	return status;
}

static int run(struct balance *b)
{
	unsigned long pass;
	bool more = true;
	int status = 0;

	for (pass = 0; more && (!b->o->count || pass < b->o->count); pass++) {
		status = look_once(b);
		if (look_is_over())
			return 0;
		if (!status)
			more = go_on(b, &status);
		if (is_last_failure(b, status))
			return status;
	}
	return 0;
}

static int balance(struct balance *b)
{
	int status = b->o->dry_run ? plan(b) : run(b);

	if (!status && !b->o->json)
		printf("%s: %u steps%s\n", b->word, b->steps, b->o->dry_run ? " to take" : "");
	return status;
}

int verb_balance(const struct options *o, int argc, char **argv)
{
	struct balance b = { .o = o, .word = argv[1], .f = machine_file(o, argv[1]) };
	int status;

	(void)argc;
	if (!b.f)
		return EXIT_FILE;
	look_end_by_signals();
	b.past.held = g_new0(unsigned int, b.f->cpus);
	b.past.times = g_new0(unsigned int, b.f->cpus);
	if (b.f->nodes->len < 2)
		status = verb_fail(EXIT_FAILED, b.word, "it has one node: add a [node] section "
				   "with 'joins = later'");
	else
		status = balance(&b);
	look_free(&b.look);
	g_free(b.past.held);
	g_free(b.past.times);
	file_free((struct file *)b.f);
	return status;
}
