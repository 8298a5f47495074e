// SPDX-License-Identifier: GPL-2.0
/* dvmm create: a machine file and its key. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "create.h"
#include "verbs.h"

#define KEY_BYTES	32

static bool refuse(const char *what, const char *text, const char *remedy)
{
	fprintf(stderr, "dvmm: %s: %s: %s\n", what, text, remedy);
	return false;
}

/* A new file, never one that is there already. */
static bool write_new(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	size_t len = strlen(text);
	bool ok;

	if (fd < 0)
		return refuse(path, g_strerror(errno), errno == EEXIST ?
			      "remove it or use another name" : "run as root, or give --dir");
	ok = write(fd, text, len) == (ssize_t)len && !fsync(fd);
	if (close(fd) || !ok) {
		refuse(path, g_strerror(errno), "make room");
		unlink(path);
		return false;
	}
	return true;
}

/* "NAME=ADDRESS,cpus=N,memory=SIZE": a section */
static bool add_node(GString *text, const char *spec)
{
	char **parts = g_strsplit(spec, ",", -1), *equals = parts[0] ? strchr(parts[0], '=') : NULL;
	int i;

	if (!equals) {
		g_strfreev(parts);
		return refuse("--node", spec, "write NAME=ADDRESS,cpus=N,memory=SIZE");
	}
	g_string_append_printf(text, "\n[node %.*s]\naddress = %s\n", (int)(equals - parts[0]),
			       parts[0], equals + 1);
	for (i = 1; parts[i]; i++) {
		equals = strchr(parts[i], '=');
		if (equals)
			g_string_append_printf(text, "%.*s = %s\n", (int)(equals - parts[i]),
					       parts[i], equals + 1);
		else
			g_string_append_printf(text, "%s\n", parts[i]);
	}
	g_strfreev(parts);
	return true;
}

static bool make_key(char *hex)
{
	unsigned char key[KEY_BYTES];
	int i;

	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return refuse("getrandom", g_strerror(errno), "try again");
	for (i = 0; i < KEY_BYTES; i++)
		sprintf(hex + 2 * i, "%02x", key[i]);
	strcat(hex, "\n");
	return true;
}

/* Of those that QEMU has */
char *create_mac(void)
{
	guint32 r = g_random_int();

	return g_strdup_printf("52:54:00:%02x:%02x:%02x", r >> 16 & 0xff, r >> 8 & 0xff, r & 0xff);
}

static bool create_has_line(char **lines, const char *key)
{
	for (; *lines; lines++)
		if (g_str_has_prefix(*lines, key))
			return true;
	return false;
}

/* Two machines in one network need two addresses. */
static void create_add_mac(GString *text, char **lines)
{
	char *mac = create_mac();

	if (create_has_line(lines, "net = ") && !create_has_line(lines, "mac = "))
		g_string_append_printf(text, "mac = %s\n", mac);
	g_free(mac);
}

static GString *make_text(const struct options *o, const char *name)
{
	GString *text = g_string_new("[machine]\n");
	char *uuid = g_uuid_string_random();
	int i;

	g_string_append_printf(text, "name = %s\nuuid = %s\n", name, uuid);
	if (o->transport)
		g_string_append_printf(text, "transport = %s\n", o->transport);
	g_free(uuid);
	if (o->guest[0])
		g_string_append(text, "\n[guest]\n");
	for (i = 0; o->guest[i]; i++)
		g_string_append_printf(text, "%s\n", o->guest[i]);
	create_add_mac(text, o->guest);
	for (i = 0; o->nodes[i]; i++)
		if (!add_node(text, o->nodes[i]))
			return g_string_free(text, TRUE), NULL;
	return text;
}

/* The file is checked before it gets its name, and has its key by then. */
int create_machine(const char *path, const char *key, const char *text)
{
	char hex[2 * KEY_BYTES + 2] = "", *error = NULL, *draft = g_strconcat(path, ".new", NULL);
	struct file *f = NULL;
	int ret = EXIT_FAILED;

	if (!access(path, F_OK)) {
		refuse(path, g_strerror(EEXIST), "remove it or use another name");
	} else if (write_new(draft, text, 0644)) {
		f = file_read(draft, &error);
		if (!f) {
			fprintf(stderr, "dvmm: %s\n", error);
			ret = EXIT_FILE;
		} else if (make_key(hex) && write_new(key, hex, 0600)) {
			ret = rename(draft, path) ? EXIT_FAILED : 0;
		}
		unlink(draft);
	}
	if (f)
		file_free(f);
	g_free(error);
	g_free(draft);
	return ret;
}

int verb_create(const struct options *o, int argc, char **argv)
{
	char *path = g_strdup_printf("%s/%s.conf", o->dir, argv[1]);
	char *key = g_strdup_printf("%s/%s.key", o->dir, argv[1]);
	GString *text = strchr(argv[1], '/') ? NULL : make_text(o, argv[1]);
	int ret = EXIT_USAGE;

	(void)argc;
	if (strchr(argv[1], '/'))
		refuse(argv[1], "a name has no slash", "use --dir DIR");
	if (text) {
		if (mkdir(o->dir, 0755) && errno != EEXIST)
			ret = !refuse(o->dir, g_strerror(errno), "run as root, or give --dir");
		else
			ret = create_machine(path, key, text->str);
		g_string_free(text, TRUE);
	}
	if (!ret)
		printf("%s and %s are written: dvmm push %s copies them to every node\n", path,
		       key, argv[1]);
	g_free(path);
	g_free(key);
	return ret;
}
