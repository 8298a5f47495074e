// SPDX-License-Identifier: GPL-2.0
/* Calls of programs on this host. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib-unix.h>

#include "../dvmm/json.h"
#include "door.h"

#define DOOR_CALLS_MAX	64
#define DOOR_TEXT_MAX	(1 << 20)
#define DOOR_PATIENCE	30	/* seconds for a caller to say and hear all */

/**
 * struct door - the socket
 * @lock: held as long as the daemon lives
 * @calls: under way
 */
struct door {
	char *path;
	int fd, lock;
	unsigned int watch;
	door_take *take;
	void *arg;
	unsigned int calls;
};

/**
 * struct door_call - one caller
 * @text: what it has said; then what it still has to hear
 * @asked: the request is with the daemon, which will answer
 */
struct door_call {
	struct door *door;
	int fd;
	unsigned int watch, timer;
	GString *text;
	bool asked;
	bool may_change;
};

static void call_end(struct door_call *call)
{
	if (call->watch)
		g_source_remove(call->watch);
	if (call->timer)
		g_source_remove(call->timer);
	close(call->fd);
	call->door->calls--;
	g_string_free(call->text, TRUE);
	g_free(call);
}

/* ---- the answer ---- */

static gboolean on_room(gint fd, GIOCondition condition, gpointer arg)
{
	struct door_call *call = arg;
	ssize_t len = send(fd, call->text->str, call->text->len, MSG_NOSIGNAL | MSG_DONTWAIT);

	(void)condition;
	if (len > 0)
		g_string_erase(call->text, 0, len);
	if (call->text->len && (len > 0 || errno == EAGAIN))
		return G_SOURCE_CONTINUE;
	call->watch = 0;
	call_end(call);
	return G_SOURCE_REMOVE;
}

static gboolean on_late(gpointer arg)
{
	struct door_call *call = arg;

	call->timer = 0;
	/* The daemon answers what it was asked; the others have had time enough. */
	if (!call->asked)
		call_end(call);
	return G_SOURCE_REMOVE;
}

void door_answer(struct door_call *call, struct json_object *answer)
{
	json_number(answer, "v", 1);
	g_string_assign(call->text, json_object_to_json_string_ext(answer,
								   JSON_C_TO_STRING_PLAIN));
	g_string_append_c(call->text, '\n');
	json_object_put(answer);
	call->asked = false;
	if (call->timer)
		g_source_remove(call->timer);
	call->timer = g_timeout_add_seconds(DOOR_PATIENCE, on_late, call);
	call->watch = g_unix_fd_add(call->fd, G_IO_OUT | G_IO_HUP, on_room, call);
}

void door_refuse(struct door_call *call, int status, char *line)
{
	struct json_object *answer = json_object_new_object();

	json_number(answer, "status", status);
	json_text(answer, "error", line);
	g_free(line);
	door_answer(call, answer);
}

/* ---- the request ---- */

static void call_take(struct door_call *call)
{
	struct json_tokener *t = json_tokener_new();
	struct json_object *request = json_tokener_parse_ex(t, call->text->str, call->text->len);

	call->asked = true;
	if (request && json_object_is_type(request, json_type_object))
		call->door->take(call->door->arg, call, request, call->may_change);
	else
		door_refuse(call, 2, g_strdup("that is no request: use the dvmm of this version"));
	json_object_put(request);
	json_tokener_free(t);
}

static gboolean on_data(gint fd, GIOCondition condition, gpointer arg)
{
	struct door_call *call = arg;
	char data[4096];
	ssize_t len = recv(fd, data, sizeof(data), MSG_DONTWAIT);

	(void)condition;
	if (len < 0 && errno == EAGAIN)
		return G_SOURCE_CONTINUE;
	if (len > 0)
		g_string_append_len(call->text, data, len);
	if (len > 0 && data[len - 1] != '\n' && call->text->len < DOOR_TEXT_MAX)
		return G_SOURCE_CONTINUE;
	call->watch = 0;
	if (len > 0)
		call_take(call);
	else
		call_end(call);
	return G_SOURCE_REMOVE;
}

static bool call_may_change(int fd)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) &&
	       (!who.uid || who.uid == geteuid());
}

static gboolean on_caller(gint fd, GIOCondition condition, gpointer arg)
{
	struct door *door = arg;
	struct door_call *call;
	int its = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)condition;
	if (its >= 0 && door->calls >= DOOR_CALLS_MAX) {
		close(its);
	} else if (its >= 0) {
		call = g_new0(struct door_call, 1);
		call->door = door;
		call->fd = its;
		call->text = g_string_new(NULL);
		call->may_change = call_may_change(its);
		call->watch = g_unix_fd_add(its, G_IO_IN | G_IO_HUP, on_data, call);
		call->timer = g_timeout_add_seconds(DOOR_PATIENCE, on_late, call);
		door->calls++;
	}
	return G_SOURCE_CONTINUE;
}

/* ---- the socket ---- */

static int door_lock(const char *path)
{
	char *name = g_strconcat(path, ".lock", NULL);
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	g_free(name);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int door_listen(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(a.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(a.sun_path, path);
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && !bind(fd, (struct sockaddr *)&a, sizeof(a)) && !chmod(path, 0666) &&
	    !listen(fd, DOOR_CALLS_MAX))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

struct door *door_open(const char *path, door_take *take, void *arg, char **why)
{
	char *dir = g_path_get_dirname(path);
	bool ok = !g_mkdir_with_parents(dir, 0755);
	struct door *door = g_new0(struct door, 1);

	g_free(dir);
	door->path = g_strdup(path);
	door->take = take;
	door->arg = arg;
	door->lock = ok ? door_lock(path) : -1;
	if (ok && door->lock < 0 && errno == EWOULDBLOCK)
		*why = g_strdup_printf("%s: a dvmmd runs already: systemctl status dvmmd", path);
	door->fd = door->lock < 0 ? -1 : door_listen(path);
	if (door->fd >= 0) {
		door->watch = g_unix_fd_add(door->fd, G_IO_IN, on_caller, door);
		return door;
	}
	if (!*why)
		*why = g_strdup_printf("%s: %s: run as root, or give --state", path,
				       strerror(errno));
	g_free(door->path);
	g_free(door);
	return NULL;
}

void door_close(struct door *door)
{
	g_source_remove(door->watch);
	unlink(door->path);
	close(door->fd);
	close(door->lock);
	g_free(door->path);
	g_free(door);
}
