// SPDX-License-Identifier: GPL-2.0
/* dvmm push, receive, diff: the same machine file and key on all hosts. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <json-c/json.h>

#include "copies.h"
#include "remote.h"

#define DIGITS	16

/* "-" if there is none; the key itself is random, so that its digest tells nothing of it */
static char *key_digest(const struct file *f)
{
	char *text = NULL, *digest;

	if (!g_file_get_contents(f->key, &text, NULL, NULL))
		return g_strdup("-");
	digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, g_strstrip(text), -1);
	g_free(text);
	digest[DIGITS] = 0;
	return digest;
}

char *copies_digest(const struct file *f)
{
	char *file = file_digest(f), *key = key_digest(f);
	char *text = g_strdup_printf("digest %.*s, key %s", DIGITS, file, key);

	g_free(file);
	g_free(key);
	return text;
}

/* ---- diff ---- */

/* Both as dump prints them, by diff(1). */
static void show_difference(const struct options *o, const struct file *f, unsigned int node,
			    const char *word)
{
	const char *words[] = { "dump", word, NULL };
	const char *name = file_node(f, node)->name;
	char *ours = file_text(f, FILE_TOOL | FILE_LOCAL), *theirs = NULL, *path;
	char *argv[] = { "diff", "-u", "--label", "here", "--label", (char *)name, NULL, "-",
			 NULL };
	int fd = g_file_open_tmp("dvmm-XXXXXX", &path, NULL);

	if (!remote_run(name, remote_argv(o, f, node, words), NULL, &theirs) && fd >= 0) {
		argv[6] = path;
		fflush(stdout);
		if (g_file_set_contents(path, ours, -1, NULL))
			remote_run(name, g_strdupv(argv), theirs, NULL);
	}
	if (fd >= 0) {
		close(fd);
		unlink(path);
		g_free(path);
	}
	g_free(ours);
	g_free(theirs);
}

int copies_compare(const struct options *o, const struct file *f, unsigned int node,
		   const char *word, bool show)
{
	const char *words[] = { "check", word, NULL };
	const char *name = file_node(f, node)->name;
	char *ours, *theirs = NULL, *remedy;
	int status;

	if (place_is_here(f, node))
		return 0;
	ours = copies_digest(f);
	status = remote_run(name, remote_argv(o, f, node, words), NULL, &theirs);
	if (!status && !strstr(theirs, ours)) {
		remedy = g_strdup_printf("its file or key is another one: dvmm push %s", word);
		status = verb_fail(EXIT_FAILED, name, remedy);
		g_free(remedy);
		if (show)
			show_difference(o, f, node, word);
	}
	g_free(ours);
	g_free(theirs);
	return status;
}

int verb_diff(const struct options *o, int argc, char **argv)
{
	struct file *f = place_file(o, argv[1]);
	int status, worst = 0;
	unsigned int i;

	(void)argc;
	if (!f)
		return EXIT_FILE;
	for (i = 0; i < f->nodes->len; i++) {
		status = copies_compare(o, f, i, argv[1], true);
		worst = MAX(worst, status);
	}
	if (!worst)
		printf("%s: the same on %u nodes\n", argv[1], f->nodes->len);
	file_free(f);
	return worst;
}

/* ---- push ---- */

/* What the other end reads: both files as strings of JSON; NULL after a line on stderr */
static char *parcel(const struct file *f)
{
	struct json_object *o = json_object_new_object();
	char *file = NULL, *key = NULL, *text = NULL;

	if (!g_file_get_contents(f->path, &file, NULL, NULL)) {
		fprintf(stderr, "dvmm: %s: %s: run as root\n", f->path, file_why(f->path));
	} else if (!g_file_get_contents(f->key, &key, NULL, NULL) &&
		   strcmp(f->security, "none")) {
		fprintf(stderr, "dvmm: %s: %s: run as root; dvmm create makes keys\n", f->key,
			file_why(f->key));
	} else {
		json_object_object_add(o, "file", json_object_new_string(file));
		json_object_object_add(o, "uuid", json_object_new_string(f->uuid));
		if (key)
			json_object_object_add(o, "key", json_object_new_string(key));
		text = g_strdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	}
	json_object_put(o);
	g_free(file);
	g_free(key);
	return text;
}

int verb_push(const struct options *o, int argc, char **argv)
{
	struct file *f = place_file(o, argv[1]);
	char *text = f ? parcel(f) : NULL;
	int status, worst = f ? text ? 0 : EXIT_DENIED : EXIT_FILE;
	const char *words[] = { "receive", argv[1], o->force ? "--force" : NULL, NULL };
	unsigned int i;

	(void)argc;
	for (i = 0; text && i < f->nodes->len; i++) {
		const char *name = file_node(f, i)->name;

		if (place_is_here(f, i))
			continue;
		status = remote_run(name, remote_argv(o, f, i, words), text, NULL);
		worst = MAX(worst, status);
		if (!status)
			printf("%s: %s has it\n", argv[1], name);
	}
	g_free(text);
	if (f)
		file_free(f);
	return worst;
}

/* ---- receive ---- */

static bool write_file(const char *path, const char *text, mode_t mode)
{
	GError *error = NULL;

	if (g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, mode, &error))
		return true;
	fprintf(stderr, "dvmm: %s: run as root, or make room\n", error->message);
	g_error_free(error);
	return false;
}

/* Of a name that means another machine here nothing is overwritten. */
static bool is_free(const struct options *o, const char *path, const char *uuid)
{
	char *error = NULL;
	struct file *f = g_file_test(path, G_FILE_TEST_EXISTS) ? file_read(path, &error) : NULL;
	bool ok = o->force || !f || !g_ascii_strcasecmp(f->uuid, uuid);

	if (!ok)
		fprintf(stderr, "dvmm: %s: is machine %s there: remove it, or push with --force\n",
			path, f->uuid);
	if (f)
		file_free(f);
	g_free(error);
	return ok;
}

/* The key first: a file that is there has its key. */
static int store(const char *path, const char *text, const char *key)
{
	char *draft = g_strconcat(path, ".new", NULL), *error = NULL, *place;
	struct file *f = NULL;
	int status = EXIT_FAILED;

	if (write_file(draft, text, 0644)) {
		f = file_read(draft, &error);
		if (!f)
			status = EXIT_FILE;
	}
	if (error)
		fprintf(stderr, "dvmm: %s\n", error);
	if (f) {
		place = g_strndup(path, strlen(path) - strlen(".conf"));
		error = g_strconcat(place, ".key", NULL);
		if (!key || write_file(error, key, 0600))
			status = rename(draft, path) ? EXIT_FAILED : 0;
		g_free(place);
		file_free(f);
	}
	unlink(draft);
	g_free(error);
	g_free(draft);
	return status;
}

int verb_receive(const struct options *o, int argc, char **argv)
{
	char *path = g_strdup_printf("%s/%s.conf", o->dir, argv[1]);
	struct json_object *parcel = json_object_from_fd(STDIN_FILENO), *file, *uuid, *key = NULL;
	int status = EXIT_USAGE;

	(void)argc;
	if (strchr(argv[1], '/') || !json_object_object_get_ex(parcel, "file", &file) ||
	    !json_object_object_get_ex(parcel, "uuid", &uuid))
		verb_fail(0, "receive", "is what dvmm push runs: give it a name in /etc/dvmm");
	else if (g_mkdir_with_parents(o->dir, 0755))
		status = verb_fail(EXIT_DENIED, o->dir, "run as root, or give --dir");
	else if (!is_free(o, path, json_object_get_string(uuid)))
		status = EXIT_FAILED;
	else
		status = store(path, json_object_get_string(file),
			       json_object_object_get_ex(parcel, "key", &key) ?
			       json_object_get_string(key) : NULL);
	json_object_put(parcel);
	g_free(path);
	return status;
}
