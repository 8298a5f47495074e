// SPDX-License-Identifier: GPL-2.0
/* dvmm hot: pages that messages are about, and what the guest's kernel has there. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "kernel.h"
#include "tracefs.h"

#define TRIGGER		"hist:keys=index,page:size=65536 if kind == 1"
#define DEFAULT_COUNT	20
#define KERNEL_MAP	0xffffffff80000000ull
#define KERNEL_MAP_END	0xffffffffa0000000ull
#define NAMES		3

struct hot_page {
	unsigned int region;
	uint64_t page;
	uint64_t messages;
};

struct symbol {
	uint64_t address;	/* in guest physical memory */
	char *name;
};

/* ---- counting ---- */

/* The histogram's text, to be freed; NULL after a line on stderr */
static char *count_messages(double seconds)
{
	char *dir = tracefs_make(), *text = NULL;

	if (!dir)
		return NULL;
	if (tracefs_write(dir, "events/dvmm/dvmm_send/trigger", TRIGGER)) {
		tracefs_sleep(seconds);
		text = tracefs_read(dir, "events/dvmm/dvmm_send/hist");
		tracefs_write(dir, "events/dvmm/dvmm_send/trigger", "!" TRIGGER);
	}
	tracefs_end(dir);
	return text;
}

static int by_messages(const void *a, const void *b)
{
	const struct hot_page *p = a, *q = b;

	return p->messages < q->messages ? 1 : p->messages > q->messages ? -1 :
	       p->page > q->page ? 1 : -1;
}

static GArray *parse(const char *text)
{
	GArray *pages = g_array_new(FALSE, FALSE, sizeof(struct hot_page));
	char **lines = g_strsplit(text, "\n", -1);
	unsigned long long page, messages;
	struct hot_page p;
	int i;

	for (i = 0; lines[i]; i++) {
		if (sscanf(lines[i], "{ index: %u, page: %llu } hitcount: %llu", &p.region, &page,
			   &messages) != 3)
			continue;
		p.page = page;
		p.messages = messages;
		g_array_append_val(pages, p);
	}
	g_strfreev(lines);
	g_array_sort(pages, by_messages);
	return pages;
}

/* ---- what is there ---- */

static void free_symbol(void *p)
{
	g_free(((struct symbol *)p)->name);
}

static int by_address(const void *a, const void *b)
{
	const struct symbol *s = a, *t = b;

	return s->address < t->address ? -1 : s->address > t->address;
}

/* A System.map or kallsyms of the guest's kernel; NULL after a line on stderr */
static GArray *read_symbols(const char *path)
{
	GArray *symbols = g_array_new(FALSE, FALSE, sizeof(struct symbol));
	FILE *f = fopen(path, "r");
	unsigned long long address;
	char line[512], name[256], type;
	struct symbol s;

	g_array_set_clear_func(symbols, free_symbol);
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx %c %255s", &address, &type, name) != 3 ||
		    address < KERNEL_MAP || address >= KERNEL_MAP_END)
			continue;
		s = (struct symbol){ address - KERNEL_MAP, g_strdup(name) };
		g_array_append_val(symbols, s);
	}
	if (f && symbols->len) {
		fclose(f);
		g_array_sort(symbols, by_address);
		return symbols;
	}
	verb_fail(0, path, f ? "it names no kernel symbol: give System.map, or /proc/kallsyms as "
		  "root of the guest has it" : strerror(errno));
	if (f)
		fclose(f);
	g_array_unref(symbols);
	return NULL;
}

/* The last one that begins before the page, and the first that begin within; to be freed */
static char *names_at(const GArray *symbols, uint64_t address)
{
	GString *s = g_string_new(NULL);
	unsigned int i, n = 0;

	for (i = 0; symbols && i < symbols->len && n < NAMES; i++) {
		const struct symbol *a = &g_array_index(symbols, struct symbol, i);
		bool last_before = a->address <= address && i + 1 < symbols->len &&
				   a[1].address > address;

		if (a->address >= address + 4096)
			break;
		if (a->address <= address && !last_before)
			continue;
		g_string_append_printf(s, "%s%s", n++ ? ", " : "", a->name);
	}
	return g_string_free(s, FALSE);
}

/*
 * Memory of a q35 guest is that of its cells one after the other, but for the hole below 4 GiB.
 */
static uint64_t guest_address(const struct file *f, const struct hot_page *p)
{
	uint64_t low = f->memory >= 0xb0000000ull ? 0x80000000ull : 0xb0000000ull;
	uint64_t address = p->page * 4096;
	unsigned int i;

	for (i = 0; i < p->region && i < f->cells->len; i++)
		address += file_cell(f, i)->memory;
	return address < low ? address : address - low + 0x100000000ull;
}

/* ---- what is shown ---- */

static void show(const struct options *o, const struct machine *m, const GArray *pages,
		 const GArray *symbols)
{
	struct json_object *list = json_object_new_array(), *row;
	unsigned int i, count = o->count ? o->count : DEFAULT_COUNT;

	if (!o->json)
		printf("%10s %6s %10s %12s  %s\n", "MESSAGES/s", "REGION", "PAGE", "ADDRESS",
		       "WHAT");
	for (i = 0; i < pages->len && i < count; i++) {
		const struct hot_page *p = &g_array_index(pages, struct hot_page, i);
		uint64_t address = m->file ? guest_address(m->file, p) : 0;
		char *names = names_at(m->file ? symbols : NULL, address);

		row = json_object_new_object();
		json_number(row, "region", p->region);
		json_number(row, "page", p->page);
		json_real(row, "messages_per_second", p->messages / o->delay);
		if (m->file)
			json_number(row, "address", address);
		if (*names)
			json_text(row, "what", names);
		json_object_array_add(list, row);
		if (!o->json)
			printf("%10.1f %6u %10llu %#12llx  %s\n", p->messages / o->delay, p->region,
			       (unsigned long long)p->page, (unsigned long long)address, names);
		g_free(names);
	}
	if (o->json)
		json_print(list);
	else
		json_object_put(list);
}

/* Frames do not say whose they are: NULL after a line on stderr where that matters. */
static const struct machine *the_one(const GPtrArray *list, int *status)
{
	const struct machine *m = list->len ? g_ptr_array_index(list, 0) : NULL;
	unsigned int i;

	*status = m ? 0 : verb_fail(EXIT_STOPPED, "no machine runs on this host", "dvmm up");
	for (i = 1; i < list->len; i++)
		if (strcmp(((struct machine *)g_ptr_array_index(list, i))->uuid, m->uuid))
			*status = verb_fail(EXIT_FAILED, "several machines run on this host",
					    "their pages cannot be told apart: end the others");
	return *status ? NULL : m;
}

static int hot(const struct options *o, const struct machine *m)
{
	GArray *symbols = o->symbols ? read_symbols(o->symbols) : NULL, *pages;
	char *text;

	if (o->symbols && !symbols)
		return EXIT_FAILED;
	text = count_messages(o->delay);
	if (!text)
		return EXIT_FAILED;
	pages = parse(text);
	show(o, m, pages, symbols);
	g_array_unref(pages);
	if (symbols)
		g_array_unref(symbols);
	g_free(text);
	return 0;
}

/* All machines are looked at, whichever is asked for. */
int verb_hot(const struct options *o, int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : NULL;
	int status;
	struct kernel *k = kernel_open(&status);
	GPtrArray *all = k ? kernel_machines(k, o, NULL, &status) : NULL;
	GPtrArray *wanted = all ? kernel_machines(k, o, word, &status) : NULL;

	if (k)
		kernel_close(k);
	if (wanted && the_one(wanted->len ? all : wanted, &status))
		status = hot(o, g_ptr_array_index(wanted, 0));
	if (wanted)
		g_ptr_array_unref(wanted);
	if (all)
		g_ptr_array_unref(all);
	return status;
}
