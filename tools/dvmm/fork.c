// SPDX-License-Identifier: GPL-2.0
/*
 * dvmm fork: machines that begin with what another one was when a checkpoint of it was made, and
 * run beside it.
 *
 * Each has a file, a key and a checkpoint of its own.  The files of that are those of the other
 * checkpoint under another name (hard links): they are there as long as one of both needs them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint.h"
#include "create.h"
#include "draft.h"
#include "guest.h"
#include "increment.h"
#include "json.h"
#include "manifest.h"

#define PORT_MAX	65535

/**
 * struct fork - one that is being made
 * @f: its file, so far as it differs from that of the machine that the checkpoint is of
 * @origin: the manifest of that checkpoint; @from: its directory
 * @dir: where its own is to be
 * @path: of its file; @key: of its key
 */
struct fork {
	const struct options *o;
	struct file *f;
	struct json_object *origin;
	const char *from;
	const char *name;
	char *dir;
	char *path;
	char *key;
};

static void fork_set(char **text, char *value)
{
	g_free(*text);
	*text = value;
}

/* ---- ports: none that a machine with a file here has ---- */

/* Over RDMA a node listens on one more for each node after it. */
static unsigned int fork_span(const struct file *f)
{
	return strcmp(f->transport, "rdma") ? 1 : f->nodes->len;
}

static bool fork_meets(const struct file *f, const struct file *other, unsigned int shift)
{
	unsigned int i, j, here, there;

	for (i = 0; i < f->nodes->len; i++)
		for (j = 0; j < other->nodes->len; j++) {
			here = file_node(f, i)->port + shift;
			there = file_node(other, j)->port;
			if (!g_strcmp0(file_node(f, i)->address, file_node(other, j)->address) &&
			    here < there + fork_span(other) && there < here + fork_span(f))
				return true;
		}
	return false;
}

static bool fork_is_free(const struct file *f, GPtrArray *others, unsigned int shift)
{
	unsigned int i;

	for (i = 0; i < others->len; i++)
		if (fork_meets(f, g_ptr_array_index(others, i), shift))
			return false;
	return true;
}

static void fork_free_other(void *f)
{
	file_free(f);
}

/* Those that can be read, as one that cannot does not run either */
static GPtrArray *fork_others(const struct fork *k)
{
	GPtrArray *others = g_ptr_array_new_with_free_func(fork_free_other);
	GDir *d = g_dir_open(k->o->dir, 0, NULL);
	char *path, *error;
	struct file *f;
	const char *name;

	while (d && (name = g_dir_read_name(d))) {
		path = g_build_filename(k->o->dir, name, NULL);
		error = NULL;
		f = g_str_has_suffix(name, ".conf") ? file_read(path, &error) : NULL;
		if (f)
			g_ptr_array_add(others, f);
		g_free(error);
		g_free(path);
	}
	if (d)
		g_dir_close(d);
	return others;
}

/* Nodes that have come to one address */
static void fork_part_nodes(struct file *f)
{
	struct file_node *n, *before;
	unsigned int i, j;

	for (i = 1; i < f->nodes->len; i++) {
		n = file_node(f, i);
		for (j = 0; j < i; j++) {
			before = file_node(f, j);
			if (g_strcmp0(n->address, before->address) ||
			    n->port >= before->port + fork_span(f) ||
			    before->port >= n->port + fork_span(f))
				continue;
			n->port = before->port + fork_span(f);
			j = -1;
		}
	}
}

static bool fork_set_ports(struct fork *k)
{
	GPtrArray *others = fork_others(k);
	unsigned int i, highest = 0, shift = 1;

	fork_part_nodes(k->f);
	for (i = 0; i < k->f->nodes->len; i++)
		highest = MAX(highest, file_node(k->f, i)->port);
	/* what it has now are those of the first */
	while (fork_meets(k->f, k->f, shift) || !fork_is_free(k->f, others, shift))
		shift++;
	for (i = 0; i < k->f->nodes->len; i++)
		file_node(k->f, i)->port += shift;
	g_ptr_array_unref(others);
	return highest + shift <= PORT_MAX ||
	       verb_fail(0, k->name, "no ports are left: give the nodes lower ones");
}

/* ---- its file ---- */

static bool fork_set_node(struct file_node *n, const char *spec)
{
	char **parts = g_strsplit(spec, ",", 2), *equals = parts[0] ? strchr(parts[0], '=') : NULL;
	const char *ssh = equals && parts[1] && g_str_has_prefix(parts[1], "ssh=") ?
			  parts[1] + strlen("ssh=") : NULL;
	bool ok = equals && equals[1] && (!parts[1] || ssh);

	if (ok) {
		fork_set(&n->name, g_strndup(parts[0], equals - parts[0]));
		fork_set(&n->address, g_strdup(equals + 1));
		fork_set(&n->ssh, g_strdup(ssh));
	}
	g_strfreev(parts);
	return ok || verb_fail(0, spec, "write --node NAME=ADDRESS[,ssh=HOST]");
}

/* All of them or none: their order says which is which. */
static bool fork_set_nodes(struct fork *k)
{
	unsigned int given = g_strv_length(k->o->nodes), i;
	bool ok = !given || given == k->f->nodes->len ||
		  verb_fail(0, k->name, "write a --node for each of its nodes, in their order; "
			    "several may be on one host");

	for (i = 0; ok && i < given; i++)
		ok = fork_set_node(file_node(k->f, i), k->o->nodes[i]);
	return ok;
}

/* Layers of an image whose blocks are not at their places are no image. */
static bool fork_can(const struct fork *k, unsigned int disk)
{
	const char *image = k->f->guest[disk];

	return !strcmp(guest_image_format(image), "raw") ||
	       increment_layers(k->origin, guest_keys[disk]) < 2 ||
	       verb_fail(0, image, "changes of a qcow2 image cannot be forked: make a checkpoint "
			 "without --since");
}

static bool fork_copies(const struct fork *k, const char *disk)
{
	return manifest_file(k->origin, disk) || increment_layers(k->origin, disk);
}

static bool fork_set_disks(struct fork *k)
{
	char *image;
	unsigned int i;

	for (i = GUEST_DISK; i <= GUEST_DISK4; i++) {
		if (!k->f->guest[i] != !fork_copies(k, guest_keys[i]))
			return verb_fail(0, guest_keys[i], k->f->guest[i] ?
					 "the checkpoint has no copy of it: remove the line" :
					 "the checkpoint has a copy of it: name it in [guest]");
		if (!k->f->guest[i])
			continue;
		if (!fork_can(k, i))
			return false;
		image = g_strconcat(k->dir, "/", guest_keys[i], ".qcow2", NULL);
		fork_set(&k->f->guest[i], image);
	}
	return true;
}

/* What only one machine at a time can have is said anew: "KEY = VALUE" of the command line. */
static bool fork_set_line(struct fork *k, const char *line)
{
	static const enum guest_key may[] = { GUEST_NET, GUEST_MAC, GUEST_CONSOLE, GUEST_ARGS };
	const char *equals = strstr(line, " = ");
	char *key = g_strndup(line, equals - line);
	unsigned int i = 0;
	bool ok;

	while (i < G_N_ELEMENTS(may) && strcmp(guest_keys[may[i]], key))
		i++;
	ok = i < G_N_ELEMENTS(may) ||
	     verb_fail(0, key, "a fork has what the first had when it was saved: leave it out");
	if (ok)
		fork_set(&k->f->guest[may[i]], g_strdup(equals + 3));
	g_free(key);
	return ok;
}

/* Whether a value of net or console asks for one */
static bool fork_has_device(const char *value)
{
	return value && strcmp(value, "none") && strcmp(value, "serial");
}

/* @apart: what two machines cannot have both; what is saved has its devices. */
static bool fork_differs(const struct fork *k, enum guest_key key, const char *first,
			 const char *apart)
{
	const char *value = k->f->guest[key];

	if (fork_has_device(value) != fork_has_device(first))
		return verb_fail(0, guest_keys[key], "a device cannot be added to what was saved, "
				 "nor taken from it: leave it out");
	return !first || !g_str_has_prefix(first, apart) || strcmp(first, value) ||
	       verb_fail(0, first, key == GUEST_NET ?
			 "it is the first's: give the fork its own by --net" :
			 "it is the first's: give the fork its own by --console");
}

static bool fork_set_guest(struct fork *k)
{
	char *net = g_strdup(k->f->guest[GUEST_NET]);
	char *console = g_strdup(k->f->guest[GUEST_CONSOLE]);
	char **line = k->o->guest;
	bool ok = true;

	if (fork_has_device(net))
		fork_set(&k->f->guest[GUEST_MAC], create_mac());
	for (; ok && *line; line++)
		ok = fork_set_line(k, *line);
	ok = ok && fork_differs(k, GUEST_NET, net, "tap:") &&
	     fork_differs(k, GUEST_CONSOLE, console, "vnc:");
	g_free(console);
	g_free(net);
	return ok;
}

static bool fork_change(struct fork *k)
{
	fork_set(&k->f->name, g_strdup(k->name));
	fork_set(&k->f->uuid, g_uuid_string_random());
	fork_set(&k->f->key, g_strconcat(k->name, ".key", NULL));
	k->f->start = "packed";
	return fork_set_nodes(k) && fork_set_disks(k) && fork_set_guest(k) && fork_set_ports(k);
}

/* ---- its checkpoint ---- */

static bool fork_link(const struct fork *k, const char *part, const char *name)
{
	char *from = g_build_filename(k->from, name, NULL);
	char *to = g_build_filename(part, name, NULL);
	bool ok = !link(from, to) || verb_fail(0, to, strerror(errno));

	g_free(to);
	g_free(from);
	return ok;
}

static bool fork_save(const struct fork *k)
{
	struct json_object *files = json_list_of(k->origin, "files");
	char *part = draft_begin(k->dir);
	bool ok = part;
	size_t i;

	for (i = 0; ok && i < json_object_array_length(files); i++)
		ok = fork_link(k, part, json_text_of(json_object_array_get_idx(files, i), "name"));
	ok = ok && manifest_fork(k->f, part, k->origin) && draft_commit(part, k->dir);
	if (part && !ok)
		draft_drop(part);
	g_free(part);
	return ok;
}

/* ---- one ---- */

/* What it is told of no other device is not made up. */
static void fork_tell(const struct fork *k)
{
	printf("%s: a fork of %s: dvmm push %s, then dvmm up %s --from %s\n", k->name,
	       json_text_of(k->origin, "name"), k->name, k->name, k->dir);
	if (!manifest_has_genid(k->origin))
		printf("%s: the guest has no vmgenid: it is not told that it is another one now, "
		       "and has the same random numbers: reseed them in it\n", k->name);
	if (k->f->guest[GUEST_MAC])
		printf("%s: the guest's network card has the first's address until the guest, or "
		       "its driver, begins anew, and then %s\n", k->name,
		       k->f->guest[GUEST_MAC]);
	if (k->f->guest[GUEST_ARGS])
		printf("%s: look at its args: two machines can seldom have the same\n", k->name);
}

/* The file is the last: with it the machine is there. */
static int fork_make(struct fork *k)
{
	char *text;
	int ret;

	if (!fork_change(k) || !fork_save(k))
		return EXIT_FAILED;
	text = file_text(k->f, FILE_TOOL | FILE_LOCAL);
	ret = create_machine(k->path, k->key, text);
	g_free(text);
	if (ret)
		draft_drop(k->dir);
	else
		fork_tell(k);
	return ret;
}

static void fork_begin(struct fork *k, const char *name)
{
	char *parent = g_path_get_dirname(k->from);

	k->name = name;
	k->dir = g_build_filename(parent, name, NULL);
	k->path = g_strdup_printf("%s/%s.conf", k->o->dir, name);
	k->key = g_strdup_printf("%s/%s.key", k->o->dir, name);
	g_free(parent);
}

static void fork_end(struct fork *k)
{
	g_free(k->dir);
	g_free(k->path);
	g_free(k->key);
}

/* ---- all of them ---- */

static int fork_look_at(const struct fork *k)
{
	static const char letters[] = G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "-_.";
	const char *there = !access(k->path, F_OK) ? k->path : !access(k->key, F_OK) ? k->key :
			    !access(k->dir, F_OK) ? k->dir : NULL;

	if (!*k->name || strspn(k->name, letters) != strlen(k->name) || strchr("-.", *k->name))
		return verb_fail(EXIT_USAGE, k->name, "write a name of letters, digits, - and _");
	return there ? verb_fail(EXIT_FAILED, there, "it is there already: remove it, or take "
				 "another name") : 0;
}

/* Before any is made */
static int fork_look(struct fork *k, char **names)
{
	int ret = 0;

	for (; !ret && *names; names++) {
		fork_begin(k, *names);
		ret = fork_look_at(k);
		fork_end(k);
	}
	return ret;
}

/* Those that were made before one that fails are whole and stay. */
static int fork_all(struct fork *k, const char *machine, char **names)
{
	int ret = 0;

	for (; !ret && *names; names++) {
		fork_begin(k, *names);
		k->f = machine_file(k->o, machine);
		ret = k->f ? fork_make(k) : EXIT_FILE;
		if (k->f)
			file_free(k->f);
		fork_end(k);
	}
	return ret;
}

int verb_fork(const struct options *o, int argc, char **argv)
{
	struct file *f = machine_file(o, argv[1]);
	char *from = g_canonicalize_filename(argv[2], NULL);
	struct fork k = { .o = o, .from = from };
	int ret = f ? fork_look(&k, argv + 3) : EXIT_FILE;

	(void)argc;
	if (!ret) {
		k.origin = manifest_read(f, from, o->force);
		if (!k.origin)
			ret = EXIT_FAILED;
		else if (manifest_has_parts(k.origin))
			ret = verb_fail(EXIT_FAILED, from, "its memory is in parts, on several "
					"hosts: make one without --parts");
		else
			ret = fork_all(&k, argv[1], argv + 3);
	}
	json_object_put(k.origin);
	g_free(from);
	if (f)
		file_free(f);
	return ret;
}
