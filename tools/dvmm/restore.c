// SPDX-License-Identifier: GPL-2.0
/* What a machine finds on its host when it begins with a checkpoint: its disks. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint.h"
#include "manifest.h"
#include "verbs.h"

static bool restore_may(const char *image)
{
	char *before = g_strconcat(image, ".before", NULL);
	bool ok = access(before, F_OK) ||
		  verb_fail(0, before, "it is from an earlier restart: move it away");

	g_free(before);
	return ok;
}

/* Holes stay holes, and where the file system shares blocks, nothing is copied. */
static bool restore_copy(const char *from, const char *to)
{
	const char *argv[] = { "cp", "--reflink=auto", "--sparse=always", "--", from, to, NULL };
	GError *error = NULL;
	int status = 1;
	bool ok = g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL,
			       NULL, NULL, &status, &error) && !status;

	g_clear_error(&error);
	if (!ok)
		unlink(to);
	return ok || verb_fail(0, to, "the disk was not copied: make room");
}

static bool restore_prepare(const char *dir, enum guest_key disk, const char *image)
{
	char *from = g_build_filename(dir, guest_keys[disk], NULL);
	char *new = g_strconcat(image, ".new", NULL);
	bool ok = restore_copy(from, new);

	g_free(new);
	g_free(from);
	return ok;
}

static bool restore_switch(const char *image)
{
	char *new = g_strconcat(image, ".new", NULL), *before = g_strconcat(image, ".before", NULL);
	bool ok = (!rename(image, before) || errno == ENOENT) && !rename(new, image);

	g_free(before);
	g_free(new);
	return ok || verb_fail(0, image, strerror(errno));
}

/* Names change only when all copies are whole. */
bool checkpoint_restore(const struct file *f, const char *dir, bool force)
{
	bool ok = manifest_check(f, dir, force);
	unsigned int i;

	for (i = GUEST_DISK; ok && i <= GUEST_DISK4; i++)
		ok = !f->guest[i] || restore_may(f->guest[i]);
	for (i = GUEST_DISK; ok && i <= GUEST_DISK4; i++)
		ok = !f->guest[i] || restore_prepare(dir, i, f->guest[i]);
	for (i = GUEST_DISK; ok && i <= GUEST_DISK4; i++)
		ok = !f->guest[i] || restore_switch(f->guest[i]);
	return ok;
}
