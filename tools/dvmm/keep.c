// SPDX-License-Identifier: GPL-2.0
/*
 * dvmm keep, dvmm fill: a node's memory is written and read by its own host.
 *
 * dvmm checkpoint --parts runs "keep" on the host of each node, and speaks with it a line at a
 * time: it says "ready", "kept", what it has written, and "named"; it is told "cut", when no vCPU
 * runs, "name" and "done".  Where it is told nothing more nothing is left of it, unless it has
 * been told "name".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/dvmm.h>

#include "draft.h"
#include "guest.h"
#include "json.h"
#include "manifest.h"
#include "memory.h"
#include "parts.h"
#include "rotate.h"

/**
 * struct kept - the memory of a cell
 * @name: of the file in the checkpoint; @path: all of it
 */
struct kept {
	uint64_t bytes;
	char *name;
	char *path;
	int memory;
	int snapshot;
};

/**
 * struct keep - a part of a checkpoint that is being made
 * @dir: where it is to be; @part: where it is until then
 * @link: that the boot host has for it instead of the one before; NULL: it has none
 * @mark: the file by which the boot host's directory is known, while it is made
 * @own: this host has another one, with a file that has the machine's UUID as its name
 * @kept: of the cells whose memory is the node's part, all @n of them
 */
struct keep {
	struct file *f;
	struct place p;
	char *dir;
	char *part;
	char *mark;
	const char *link;
	bool own;
	unsigned int n;
	struct kept kept[FILE_NODES_MAX];
};

static bool keep_hears(const char *word)
{
	char line[512];

	return fgets(line, sizeof(line), stdin) && g_str_has_prefix(line, word);
}

static void keep_says(const char *text)
{
	puts(text);
	fflush(stdout);
}

/* A part of this machine that the boot host never came to name goes. */
static bool keep_has_room(const struct keep *k)
{
	char *of = g_build_filename(k->dir, k->f->uuid, NULL);

	if (k->link && !access(of, F_OK))
		draft_drop(k->dir);
	g_free(of);
	return access(k->dir, F_OK) || verb_fail(0, k->dir, "it is on this host already: remove "
						 "it, or name another one");
}

/* Where the boot host's directory is not seen there is one of our own; nobody else's is touched. */
static bool keep_begin(struct keep *k)
{
	char *of = g_build_filename(k->part, k->f->uuid, NULL);
	bool ok = true;

	if (access(k->mark, F_OK)) {
		draft_drop(k->part);
		ok = keep_has_room(k) && (!mkdir(k->part, 0700) ||
					  verb_fail(0, k->part, strerror(errno)));
		k->own = ok;
		ok = ok && ((g_file_set_contents(k->mark, "", 0, NULL) &&
			     g_file_set_contents(of, "", 0, NULL)) ||
			    verb_fail(0, k->part, strerror(errno)));
	}
	g_free(of);
	return ok;
}

/* What others have written comes here while the guest runs, as for a live migration. */
static void keep_read_ahead(const struct keep *k)
{
	gint64 took = G_MAXINT64, before, begin;
	unsigned int i;

	do {
		before = took;
		begin = g_get_monotonic_time();
		for (i = 0; i < k->n; i++)
			posix_fadvise(k->kept[i].memory, 0, k->kept[i].bytes, POSIX_FADV_WILLNEED);
		took = g_get_monotonic_time() - begin;
	} while (took < before / 2);
}

static bool keep_cut(struct keep *k)
{
	struct dvmm_create_snapshot arg = { .size = sizeof(arg) };
	unsigned int i;

	for (i = 0; i < k->n; i++) {
		k->kept[i].snapshot = ioctl(k->kept[i].memory, DVMM_CREATE_SNAPSHOT, &arg);
		if (k->kept[i].snapshot < 0)
			return verb_fail(0, file_node(k->f, k->p.node)->name, errno == ENOSPC ?
					 "its memory cannot be kept as it is, as it has a limit "
					 "(cache): leave --parts out" : strerror(errno));
	}
	return true;
}

static bool kept_copy(const struct kept *k, int to)
{
	char data[65536];
	uint64_t at = 0;
	ssize_t len = 0;

	while (at < k->bytes && (len = pread(k->snapshot, data, sizeof(data), at)) > 0) {
		if (!memory_is_zero(data, len) && pwrite(to, data, len, at) != len)
			return false;
		at += len;
	}
	if (!len)
		errno = EIO;
	return at == k->bytes && !ftruncate(to, at);
}

static bool kept_write(struct kept *k)
{
	int fd = open(k->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && kept_copy(k, fd);

	if (!ok)
		verb_fail(0, k->path, errno == ENOMEM ?
			  "the kernel had no memory to keep it as it was: make room" :
			  strerror(errno));
	if (fd >= 0)
		close(fd);
	close(k->snapshot);
	return ok;
}

static bool keep_write(struct keep *k)
{
	unsigned int i;

	for (i = 0; i < k->n; i++)
		if (!kept_write(&k->kept[i]))
			return false;
	return true;
}

/* A line for each */
static bool keep_describe(const struct keep *k)
{
	struct json_object *o;
	unsigned int i;

	for (i = 0; i < k->n; i++) {
		o = manifest_describe(k->f, k->part, k->kept[i].name);
		if (!o)
			return false;
		keep_says(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
		json_object_put(o);
	}
	return true;
}

static bool keep_name(const struct keep *k)
{
	if (!k->own)
		return true;
	unlink(k->mark);
	return draft_commit(k->part, k->dir);
}

/* Until it has its name */
static bool keep_make(struct keep *k)
{
	if (!keep_begin(k))
		return false;
	keep_read_ahead(k);
	keep_says("ready");
	if (!keep_hears("cut") || !keep_cut(k))
		return false;
	keep_says("kept");
	return keep_write(k) && keep_describe(k) && keep_hears("name") && keep_name(k);
}

static int keep(struct keep *k)
{
	unsigned int i;

	if (!keep_make(k)) {
		for (i = 0; i < k->n; i++)
			unlink(k->kept[i].path);
		if (k->own)
			draft_drop(k->part);
		return EXIT_FAILED;
	}
	keep_says("named");
	if (keep_hears("done") && k->own && k->link)
		rotate_forget(k->link, k->dir, k->f->uuid);
	return 0;
}

static bool keep_open(struct keep *k)
{
	unsigned int i;
	bool ok = true;

	for (i = 0; ok && i < k->f->cells->len; i++) {
		const struct file_cell *c = file_cell(k->f, i);
		struct kept *kept = &k->kept[k->n];

		if (!parts_has(k->f, k->p.node, i))
			continue;
		k->n++;
		kept->bytes = c->memory;
		kept->name = memory_name(i);
		kept->path = g_build_filename(k->part, kept->name, NULL);
		kept->memory = memory_open(&k->p, i);
		ok = kept->memory >= 0;
	}
	return ok;
}

static void keep_free(struct keep *k)
{
	unsigned int i;

	for (i = 0; i < k->n; i++) {
		g_free(k->kept[i].path);
		g_free(k->kept[i].name);
	}
	g_free(k->mark);
	g_free(k->part);
	place_free(&k->p);
	file_free(k->f);
}

/* keep MACHINE NODE DIRECTORY MARK [LINK] */
int verb_keep(const struct options *o, int argc, char **argv)
{
	struct keep k = { .f = machine_file(o, argv[1]) };
	int node = k.f ? place_node(k.f, argv[2]) : -1, ret;

	if (node < 0)
		return EXIT_FILE;
	/* that nobody is there any more is seen at the input */
	signal(SIGPIPE, SIG_IGN);
	place_make(&k.p, o, k.f, node);
	k.dir = argv[3];
	k.part = g_strconcat(k.dir, ".part", NULL);
	k.mark = g_build_filename(k.part, argv[4], NULL);
	k.link = argc > 5 ? argv[5] : NULL;
	ret = keep_open(&k) ? keep(&k) : EXIT_FAILED;
	keep_free(&k);
	return ret;
}

/* ---- read ---- */

static bool fill_cell(const struct file *f, const struct place *p, unsigned int cell,
		      const char *path)
{
	int memory = memory_open(p, cell), from = open(path, O_RDONLY | O_CLOEXEC);
	bool ok = memory >= 0 && from >= 0 &&
		  memory_fill(memory, from, file_cell(f, cell)->memory);

	if (!ok && memory >= 0)
		verb_fail(0, path, strerror(errno));
	if (from >= 0)
		close(from);
	if (memory >= 0)
		close(memory);
	return ok;
}

/* @sums: of the node's cells that have memory; NULL: they are loaded */
static bool fill(const struct file *f, const struct place *p, const char *dir, char **sums)
{
	unsigned int i;
	char *name, *path;
	bool ok = true;

	for (i = 0; ok && i < f->cells->len; i++) {
		const struct file_cell *c = file_cell(f, i);

		if (!parts_has(f, p->node, i))
			continue;
		if (sums && !*sums)
			return verb_fail(0, dir, "this host's machine file has other cells: "
					 "dvmm diff");
		name = memory_name(i);
		path = g_build_filename(dir, name, NULL);
		ok = sums ? manifest_compare(path, c->memory, *sums++) :
		     fill_cell(f, p, i, path);
		g_free(path);
		g_free(name);
	}
	return ok;
}

/* fill MACHINE NODE DIRECTORY [SUM...]: with them the files are only compared */
int verb_fill(const struct options *o, int argc, char **argv)
{
	struct file *f = machine_file(o, argv[1]);
	int node = f ? place_node(f, argv[2]) : -1;
	struct place p;
	bool ok;

	if (node < 0)
		return EXIT_FILE;
	place_make(&p, o, f, node);
	ok = fill(f, &p, argv[3], argc > 4 ? argv + 4 : NULL);
	place_free(&p);
	file_free(f);
	return ok ? 0 : EXIT_FAILED;
}
