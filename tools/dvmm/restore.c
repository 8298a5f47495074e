// SPDX-License-Identifier: GPL-2.0
/* What a machine finds on its host when it begins with a checkpoint: its disks. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint.h"
#include "guest.h"
#include "image.h"
#include "increment.h"
#include "json.h"
#include "manifest.h"
#include "parts.h"

/* The format of a copy of a disk; NULL: there is none */
static const char *restore_image(struct json_object *manifest, const char *disk)
{
	char *lowest = increment_name(disk, 0);
	struct json_object *file = manifest_file(manifest, disk) ?: manifest_file(manifest, lowest);

	g_free(lowest);
	return file ? json_text_of(file, "image") : NULL;
}

static bool restore_may(const struct file *f, struct json_object *manifest, unsigned int disk,
			bool replace)
{
	const char *image = f->guest[disk];
	char *before = g_strconcat(image, ".before", NULL);
	bool ok = true;
	int node;

	if (file_disk(f, disk, &node) && node)
		ok = verb_fail(0, image, "disks are put back on the boot node's host only: "
			       "write a path there into [guest]");
	else if (!restore_image(manifest, guest_keys[disk]))
		ok = verb_fail(0, image, "the checkpoint has no copy of it: "
			       "remove it from [guest]");
	else if (manifest_is_fork(manifest) && strcmp(guest_image_format(image), "qcow2"))
		ok = verb_fail(0, image, "a fork's image has its own blocks only: "
			       "give it a name that ends in .qcow2");
	else if (!replace && !access(before, F_OK))
		ok = verb_fail(0, before, "it is from an earlier restart: move it away, or "
			       "--replace it");
	g_free(before);
	return ok;
}

/* What the guest does not write to the disk of a fork is read from the checkpoint. */
static bool restore_disk(const char *dir, struct json_object *manifest, const char *disk,
			 const char *to)
{
	const char *image = restore_image(manifest, disk);
	unsigned int layers = increment_layers(manifest, disk);
	char *top = layers ? increment_name(disk, layers - 1) : g_strdup(disk);
	char *from = g_build_filename(dir, top, NULL);
	bool ok;

	if (manifest_is_fork(manifest))
		ok = image_overlay(from, layers > 1 ? "qcow2" : image, to);
	else
		ok = layers > 1 ? image_flatten(from, to) : image_copy(from, to);
	g_free(from);
	g_free(top);
	return ok;
}

static bool restore_prepare(const char *dir, struct json_object *manifest, enum guest_key disk,
			    const char *image)
{
	char *new = g_strconcat(image, ".new", NULL);
	bool ok = restore_disk(dir, manifest, guest_keys[disk], new);

	g_free(new);
	return ok;
}

/* QEMU reads a whole one, which is there until it has. */
static bool restore_state(const char *dir, struct json_object *manifest)
{
	unsigned int layers = increment_layers(manifest, CHECKPOINT_STATE);
	char *top = increment_name(CHECKPOINT_STATE, layers - 1);
	char *from = g_build_filename(dir, top, NULL);
	char *to = g_build_filename(dir, CHECKPOINT_STATE, NULL);
	bool ok = !layers || image_flatten(from, to);

	g_free(to);
	g_free(from);
	g_free(top);
	return ok;
}

void checkpoint_loaded(const char *dir)
{
	char *lowest = g_build_filename(dir, CHECKPOINT_STATE ".0", NULL);
	char *whole = g_build_filename(dir, CHECKPOINT_STATE, NULL);

	if (!access(lowest, F_OK))
		unlink(whole);
	g_free(whole);
	g_free(lowest);
}

static bool restore_switch(const char *image, bool replace)
{
	char *new = g_strconcat(image, ".new", NULL), *before = g_strconcat(image, ".before", NULL);
	bool ok;

	if (replace)
		unlink(before);
	ok = (!link(image, before) || errno == ENOENT) && !rename(new, image);

	g_free(before);
	g_free(new);
	return ok || verb_fail(0, image, strerror(errno));
}

/* Who begins nodes one by one has nobody who lets all hosts load what is theirs. */
static bool restore_may_parts(const struct options *o, const struct file *f,
			      struct json_object *manifest, const char *dir)
{
	if (!o->parts)
		return verb_fail(0, dir, "its memory is in parts: begin with it by dvmm up --from");
	return parts_compare(o, f, manifest, dir);
}

/* Names change only when all disks are whole. */
bool checkpoint_restore(const struct options *o, const struct file *f, const char *dir)
{
	struct json_object *manifest = manifest_read(f, dir, o->force);
	bool ok = manifest && (!manifest_has_parts(manifest) ||
			       restore_may_parts(o, f, manifest, dir));
	unsigned int i;

	for (i = GUEST_DISK; ok && i <= GUEST_DISK4; i++)
		ok = !f->guest[i] || restore_may(f, manifest, i, o->replace);
	ok = ok && restore_state(dir, manifest);
	for (i = GUEST_DISK; ok && i <= GUEST_DISK4; i++)
		ok = !f->guest[i] || restore_prepare(dir, manifest, i, f->guest[i]);
	for (i = GUEST_DISK; ok && i <= GUEST_DISK4; i++)
		ok = !f->guest[i] || restore_switch(f->guest[i], o->replace);
	json_object_put(manifest);
	return ok;
}
