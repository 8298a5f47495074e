// SPDX-License-Identifier: GPL-2.0
/*
 * What dvmmd uses of systemd, for a host that is a namespace: transient units over D-Bus, without a
 * bus between. Units live as long as this program, whatever becomes of the dvmmd.
 *
 * systemd SOCKET
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#define MANAGER	"org.freedesktop.systemd1.Manager"
#define ERROR	"org.freedesktop.systemd1."

struct unit {
	char *name, *path, *description, **argv;
	GPtrArray *then;	/* words of commands for when it runs */
	const char *state;
	pid_t pid;
};

static GPtrArray *units;
static sd_event *event;

static void unit_free(void *arg)
{
	struct unit *u = arg;

	g_free(u->name);
	free(u->path);
	g_free(u->description);
	g_strfreev(u->argv);
	g_ptr_array_unref(u->then);
	g_free(u);
}

static struct unit *find(const char *name, const char *path)
{
	unsigned int i;

	for (i = 0; i < units->len; i++) {
		struct unit *u = g_ptr_array_index(units, i);

		if ((name && !strcmp(u->name, name)) || (path && !strcmp(u->path, path)))
			return u;
	}
	return NULL;
}

/* What has ended well is forgotten, what has failed is kept. */
static int on_end(sd_event_source *source, const siginfo_t *info, void *arg)
{
	struct unit *u = arg;

	sd_event_source_unref(source);
	u->pid = 0;
	if (info->si_status && !(info->si_code == CLD_KILLED && info->si_status == SIGTERM))
		u->state = "failed";
	else
		g_ptr_array_remove(units, u);
	return 0;
}

static int unit_run(struct unit *u)
{
	sd_event_source *source;
	sigset_t none;

	u->state = "active";
	u->pid = fork();
	if (u->pid)
		return sd_event_add_child(event, &source, u->pid, WEXITED, on_end, u);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* The power goes off for all at once. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execv(u->argv[0], u->argv);
	_exit(203);
}

static void unit_then(void *argv, void *arg)
{
	(void)arg;
	g_spawn_sync(NULL, argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, NULL, NULL, NULL);
}

/* ---- methods ---- */

static int read_command(sd_bus_message *m, char ***argv)
{
	const char *path;
	int r = sd_bus_message_enter_container(m, 'r', "sasb");

	if (r <= 0)
		return r;
	r = sd_bus_message_read(m, "s", &path);
	r = r < 0 ? r : sd_bus_message_read_strv(m, argv);
	r = r < 0 ? r : sd_bus_message_skip(m, "b");
	r = r < 0 ? r : sd_bus_message_exit_container(m);
	return r < 0 ? r : 1;
}

static int read_exec(sd_bus_message *m, GPtrArray *commands)
{
	char **argv = NULL;
	int r = sd_bus_message_enter_container(m, 'v', "a(sasb)");

	r = r < 0 ? r : sd_bus_message_enter_container(m, 'a', "(sasb)");
	while (r >= 0 && (r = read_command(m, &argv)) > 0)
		g_ptr_array_add(commands, g_steal_pointer(&argv));
	r = r < 0 ? r : sd_bus_message_exit_container(m);
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_start(sd_bus_message *m, struct unit *u)
{
	GPtrArray *commands = g_ptr_array_new();
	int r = read_exec(m, commands);

	if (r >= 0)
		u->argv = commands->len == 1 ? g_ptr_array_index(commands, 0) : NULL;
	g_ptr_array_unref(commands);
	return r < 0 || u->argv ? r : -EINVAL;
}

static int read_properties(sd_bus_message *m, struct unit *u)
{
	const char *key, *value;
	int r = sd_bus_message_enter_container(m, 'a', "(sv)");

	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'r', "sv")) > 0) {
		r = sd_bus_message_read(m, "s", &key);
		if (r >= 0 && !strcmp(key, "Description")) {
			r = sd_bus_message_read(m, "v", "s", &value);
			u->description = g_strdup(r < 0 ? "" : value);
		} else if (r >= 0 && !strcmp(key, "ExecStart")) {
			r = read_start(m, u);
		} else if (r >= 0 && !strcmp(key, "ExecStartPost")) {
			r = read_exec(m, u->then);
		} else if (r >= 0) {
			r = sd_bus_message_skip(m, "v");
		}
		r = r < 0 ? r : sd_bus_message_exit_container(m);
	}
	return r;
}

static int start(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	const char *name, *mode;
	struct unit *u;
	int r = sd_bus_message_read(m, "ss", &name, &mode);

	(void)arg;
	if (r >= 0 && find(name, NULL))
		return sd_bus_error_setf(error, ERROR "UnitExists", "Unit %s was already loaded.",
					 name);
	u = g_new0(struct unit, 1);
	u->name = g_strdup(name);
	u->then = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
	sd_bus_path_encode("/org/freedesktop/systemd1/unit", name, &u->path);
	r = r < 0 ? r : read_properties(m, u);
	r = r < 0 ? r : unit_run(u);
	if (r >= 0)
		g_ptr_array_foreach(u->then, unit_then, NULL);
	if (r < 0) {
		unit_free(u);
		return r;
	}
	g_ptr_array_add(units, u);
	return sd_bus_reply_method_return(m, "o", "/org/freedesktop/systemd1/job/1");
}

static int stop(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	const char *name, *mode;
	int r = sd_bus_message_read(m, "ss", &name, &mode);
	struct unit *u = r < 0 ? NULL : find(name, NULL);

	(void)arg;
	if (!u)
		return sd_bus_error_setf(error, ERROR "NoSuchUnit", "Unit %s not loaded.", name);
	if (u->pid)
		kill(u->pid, SIGTERM);
	return sd_bus_reply_method_return(m, "o", "/org/freedesktop/systemd1/job/1");
}

static int reset(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	const char *name;
	int r = sd_bus_message_read(m, "s", &name);
	struct unit *u = r < 0 ? NULL : find(name, NULL);

	(void)arg;
	(void)error;
	if (u && !u->pid)
		g_ptr_array_remove(units, u);
	return sd_bus_reply_method_return(m, NULL);
}

static int list(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	sd_bus_message *reply;
	unsigned int i;
	int r = sd_bus_message_new_method_return(m, &reply);

	(void)arg;
	(void)error;
	r = r < 0 ? r : sd_bus_message_open_container(reply, 'a', "(ssssssouso)");
	for (i = 0; r >= 0 && i < units->len; i++) {
		struct unit *u = g_ptr_array_index(units, i);

		r = sd_bus_message_append(reply, "(ssssssouso)", u->name, u->description, "loaded",
					  u->state, "running", "", u->path, 0, "", "/");
	}
	r = r < 0 ? r : sd_bus_message_close_container(reply);
	r = r < 0 ? r : sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return r < 0 ? r : 1;
}

/* As systemd does: there is no unit that one cannot ask for. */
static int get(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	const struct unit *u = find(NULL, sd_bus_message_get_path(m));
	const char *interface, *property;
	int r = sd_bus_message_read(m, "ss", &interface, &property);

	(void)arg;
	if (r < 0)
		return r;
	if (!strcmp(property, "ActiveState"))
		return sd_bus_reply_method_return(m, "v", "s", u ? u->state : "inactive");
	if (!strcmp(property, "Result"))
		return sd_bus_reply_method_return(m, "v", "s", u && *u->state == 'f' ?
						  "exit-code" : "success");
	return sd_bus_error_setf(error, SD_BUS_ERROR_UNKNOWN_PROPERTY, "%s", property);
}

static int hello(sd_bus_message *m)
{
	return sd_bus_reply_method_return(m, "s", ":1.1");
}

static int on_call(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	if (sd_bus_message_is_method_call(m, "org.freedesktop.DBus", "Hello"))
		return hello(m);
	if (sd_bus_message_is_method_call(m, MANAGER, "StartTransientUnit"))
		return start(m, arg, error);
	if (sd_bus_message_is_method_call(m, MANAGER, "StopUnit"))
		return stop(m, arg, error);
	if (sd_bus_message_is_method_call(m, MANAGER, "ResetFailedUnit"))
		return reset(m, arg, error);
	if (sd_bus_message_is_method_call(m, MANAGER, "ListUnitsByPatterns"))
		return list(m, arg, error);
	if (sd_bus_message_is_method_call(m, "org.freedesktop.DBus.Properties", "Get"))
		return get(m, arg, error);
	return 0;
}

/* ---- callers ---- */

static int on_caller(sd_event_source *source, int fd, uint32_t what, void *arg)
{
	int its = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	sd_bus *bus = NULL;
	sd_id128_t id;

	(void)source;
	(void)what;
	(void)arg;
	sd_id128_randomize(&id);
	if (its < 0 || sd_bus_new(&bus) < 0 || sd_bus_set_fd(bus, its, its) < 0 ||
	    sd_bus_set_server(bus, 1, id) < 0 || sd_bus_set_anonymous(bus, 1) < 0 ||
	    sd_bus_add_filter(bus, NULL, on_call, NULL) < 0 || sd_bus_start(bus) < 0 ||
	    sd_bus_attach_event(bus, event, 0) < 0)
		fprintf(stderr, "systemd: a caller is lost\n");
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	sigset_t children;

	if (argc != 2 || strlen(argv[1]) >= sizeof(a.sun_path))
		return 2;
	strcpy(a.sun_path, argv[1]);
	unlink(argv[1]);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 8))
		return 1;
	units = g_ptr_array_new_with_free_func(unit_free);
	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	sigprocmask(SIG_BLOCK, &children, NULL);
	if (sd_event_default(&event) < 0 ||
	    sd_event_add_io(event, NULL, fd, EPOLLIN, on_caller, NULL) < 0)
		return 1;
	return sd_event_loop(event) < 0;
}
