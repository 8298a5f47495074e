// SPDX-License-Identifier: GPL-2.0
/* The manifest of a checkpoint: what it is of, and what its files have to be. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint.h"
#include "guest.h"
#include "increment.h"
#include "json.h"
#include "manifest.h"
#include "memory.h"

/* All of it or nothing, and on the disk */
#define MANIFEST_FLAGS	(G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE)

/* Where a manifest has its own sum, which is that of its text with zeroes there */
#define SUM_KEY		"\"sum\":\""
#define SUM_DIGITS	64

static bool wrong(const char *path, const char *what, const char *remedy)
{
	fprintf(stderr, "dvmm: %s: %s: %s\n", path, what, remedy);
	return false;
}

/* ---- write ---- */

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
		if (memory_is_zero(data, len))
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

/* The format of an image, by the name of its copy or of a layer of that; NULL: it is no disk */
static const char *manifest_image(const struct file *f, const char *name)
{
	size_t len = strcspn(name, ".");
	unsigned int i;

	for (i = GUEST_DISK; i <= GUEST_DISK4; i++)
		if (f->guest[i] && strlen(guest_keys[i]) == len &&
		    !strncmp(name, guest_keys[i], len))
			return guest_image_format(f->guest[i]);
	return NULL;
}

struct json_object *manifest_describe(const struct file *f, const char *dir, const char *name)
{
	char *path = g_build_filename(dir, name, NULL), *digest = NULL;
	const char *image = manifest_image(f, name);
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
		if (image)
			json_text(o, "image", image);
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
	struct json_object *cells = json_object_new_array(), *o;
	unsigned int i;

	for (i = 0; i < f->cells->len; i++) {
		o = json_object_new_object();
		json_number(o, "cpus", file_cell(f, i)->cpus);
		json_number(o, "memory", file_cell(f, i)->memory);
		json_object_array_add(cells, o);
	}
	return cells;
}

/* NULL: there is none */
static char *manifest_sum_place(char *text)
{
	char *sum = strstr(text, SUM_KEY);

	return sum && strlen(sum) > strlen(SUM_KEY) + SUM_DIGITS ? sum + strlen(SUM_KEY) : NULL;
}

/* To be freed; NULL: it has no place for one */
static char *manifest_sum(const char *text)
{
	char *copy = g_strdup(text), *sum = manifest_sum_place(copy), *digest = NULL;

	if (sum) {
		memset(sum, '0', SUM_DIGITS);
		digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, copy, -1);
	}
	g_free(copy);
	return digest;
}

static struct json_object *manifest_begin(const struct file *f)
{
	struct json_object *o = json_object_new_object();
	char *zeroes = g_strnfill(SUM_DIGITS, '0');

	json_number(o, "format", MANIFEST_FORMAT);
	json_text(o, "sum", zeroes);
	json_text(o, "name", f->name);
	json_text(o, "uuid", f->uuid);
	json_object_object_add(o, "nodes", shape(f));
	g_free(zeroes);
	return o;
}

/* It is on the disk then. */
static bool manifest_put(const char *dir, struct json_object *o)
{
	char *path = g_build_filename(dir, MANIFEST_NAME, NULL);
	char *text = g_strdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY));
	char *sum = manifest_sum(text);
	GError *error = NULL;
	bool ok;

	memcpy(manifest_sum_place(text), sum, SUM_DIGITS);
	ok = g_file_set_contents_full(path, text, -1, MANIFEST_FLAGS, 0600, &error) ||
	     wrong(path, error->message, "make room, or take another directory");
	g_clear_error(&error);
	g_free(sum);
	g_free(text);
	g_free(path);
	return ok;
}

bool manifest_write(const struct file *f, const char *dir, const char *const *names, bool genid,
		    struct json_object *parts)
{
	struct json_object *o = manifest_begin(f), *files = json_object_new_array(), *one;
	bool ok = true;

	for (; ok && *names; names++) {
		one = manifest_describe(f, dir, *names);
		ok = one;
		if (one)
			json_object_array_add(files, one);
	}
	json_object_object_add(o, "genid", json_object_new_boolean(genid));
	json_object_object_add(o, "files", files);
	if (parts) {
		json_number(o, "format", MANIFEST_PARTS);
		json_object_object_add(o, "parts", json_object_get(parts));
	}
	ok = ok && manifest_put(dir, o);
	json_object_put(o);
	return ok;
}

bool manifest_fork(const struct file *f, const char *dir, struct json_object *of)
{
	struct json_object *o = manifest_begin(f), *origin = json_object_new_object();
	bool ok;

	json_text(origin, "name", json_text_of(of, "name"));
	json_text(origin, "uuid", json_text_of(of, "uuid"));
	json_object_object_add(o, "origin", origin);
	json_object_object_add(o, "genid", json_object_new_boolean(manifest_has_genid(of)));
	json_object_object_add(o, "files", json_object_get(json_list_of(of, "files")));
	ok = manifest_put(dir, o);
	json_object_put(o);
	return ok;
}

/* ---- read ---- */

bool manifest_compare(const char *path, uint64_t bytes, const char *sum)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t its = 0;
	char *digest = fd >= 0 ? digest_of(fd, &its) : NULL;
	bool ok;

	if (!digest)
		ok = wrong(path, strerror(errno), "take another checkpoint");
	else if (its != bytes)
		ok = wrong(path, "its size is not that of the manifest", "take another checkpoint");
	else
		ok = !strcmp(digest, sum) ||
		     wrong(path, "it is damaged: its sum is not that of the manifest",
			   "take another checkpoint");
	if (fd >= 0)
		close(fd);
	g_free(digest);
	return ok;
}

static bool is_whole(const char *dir, struct json_object *said)
{
	const char *name = json_text_of(said, "name");
	char *path = g_build_filename(dir, name, NULL);
	bool ok = !strchr(name, '/') ||
		  wrong(path, "its manifest has no right to name it", "take another checkpoint");

	ok = ok && manifest_compare(path, json_number_of(said, "bytes"),
				    json_text_of(said, "sha256"));
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

/* Whether it is what was written. */
static bool manifest_is_sealed(const char *path, struct json_object *o, const char *text)
{
	char *sum;
	bool ok;

	if (json_number_of(o, "format") != (manifest_has_parts(o) ? MANIFEST_PARTS :
					    MANIFEST_FORMAT))
		return wrong(path, "it is of a version that is not known here",
			     "use the dvmm that has made it");
	sum = manifest_sum(text);
	ok = (sum && !strcmp(sum, json_text_of(o, "sum"))) ||
	     wrong(path, "it is damaged: its sum is another one", "take another checkpoint");
	g_free(sum);
	return ok;
}

/* All of them are read; the state has to be one of them. */
static bool manifest_has_files(const char *dir, struct json_object *o)
{
	struct json_object *files = json_list_of(o, "files");
	size_t i, n = files ? json_object_array_length(files) : 0;
	bool ok = manifest_file(o, CHECKPOINT_STATE) || increment_layers(o, CHECKPOINT_STATE) ||
		  wrong(dir, "its manifest names no " CHECKPOINT_STATE, "take another checkpoint");

	for (i = 0; ok && i < n; i++)
		ok = is_whole(dir, json_object_array_get_idx(files, i));
	return ok;
}

struct json_object *manifest_read(const struct file *f, const char *dir, bool force)
{
	char *path = g_build_filename(dir, MANIFEST_NAME, NULL), *text = NULL;
	struct json_object *o = NULL;
	bool ok = false;

	if (g_file_get_contents(path, &text, NULL, NULL))
		o = json_tokener_parse(text);
	if (!o)
		wrong(dir, "it is no checkpoint: no manifest can be read", "take another one");
	else
		ok = manifest_is_sealed(path, o, text) && fits(f, path, o, force) &&
		     manifest_has_files(dir, o);
	if (!ok)
		g_clear_pointer(&o, json_object_put);
	g_free(text);
	g_free(path);
	return o;
}

/* ---- what it says ---- */

static struct json_object *manifest_named(struct json_object *list, const char *name)
{
	size_t i, n = list ? json_object_array_length(list) : 0;
	struct json_object *o;

	for (i = 0; i < n; i++) {
		o = json_object_array_get_idx(list, i);
		if (!strcmp(json_text_of(o, "name"), name))
			return o;
	}
	return NULL;
}

struct json_object *manifest_file(struct json_object *o, const char *name)
{
	return manifest_named(json_list_of(o, "files"), name);
}

struct json_object *manifest_part(struct json_object *o, const char *name)
{
	return manifest_named(json_list_of(o, "parts"), name);
}

bool manifest_has_parts(struct json_object *o)
{
	return json_list_of(o, "parts");
}

bool manifest_has_genid(struct json_object *o)
{
	struct json_object *genid;

	return json_object_object_get_ex(o, "genid", &genid) && json_object_get_boolean(genid);
}

bool manifest_is_fork(struct json_object *o)
{
	return json_object_object_get_ex(o, "origin", NULL);
}

bool manifest_in_parts(const char *dir)
{
	char *path = g_build_filename(dir, MANIFEST_NAME, NULL), *text = NULL;
	struct json_object *o = NULL;
	bool parts;

	if (g_file_get_contents(path, &text, NULL, NULL))
		o = json_tokener_parse(text);
	parts = o && manifest_has_parts(o);
	json_object_put(o);
	g_free(text);
	g_free(path);
	return parts;
}
