// SPDX-License-Identifier: GPL-2.0
/* dvmm run: a node's QEMU, watched from its start to its end. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib-unix.h>

#include "checkpoint.h"
#include "export.h"
#include "guest.h"
#include "kernel.h"
#include "manifest.h"
#include "qmp.h"

#define LOOK_MS	250

/**
 * struct run - QEMU and what is known of it
 * @from: the checkpoint that it begins with, NULL: none
 * @loads: its state is loaded by dvmm load, when memory is there
 * @locked: nobody else can start the node
 * @log: all that it has said
 * @line: the last of it
 * @out: where it says it
 * @why: QEMU is ended, NULL: it ends by itself
 * @qmp: connection that waits for QEMU to be ready, -1: none
 */
struct run {
	const struct options *o;
	struct file *f;
	struct place p;
	char *from;
	bool loads;
	bool locked;
	GMainLoop *loop;
	GPid pid;
	int status;
	int log;
	GString *line;
	int out;
	char *why;
	int qmp;
	bool ready;
	struct exports exports;
};

/* ---- what systemd is told: sd_notify(3)'s protocol ---- */

static void notify(const char *text)
{
	const char *path = g_getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd;

	if (!path || strlen(path) >= sizeof(a.sun_path))
		return;
	strcpy(a.sun_path, path);
	if (*path == '@')
		a.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&a,
	       offsetof(struct sockaddr_un, sun_path) + strlen(path));
	close(fd);
}

/* ---- what QEMU says ---- */

static void say_status(struct run *r)
{
	char *text = g_strdup_printf("STATUS=%s", r->line->str);

	notify(text);
	g_free(text);
}

/* The line is kept until the next one begins: QEMU's last words may lack their end. */
static void take(struct run *r, const char *data, ssize_t len)
{
	ssize_t i;

	for (i = 0; i < len; i++) {
		if (r->line->len && r->line->str[r->line->len - 1] == '\n')
			g_string_truncate(r->line, 0);
		g_string_append_c(r->line, data[i]);
		if (data[i] == '\n')
			say_status(r);
	}
	if (write(STDERR_FILENO, data, len) < 0 || write(r->log, data, len) < 0)
		return;		/* nobody listens, or the disk is full: QEMU goes on */
}

static gboolean on_output(gint fd, GIOCondition condition, gpointer arg)
{
	char data[1024];
	ssize_t len = read(fd, data, sizeof(data));

	(void)condition;
	if (len > 0)
		take(arg, data, len);
	return len > 0;
}

/* Without its disk the guest does not go on.  Who served it has said why, maybe just now. */
static void on_export_failed(void *arg, const char *disk)
{
	struct run *r = arg;
	struct pollfd out = { .fd = r->out, .events = POLLIN };

	if (!g_main_loop_is_running(r->loop))
		return;		/* QEMU has ended before it */
	while (poll(&out, 1, 0) == 1 && on_output(r->out, G_IO_IN, r))
		;
	if (!r->why)
		r->why = g_strdup_printf("%s cannot be served: %s", disk, g_strchomp(r->line->str));
	kill(r->pid, SIGTERM);
}

/* ---- checkpoints of itself ---- */

static gboolean on_every(gpointer arg);

static void on_kept(GPid pid, gint status, gpointer arg)
{
	struct run *r = arg;

	g_spawn_close_pid(pid);
	if (status)
		fprintf(stderr, "dvmm: %s: no checkpoint was made: the one before is kept\n",
			r->f->name);
	g_timeout_add(r->o->every * 1000, on_every, r);
}

/* By the command that anybody may give: what it lacks QEMU does not wait for. */
static gboolean on_every(gpointer arg)
{
	struct run *r = arg;
	const char *argv[] = { "/proc/self/exe", "checkpoint", r->f->path, r->o->keep, "--replace",
			       "--here", "--state", r->o->state, NULL };
	GPid pid;

	if (!g_spawn_async(NULL, (char **)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid,
			   NULL))
		return G_SOURCE_CONTINUE;
	g_child_watch_add(pid, on_kept, r);
	return G_SOURCE_REMOVE;
}

/* ---- ready ---- */

/* QEMU answers commands once the machine is complete: all nodes are there. */
static bool qemu_answers(struct run *r)
{
	static const char commands[] =
		"{\"execute\": \"qmp_capabilities\"}\n{\"execute\": \"query-status\"}\n";
	char text[4096];
	ssize_t len;

	if (r->qmp < 0) {
		r->qmp = qmp_connect(&r->p, "qmp");
		if (r->qmp >= 0 &&
		    send(r->qmp, commands, strlen(commands), MSG_NOSIGNAL) < 0)
			return false;
	}
	len = r->qmp < 0 ? -1 : recv(r->qmp, text, sizeof(text) - 1, MSG_DONTWAIT);
	if (len <= 0)
		return false;
	text[len] = 0;
	/* A state is being loaded: ask again. */
	if (strstr(text, "\"inmigrate\"") && !r->loads) {
		close(r->qmp);
		r->qmp = -1;
	}
	return r->qmp >= 0 && strstr(text, "\"status\"");
}

static bool kernel_ready(struct run *r)
{
	int status;
	struct kernel *k = kernel_is_there() ? kernel_open(&status) : NULL;
	GPtrArray *list = k ? kernel_machines(k, r->o, r->f->uuid, &status) : NULL;
	bool ready = false;
	unsigned int i;

	for (i = 0; list && i < list->len; i++) {
		const struct machine *m = g_ptr_array_index(list, i);

		ready |= m->node == r->p.node && m->state == DVMM_MACHINE_STATE_READY;
	}
	if (list)
		g_ptr_array_unref(list);
	if (k)
		kernel_close(k);
	return ready;
}

static gboolean on_look(gpointer arg)
{
	struct run *r = arg;

	r->ready = r->p.node ? kernel_ready(r) : qemu_answers(r);
	if (!r->ready)
		return G_SOURCE_CONTINUE;
	if (r->qmp >= 0)
		close(r->qmp);
	if (r->from)
		checkpoint_loaded(r->from);
	if (r->o->keep && r->o->every > 0)
		g_timeout_add(r->o->every * 1000, on_every, r);
	place_write(&r->p, "ready", "");
	notify("READY=1\nSTATUS=running");
	return G_SOURCE_REMOVE;
}

/* ---- begin and end ---- */

static gboolean on_signal(gpointer arg)
{
	struct run *r = arg;

	kill(r->pid, SIGTERM);
	return G_SOURCE_CONTINUE;
}

static void on_end(GPid pid, gint status, gpointer arg)
{
	struct run *r = arg;

	(void)pid;
	r->status = status;
	g_main_loop_quit(r->loop);
}

static bool spawn(struct run *r, int out)
{
	char **argv = guest_argv(r->f, &r->p, r->from, r->loads);
	GError *error = NULL;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	g_spawn_async_with_fds(NULL, argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD,
			       place_in_child, GINT_TO_POINTER(getpid()), &r->pid, null, out, out,
			       &error);
	if (error) {
		fprintf(stderr, "dvmm: %s cannot be started: %s: install qemu-system-dvmm, "
			"or set DVMM_QEMU\n", argv[0], strerror(error->code == G_SPAWN_ERROR_NOENT ?
							     ENOENT : EACCES));
		g_error_free(error);
	}
	close(null);
	g_strfreev(argv);
	return !error;
}

/* What is written at the end is what dvmm wait and dvmm up show. */
static int finish(struct run *r)
{
	bool done = !r->why && WIFEXITED(r->status) && !WEXITSTATUS(r->status);
	char *text = r->why ? r->why : WIFSIGNALED(r->status) ?
		g_strdup_printf("QEMU was killed by signal %d", WTERMSIG(r->status)) :
		g_strdup_printf("QEMU ended with status %d: %s", WEXITSTATUS(r->status),
				g_strchomp(r->line->str));

	place_write(&r->p, "ended", done ? "" : text);
	if (!done)
		fprintf(stderr, "dvmm: %s: %s\n", file_node(r->f, r->p.node)->name, text);
	g_free(text);
	return done ? 0 : EXIT_FAILED;
}

static int watch(struct run *r)
{
	int fds[2], status;

	if (!g_unix_open_pipe(fds, FD_CLOEXEC, NULL))
		return verb_fail(EXIT_FAILED, "no pipe", "close some files");
	r->out = fds[0];
	r->exports.failed = on_export_failed;
	r->exports.arg = r;
	status = exports_begin(&r->exports, r->f, &r->p, fds[1]);
	if (!status && !spawn(r, fds[1]))
		status = EXIT_MISSING;
	if (status) {
		exports_end(&r->exports);
		return status;
	}
	r->exports.qemu = true;
	close(fds[1]);
	r->loop = g_main_loop_new(NULL, FALSE);
	g_unix_fd_add(fds[0], G_IO_IN | G_IO_HUP, on_output, r);
	g_unix_signal_add(SIGTERM, on_signal, r);
	g_unix_signal_add(SIGINT, on_signal, r);
	g_timeout_add(LOOK_MS, on_look, r);
	g_child_watch_add(r->pid, on_end, r);
	g_main_loop_run(r->loop);
	exports_end(&r->exports);
	while (on_output(fds[0], G_IO_IN, r))
		;
	return finish(r);
}

/* ---- before it ---- */

static bool copy_vars(const struct place *p)
{
	char *dir = g_path_get_dirname(p->vars), *vars = NULL;
	GError *error = NULL;
	gsize len;
	bool ok = g_file_test(p->vars, G_FILE_TEST_EXISTS);

	if (!ok && !g_file_get_contents(GUEST_UEFI_VARS, &vars, &len, &error))
		fprintf(stderr, "dvmm: %s: install ovmf\n", error->message);
	else if (!ok && (g_mkdir_with_parents(dir, 0700) ||
			 !g_file_set_contents(p->vars, vars, len, &error)))
		fprintf(stderr, "dvmm: %s cannot be written: run as root\n", p->vars);
	else
		ok = true;
	g_clear_error(&error);
	g_free(vars);
	g_free(dir);
	return ok;
}

static void run_forget(const struct place *p, const char *name)
{
	char *path = place_path(p, name);

	unlink(path);
	g_free(path);
}

/* What an earlier run has left; whoever finds the lock takes the pid for that of its holder. */
static bool run_lock(struct run *r)
{
	static const char *const stale[] = { "pid", "ready", "ended", "qmp", "console", NULL };
	int i;

	if (r->locked)
		return true;
	r->locked = place_lock(&r->p);
	for (i = 0; r->locked && stale[i]; i++)
		run_forget(&r->p, stale[i]);
	return r->locked && place_write_pid(&r->p);
}

/*
 * A checkpoint to begin with is left for who runs the node, maybe a service: it finds it whole or
 * not at all.
 */
static bool leave_from(struct run *r)
{
	char *dir = g_canonicalize_filename(r->o->from, NULL);
	bool ok;

	if (r->p.node)
		ok = verb_fail(0, dir, "the boot node begins with a checkpoint, not this one");
	else
		ok = run_lock(r) && checkpoint_restore(r->o, r->f, dir) &&
		     place_write(&r->p, "from", dir);
	g_free(dir);
	return ok;
}

/* Once */
static void take_from(struct run *r)
{
	r->from = place_read(&r->p, "from");
	r->loads = r->from && manifest_in_parts(r->from);
	run_forget(&r->p, "from");
}

static bool prepare(struct run *r)
{
	char *text = file_text(r->f, FILE_LOCAL), *path;
	const char *firmware = r->f->guest[GUEST_FIRMWARE];
	bool ok = run_lock(r) && place_write(&r->p, "machine", text);

	if (ok)
		take_from(r);
	if (ok && !r->p.node && firmware && !strcmp(firmware, "uefi"))
		ok = copy_vars(&r->p);
	if (ok) {
		path = place_path(&r->p, "log");
		r->log = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
		ok = r->log >= 0 || verb_fail(0, path, strerror(errno));
		g_free(path);
	}
	g_free(text);
	return ok;
}

/* With systemd the machine is a unit of its own; what an earlier one left is not its. */
static int start_unit(const struct place *p, const char *unit)
{
	if (!place_runner(p)) {
		run_forget(p, "ready");
		run_forget(p, "ended");
	}
	execlp("systemctl", "systemctl", "start", "--no-block", unit, NULL);
	return verb_fail(EXIT_FAILED, "systemctl cannot be started", strerror(errno));
}

static int run(struct run *r)
{
	if (!prepare(r))
		return EXIT_FAILED;
	if (r->o->detach && !place_go_behind(&r->p))
		return EXIT_FAILED;
	return watch(r);
}

int verb_run(const struct options *o, int argc, char **argv)
{
	struct run r = { .o = o, .qmp = -1, .f = machine_file(o, argv[1]) };
	char *unit;
	int node, ret;

	if (!r.f)
		return EXIT_FILE;
	node = place_pick(r.f, argc > 2 ? argv[2] : NULL);
	if (node < 0)
		return EXIT_FILE;
	place_make(&r.p, o, r.f, node);
	r.line = g_string_new(NULL);
	if (o->from && !leave_from(&r))
		return EXIT_FAILED;
	unit = o->detach ? place_unit(o, r.f, node) : NULL;
	ret = unit ? start_unit(&r.p, unit) : run(&r);
	g_free(unit);
	place_free(&r.p);
	file_free(r.f);
	return ret;
}
