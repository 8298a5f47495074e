// SPDX-License-Identifier: GPL-2.0
/* The manifest of a checkpoint: what it is of, and what its files have to be. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "manifest.h"

/* All of it or nothing, and on the disk */
#define MANIFEST_FLAGS	(G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE)

static bool wrong(const char *path, const char *what, const char *remedy)
{
	fprintf(stderr, "dvmm: %s: %s: %s\n", path, what, remedy);
	return false;
}

/* ---- write ---- */

static bool is_zero(const guchar *data, size_t len)
{
	return !data[0] && !memcmp(data, data + 1, len - 1);
}

/*
 * SHA-256 in hex, and the size, of all that can be read from @fd; NULL with errno.  What is summed
 * are blocks behind their places, without those of zeroes: much of a guest's memory is a hole.
 */
static char *digest_of(int fd, uint64_t *bytes)
{
	GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
	guchar data[65536];
	char *hex = NULL;
	uint64_t place;
	ssize_t len;

	for (*bytes = 0; (len = pread(fd, data, sizeof(data), *bytes)) > 0; *bytes += len) {
		if (is_zero(data, len))
			continue;
		place = GUINT64_TO_LE(*bytes);
		g_checksum_update(sum, (guchar *)&place, sizeof(place));
		g_checksum_update(sum, data, len);
	}
	if (!len)
		hex = g_strdup(g_checksum_get_string(sum));
	g_checksum_free(sum);
	return hex;
}

/* What is said of a file; NULL after a line on stderr.  It is on the disk then. */
static struct json_object *describe(const char *dir, const char *name)
{
	char *path = g_build_filename(dir, name, NULL), *digest = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct json_object *o = NULL;
	uint64_t bytes;

	if (fd >= 0 && !fsync(fd))
		digest = digest_of(fd, &bytes);
	if (digest) {
		o = json_object_new_object();
		json_text(o, "name", name);
		json_number(o, "bytes", bytes);
		json_text(o, "sha256", digest);
	} else {
		wrong(path, strerror(errno), "make another checkpoint");
	}
	if (fd >= 0)
		close(fd);
	g_free(digest);
	g_free(path);
	return o;
}

/* The shape of the machine: what a state fits */
static struct json_object *shape(const struct file *f)
{
	struct json_object *nodes = json_object_new_array(), *o;
	unsigned int i;

	for (i = 0; i < f->nodes->len; i++) {
		o = json_object_new_object();
		json_number(o, "cpus", file_node(f, i)->cpus);
		json_number(o, "memory", file_node(f, i)->memory);
		json_object_array_add(nodes, o);
	}
	return nodes;
}

bool manifest_write(const struct file *f, const char *dir, const char *const *names)
{
	struct json_object *o = json_object_new_object(), *files = json_object_new_array(), *one;
	char *path = g_build_filename(dir, MANIFEST_NAME, NULL);
	GError *error = NULL;
	const char *text;
	bool ok = true;

	for (; ok && *names; names++) {
		one = describe(dir, *names);
		ok = one;
		if (one)
			json_object_array_add(files, one);
	}
	json_number(o, "format", MANIFEST_FORMAT);
	json_text(o, "name", f->name);
	json_text(o, "uuid", f->uuid);
	json_object_object_add(o, "nodes", shape(f));
	json_object_object_add(o, "files", files);
	text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY);
	if (ok && !g_file_set_contents_full(path, text, -1, MANIFEST_FLAGS, 0600, &error)) {
		ok = wrong(path, error->message, "make room, or take another directory");
		g_error_free(error);
	}
	json_object_put(o);
	g_free(path);
	return ok;
}

/* ---- check ---- */

static bool is_whole(const char *dir, struct json_object *said)
{
	char *path = g_build_filename(dir, json_text_of(said, "name"), NULL), *digest = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t bytes = 0;
	bool ok;

	if (fd >= 0)
		digest = digest_of(fd, &bytes);
	if (!digest)
		ok = wrong(path, strerror(errno), "take another checkpoint");
	else if (bytes != json_number_of(said, "bytes"))
		ok = wrong(path, "its size is not that of the manifest", "take another checkpoint");
	else
		ok = !strcmp(digest, json_text_of(said, "sha256")) ||
		     wrong(path, "it is damaged: its sum is not that of the manifest",
			   "take another checkpoint");
	if (fd >= 0)
		close(fd);
	g_free(digest);
	g_free(path);
	return ok;
}

static bool has_shape(const struct file *f, struct json_object *nodes)
{
	struct json_object *mine = shape(f);
	bool same = nodes && json_object_equal(mine, nodes);

	json_object_put(mine);
	return same;
}

static bool fits(const struct file *f, const char *path, struct json_object *o, bool force)
{
	char *text;
	bool ok = true;

	if (json_number_of(o, "format") != MANIFEST_FORMAT)
		return wrong(path, "it is of a version that is not known here",
			     "use the dvmm that has made it");
	if (!has_shape(f, json_list_of(o, "nodes")))
		return wrong(path, "its machine has other vCPUs or memory",
			     "give the nodes what they had");
	if (!force && strcmp(json_text_of(o, "uuid"), f->uuid)) {
		text = g_strdup_printf("it is of another machine, '%s'", json_text_of(o, "name"));
		ok = wrong(path, text, "begin with it all the same by --force");
		g_free(text);
	}
	return ok;
}

bool manifest_check(const struct file *f, const char *dir, bool force)
{
	char *path = g_build_filename(dir, MANIFEST_NAME, NULL);
	struct json_object *o = json_object_from_file(path), *files;
	bool ok;
	size_t i;

	if (!o) {
		ok = wrong(dir, "it is no checkpoint: no manifest can be read", "take another one");
	} else {
		files = json_list_of(o, "files");
		ok = fits(f, path, o, force) &&
		     (files || wrong(path, "it names no files", "take another checkpoint"));
		for (i = 0; ok && i < json_object_array_length(files); i++)
			ok = is_whole(dir, json_object_array_get_idx(files, i));
	}
	json_object_put(o);
	g_free(path);
	return ok;
}
