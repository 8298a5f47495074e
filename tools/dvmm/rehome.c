// SPDX-License-Identifier: GPL-2.0
/* Moving homes of memory from one node to another, 2 MiB at a time. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel.h"
#include "place.h"
#include "remote.h"

#define PAGE	4096ull
#define CHUNK	(2ull << 20)

/* The guest gets its part of links and hosts: after a chunk they rest as long as it took. */
#define REST_US_MAX	100000

#define ALL	(-1)

/**
 * struct range - what is to move, in bytes of the memory of a cell
 * @from: its home
 * @to: its next one
 * @memory: the cell; ALL: what has its home there of all of them
 * @if_here: leave alone what has not
 */
struct range {
	int from, to, memory;
	uint64_t offset, length;
	bool if_here;
};

/* What has become of them so far, in bytes; @used: in pages */
struct done {
	uint64_t seen, moved, used;
};

/* "OFFSET[+LENGTH]"; what is left out is the rest. */
static bool parse_part(char *text, uint64_t all, struct range *r)
{
	char *plus = strchr(text, '+');

	if (plus)
		*plus++ = 0;
	r->offset = strcmp(text, "0") ? file_size(text) : 0;
	if (!r->offset && strcmp(text, "0"))
		return false;
	r->length = plus ? file_size(plus) : all - r->offset;
	return r->offset < all && r->length && r->length <= all - r->offset &&
	       !(r->offset % CHUNK) && !(r->length % CHUNK && r->offset + r->length < all);
}

static bool parse_range(const struct file *f, const char *word, struct range *r)
{
	char *name = g_strdup(word), *part = strchr(name, ':');
	bool good = true;

	if (part)
		*part++ = 0;
	r->memory = place_cell(f, name);
	if (r->memory >= 0) {
		r->offset = 0;
		r->length = file_cell(f, r->memory)->memory;
		good = !part || parse_part(part, r->length, r);
	}
	if (!good)
		verb_fail(EXIT_USAGE, word, "write CELL, CELL:OFFSET or CELL:OFFSET+LENGTH "
			  "within its memory, in steps of 2M");
	g_free(name);
	return good && r->memory >= 0;
}

static bool parse_words(const struct file *f, char **argv, struct range *r)
{
	r->from = place_node(f, argv[2]);
	r->to = r->from < 0 ? -1 : place_node(f, argv[3]);
	r->memory = ALL;
	return r->to >= 0 && (!argv[4] || parse_range(f, argv[4], r));
}

static void show_progress(uint64_t done, uint64_t length)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " MiB%s", done >> 20, length >> 20,
			done < length ? "" : "\n");
}

static int rehome_chunk(struct kernel *k, const struct machine *m, const struct range *r,
			uint64_t offset, struct rehomed *what)
{
	gint64 begin = g_get_monotonic_time();
	int ret = kernel_rehome(k, m, r->memory, offset / PAGE, r->to, r->if_here, what);

	if (!ret && what->touched)
		usleep(MIN(g_get_monotonic_time() - begin, REST_US_MAX));
	return ret;
}

/* @length: of all ranges */
static int rehome_range(struct kernel *k, const struct machine *m, const struct range *r,
			uint64_t length, struct done *done)
{
	uint64_t at, step;
	int ret;

	for (at = 0; at < r->length; at += step) {
		struct rehomed what = {};

		step = MIN(CHUNK, r->length - at);
		ret = rehome_chunk(k, m, r, r->offset + at, &what);
		if (ret)
			return ret;
		done->seen += step;
		done->moved += what.moved ? step : 0;
		done->used += what.touched;
		show_progress(done->seen, length);
	}
	return 0;
}

/* Of all memory, what has its home there */
static int rehome_all(struct kernel *k, const struct machine *m, const struct range *all,
		      struct done *done)
{
	uint64_t length = 0;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < m->regions->len; i++) {
		const struct machine_region *g = g_ptr_array_index(m->regions, i);

		length += g->homed ? g->pages * PAGE : 0;
	}
	for (i = 0; i < m->regions->len && !ret; i++) {
		const struct machine_region *g = g_ptr_array_index(m->regions, i);
		struct range r = {
			.to = all->to, .memory = g->id, .length = g->pages * PAGE, .if_here = true,
		};

		if (g->homed)
			ret = rehome_range(k, m, &r, length, done);
	}
	return ret;
}

static int rehome(struct kernel *k, const struct machine *m, const struct range *r)
{
	struct done done = {};
	int ret = r->memory == ALL ? rehome_all(k, m, r, &done) :
		  rehome_range(k, m, r, r->length, &done);

	printf("%" PRIu64 " MiB have another home, %" PRIu64 " of their pages had been used\n",
	       done.moved >> 20, done.used);
	return ret;
}

static const struct machine *machine_of(const GPtrArray *list, unsigned int node)
{
	unsigned int i;

	for (i = 0; i < list->len; i++) {
		const struct machine *m = g_ptr_array_index(list, i);

		if (m->node == node)
			return m;
	}
	return NULL;
}

static int rehome_here(const struct options *o, const char *word, const struct range *r)
{
	int status;
	struct kernel *k = kernel_open(&status);
	GPtrArray *list = k ? kernel_machines(k, o, word, &status) : NULL;
	const struct machine *m = list ? machine_of(list, r->from) : NULL;

	if (m)
		status = rehome(k, m, r);
	else if (!status)
		status = verb_fail(EXIT_UNKNOWN, word, "that node does not run here: dvmm up");
	if (list)
		g_ptr_array_unref(list);
	if (k)
		kernel_close(k);
	return status;
}

static int forward(const struct options *o, const struct file *f, char **argv, unsigned int from)
{
	const char *words[] = { argv[0], argv[1], argv[2], argv[3], "--here", argv[4], NULL };

	return remote_forward(o, f, from, words, false);
}

int verb_rehome(const struct options *o, int argc, char **argv)
{
	struct file *f = machine_file(o, argv[1]);
	struct range r;
	int ret;

	(void)argc;
	if (!f)
		return EXIT_FILE;
	if (!parse_words(f, argv, &r))
		ret = EXIT_USAGE;
	else if (o->here || place_is_here(f, r.from))
		ret = rehome_here(o, argv[1], &r);
	else
		ret = forward(o, f, argv, r.from);
	file_free(f);
	return ret;
}
