// SPDX-License-Identifier: GPL-2.0
/*
 * agent: runs commands in a node or guest for whoever is at the other end of
 * a virtio-serial port or serial line. Usually process 1, so it also reaps.
 * The protocol is in line.h.
 *
 * usage: agent DEVICE-FILE | NAME-OF-VIRTIO-PORT
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "line.h"

enum { MAX_JOBS = 64 };

struct job {
	int used;
	char id[32];
	pid_t pid;
	int in, out, err;		/* -1 when closed */
};

static struct job jobs[MAX_JOBS];
static struct line_reader reader;
static int port;			/* of the client */

/* ---- what we say */

static void say(const char *kind, const char *id, const char *data, size_t len)
{
	static char buf[3 * LINE_CHUNK + 128];
	size_t n = snprintf(buf, 128, "%s %.31s ", kind, id);

	n += line_escape(buf + n, data, len);
	buf[n++] = '\n';
	line_write(port, buf, n);
}

static void say_text(const char *kind, const char *id, const char *text)
{
	say(kind, id, text, strlen(text));
}

/* ---- jobs */

static struct job *job_find(const char *id)
{
	for (int i = 0; i < MAX_JOBS; i++)
		if (jobs[i].used && !strcmp(jobs[i].id, id))
			return &jobs[i];
	return NULL;
}

static struct job *job_free_slot(void)
{
	for (int i = 0; i < MAX_JOBS; i++)
		if (!jobs[i].used)
			return &jobs[i];
	return NULL;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void become(char **argv, int in, int out, int err)
{
	sigset_t none;

	setsid();
	dup2(in, 0);
	dup2(out, 1);
	dup2(err, 2);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(argv[0], argv);
	dprintf(2, "agent: %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static int job_start(struct job *j, const char *id, char **argv)
{
	int in[2], out[2], err[2];

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		return -1;
	j->pid = fork();
	if (j->pid < 0)
		return -1;
	if (!j->pid)
		become(argv, in[0], out[1], err[1]);
	close(in[0]);
	close(out[1]);
	close(err[1]);
	j->in = in[1];
	j->out = out[0];
	j->err = err[0];
	fcntl(j->out, F_SETFL, O_NONBLOCK);
	fcntl(j->err, F_SETFL, O_NONBLOCK);
	snprintf(j->id, sizeof(j->id), "%s", id);
	j->used = 1;
	return 0;
}

/* Passes on what is there; closes at the end of the stream. */
static void job_pump(struct job *j, int *fd, const char *kind)
{
	char buf[LINE_CHUNK];
	ssize_t n;

	while (*fd >= 0) {
		n = read(*fd, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n > 0)
			say(kind, j->id, buf, n);
		else
			close_fd(fd);
	}
}

static void job_ended(struct job *j, int wstatus)
{
	char text[16];

	job_pump(j, &j->out, "out");
	job_pump(j, &j->err, "err");
	snprintf(text, sizeof(text), "%d", WIFSIGNALED(wstatus) ?
		 128 + WTERMSIG(wstatus) : WEXITSTATUS(wstatus));
	close_fd(&j->in);
	close_fd(&j->out);
	close_fd(&j->err);
	j->used = 0;
	say_text("exit", j->id, text);
}

static void reap(void)
{
	int wstatus;
	pid_t pid;

	while ((pid = waitpid(-1, &wstatus, WNOHANG)) > 0)
		for (int i = 0; i < MAX_JOBS; i++)
			if (jobs[i].used && jobs[i].pid == pid)
				job_ended(&jobs[i], wstatus);
}

/* ---- what we are told */

static void told_run(char **w, int n)
{
	static char *argv[LINE_MAX_WORDS + 1];
	struct job *j = job_free_slot();

	for (int i = 2; i < n; i++) {
		line_unescape(w[i]);
		argv[i - 2] = w[i];
	}
	argv[n - 2] = NULL;
	if (job_find(w[1]) || !j || job_start(j, w[1], argv)) {
		say_text("err", w[1], "agent: cannot start a process\n");
		say_text("exit", w[1], "127");
	}
}

static void told_in(char **w)
{
	struct job *j = job_find(w[1]);
	size_t len = line_unescape(w[2]);

	if (j && j->in >= 0 && line_write(j->in, w[2], len))
		close_fd(&j->in);
}

static void told_eof(char **w)
{
	struct job *j = job_find(w[1]);

	if (j)
		close_fd(&j->in);
}

static void told_kill(char **w)
{
	struct job *j = job_find(w[1]);

	if (j)
		kill(-j->pid, atoi(w[2]));
}

static void told(char *line, void *ctx)
{
	static char *w[LINE_MAX_WORDS];
	int n = line_split(line, w, LINE_MAX_WORDS);

	(void)ctx;
	if (n == 2 && !strcmp(w[0], "hello"))
		say_text("hello", w[1], "");
	else if (n >= 3 && !strcmp(w[0], "run"))
		told_run(w, n);
	else if (n == 3 && !strcmp(w[0], "in"))
		told_in(w);
	else if (n == 2 && !strcmp(w[0], "eof"))
		told_eof(w);
	else if (n == 3 && !strcmp(w[0], "kill"))
		told_kill(w);
}

/* ---- the loop */

static int port_has_name(const char *name_file, const char *name)
{
	char text[64] = "";
	FILE *f = fopen(name_file, "r");

	if (!f)
		return 0;
	if (fgets(text, sizeof(text), f))
		text[strcspn(text, "\n")] = '\0';
	fclose(f);
	return !strcmp(text, name);
}

/* The device file of a virtio port by name, without udev's help. */
static int open_by_name(const char *name)
{
	char path[64];
	glob_t g;
	int fd = -1;

	if (glob("/sys/class/virtio-ports/*/name", 0, NULL, &g))
		return -1;
	for (size_t i = 0; i < g.gl_pathc && fd < 0; i++) {
		if (!port_has_name(g.gl_pathv[i], name))
			continue;
		snprintf(path, sizeof(path), "/dev/%s",
			 g.gl_pathv[i] + strlen("/sys/class/virtio-ports/"));
		*strrchr(path, '/') = '\0';
		fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
	}
	globfree(&g);
	return fd;
}

static int open_port(const char *device)
{
	struct termios t;
	int fd = device[0] == '/' ? open(device, O_RDWR | O_CLOEXEC | O_NOCTTY) :
				    open_by_name(device);

	if (fd < 0)
		return -1;
	if (!tcgetattr(fd, &t)) {
		cfmakeraw(&t);
		cfsetspeed(&t, B115200);
		tcsetattr(fd, TCSANOW, &t);
	}
	/* virtio ports tell by SIGIO that a client came or went */
	fcntl(fd, F_SETOWN, getpid());
	fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK);
	return fd;
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGIO);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void read_signals(int fd)
{
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof(info)) == sizeof(info))
		;
}

static ssize_t read_port(void)
{
	char buf[65536];
	ssize_t n = read(port, buf, sizeof(buf));

	if (n > 0)
		line_feed(&reader, buf, n, told, NULL);
	return n;
}

static int list_fds(struct pollfd *p, int sigs, int port_gone)
{
	int n = 2;

	p[0] = (struct pollfd){ .fd = sigs, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = port_gone ? -1 : port, .events = POLLIN };
	for (int i = 0; i < MAX_JOBS; i++) {
		p[n++] = (struct pollfd){ .fd = jobs[i].used ? jobs[i].out : -1, .events = POLLIN };
		p[n++] = (struct pollfd){ .fd = jobs[i].used ? jobs[i].err : -1, .events = POLLIN };
	}
	return n;
}

static void pump_all(const struct pollfd *p)
{
	for (int i = 0; i < MAX_JOBS; i++) {
		if (!jobs[i].used)
			continue;
		if (p[2 * i].revents)
			job_pump(&jobs[i], &jobs[i].out, "out");
		if (p[2 * i + 1].revents)
			job_pump(&jobs[i], &jobs[i].err, "err");
	}
}

static void serve(int sigs)
{
	struct pollfd p[2 + 2 * MAX_JOBS];
	int port_gone = 0;

	for (;;) {
		int n = list_fds(p, sigs, port_gone);

		poll(p, n, port_gone ? 1000 : -1);
		pump_all(p + 2);
		if (p[0].revents)
			read_signals(sigs);
		reap();
		/* A virtio port without a client is readable as well: its end is. */
		if (p[1].revents & POLLIN && read_port() > 0)
			port_gone = 0;
		else
			port_gone = p[1].revents & POLLHUP;
	}
}

int main(int argc, char **argv)
{
	int sigs = open_signals();

	port = argc == 2 ? open_port(argv[1]) : -1;
	if (port < 0 || sigs < 0) {
		fprintf(stderr, "usage: agent DEVICE (%s)\n", strerror(errno));
		return 2;
	}
	serve(sigs);
}
