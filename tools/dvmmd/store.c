// SPDX-License-Identifier: GPL-2.0
/* What outlives the daemon. */
#include <errno.h>
#include <string.h>

#include <glib.h>

#include "store.h"

bool store_write(const char *path, struct json_object *o)
{
	const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
	char *dir = g_path_get_dirname(path);
	bool ok = !g_mkdir_with_parents(dir, 0700) &&
		  g_file_set_contents_full(path, text, -1,
					   G_FILE_SET_CONTENTS_CONSISTENT |
					   G_FILE_SET_CONTENTS_DURABLE, 0600, NULL);

	g_free(dir);
	return ok;
}

struct json_object *store_read(const char *path, char **why)
{
	struct json_object *o;
	GError *error = NULL;
	char *text;

	if (!g_file_get_contents(path, &text, NULL, &error)) {
		if (error->code != G_FILE_ERROR_NOENT)
			*why = g_strdup_printf("%s: run as root", error->message);
		g_error_free(error);
		return NULL;
	}
	o = json_tokener_parse(text);
	g_free(text);
	if (!o || !json_object_is_type(o, json_type_object))
		*why = g_strdup_printf("%s: it is damaged: if other hosts have the pool's state, "
				       "move the file away", path);
	return o;
}
