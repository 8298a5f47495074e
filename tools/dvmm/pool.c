// SPDX-License-Identifier: GPL-2.0
/* The pool of hosts, as this host's dvmmd knows it: hosts, machines, and what becomes of them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "json.h"
#include "place.h"

#define POOL_PATIENCE	20	/* seconds */

/* ---- one question and its answer ---- */

static int pool_connect(const struct options *o)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = o->patience ? o->patience : POOL_PATIENCE };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_snprintf(a.sun_path, sizeof(a.sun_path), "%s/dvmmd.sock", o->state);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&a, sizeof(a)))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static void pool_say(int fd, struct json_object *request)
{
	const char *text = json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN);
	size_t len = strlen(text), at = 0;
	ssize_t done = 0;

	for (; at < len && done >= 0; at += done)
		done = send(fd, text + at, len - at, MSG_NOSIGNAL);
	if (done >= 0)
		send(fd, "\n", 1, MSG_NOSIGNAL);
}

static struct json_object *pool_hear(int fd)
{
	struct json_tokener *t = json_tokener_new();
	struct json_object *answer = NULL;
	char data[4096];
	ssize_t len;

	while (!answer && (len = recv(fd, data, sizeof(data), 0)) > 0)
		answer = json_tokener_parse_ex(t, data, len);
	json_tokener_free(t);
	return answer;
}

/* What it says is freed; NULL and @status after a line on stderr. */
static struct json_object *pool_ask(const struct options *o, struct json_object *request,
				    int *status)
{
	struct json_object *answer;
	int fd = pool_connect(o);

	*status = EXIT_STOPPED;
	if (fd < 0) {
		json_object_put(request);
		verb_fail(0, "dvmmd does not run on this host", "systemctl start dvmmd");
		return NULL;
	}
	pool_say(fd, request);
	json_object_put(request);
	answer = pool_hear(fd);
	close(fd);
	*status = EXIT_SILENT;
	if (!answer)
		verb_fail(0, "dvmmd does not answer", "journalctl -u dvmmd");
	else if (*json_text_of(answer, "error"))
		fprintf(stderr, "dvmm: %s\n", json_text_of(answer, "error"));
	else
		return answer;
	if (answer)
		*status = json_number_of(answer, "status");
	json_object_put(answer);
	return NULL;
}

static struct json_object *pool_request(const char *what)
{
	struct json_object *request = json_object_new_object();

	json_text(request, "do", what);
	return request;
}

/* ---- what there is ---- */

/* From the host that is asked, in microseconds; "-": it has not measured it */
static const char *trip_to(struct json_object *answer, struct json_object *host)
{
	struct json_object *hosts = json_list_of(answer, "hosts"), *trips;
	size_t i;

	for (i = 0; i < json_object_array_length(hosts); i++) {
		struct json_object *one = json_object_array_get_idx(hosts, i);

		if (!strcmp(json_text_of(one, "name"), json_text_of(answer, "host")) &&
		    json_object_object_get_ex(one, "round_trips", &trips) &&
		    json_number_of(trips, json_text_of(host, "name")))
			return json_text_of(trips, json_text_of(host, "name"));
	}
	return "-";
}

static void print_host(struct json_object *answer, struct json_object *host)
{
	struct json_object *pressure;
	unsigned int load = json_object_object_get_ex(host, "pressure", &pressure) ?
			    json_number_of(pressure, "cpu") : 0;

	printf("%-16s %-8s %5u %9.1f %9.1f %5u.%02u %8s  %s\n", json_text_of(host, "name"),
	       json_text_of(host, "state"), (unsigned int)json_number_of(host, "cpus"),
	       json_number_of(host, "memory") / 1073741824.0,
	       json_number_of(host, "memory_free") / 1073741824.0, load / 100, load % 100,
	       trip_to(answer, host), json_text_of(host, "kernel"));
	if (*json_text_of(host, "unfenced"))
		printf("  not fenced: %s\n", json_text_of(host, "unfenced"));
}

static void print_cells(struct json_object *machine)
{
	struct json_object *cells = json_list_of(machine, "cells");
	size_t i, n = cells ? json_object_array_length(cells) : 0;

	for (i = 0; i < n; i++) {
		struct json_object *cell = json_object_array_get_idx(cells, i);

		printf("  %s: %u CPUs, %.0f MiB, %s", json_text_of(cell, "node"),
		       (unsigned int)json_number_of(cell, "cpus"),
		       json_number_of(cell, "memory") / 1048576.0, json_text_of(cell, "state"));
		if (*json_text_of(cell, "host_name"))
			printf(" on %s", json_text_of(cell, "host_name"));
		putchar('\n');
	}
}

static void print_pool_machine(struct json_object *answer, struct json_object *machine)
{
	const char *reason = json_text_of(machine, "reason");

	(void)answer;
	printf("%s: %s%s%s\n", json_text_of(machine, "name"), json_text_of(machine, "state"),
	       *reason ? ": " : "", reason);
	print_cells(machine);
}

static int pool_show(const struct options *o, const char *what,
		     void (*print)(struct json_object *answer, struct json_object *one))
{
	int status;
	struct json_object *answer = pool_ask(o, pool_request(what), &status), *list;
	size_t i;

	if (!answer)
		return status;
	if (o->json) {
		json_print(answer);
		return 0;
	}
	list = json_list_of(answer, what);
	if (print == print_host)
		printf("%-16s %-8s %5s %9s %9s %8s %8s  %s\n", "HOST", "STATE", "CPUS", "GiB",
		       "FREE", "WAITING%", "TRIP us", "KERNEL");
	for (i = 0; list && i < json_object_array_length(list); i++)
		print(answer, json_object_array_get_idx(list, i));
	if (*json_text_of(answer, "closed"))
		printf("the pool decides nothing: %s\n", json_text_of(answer, "closed"));
	json_object_put(answer);
	return 0;
}

int verb_hosts(const struct options *o, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return pool_show(o, "hosts", print_host);
}

int verb_machines(const struct options *o, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return pool_show(o, "machines", print_pool_machine);
}

/* ---- what is asked for ---- */

static int pool_do(const struct options *o, struct json_object *request)
{
	int status;
	struct json_object *answer = pool_ask(o, request, &status);

	if (!answer)
		return status;
	json_object_put(answer);
	return 0;
}

static struct json_object *pool_cells(const struct file *f)
{
	struct json_object *cells = json_object_new_array(), *cell;
	unsigned int i;

	for (i = 0; i < f->nodes->len; i++) {
		cell = json_object_new_object();
		json_text(cell, "node", file_node(f, i)->name);
		json_number(cell, "cpus", file_node(f, i)->cpus);
		json_number(cell, "memory", file_node(f, i)->memory);
		json_object_array_add(cells, cell);
	}
	return cells;
}

int verb_define(const struct options *o, int argc, char **argv)
{
	struct json_object *request = pool_request("define"), *machine = json_object_new_object();
	struct file *f = machine_file(o, argv[1]);
	char *text;

	(void)argc;
	if (!f)
		return EXIT_FILE;
	text = file_text(f, FILE_LOCAL | FILE_TOOL);
	json_text(machine, "name", f->name);
	json_text(machine, "uuid", f->uuid);
	json_text(machine, "text", text);
	json_object_object_add(machine, "cells", pool_cells(f));
	json_object_object_add(request, "machine", machine);
	g_free(text);
	file_free(f);
	return pool_do(o, request);
}

/* It is read on another host. */
static void pool_path(struct json_object *request, const char *key, const char *path)
{
	char *whole = path ? g_canonicalize_filename(path, NULL) : NULL;

	if (whole)
		json_text(request, key, whole);
	g_free(whole);
}

/* What takes only a name: undefine, start, stop, fenced. */
int verb_named(const struct options *o, int argc, char **argv)
{
	struct json_object *request;

	(void)argc;
	if (o->every > 0 && !o->restart)
		return verb_fail(EXIT_USAGE, "--every", "name where the checkpoints are to be: "
				 "--restart NAME");
	request = pool_request(argv[0]);
	json_text(request, "name", argv[1]);
	json_number(request, "every", o->every);
	pool_path(request, "from", o->from);
	pool_path(request, "restart", o->restart);
	return pool_do(o, request);
}
