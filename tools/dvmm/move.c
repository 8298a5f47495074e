// SPDX-License-Identifier: GPL-2.0
/* vCPUs of a machine that runs move between its nodes: move, spread, pack. */
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "move.h"
#include "qmp.h"
#include "remote.h"

#define MOVE_SECONDS	120

void move_add(struct json_object *vcpus, unsigned int vcpu, const char *node)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "cpu-index", json_object_new_int64(vcpu));
	json_object_object_add(o, "node", json_object_new_string(node));
	json_object_array_add(vcpus, o);
}

/* "VCPU=NODE"; false after a line on stderr */
static bool add_word(struct json_object *vcpus, const struct file *f, const char *word)
{
	char *end;
	unsigned long vcpu = strtoul(word, &end, 10);

	if (!g_ascii_isdigit(*word) || *end != '=' || vcpu >= f->cpus) {
		fprintf(stderr, "dvmm: %s: write VCPU=NODE, with a vCPU from 0 to %u\n", word,
			f->cpus - 1);
		return false;
	}
	if (place_node(f, end + 1) < 0)
		return false;
	move_add(vcpus, vcpu, end + 1);
	return true;
}

static bool move_words(struct json_object *vcpus, const struct file *f, int argc, char **argv)
{
	int i;

	for (i = 2; i < argc; i++)
		if (!add_word(vcpus, f, argv[i]))
			return false;
	return true;
}

void move_add_all(struct json_object *vcpus, const struct file *f, unsigned int node)
{
	unsigned int vcpu;

	for (vcpu = 0; vcpu < f->cpus; vcpu++)
		move_add(vcpus, vcpu, file_node(f, node)->name);
}

/* Each vCPU to the node whose memory is near it */
static bool spread_all(struct json_object *vcpus, const struct file *f, int argc, char **argv)
{
	unsigned int node, i, vcpu = 0;

	(void)argc;
	(void)argv;
	for (node = 0; node < f->nodes->len; node++)
		for (i = 0; i < file_node(f, node)->cpus; i++)
			move_add(vcpus, vcpu++, file_node(f, node)->name);
	return true;
}

static bool pack_all(struct json_object *vcpus, const struct file *f, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	move_add_all(vcpus, f, 0);
	return true;
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

static int forward(const struct options *o, const struct file *f, int argc, char **argv)
{
	const char *words[argc + 2];

	memcpy(words, argv, argc * sizeof(*words));
	words[argc] = "--here";
	words[argc + 1] = NULL;
	return remote_forward(o, f, 0, words, false);
}

static int move(const struct options *o, const struct place *p, struct json_object *vcpus)
{
	struct json_object *answer, *n, *us;
	int ret = move_ask(p, vcpus, o->patience, &answer);

	if (!ret && json_object_object_get_ex(answer, "vcpus", &n) &&
	    json_object_object_get_ex(answer, "pause-us", &us))
		printf("%s moved, the guest stood still for %.1f ms\n",
		       json_object_get_string(n), json_object_get_int64(us) / 1e3);
	json_object_put(answer);
	return ret;
}

static int place_vcpus(const struct options *o, int argc, char **argv,
		       bool (*plan)(struct json_object *vcpus, const struct file *f, int argc,
				    char **argv))
{
	struct file *f = machine_file(o, argv[1]);
	struct json_object *vcpus;
	struct place p;
	int ret;

	if (!f)
		return EXIT_FILE;
	vcpus = json_object_new_array();
	place_make(&p, o, f, 0);
	if (!plan(vcpus, f, argc, argv))
		ret = EXIT_USAGE;
	else if (!place_is_served(o, f, &p))
		ret = forward(o, f, argc, argv);
	else
		ret = move(o, &p, vcpus);
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
