// SPDX-License-Identifier: GPL-2.0
/* A link is another one in one step, which nothing can do with a directory on all file systems. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "draft.h"
#include "rotate.h"
#include "verbs.h"

/* Of NAME.N or NAME.N.part beside a link NAME; 0: it is none of these */
static unsigned long rotate_number(const char *link, const char *entry)
{
	char *base = g_path_get_basename(link), *end = NULL;
	size_t len = strlen(base);
	unsigned long n = 0;

	if (g_str_has_prefix(entry, base) && entry[len] == '.' && g_ascii_isdigit(entry[len + 1]))
		n = strtoul(entry + len + 1, &end, 10);
	if (end && *end && strcmp(end, ".part"))
		n = 0;
	g_free(base);
	return n;
}

static bool rotate_has(const char *dir, const char *name)
{
	char *path = name ? g_build_filename(dir, name, NULL) : NULL;
	bool has = !path || !access(path, F_OK);

	g_free(path);
	return has;
}

/*
 * Those with a number below that are removed if they have a file of that name, NULL: any.
 * Return: the highest that was there
 */
static unsigned long rotate_visit(const char *link, unsigned long below, const char *having)
{
	char *parent = g_path_get_dirname(link), *path;
	GDir *d = g_dir_open(parent, 0, NULL);
	unsigned long n, highest = 0;
	const char *entry;

	while (d && (entry = g_dir_read_name(d))) {
		n = rotate_number(link, entry);
		highest = MAX(highest, n);
		if (!n || n >= below)
			continue;
		path = g_build_filename(parent, entry, NULL);
		if (rotate_has(path, having))
			draft_drop(path);
		g_free(path);
	}
	if (d)
		g_dir_close(d);
	g_free(parent);
	return highest;
}

char *rotate_next(const char *link)
{
	struct stat st;

	if (!lstat(link, &st) && !S_ISLNK(st.st_mode)) {
		verb_fail(0, link, "it is there, and no link to a checkpoint: name another one");
		return NULL;
	}
	return g_strdup_printf("%s.%lu", link, rotate_visit(link, 0, NULL) + 1);
}

void rotate_forget(const char *link, const char *dir, const char *having)
{
	char *base = g_path_get_basename(dir);

	rotate_visit(link, rotate_number(link, base), having);
	g_free(base);
}

bool rotate_to(const char *link, const char *dir)
{
	char *new = g_strconcat(link, ".new", NULL), *to = g_path_get_basename(dir);
	char *parent = g_path_get_dirname(link);
	bool ok;

	unlink(new);
	ok = (!symlink(to, new) && !rename(new, link) && draft_sync(parent)) ||
	     verb_fail(0, link, strerror(errno));
	if (ok)
		rotate_forget(link, dir, NULL);
	g_free(parent);
	g_free(to);
	g_free(new);
	return ok;
}
