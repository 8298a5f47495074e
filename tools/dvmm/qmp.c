// SPDX-License-Identifier: GPL-2.0
/* Commands to QEMU, one a connection. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "json.h"
#include "qmp.h"

#define ANSWER_SECONDS	60

int qmp_connect(const struct place *p, const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char *path = place_path(p, name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), error = 0;

	if (g_strlcpy(a.sun_path, path, sizeof(a.sun_path)) >= sizeof(a.sun_path))
		error = ENAMETOOLONG;
	else if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		error = errno;
	g_free(path);
	if (!error)
		return fd;
	if (fd >= 0)
		close(fd);
	errno = error;
	return -1;
}

int qmp_process(const struct place *p)
{
	struct ucred who = { 0 };
	socklen_t size = sizeof(who);
	int fd = qmp_connect(p, "qmp");

	if (fd < 0)
		return 0;
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size);
	close(fd);
	return who.pid;
}

/*
 * Whether there is something to read in the time left.  A signal that is caught changes nothing:
 * QEMU has the command.
 */
static bool qmp_await(int fd, gint64 deadline)
{
	struct pollfd in = { .fd = fd, .events = POLLIN };
	gint64 left;
	int n;

	do {
		left = (deadline - g_get_monotonic_time()) / 1000;
		n = left < 0 ? 0 : poll(&in, 1, left);
	} while (n < 0 && errno == EINTR);
	return n == 1;
}

/* The next line within the time left; false if there is none */
static bool read_line(int fd, GString *line, gint64 deadline)
{
	char c;

	for (g_string_truncate(line, 0);;) {
		if (!qmp_await(fd, deadline) || read(fd, &c, 1) != 1)
			return false;
		if (c == '\n')
			return true;
		g_string_append_c(line, c);
	}
}

/* 0, 1 after a line on stderr, or -1 if the line is no answer */
static int judge(const char *text, const char *command, struct json_object **answer)
{
	struct json_object *o = json_tokener_parse(text), *error, *why;
	int ret = -1;

	if (o && json_object_object_get_ex(o, "return", answer)) {
		json_object_get(*answer);
		ret = 0;
	} else if (o && json_object_object_get_ex(o, "error", &error)) {
		json_object_object_get_ex(error, "desc", &why);
		fprintf(stderr, "dvmm: QEMU refuses %s: %s: see dvmm status\n", command,
			json_object_get_string(why));
		ret = EXIT_FAILED;
	}
	json_object_put(o);
	return ret;
}

/* Events come between answers and are passed over. */
static int ask(int fd, const char *command, struct json_object *arguments,
	       struct json_object **answer, gint64 deadline)
{
	const char *given = arguments ? json_object_to_json_string(arguments) : "{}";
	char *text = g_strdup_printf("{\"execute\": \"%s\", \"arguments\": %s}\n", command, given);
	GString *line = g_string_new(NULL);
	int ret = EXIT_SILENT;

	if (send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text))
		while (read_line(fd, line, deadline)) {
			ret = judge(line->str, command, answer);
			if (ret >= 0)
				break;
			ret = EXIT_SILENT;
		}
	g_string_free(line, TRUE);
	g_free(text);
	return ret;
}

int qmp_call(const struct place *p, const char *command, struct json_object *arguments,
	     struct json_object **answer, double seconds)
{
	gint64 deadline = g_get_monotonic_time() + seconds * 1000000;
	int fd = qmp_connect(p, "qmp"), ret;
	struct json_object *none = NULL;

	*answer = NULL;
	if (fd < 0) {
		fprintf(stderr, "dvmm: %s/qmp: %s: is it running?  dvmm up\n", p->dir,
			strerror(errno));
		return EXIT_STOPPED;
	}
	ret = ask(fd, "qmp_capabilities", NULL, &none, deadline);
	json_object_put(none);
	if (!ret)
		ret = ask(fd, command, arguments, answer, deadline);
	if (ret == EXIT_SILENT)
		fprintf(stderr, "dvmm: %s/qmp: QEMU does not answer: wait longer with -t SECONDS\n",
			p->dir);
	close(fd);
	return ret;
}

int qmp_command(const struct place *p, const char *command, double seconds)
{
	struct json_object *answer;
	int ret = qmp_call(p, command, NULL, &answer, seconds);

	json_object_put(answer);
	return ret;
}

int qmp_set_capability(const struct place *p, const char *name, bool on)
{
	struct json_object *arguments = json_object_new_object(), *answer;
	struct json_object *list = json_object_new_array(), *o = json_object_new_object();
	int ret;

	json_text(o, "capability", name);
	json_object_object_add(o, "state", json_object_new_boolean(on));
	json_object_array_add(list, o);
	json_object_object_add(arguments, "capabilities", list);
	ret = qmp_call(p, "migrate-set-capabilities", arguments, &answer, ANSWER_SECONDS);
	json_object_put(answer);
	json_object_put(arguments);
	return ret;
}
