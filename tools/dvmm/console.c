// SPDX-License-Identifier: GPL-2.0
/* dvmm console: the guest's serial line on this terminal. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "qmp.h"
#include "remote.h"

#define LEAVE	0x1d	/* Ctrl-], as telnet has it */

/* Return: false at the end of @from, or where the reader wants to leave */
static bool copy(int from, int to, bool leaves)
{
	char data[1024], *end;
	ssize_t len = read(from, data, sizeof(data)), done = 0, n;

	if (len <= 0)
		return false;
	end = leaves ? memchr(data, LEAVE, len) : NULL;
	if (end)
		len = end - data;
	for (; done < len; done += n) {
		n = write(to, data + done, len - done);
		if (n <= 0)
			return false;
	}
	return !end;
}

/* Input that is no terminal may end before what there is to be seen. */
static void talk(int fd, bool terminal, double seconds)
{
	gint64 deadline = g_get_monotonic_time() + seconds * 1000000;
	struct pollfd p[] = {
		{ .fd = fd, .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN },
	};
	int left = -1;

	for (;;) {
		if (seconds > 0)
			left = (deadline - g_get_monotonic_time()) / 1000;
		if ((seconds > 0 && left <= 0) || (poll(p, 2, left) < 0 && errno != EINTR))
			return;
		if (p[0].revents && !copy(fd, STDOUT_FILENO, false))
			return;
		if (p[1].revents && !copy(STDIN_FILENO, fd, terminal)) {
			if (terminal)
				return;
			p[1].fd = -1;
		}
	}
}

static int console(const struct options *o, const struct place *p)
{
	struct termios before, raw;
	bool terminal = !tcgetattr(STDIN_FILENO, &before);
	int fd = qmp_connect(p, "console");

	if (fd < 0) {
		fprintf(stderr, "dvmm: %s/console: %s: is it running?  dvmm up\n", p->dir,
			strerror(errno));
		return EXIT_STOPPED;
	}
	if (terminal) {
		fprintf(stderr, "Ctrl-] leaves\n");
		raw = before;
		cfmakeraw(&raw);
		tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	}
	talk(fd, terminal, o->patience);
	if (terminal)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
	close(fd);
	return 0;
}

int verb_console(const struct options *o, int argc, char **argv)
{
	struct file *f = machine_file(o, argv[1]);
	char *patience = g_strdup_printf("%g", o->patience);
	const char *words[] = { "console", argv[1], "--here", o->patience > 0 ? "-t" : NULL,
				patience, NULL };
	struct place p;
	int ret;

	(void)argc;
	if (!f)
		return EXIT_FILE;
	place_make(&p, o, f, 0);
	if (place_is_served(o, f, &p))
		ret = console(o, &p);
	else
		ret = remote_forward(o, f, 0, words, isatty(STDIN_FILENO));
	place_free(&p);
	file_free(f);
	g_free(patience);
	return ret;
}
