// SPDX-License-Identifier: GPL-2.0
/*
 * qmp: sends commands to a QEMU management socket and prints the answers; with
 * -e EVENT it then waits for that event. Status 1 if QEMU refused a command,
 * 124 if the bound passed.
 *
 * usage: qmp [-t SECONDS] [-e EVENT] UNIX-SOCKET [JSON...]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static FILE *answers;
static int fd;

static int dial(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		return -1;
	answers = fdopen(fd, "r");
	return answers ? 0 : -1;
}

/* The next line that starts with {"@what"; NULL at the end of the stream. */
static char *next(const char *what, const char *or_what)
{
	static char *line;
	static size_t size;

	while (getline(&line, &size, answers) > 0) {
		if (!strncmp(line, what, strlen(what)) ||
		    (or_what && !strncmp(line, or_what, strlen(or_what))))
			return line;
	}
	return NULL;
}

static int command(const char *json, int show)
{
	char *line;

	dprintf(fd, "%s\n", json);
	line = next("{\"return\"", "{\"error\"");
	if (!line)
		return 1;
	if (show || line[2] == 'e')
		fputs(line, stdout);
	return line[2] == 'e';
}

static int wait_event(const char *name)
{
	char *line, quoted[128];

	snprintf(quoted, sizeof(quoted), "\"event\": \"%s\"", name);
	while ((line = next("{\"timestamp\"", NULL))) {
		if (strstr(line, quoted)) {
			fputs(line, stdout);
			return 0;
		}
	}
	return 1;
}

static void too_late(int signal)
{
	(void)signal;
	_exit(124);
}

int main(int argc, char **argv)
{
	const char *event = NULL;
	int bound = 30, bad = 0, c;

	while ((c = getopt(argc, argv, "+t:e:")) != -1) {
		if (c == 't')
			bound = atoi(optarg);
		else if (c == 'e')
			event = optarg;
		else
			return 2;
	}
	signal(SIGALRM, too_late);
	alarm(bound);
	if (optind == argc || dial(argv[optind])) {
		fprintf(stderr, "qmp: %s\n", optind == argc ? "no socket" : strerror(errno));
		return 125;
	}
	if (!next("{\"QMP\"", NULL) || command("{\"execute\": \"qmp_capabilities\"}", 0))
		return 125;
	for (int i = optind + 1; i < argc; i++)
		bad |= command(argv[i], 1);
	return bad ? 1 : event ? wait_event(event) : 0;
}
