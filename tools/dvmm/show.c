// SPDX-License-Identifier: GPL-2.0
/* What machine files say: check, dump, cmdline, topology. */
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "copies.h"
#include "guest.h"

#define MIB	(1024 * 1024ull)

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

struct cell {
	const struct file_node *n;
	unsigned int index;
	unsigned int first_cpu;
	uint64_t first_mib;	/* within guest memory without its holes */
};

static void cell_text(const struct file *f, const struct cell *c)
{
	const struct file_node *n = c->n;

	printf("%c- node %u %s", c->index + 1 == f->nodes->len ? '`' : '|', c->index, n->name);
	if (n->address)
		printf(" at %s:%u", n->address, n->port);
	if (n->cpus)
		printf(", vCPUs %u-%u", c->first_cpu, c->first_cpu + n->cpus - 1);
	if (n->memory)
		printf(", memory %llu-%llu MiB", (unsigned long long)c->first_mib,
		       (unsigned long long)(c->first_mib + n->memory / MIB));
	printf(", %s %u%s\n", n->cpus ? "socket and NUMA node" : "NUMA node", c->index,
	       c->index ? "" : ", firmware and devices");
}

static struct json_object *cell_object(const struct cell *c)
{
	struct json_object *o = node_object(c->n);

	json_object_object_add(o, "node", json_object_new_int64(c->index));
	json_object_object_add(o, "first_cpu", json_object_new_int64(c->first_cpu));
	json_object_object_add(o, "first_byte", json_object_new_int64(c->first_mib * MIB));
	json_object_object_add(o, "boot", json_object_new_boolean(!c->index));
	return o;
}

static void topology(const struct options *o, const struct file *f)
{
	struct json_object *json = json_object_new_object(), *cells = json_object_new_array();
	struct cell c = {};

	if (!o->json)
		printf("%s: %u vCPUs, %llu MiB, %s, distance %u\n", f->name, f->cpus,
		       (unsigned long long)(f->memory / MIB), f->transport, f->distance);
	for (; c.index < f->nodes->len; c.index++) {
		c.n = file_node(f, c.index);
		if (o->json)
			json_object_array_add(cells, cell_object(&c));
		else
			cell_text(f, &c);
		c.first_cpu += c.n->cpus;
		c.first_mib += c.n->memory / MIB;
	}
	json_object_object_add(json, "name", json_object_new_string(f->name));
	json_object_object_add(json, "distance", json_object_new_int64(f->distance));
	json_object_object_add(json, "cells", cells);
	if (o->json)
		puts(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN));
	json_object_put(json);
}

int verb_topology(const struct options *o, int argc, char **argv)
{
	struct file *f = machine_file(o, argv[1]);

	(void)argc;
	if (!f)
		return EXIT_FILE;
	topology(o, f);
	file_free(f);
	return 0;
}
