// SPDX-License-Identifier: GPL-2.0
/* What a machine finds on its host when it begins with a checkpoint: its disks. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint.h"
#include "guest.h"
#include "json.h"
#include "manifest.h"

static bool restore_may(const struct file *f, struct json_object *manifest, unsigned int disk)
{
	const char *image = f->guest[disk];
	char *before = g_strconcat(image, ".before", NULL);
	bool ok = true;

	if (!manifest_file(manifest, guest_keys[disk]))
		ok = verb_fail(0, image, "the checkpoint has no copy of it: "
			       "remove it from [guest]");
	else if (manifest_is_fork(manifest) && strcmp(guest_image_format(image), "qcow2"))
		ok = verb_fail(0, image, "a fork's image has its own blocks only: "
			       "give it a name that ends in .qcow2");
	else if (!access(before, F_OK))
		ok = verb_fail(0, before, "it is from an earlier restart: move it away");
	g_free(before);
	return ok;
}

static bool restore_spawn(const char *const *argv, const char *to)
{
	GError *error = NULL;
	int status = 1;
	bool ok = g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL,
			       NULL, NULL, &status, &error);

	g_clear_error(&error);
	if (!ok)
		return verb_fail(0, argv[0], "it cannot be started: install it (qemu-utils has "
				 "qemu-img)");
	if (status)
		unlink(to);
	return !status || verb_fail(0, to, "the disk was not made: make room");
}

/* Holes stay holes, and where the file system shares blocks, nothing is copied. */
static bool restore_copy(const char *from, const char *to)
{
	const char *argv[] = { "cp", "--reflink=auto", "--sparse=always", "--", from, to, NULL };

	return restore_spawn(argv, to);
}

/* What the guest does not write is read from the checkpoint. */
static bool restore_overlay(const char *from, const char *format, const char *to)
{
	const char *argv[] = { "qemu-img", "create", "-q", "-f", "qcow2", "-b", from, "-F", format,
			       to, NULL };

	return restore_spawn(argv, to);
}

static bool restore_prepare(const char *dir, struct json_object *manifest, enum guest_key disk,
			    const char *image)
{
	struct json_object *file = manifest_file(manifest, guest_keys[disk]);
	char *from = g_build_filename(dir, guest_keys[disk], NULL);
	char *new = g_strconcat(image, ".new", NULL);
	bool ok = manifest_is_fork(manifest) ?
		  restore_overlay(from, json_text_of(file, "image"), new) :
		  restore_copy(from, new);

	g_free(new);
	g_free(from);
	return ok;
}

/* At any moment there is an image of that name. */
static bool restore_switch(const char *image)
{
	char *new = g_strconcat(image, ".new", NULL), *before = g_strconcat(image, ".before", NULL);
	bool ok = (!link(image, before) || errno == ENOENT) && !rename(new, image);

	g_free(before);
	g_free(new);
	return ok || verb_fail(0, image, strerror(errno));
}

/* Names change only when all disks are whole. */
bool checkpoint_restore(const struct file *f, const char *dir, bool force)
{
	struct json_object *manifest = manifest_read(f, dir, force);
	bool ok = manifest;
	unsigned int i;

	for (i = GUEST_DISK; ok && i <= GUEST_DISK4; i++)
		ok = !f->guest[i] || restore_may(f, manifest, i);
	for (i = GUEST_DISK; ok && i <= GUEST_DISK4; i++)
		ok = !f->guest[i] || restore_prepare(dir, manifest, i, f->guest[i]);
	for (i = GUEST_DISK; ok && i <= GUEST_DISK4; i++)
		ok = !f->guest[i] || restore_switch(f->guest[i]);
	json_object_put(manifest);
	return ok;
}
