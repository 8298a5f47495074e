// SPDX-License-Identifier: GPL-2.0
/* Machine files and keys of the pool's machines. */
#include <string.h>

#include "../dvmm/json.h"
#include "machine.h"
#include "runner.h"

/* Each run has a key of its own, which all hosts of the pool can tell and nobody else. */
static char *runner_key(const struct runner *r, struct json_object *machine)
{
	char *root, *text, *key;
	gsize len;

	if (!g_file_get_contents(r->authkey, &root, &len, NULL))
		return NULL;
	text = g_strdup_printf("dvmm machine %s run %u", json_text_of(machine, "uuid"),
			       (unsigned int)json_number_of(machine, "run"));
	key = g_compute_hmac_for_string(G_CHECKSUM_SHA256, (guchar *)root, len, text, -1);
	memset(root, 0, len);
	g_free(root);
	g_free(text);
	return key;
}

/* Readable by its owner only. */
static bool runner_write(const char *path, const char *text, char **why)
{
	char *dir = g_path_get_dirname(path);
	GError *error = NULL;

	g_mkdir_with_parents(dir, 0700);
	g_free(dir);
	if (g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error))
		return true;
	*why = g_strdup_printf("%s: make room, or give another --state", error->message);
	g_error_free(error);
	return false;
}

static bool runner_set_key(const struct runner *r, struct json_object *machine, GKeyFile *file,
			   char **why)
{
	char *key = runner_key(r, machine), *path;
	bool ok;

	if (!key)
		return true;	/* the one that the file names */
	path = g_strdup_printf("%s/pool/%s.key", r->state, json_text_of(machine, "name"));
	ok = runner_write(path, key, why);
	if (ok)
		g_key_file_set_string(file, "machine", "key", path);
	memset(key, 0, strlen(key));
	g_free(key);
	g_free(path);
	return ok;
}

static void runner_set_addresses(const struct pool *p, struct json_object *machine, GKeyFile *file)
{
	struct json_object *cells = machine_cells(machine), *cell, *host;
	size_t i;

	for (i = 0; i < json_object_array_length(cells); i++) {
		const char *address;
		char *group;

		cell = json_object_array_get_idx(cells, i);
		host = pool_host(p, json_number_of(cell, "host"));
		address = host ? json_text_of(host, "address") : "";
		group = g_strdup_printf("node %s", json_text_of(cell, "node"));
		if (*address && g_key_file_has_key(file, group, "address", NULL))
			g_key_file_set_string(file, group, "address", address);
		g_key_file_remove_key(file, group, "ssh", NULL);
		g_free(group);
	}
}

/* NULL and @why */
static char *runner_file(const struct runner *r, const struct pool *p, struct json_object *machine,
			 char **why)
{
	char *path = g_strdup_printf("%s/pool/%s.conf", r->state, json_text_of(machine, "name"));
	GKeyFile *file = g_key_file_new();
	GError *error = NULL;
	char *text;
	bool ok = g_key_file_load_from_data(file, json_text_of(machine, "text"), -1,
					    G_KEY_FILE_NONE, &error);

	if (!ok) {
		*why = g_strdup_printf("its machine file is none: %s: define it again",
				       error->message);
		g_error_free(error);
	}
	ok = ok && runner_set_key(r, machine, file, why);
	if (ok) {
		runner_set_addresses(p, machine, file);
		text = g_key_file_to_data(file, NULL, NULL);
		ok = runner_write(path, text, why);
		g_free(text);
	}
	g_key_file_free(file);
	if (!ok)
		g_clear_pointer(&path, g_free);
	return path;
}

/* dvmm VERB FILE WORD --state DIR; more may be added, and NULL at the end */
static GPtrArray *runner_command(const struct runner *r, const char *verb, const char *path,
				 const char *word)
{
	const char *words[] = { r->dvmm, verb, path, word, "--state", r->state };
	GPtrArray *command = g_ptr_array_new();
	unsigned int i;

	for (i = 0; i < G_N_ELEMENTS(words); i++)
		g_ptr_array_add(command, g_strdup(words[i]));
	return command;
}

static void runner_option(GPtrArray *command, const char *option, const char *value)
{
	g_ptr_array_add(command, g_strdup(option));
	if (value)
		g_ptr_array_add(command, g_strdup(value));
}

static void runner_add(GPtrArray *commands, GPtrArray *command)
{
	g_ptr_array_add(command, NULL);
	g_ptr_array_add(commands, g_ptr_array_free(command, FALSE));
}

/* What the boot node begins with, and what it makes for the next one. */
static void runner_checkpoints(GPtrArray *run, struct json_object *machine)
{
	const char *from = json_text_of(machine, "from"), *keep = json_text_of(machine, "restart");
	char *every = g_strdup_printf("%u", (unsigned int)json_number_of(machine, "every"));

	if (*from)
		runner_option(run, "--from", from);
	/* Nobody is there to move what an earlier one has left. */
	if (*from && json_number_of(machine, "restarts"))
		runner_option(run, "--replace", NULL);
	if (*keep && strcmp(every, "0")) {
		runner_option(run, "--keep", keep);
		runner_option(run, "--every", every);
	}
	g_free(every);
}

GPtrArray *runner_prepare(const struct runner *r, const struct pool *p,
			  struct json_object *machine, unsigned int cell, char **why)
{
	struct json_object *its = json_object_array_get_idx(machine_cells(machine), cell);
	GPtrArray *commands, *run;
	char *path = runner_file(r, p, machine, why);

	if (!path)
		return NULL;
	commands = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
	run = runner_command(r, "run", path, json_text_of(its, "node"));
	if (!cell)
		runner_checkpoints(run, machine);
	runner_add(commands, run);
	/* A state has all vCPUs on the boot node, and they stand still. */
	if (!cell && *json_text_of(machine, "from")) {
		runner_add(commands, runner_command(r, "spread", path, "--here"));
		runner_add(commands, runner_command(r, "resume", path, "--here"));
	}
	g_free(path);
	return commands;
}
