// SPDX-License-Identifier: GPL-2.0
/* The machine file: GLib's key file, with the line of each key for messages. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"

#define MIB	(1024 * 1024ull)

/* While a file is read. */
struct reader {
	const char *path;
	GKeyFile *keys;
	GHashTable *lines;	/* "[group]" and "[group] key" -> line */
	char *error;
};

static const char *const machine_keys[] = {
	"name", "uuid", "transport", "timeout", "distance", "hold-us", "prefetch", "migratory",
	"security", "key", "stall", "start", NULL
};

static const char *const node_keys[] = {
	"address", "port", "transport", "cpus", "memory", "cache", "ssh", "joins", NULL
};

static const char *const cell_keys[] = { "node", "cpus", "memory", NULL };

static const char *const transports[] = { "tcp", "rdma", "loop", NULL };
static const char *const starts[] = { "spread", "packed", NULL };
static const char *const joins[] = { "start", "later", NULL };
static const char *const securities[] = { "tls", "auth", "none", NULL };

/* ---- errors; only the first one counts ---- */

G_GNUC_PRINTF(3, 4)
static bool wrong(struct reader *r, unsigned int line, const char *format, ...)
{
	va_list args;
	char *text;

	if (r->error)
		return false;
	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	r->error = line ? g_strdup_printf("%s:%u: %s", r->path, line, text) :
		   g_strdup_printf("%s: %s", r->path, text);
	g_free(text);
	return false;
}

/* where a key stands, or its group if it does not */
static unsigned int line_of(struct reader *r, const char *group, const char *key)
{
	char *name = key ? g_strdup_printf("[%s] %s", group, key) : g_strdup_printf("[%s]", group);
	unsigned int line = GPOINTER_TO_UINT(g_hash_table_lookup(r->lines, name));

	g_free(name);
	return line || !key ? line : line_of(r, group, NULL);
}

/* ---- lines ---- */

static bool note(struct reader *r, char *name, unsigned int line)
{
	unsigned int first = GPOINTER_TO_UINT(g_hash_table_lookup(r->lines, name));

	if (first) {
		wrong(r, line, "%s is there twice (line %u as well): remove one", name, first);
		g_free(name);
		return false;
	}
	g_hash_table_insert(r->lines, name, GUINT_TO_POINTER(line));
	return true;
}

/* NULL: there is no such section */
static const char *const *keys_of(const char *group)
{
	return !strcmp(group, "machine") ? machine_keys :
	       !strcmp(group, "guest") ? guest_keys :
	       g_str_has_prefix(group, "node ") && group[5] ? node_keys :
	       g_str_has_prefix(group, "cell ") && group[5] ? cell_keys : NULL;
}

static bool note_group(struct reader *r, const char *text, char **group, unsigned int line)
{
	const char *end = strchr(text, ']');

	if (!end || end[1])
		return wrong(r, line, "'%s' is no [section]: end it with ]", text);
	g_free(*group);
	*group = g_strndup(text + 1, end - text - 1);
	if (!keys_of(*group))
		return wrong(r, line, "unknown section [%s]: there are [machine], [guest], "
			     "[node NAME] and [cell NAME]", *group);
	return note(r, g_strdup_printf("[%s]", *group), line);
}

static bool note_key(struct reader *r, const char *text, const char *group, unsigned int line)
{
	const char *equals = strchr(text, '=');
	char *key, *list;

	if (!equals || !group)
		return wrong(r, line, "'%s': %s", text, group ? "write KEY = VALUE" :
			     "write the section that it belongs to above it");
	key = g_strchomp(g_strndup(text, equals - text));
	if (!g_strv_contains(keys_of(group), key)) {
		list = g_strjoinv(", ", (char **)keys_of(group));
		wrong(r, line, "[%s] has no key '%s': use one of %s", group, key, list);
		g_free(list);
	} else {
		note(r, g_strdup_printf("[%s] %s", group, key), line);
	}
	g_free(key);
	return !r->error;
}

static bool note_lines(struct reader *r, const char *data)
{
	char **lines = g_strsplit(data, "\n", -1), *group = NULL, *text;
	unsigned int i;

	for (i = 0; lines[i] && !r->error; i++) {
		text = g_strstrip(lines[i]);
		if (!g_utf8_validate(text, -1, NULL))
			wrong(r, i + 1, "not UTF-8 text: is this a machine file?");
		else if (*text == '[')
			note_group(r, text, &group, i + 1);
		else if (*text && *text != '#')
			note_key(r, text, group, i + 1);
	}
	g_free(group);
	g_strfreev(lines);
	return !r->error;
}

/* ---- values ---- */

/* NULL if it is not there; stripped, to be freed */
static char *value(struct reader *r, const char *group, const char *key, bool required)
{
	char *s = g_key_file_get_string(r->keys, group, key, NULL);

	if (s && *g_strstrip(s))
		return s;
	if (s)
		wrong(r, line_of(r, group, key), "[%s] %s is empty: give it a value or remove it",
		      group, key);
	else if (required)
		wrong(r, line_of(r, group, key), "[%s] %s is missing: add a line '%s = ...'",
		      group, key, key);
	g_free(s);
	return NULL;
}

static bool number(struct reader *r, const char *group, const char *key, unsigned int min,
		   unsigned int max, unsigned int *out)
{
	char *s = value(r, group, key, !*out), *end;
	unsigned long long n;

	if (!s)
		return !r->error;
	n = g_ascii_strtoull(s, &end, 10);
	if (!g_ascii_isdigit(*s) || *end || n < min || n > max)
		wrong(r, line_of(r, group, key), "[%s] %s = %s: write a number from %u to %u",
		      group, key, s, min, max);
	*out = n;
	g_free(s);
	return !r->error;
}

static bool flag(struct reader *r, const char *group, const char *key, bool *out)
{
	char *s = value(r, group, key, false);

	if (s)
		*out = !strcmp(s, "on");
	if (s && !*out && strcmp(s, "off"))
		wrong(r, line_of(r, group, key), "[%s] %s = %s: write on or off", group, key, s);
	g_free(s);
	return !r->error;
}

static bool word(struct reader *r, const char *group, const char *key, const char *const *words,
		 const char **out)
{
	char *s = value(r, group, key, false), *list = g_strjoinv(", ", (char **)words);
	int i;

	for (i = 0; s && words[i] && strcmp(s, words[i]);)
		i++;
	if (s && !words[i])
		wrong(r, line_of(r, group, key), "[%s] %s = %s: write one of %s", group, key, s,
		      list);
	else if (s)
		*out = words[i];
	g_free(list);
	g_free(s);
	return !r->error;
}

uint64_t file_size(const char *s)
{
	static const char suffixes[] = "KMGT";
	char *end;
	uint64_t n = g_ascii_strtoull(s, &end, 10);
	const char *suffix = *end ? strchr(suffixes, g_ascii_toupper(*end)) : suffixes + 1;
	int shift = suffix ? 10 * (suffix - suffixes + 1) : 0;

	if (!g_ascii_isdigit(*s) || !suffix || (*end && end[1]) || n >> (63 - shift))
		return 0;
	return n << shift;
}

/* @none: 0 is a size */
static bool size(struct reader *r, const char *group, const char *key, bool required, bool none,
		 uint64_t align, uint64_t *out)
{
	char *s = value(r, group, key, required);

	*out = s ? file_size(s) : 0;
	if (s && (strcmp(s, "0") || !none) && (!*out || *out % align))
		wrong(r, line_of(r, group, key),
		      "[%s] %s = %s: write a multiple of %llu KiB with K, M, G or T", group, key,
		      s, (unsigned long long)align / 1024);
	g_free(s);
	return !r->error;
}

/* ---- sections ---- */

static bool read_uuid(struct reader *r, struct file *f)
{
	f->uuid = value(r, "machine", "uuid", true);
	if (f->uuid && !g_uuid_string_is_valid(f->uuid))
		wrong(r, line_of(r, "machine", "uuid"),
		      "[machine] uuid = %s: write what uuidgen prints", f->uuid);
	return !r->error;
}

static void read_key(struct reader *r, struct file *f)
{
	char *key = value(r, "machine", "key", false), *dir = g_path_get_dirname(r->path);
	char *base = g_path_get_basename(r->path), *dot = strrchr(base, '.');

	if (!key) {
		if (dot)
			*dot = 0;
		key = g_strconcat(base, ".key", NULL);
	}
	f->key = *key == '/' ? g_strdup(key) : g_build_filename(dir, key, NULL);
	g_free(key);
	g_free(dir);
	g_free(base);
}

static bool read_security(struct reader *r, struct file *f)
{
	bool rdma = !strcmp(f->transport, "rdma"), loop = !strcmp(f->transport, "loop");

	f->security = loop ? "none" : rdma ? "auth" : "tls";
	if (!word(r, "machine", "security", securities, &f->security))
		return false;
	if (!strcmp(f->security, rdma ? "tls" : "auth"))
		return wrong(r, line_of(r, "machine", "security"),
			     "[machine] security = %s: with transport %s write %s or none",
			     f->security, f->transport, rdma ? "auth" : "tls");
	read_key(r, f);
	return true;
}

static bool read_machine(struct reader *r, struct file *f)
{
	f->timeout = 60;
	f->distance = 40;
	f->hold_us = 100;
	f->stall = 30;
	f->prefetch = true;
	f->transport = "tcp";
	f->start = "spread";
	if (!line_of(r, "machine", NULL))
		return wrong(r, 0, "there is no section [machine]: add one with a uuid");
	f->name = value(r, "machine", "name", false);
	if (!f->name && !r->error)
		f->name = g_strdup("guest");
	return read_uuid(r, f) && word(r, "machine", "transport", transports, &f->transport) &&
	       word(r, "machine", "start", starts, &f->start) &&
	       number(r, "machine", "timeout", 1, 86400, &f->timeout) &&
	       number(r, "machine", "distance", 11, 254, &f->distance) &&
	       number(r, "machine", "hold-us", 0, 1000000, &f->hold_us) &&
	       number(r, "machine", "stall", 0, 86400, &f->stall) &&
	       flag(r, "machine", "prefetch", &f->prefetch) &&
	       flag(r, "machine", "migratory", &f->migratory);
}

static bool read_node(struct reader *r, struct file *f, const char *group)
{
	struct file_node *n = g_new0(struct file_node, 1);
	const char *transport = f->transport;

	g_ptr_array_add(f->nodes, n);
	n->name = g_strstrip(g_strdup(group + 5));
	n->port = 7400;
	if (!word(r, group, "transport", transports, &transport))
		return false;
	if (f->nodes->len == 1)
		f->transport = transport;
	if (strcmp(transport, f->transport))
		return wrong(r, line_of(r, group, "transport"),
			     "[%s] transport = %s: the nodes before it use %s; all use the same",
			     group, transport, f->transport);
	n->address = value(r, group, "address", strcmp(transport, "loop"));
	n->ssh = value(r, group, "ssh", false);
	return !r->error && number(r, group, "port", 1, 65535, &n->port) &&
	       size(r, group, "cache", false, false, 4096, &n->cache);
}

static bool read_joins(struct reader *r, struct file *f, const char *group)
{
	struct file_node *n = file_node(f, f->nodes->len - 1);
	const char *when = joins[0];

	if (!word(r, group, "joins", joins, &when))
		return false;
	n->later = when == joins[1];
	if (n->later && f->nodes->len == 1)
		return wrong(r, line_of(r, group, "joins"),
			     "[%s] joins = later: the first node is there from the start: remove it",
			     group);
	if (n->later && strcmp(f->transport, "tcp"))
		return wrong(r, line_of(r, group, "joins"),
			     "[%s] joins = later: with transport %s all are there from the start: "
			     "remove it", group, f->transport);
	return true;
}

static bool check_place(struct reader *r, struct file *f, const char *group)
{
	struct file_node *last = file_node(f, f->nodes->len - 1), *n;
	unsigned int i;

	for (i = 0; i + 1 < f->nodes->len; i++) {
		n = file_node(f, i);
		if (!strcmp(n->name, last->name))
			return wrong(r, line_of(r, group, NULL),
				     "two nodes are named '%s': give one another name", n->name);
		if (!last->address || strcmp(n->address, last->address) || n->port != last->port)
			continue;
		return wrong(r, line_of(r, group, "address"),
			     "nodes '%s' and '%s' have address %s and port %u both: change one",
			     n->name, last->name, n->address, n->port);
	}
	return true;
}

/* @node: where it begins */
static bool read_cell(struct reader *r, struct file *f, const char *group, unsigned int node)
{
	struct file_cell *c = g_new0(struct file_cell, 1);
	struct file_node *n = file_node(f, node);
	bool required;

	g_ptr_array_add(f->cells, c);
	c->name = g_strstrip(g_strdup(strchr(group, ' ')));
	c->node = node;
	c->first_cpu = f->cpus;
	if (!number(r, group, "cpus", 0, 4096, &c->cpus))
		return false;
	required = f->has_cells || c->cpus || f->cells->len == 1;
	if (!size(r, group, "memory", required, true, 2 * MIB, &c->memory))
		return false;
	n->cpus += c->cpus;
	n->memory += c->memory;
	f->cpus += c->cpus;
	f->memory += c->memory;
	return true;
}

/* Without vCPUs it is a region to share: the memory of the first node. */
static bool check_share(struct reader *r, struct file *f, const char *group)
{
	struct file_node *n = file_node(f, f->nodes->len - 1), *first = file_node(f, 0);
	const char *key = "cpus", *remedy = NULL;

	if (first->cpus) {
		key = "memory";
		remedy = first->memory ? NULL :
			 "the boot node has vCPUs and memory: write how much";
	} else if (n->cpus) {
		remedy = "write 0 for all nodes, which then share a region, or more for the first";
	} else if (!strcmp(f->transport, "rdma")) {
		group = "machine";
		key = "transport";
		remedy = "a region is shared by tcp or loop: write one of them";
	} else {
		key = n->later ? "joins" : "memory";
		remedy = n->later ? "who shares a region is there from the start: remove it" :
			 f->nodes->len > 1 && n->memory ?
			 "a region that is shared is the memory of the first node: remove it" :
			 n->memory & (n->memory - 1) ?
			 "guests see a region that is shared as a BAR: write a power of two" :
			 NULL;
	}
	return !remedy || wrong(r, line_of(r, group, key), "[%s] %s: %s", group, key, remedy);
}

/* What a node has is its cell, or has cells of its own that say it. */
static bool read_own_cell(struct reader *r, struct file *f, const char *group)
{
	static const char *const keys[] = { "cpus", "memory" };
	unsigned int i;

	if (!f->has_cells)
		return read_cell(r, f, group, f->nodes->len - 1) && check_share(r, f, group);
	for (i = 0; i < G_N_ELEMENTS(keys); i++)
		if (g_key_file_has_key(r->keys, group, keys[i], NULL))
			return wrong(r, line_of(r, group, keys[i]), "[%s] %s: the sections "
				     "[cell NAME] say that: remove it", group, keys[i]);
	return true;
}

static bool read_nodes(struct reader *r, struct file *f)
{
	char **groups = g_key_file_get_groups(r->keys, NULL);
	int i;

	for (i = 0; groups[i]; i++)
		f->has_cells |= keys_of(groups[i]) == cell_keys;
	for (i = 0; groups[i] && !r->error; i++)
		if (keys_of(groups[i]) == node_keys && read_node(r, f, groups[i]) &&
		    read_joins(r, f, groups[i]) && check_place(r, f, groups[i]))
			read_own_cell(r, f, groups[i]);
	g_strfreev(groups);
	if (!r->error && (!f->nodes->len || f->nodes->len > FILE_NODES_MAX))
		wrong(r, 0, "it has %u nodes: write 1 to %d sections [node NAME]", f->nodes->len,
		      FILE_NODES_MAX);
	return !r->error;
}

/* Number of the node that has the name; -1: there is none */
static int file_node_named(const struct file *f, const char *name, size_t len)
{
	unsigned int i;

	for (i = 0; i < f->nodes->len; i++)
		if (strlen(file_node(f, i)->name) == len &&
		    !strncmp(file_node(f, i)->name, name, len))
			return i;
	return -1;
}

int file_cell_named(const struct file *f, const char *name)
{
	unsigned int i;

	for (i = 0; i < f->cells->len; i++)
		if (!strcmp(file_cell(f, i)->name, name))
			return i;
	return -1;
}

static int cell_node(struct reader *r, struct file *f, const char *group)
{
	char *name = value(r, group, "node", true);
	int node = name ? file_node_named(f, name, strlen(name)) : -1;

	if (name && node < 0)
		wrong(r, line_of(r, group, "node"), "[%s] node = %s: there is no section "
		      "[node %s]", group, name, name);
	g_free(name);
	return node;
}

static bool check_cell(struct reader *r, struct file *f, const char *group)
{
	struct file_cell *last = file_cell(f, f->cells->len - 1);

	if (file_cell_named(f, last->name) != (int)f->cells->len - 1)
		return wrong(r, line_of(r, group, NULL), "two cells are named '%s': give one "
			     "another name", last->name);
	return f->cells->len > 1 || (!last->node && last->cpus && last->memory) ||
	       wrong(r, line_of(r, group, NULL), "[%s] is the first cell: write vCPUs and memory "
		     "on the first node, which boots", group);
}

static bool read_cells(struct reader *r, struct file *f)
{
	char **groups = g_key_file_get_groups(r->keys, NULL);
	int i, node;

	for (i = 0; groups[i] && !r->error; i++) {
		node = keys_of(groups[i]) == cell_keys ? cell_node(r, f, groups[i]) : -1;
		if (node >= 0 && read_cell(r, f, groups[i], node))
			check_cell(r, f, groups[i]);
	}
	g_strfreev(groups);
	if (!r->error && f->cpus == 1 && f->nodes->len > 1)
		wrong(r, 0, "it has one vCPU: write 2 or more for a node, or one node alone");
	if (!r->error && f->cells->len > FILE_NODES_MAX)
		wrong(r, 0, "it has %u cells: write at most %d sections [cell NAME]",
		      f->cells->len, FILE_NODES_MAX);
	return !r->error;
}

static bool read_guest(struct reader *r, struct file *f)
{
	const char *remedy;
	unsigned int i;

	f->has_guest = line_of(r, "guest", NULL);
	if (f->has_guest && file_is_share(f))
		return wrong(r, line_of(r, "guest", NULL),
			     "[guest]: a region that is shared has none: remove it");
	for (i = 0; f->has_guest && i < GUEST_KEYS && !r->error; i++) {
		f->guest[i] = value(r, "guest", guest_keys[i], false);
		remedy = f->guest[i] ? guest_wrong(i, f->guest[i]) : NULL;
		if (remedy)
			wrong(r, line_of(r, "guest", guest_keys[i]), "[guest] %s = %s: %s",
			      guest_keys[i], f->guest[i], remedy);
	}
	return !r->error;
}

const char *file_disk(const struct file *f, enum guest_key disk, int *node)
{
	const char *value = f->guest[disk], *colon = strstr(value, ":/");

	*node = 0;
	if (*value == '/' || !colon)
		return value;
	*node = file_node_named(f, value, colon - value);
	return colon + 1;
}

static bool check_disks(struct reader *r, struct file *f)
{
	const char *key, *remedy;
	enum guest_key disk;
	int node;

	for (disk = GUEST_DISK; disk <= GUEST_DISK4 && !r->error; disk++) {
		if (!f->guest[disk])
			continue;
		key = guest_keys[disk];
		file_disk(f, disk, &node);
		remedy = node < 0 ? "there is no node of that name" :
			 !node ? NULL :
			 file_node(f, node)->later ? "that node joins later: take another one" :
			 !file_node(f, node)->address ? "that node has no address: write its path" :
			 NULL;
		if (remedy)
			wrong(r, line_of(r, "guest", key), "[guest] %s = %s: %s", key,
			      f->guest[disk], remedy);
	}
	return !r->error;
}

/* ---- the file ---- */

static void free_node(void *p)
{
	struct file_node *n = p;

	g_free(n->name);
	g_free(n->address);
	g_free(n->ssh);
	g_free(n);
}

static void free_cell(void *p)
{
	struct file_cell *c = p;

	g_free(c->name);
	g_free(c);
}

void file_free(struct file *f)
{
	unsigned int i;

	for (i = 0; i < GUEST_KEYS; i++)
		g_free(f->guest[i]);
	g_ptr_array_free(f->cells, TRUE);
	g_ptr_array_free(f->nodes, TRUE);
	g_free(f->path);
	g_free(f->name);
	g_free(f->uuid);
	g_free(f->key);
	g_free(f);
}

struct file_node *file_node(const struct file *f, unsigned int index)
{
	return g_ptr_array_index(f->nodes, index);
}

struct file_cell *file_cell(const struct file *f, unsigned int index)
{
	return g_ptr_array_index(f->cells, index);
}

bool file_is_share(const struct file *f)
{
	return !f->cpus;
}

char *file_stem(const struct file *f)
{
	char *name = g_path_get_basename(f->path);

	if (g_str_has_suffix(name, ".conf"))
		name[strlen(name) - strlen(".conf")] = 0;
	return name;
}

/* GLib's reading leaves errno as it comes. */
const char *file_why(const char *path)
{
	return access(path, R_OK) ? g_strerror(errno) : "it cannot be read";
}

static bool load(struct reader *r)
{
	GError *error = NULL;
	char *data;

	if (!g_file_get_contents(r->path, &data, NULL, &error)) {
		r->error = g_strdup_printf("%s: %s: %s", r->path, file_why(r->path),
					   error->code == G_FILE_ERROR_ACCES ? "run as root" :
					   "is it the machine's name or its file?");
	} else {
		if (note_lines(r, data) &&
		    !g_key_file_load_from_data(r->keys, data, -1, G_KEY_FILE_NONE, &error))
			wrong(r, 0, "%s", error->message);
		g_free(data);
	}
	g_clear_error(&error);
	return !r->error;
}

struct file *file_read(const char *path, char **error)
{
	struct reader r = { .path = path };
	struct file *f = g_new0(struct file, 1);

	f->path = g_strdup(path);
	f->nodes = g_ptr_array_new_with_free_func(free_node);
	f->cells = g_ptr_array_new_with_free_func(free_cell);
	r.keys = g_key_file_new();
	r.lines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	if (load(&r) && read_machine(&r, f) && read_nodes(&r, f) && read_cells(&r, f) &&
	    read_guest(&r, f) && check_disks(&r, f))
		read_security(&r, f);
	g_hash_table_destroy(r.lines);
	g_key_file_free(r.keys);
	*error = r.error;
	if (!r.error)
		return f;
	file_free(f);
	return NULL;
}
