// SPDX-License-Identifier: GPL-2.0
/* What machine files say: check, dump, cmdline, topology. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "copies.h"
#include "guest.h"

#define MIB	(UINT64_C(1) << 20)

int verb_check(const struct options *o, int argc, char **argv)
{
	struct file *f = place_file(o, argv[1]);
	char *digest;

	(void)argc;
	if (!f)
		return EXIT_FILE;
	digest = copies_digest(f);
	printf("%s: %u nodes, %u vCPUs, %llu MiB, %s\n", f->path, f->nodes->len,
	       f->cpus, (unsigned long long)(f->memory / MIB), digest);
	g_free(digest);
	file_free(f);
	return 0;
}

static struct json_object *node_object(const struct file_node *n)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "name", json_object_new_string(n->name));
	if (n->address) {
		json_object_object_add(o, "address", json_object_new_string(n->address));
		json_object_object_add(o, "port", json_object_new_int64(n->port));
	}
	json_object_object_add(o, "cpus", json_object_new_int64(n->cpus));
	json_object_object_add(o, "memory", json_object_new_int64(n->memory));
	json_object_object_add(o, "cache", json_object_new_int64(n->cache));
	return o;
}

static struct json_object *cell_object(const struct file *f, unsigned int index)
{
	const struct file_cell *c = file_cell(f, index);
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "name", json_object_new_string(c->name));
	json_object_object_add(o, "node", json_object_new_string(file_node(f, c->node)->name));
	json_object_object_add(o, "cpus", json_object_new_int64(c->cpus));
	json_object_object_add(o, "first_cpu", json_object_new_int64(c->first_cpu));
	json_object_object_add(o, "memory", json_object_new_int64(c->memory));
	return o;
}

static struct json_object *guest_object(const struct file *f)
{
	struct json_object *o = json_object_new_object();
	unsigned int i;

	for (i = 0; i < GUEST_KEYS; i++)
		if (f->guest[i])
			json_object_object_add(o, guest_keys[i],
					       json_object_new_string(f->guest[i]));
	return o;
}

static struct json_object *file_object(const struct file *f)
{
	struct json_object *o = json_object_new_object(), *nodes = json_object_new_array();
	struct json_object *cells = json_object_new_array();
	unsigned int i;

	json_object_object_add(o, "file", json_object_new_string(f->path));
	json_object_object_add(o, "name", json_object_new_string(f->name));
	json_object_object_add(o, "uuid", json_object_new_string(f->uuid));
	json_object_object_add(o, "transport", json_object_new_string(f->transport));
	json_object_object_add(o, "security", json_object_new_string(f->security));
	json_object_object_add(o, "key", json_object_new_string(f->key));
	json_object_object_add(o, "timeout", json_object_new_int64(f->timeout));
	json_object_object_add(o, "distance", json_object_new_int64(f->distance));
	json_object_object_add(o, "stall", json_object_new_int64(f->stall));
	json_object_object_add(o, "start", json_object_new_string(f->start));
	json_object_object_add(o, "hold-us", json_object_new_int64(f->hold_us));
	json_object_object_add(o, "prefetch", json_object_new_boolean(f->prefetch));
	json_object_object_add(o, "migratory", json_object_new_boolean(f->migratory));
	for (i = 0; i < f->nodes->len; i++)
		json_object_array_add(nodes, node_object(file_node(f, i)));
	json_object_object_add(o, "nodes", nodes);
	for (i = 0; i < f->cells->len; i++)
		json_object_array_add(cells, cell_object(f, i));
	json_object_object_add(o, "cells", cells);
	if (f->has_guest)
		json_object_object_add(o, "guest", guest_object(f));
	return o;
}

int verb_dump(const struct options *o, int argc, char **argv)
{
	struct file *f = place_file(o, argv[1]);
	struct json_object *json;
	char *text;

	(void)argc;
	if (!f)
		return EXIT_FILE;
	if (o->json) {
		json = file_object(f);
		puts(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN));
		json_object_put(json);
	} else {
		text = file_text(f, FILE_LOCAL | FILE_TOOL);
		fputs(text, stdout);
		g_free(text);
	}
	file_free(f);
	return 0;
}

/* As words of a shell; without a node's name it is this host's, or the boot node. */
int verb_cmdline(const struct options *o, int argc, char **argv)
{
	struct file *f = machine_file(o, argv[1]);
	struct place p;
	char **words, *quoted;
	int node, i;

	if (!f)
		return EXIT_FILE;
	node = argc > 2 ? place_node(f, argv[2]) : MAX(0, place_own(f));
	if (node < 0)
		return EXIT_FILE;
	place_make(&p, o, f, node);
	words = guest_argv(f, &p, NULL, false);
	for (i = 0; words[i]; i++) {
		quoted = words[i][strcspn(words[i], " '\"\\$&;|<>()*?#~`\t")] || !*words[i] ?
			 g_shell_quote(words[i]) : g_strdup(words[i]);
		printf("%s%s", i ? " " : "", quoted);
		g_free(quoted);
	}
	putchar('\n');
	g_strfreev(words);
	place_free(&p);
	file_free(f);
	return 0;
}

/* ---- who has what ---- */

/* "cell 2 c on node b at 10.0.0.2:7400", or the node alone where that has no other */
static void show_place(const struct file *f, unsigned int index)
{
	const struct file_cell *c = file_cell(f, index);
	const struct file_node *n = file_node(f, c->node);

	if (f->has_cells)
		printf("cell %u %s on ", index, c->name);
	else
		printf("node %u ", index);
	printf("%s", n->name);
	if (n->address)
		printf(" at %s:%u", n->address, n->port);
}

/* @mib: where its memory begins, in the guest's without its holes */
static void show_cell(const struct file *f, unsigned int index, uint64_t mib)
{
	const struct file_cell *c = file_cell(f, index);

	printf("%c- ", index + 1 == f->cells->len ? '`' : '|');
	show_place(f, index);
	if (c->cpus)
		printf(", vCPUs %u-%u", c->first_cpu, c->first_cpu + c->cpus - 1);
	if (c->memory)
		printf(", memory %" PRIu64 "-%" PRIu64 " MiB", mib, mib + c->memory / MIB);
	printf(", NUMA node %u%s\n", index, index ? "" : ", firmware and devices");
}

static void topology_text(const struct file *f)
{
	unsigned int i;
	uint64_t mib = 0;

	printf("%s: %u vCPUs, %" PRIu64 " MiB, %s, distance %u\n", f->name, f->cpus,
	       f->memory / MIB, f->transport, f->distance);
	for (i = 0; i < f->cells->len; i++) {
		show_cell(f, i, mib);
		mib += file_cell(f, i)->memory / MIB;
	}
}

static void topology_json(const struct file *f)
{
	struct json_object *json = json_object_new_object(), *cells = json_object_new_array();
	struct json_object *o;
	uint64_t byte = 0;
	unsigned int i;

	for (i = 0; i < f->cells->len; i++) {
		o = cell_object(f, i);
		json_object_object_add(o, "first_byte", json_object_new_int64(byte));
		json_object_object_add(o, "boot", json_object_new_boolean(!i));
		json_object_array_add(cells, o);
		byte += file_cell(f, i)->memory;
	}
	json_object_object_add(json, "name", json_object_new_string(f->name));
	json_object_object_add(json, "distance", json_object_new_int64(f->distance));
	json_object_object_add(json, "cells", cells);
	puts(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN));
	json_object_put(json);
}

int verb_topology(const struct options *o, int argc, char **argv)
{
	struct file *f = machine_file(o, argv[1]);

	(void)argc;
	if (!f)
		return EXIT_FILE;
	if (o->json)
		topology_json(f);
	else
		topology_text(f);
	file_free(f);
	return 0;
}
