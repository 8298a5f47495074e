// SPDX-License-Identifier: GPL-2.0
/*
 * A disk on a satellite's host.  Its dvmm run starts qemu-nbd, which ends when the boot node's QEMU
 * lets go of it: that one may have something to write still when all others have ended.  Both ends
 * prove the machine's key, and what they say is encrypted, where links are.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "export.h"
#include "guest.h"

#define END_MS	10000
#define LOOK_MS	50

/* ---- where ---- */

unsigned int export_port(const struct file *f, enum guest_key disk)
{
	int node;

	file_disk(f, disk, &node);
	return file_node(f, node)->port + EXPORT_PORTS + disk - GUEST_DISK;
}

const char *export_has(const struct file *f, int node)
{
	enum guest_key disk;
	int its;

	for (disk = GUEST_DISK; node && disk <= GUEST_DISK4; disk++)
		if (f->guest[disk] && file_disk(f, disk, &its) && its == node)
			return guest_keys[disk];
	return NULL;
}

/* ---- the key ---- */

char *export_keys(const struct file *f, const struct place *p)
{
	return strcmp(f->security, "none") ? place_path(p, "disk-key") : NULL;
}

bool export_any(const struct file *f)
{
	unsigned int i;

	for (i = 1; i < f->nodes->len; i++)
		if (export_has(f, i))
			return true;
	return false;
}

/* Made of the machine's key: who comes to know it does not know that one. */
static bool export_write_key(const struct file *f, const char *dir)
{
	char *path = g_build_filename(dir, "keys.psk", NULL);
	char *key = NULL, *mac = NULL, *text = NULL;
	bool ok = g_file_get_contents(f->key, &key, NULL, NULL);

	if (ok) {
		g_strstrip(key);
		mac = g_compute_hmac_for_string(G_CHECKSUM_SHA256, (guchar *)key, strlen(key),
						"dvmm disk", -1);
		text = g_strdup_printf(EXPORT_USER ":%s\n", mac);
		ok = g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600,
					      NULL);
	}
	if (!ok)
		verb_fail(0, f->key, "the key of its disks cannot be made of it: run as root");
	g_free(text);
	g_free(mac);
	g_free(key);
	g_free(path);
	return ok;
}

static bool export_make_key(const struct file *f, const struct place *p)
{
	char *dir = export_any(f) ? export_keys(f, p) : NULL;
	bool ok = !dir || ((!g_mkdir_with_parents(dir, 0700) ||
			    verb_fail(0, dir, strerror(errno))) && export_write_key(f, dir));

	g_free(dir);
	return ok;
}

/* ---- programs ---- */

static char **export_argv(const struct file *f, const struct place *p, enum guest_key disk)
{
	char *keys = export_keys(f, p), port[16];
	const char *path;
	GPtrArray *argv = g_ptr_array_new();
	int node;

	path = file_disk(f, disk, &node);
	snprintf(port, sizeof(port), "%u", export_port(f, disk));
	g_ptr_array_add(argv, g_strdup("qemu-nbd"));
	g_ptr_array_add(argv, g_strdup_printf("--bind=%s", file_node(f, node)->address));
	g_ptr_array_add(argv, g_strdup_printf("--port=%s", port));
	g_ptr_array_add(argv, g_strdup_printf("--export-name=%s", guest_keys[disk]));
	g_ptr_array_add(argv, g_strdup_printf("--format=%s", guest_image_format(path)));
	g_ptr_array_add(argv, g_strdup("--discard=unmap"));
	if (keys) {
		g_ptr_array_add(argv, g_strdup_printf("--object=tls-creds-psk,id=key,"
						      "endpoint=server,dir=%s", keys));
		g_ptr_array_add(argv, g_strdup("--tls-creds=key"));
	}
	g_ptr_array_add(argv, g_strdup(path));
	g_ptr_array_add(argv, NULL);
	g_free(keys);
	return (char **)g_ptr_array_free(argv, FALSE);
}

static void on_export_end(GPid pid, gint status, gpointer arg)
{
	struct exports *e = arg;
	unsigned int i;

	for (i = 0; i < EXPORT_DISKS; i++) {
		if (e->pid[i] != pid)
			continue;
		e->pid[i] = 0;
		if (status)
			e->failed(e->arg, guest_keys[GUEST_DISK + i]);
	}
}

static int export_start(struct exports *e, const struct file *f, const struct place *p,
			enum guest_key disk, int out)
{
	char **argv = export_argv(f, p, disk);
	GPid *pid = &e->pid[disk - GUEST_DISK];
	int status = 0;

	if (!g_spawn_async_with_fds(NULL, argv, NULL, G_SPAWN_SEARCH_PATH |
				    G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDIN_FROM_DEV_NULL,
				    place_in_child, GINT_TO_POINTER(getpid()), pid, -1, out, out,
				    NULL))
		status = verb_fail(EXIT_MISSING, argv[0], "it cannot be started: install "
				   "qemu-utils");
	else
		g_child_watch_add(*pid, on_export_end, e);
	g_strfreev(argv);
	return status;
}

int exports_begin(struct exports *e, const struct file *f, const struct place *p, int out)
{
	int node, status = export_make_key(f, p) ? 0 : EXIT_FAILED;
	enum guest_key disk;

	for (disk = GUEST_DISK; disk <= GUEST_DISK4 && !status; disk++)
		if (f->guest[disk] && file_disk(f, disk, &node) && node &&
		    node == (int)p->node)
			status = export_start(e, f, p, disk, out);
	return status;
}

static bool export_has_ended(GPid pid)
{
	int waited;

	for (waited = 0; waited < END_MS; waited += LOOK_MS) {
		if (waitpid(pid, NULL, WNOHANG))
			return true;
		usleep(LOOK_MS * 1000);
	}
	return false;
}

void exports_end(struct exports *e)
{
	unsigned int i;

	for (i = 0; i < EXPORT_DISKS; i++) {
		if (!e->pid[i] || (e->qemu && export_has_ended(e->pid[i])))
			continue;
		kill(e->pid[i], SIGTERM);
		waitpid(e->pid[i], NULL, 0);
	}
}
