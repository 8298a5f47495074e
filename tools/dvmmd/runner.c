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

char **runner_prepare(const struct runner *r, const struct pool *p, struct json_object *machine,
		      unsigned int cell, char **why)
{
	struct json_object *its = json_object_array_get_idx(machine_cells(machine), cell);
	const char *from = json_text_of(machine, "from");
	char *path = runner_file(r, p, machine, why);
	GPtrArray *words;

	if (!path)
		return NULL;
	words = g_ptr_array_new();
	g_ptr_array_add(words, g_strdup(r->dvmm));
	g_ptr_array_add(words, g_strdup("run"));
	g_ptr_array_add(words, path);
	g_ptr_array_add(words, g_strdup(json_text_of(its, "node")));
	g_ptr_array_add(words, g_strdup("--state"));
	g_ptr_array_add(words, g_strdup(r->state));
	if (!cell && *from) {
		g_ptr_array_add(words, g_strdup("--from"));
		g_ptr_array_add(words, g_strdup(from));
	}
	g_ptr_array_add(words, NULL);
	return (char **)g_ptr_array_free(words, FALSE);
}
