// SPDX-License-Identifier: GPL-2.0
/* Programs that know what is in an image. */
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "image.h"
#include "verbs.h"

/* Its last words */
static const char *image_last_line(char *text)
{
	char *end = strrchr(g_strchomp(text), '\n');

	return end ? end + 1 : text;
}

static bool image_run(const char *const *argv, const char *to)
{
	GError *error = NULL;
	char *said = NULL, *remedy;
	int status = 1;

	if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, &said,
			  &status, &error)) {
		g_clear_error(&error);
		return verb_fail(0, argv[0], "it cannot be started: install it; qemu-utils has "
				 "qemu-img");
	}
	if (status) {
		remedy = g_strdup_printf("it was not made: %s: make room", image_last_line(said));
		verb_fail(0, to, remedy);
		g_free(remedy);
		unlink(to);
	}
	g_free(said);
	return !status;
}

bool image_copy(const char *from, const char *to)
{
	const char *argv[] = { "cp", "--reflink=auto", "--sparse=always", "--", from, to, NULL };

	return image_run(argv, to);
}

static bool image_create(const char *from, const char *format, const char *pieces, const char *to)
{
	const char *argv[] = { "qemu-img", "create", "-q", "-f", "qcow2", "-o", pieces, "-b", from,
			       "-F", format, to, NULL };

	return image_run(argv, to);
}

bool image_overlay(const char *from, const char *format, const char *to)
{
	return image_create(from, format, "cluster_size=64k", to);
}

bool image_flatten(const char *from, const char *to)
{
	const char *argv[] = { "qemu-img", "convert", "-q", "-f", "qcow2", "-O", "raw", from, to,
			       NULL };

	return image_run(argv, to);
}

/*
 * An image on top of all of it gets what changes when the ground below it does, in pieces of a
 * page of the guest.
 */
bool image_difference(const char *whole, const char *before, const char *format, const char *to)
{
	char *dir = g_path_get_dirname(to), *ground = g_build_filename(dir, before, NULL);
	const char *compare[] = { "qemu-img", "rebase", "-q", "-f", "qcow2", "-b", ground,
				  "-F", format, to, NULL };
	const char *name[] = { "qemu-img", "rebase", "-q", "-u", "-f", "qcow2", "-b", before,
			       "-F", format, to, NULL };
	bool ok = image_create(whole, "raw", "cluster_size=4k", to) && image_run(compare, to) &&
		  image_run(name, to);

	g_free(ground);
	g_free(dir);
	return ok;
}
