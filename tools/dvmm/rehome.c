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

/**
 * struct range - what is to move, in bytes of the memory of a node
 * @from: its home
 * @to: its next one
 * @memory: whose it is by the machine file
 */
struct range {
	int from, to, memory;
	uint64_t offset, length;
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
	r->memory = place_node(f, name);
	if (r->memory >= 0) {
		r->offset = 0;
		r->length = file_node(f, r->memory)->memory;
		good = !part || parse_part(part, r->length, r);
	}
	if (!good)
		verb_fail(EXIT_USAGE, word, "write NODE, NODE:OFFSET or NODE:OFFSET+LENGTH "
			  "within its memory, in steps of 2M");
	g_free(name);
	return good && r->memory >= 0;
}

static bool parse_words(const struct file *f, char **argv, struct range *r)
{
	r->from = place_node(f, argv[2]);
	r->to = r->from < 0 ? -1 : place_node(f, argv[3]);
	return r->to >= 0 && parse_range(f, argv[4], r);
}

static void show_progress(uint64_t done, uint64_t length)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " MiB%s", done >> 20, length >> 20,
			done < length ? "" : "\n");
}

static int rehome_range(struct kernel *k, const struct machine *m, const struct range *r)
{
	uint64_t done = 0, touched = 0, n = 0;
	int ret = 0;

	while (done < r->length) {
		ret = kernel_rehome(k, m, r->memory, (r->offset + done) / PAGE, r->to, &n);
		if (ret)
			break;
		done = MIN(done + CHUNK, r->length);
		touched += n;
		show_progress(done, r->length);
	}
	printf("%" PRIu64 " MiB have another home, %" PRIu64 " of their pages had been used\n",
	       done >> 20, touched);
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
		status = rehome_range(k, m, r);
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
	const char *words[] = { argv[0], argv[1], argv[2], argv[3], argv[4], "--here", NULL };

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
