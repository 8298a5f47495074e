// SPDX-License-Identifier: GPL-2.0
/* A machine that runs: wait, down, pause, resume, reset. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qmp.h"
#include "remote.h"

#define STEP_US		100000
#define DOWN_SECONDS	90
#define START_SECONDS	10
#define END_SECONDS	10
#define ANSWER_SECONDS	10

/* ---- wait ---- */

/* What has come to the log since the last call. */
static void show_log(int fd)
{
	char data[1024];
	ssize_t len;

	while ((len = read(fd, data, sizeof(data))) > 0)
		fwrite(data, 1, len, stdout);
	fflush(stdout);
}

/* 0: ready, 1: it has ended, which is said, 3: there is nothing, -1: neither yet */
static int progress(const struct place *p, const char *name, bool may_come)
{
	char *ended = place_read(p, "ended"), *ready = place_read(p, "ready");
	int ret = ready ? 0 : -1;

	if (ended)
		ret = verb_fail(EXIT_FAILED, name, *ended ? ended : "it has ended: dvmm up");
	else if (!place_runner(p) && !may_come)
		ret = verb_fail(EXIT_STOPPED, name, "it does not run: dvmm up");
	g_free(ready);
	g_free(ended);
	return ret;
}

/* Whoever asks from another host holds our input open; ssh ends nothing at its other end. */
static bool is_forgotten(const struct options *o)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };

	return o->here && poll(&in, 1, 0) == 1;
}

static int wait_for(const struct options *o, const struct place *p, const char *name,
		    double seconds)
{
	gint64 now = g_get_monotonic_time(), deadline = now + seconds * 1000000;
	gint64 grace = now + START_SECONDS * 1000000;
	char *path = place_path(p, "log");
	int log = -1, ret;

	for (;;) {
		if (is_forgotten(o)) {
			ret = EXIT_FAILED;
			break;
		}
		/* A service that was asked for takes its time to begin. */
		ret = progress(p, name, o->here && g_get_monotonic_time() < grace);
		if (log < 0)
			log = open(path, O_RDONLY | O_CLOEXEC);
		show_log(log);
		if (ret >= 0 || g_get_monotonic_time() > deadline)
			break;
		usleep(STEP_US);
	}
	if (ret < 0)
		ret = verb_fail(EXIT_SILENT, name,
				"not ready in time: wait longer with -t SECONDS");
	close(log);
	g_free(path);
	return ret;
}

int verb_wait(const struct options *o, int argc, char **argv)
{
	struct file *f = place_file(o, argv[1]);
	struct place p;
	int node, ret;

	if (!f)
		return EXIT_FILE;
	node = place_pick(f, argc > 2 ? argv[2] : NULL);
	if (node < 0)
		return EXIT_FILE;
	place_make(&p, o, f, node);
	ret = wait_for(o, &p, file_node(f, node)->name,
		       o->patience > 0 ? o->patience : f->timeout + END_SECONDS);
	place_free(&p);
	file_free(f);
	return ret;
}

/* ---- down ---- */

static bool gone(const struct place *p, double seconds)
{
	gint64 deadline = g_get_monotonic_time() + seconds * 1000000;

	while (place_runner(p)) {
		if (g_get_monotonic_time() > deadline)
			return false;
		usleep(STEP_US);
	}
	return true;
}

/* Its QEMU ends in good order; where it does not, without. */
static int end_node(const struct place *p, const char *name)
{
	int runner = place_runner(p);

	if (runner && kill(runner, SIGTERM) && errno != ESRCH)
		return verb_fail(EXIT_DENIED, name, "it is not yours to end: run as root");
	if (gone(p, END_SECONDS))
		return 0;
	runner = place_runner(p);
	if (runner)
		kill(runner, SIGKILL);
	return gone(p, END_SECONDS) ? 0 :
	       verb_fail(EXIT_SILENT, name, "QEMU does not end: see the kernel's log");
}

/* Nor does systemd start it again, after an end with a fault. */
static int stop_unit(const char *name, const char *unit)
{
	const char *argv[] = { "systemctl", "stop", unit, NULL };

	return remote_run(name, g_strdupv((char **)argv), NULL, NULL);
}

static int power_off(const struct options *o, const struct place *p, const char *name)
{
	char *ready = place_read(p, "ready"), *text;
	double seconds = o->patience > 0 ? o->patience : DOWN_SECONDS;
	int ret;

	if (!place_runner(p))
		ret = 0;
	else if (o->force || !ready)
		ret = end_node(p, name);
	else
		ret = qmp_command(p, "system_powerdown", ANSWER_SECONDS);
	if (!ret && !gone(p, seconds)) {
		text = g_strdup_printf("the guest has not powered off within %g s", seconds);
		ret = verb_fail(EXIT_SILENT, text, "wait longer with -t, or end it with --force");
		g_free(text);
	}
	g_free(ready);
	return ret;
}

static int forward(const struct options *o, const struct file *f, const char *verb,
		   const char *word)
{
	char *patience = g_strdup_printf("%g", o->patience > 0 ? o->patience : DOWN_SECONDS);
	const char *words[] = { verb, word, "--here", "-t", patience,
				o->force ? "--force" : NULL, NULL };

	return remote_forward(o, f, 0, words, false);
}

/* The boot node's QEMU is another's. */
static int end_satellites(const struct options *o, const struct file *f, const char *word)
{
	int status, worst = 0;
	unsigned int node;

	for (node = 1; node < f->nodes->len; node++) {
		const char *name = file_node(f, node)->name;
		const char *words[] = { "down", word, name, NULL };

		status = remote_run(name, remote_argv(o, f, node, words), NULL, NULL);
		worst = MAX(worst, status);
	}
	return worst;
}

static int end_one(const struct options *o, const struct file *f, int argc, char **argv, int node)
{
	struct place p;
	char *unit;
	int ret, runs;

	place_make(&p, o, f, node);
	unit = file_is_share(f) ? NULL : place_unit(o, f, node);
	runs = place_runner(&p);
	if (argc > 2 || file_is_share(f))
		ret = end_node(&p, file_node(f, node)->name);
	else if (place_is_served(o, f, &p))
		ret = power_off(o, &p, argv[1]);
	else
		ret = forward(o, f, "down", argv[1]);
	/* A service that has powered the guest off ends by itself, as one that asks for this. */
	if (!ret && unit && (argc > 2 || !runs) && !getenv("MAINPID"))
		ret = stop_unit(file_node(f, node)->name, unit);
	g_free(unit);
	place_free(&p);
	return ret;
}

int verb_down(const struct options *o, int argc, char **argv)
{
	struct file *f = place_file(o, argv[1]);
	int node, ret;

	if (!f)
		return EXIT_FILE;
	node = argc > 2 || file_is_share(f) ? place_pick(f, argc > 2 ? argv[2] : NULL) : 0;
	if (node < 0)
		ret = EXIT_FILE;
	else if (o->satellites)
		ret = end_satellites(o, f, argv[1]);
	else
		ret = end_one(o, f, argc, argv, node);
	file_free(f);
	return ret;
}

/* ---- commands of the monitor, which the boot node has ---- */

static int command(const struct options *o, char **argv, const char *name)
{
	struct file *f = machine_file(o, argv[1]);
	struct place p;
	int ret;

	if (!f)
		return EXIT_FILE;
	place_make(&p, o, f, 0);
	if (!place_is_served(o, f, &p))
		ret = forward(o, f, argv[0], argv[1]);
	else
		ret = qmp_command(&p, name, o->patience > 0 ? o->patience : ANSWER_SECONDS);
	place_free(&p);
	file_free(f);
	return ret;
}

int verb_pause(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return command(o, argv, "stop");
}

int verb_resume(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return command(o, argv, "cont");
}

int verb_reset(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return command(o, argv, "system_reset");
}
