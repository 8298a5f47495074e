// SPDX-License-Identifier: GPL-2.0
/* systemd over D-Bus: StartTransientUnit, StopUnit, and what has become of units. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib-unix.h>
#include <systemd/sd-bus.h>

#include "service.h"

#define SYSTEMD		"org.freedesktop.systemd1"
#define SYSTEMD_PATH	"/org/freedesktop/systemd1"
#define MANAGER		SYSTEMD ".Manager"

/* Also how a later dvmmd knows its units. */
#define SERVICE_FORMAT	"dvmm machine %s node %s run %u cell %u"
#define SERVICE_SCAN	"dvmm machine %63s node %63s run %u cell %u"
#define SERVICE_LOOK_MS	1000
#define SERVICE_CALL_US	(5 * 1000000ull)
#define SERVICE_STOP_US	(30 * 1000000ull)
#define SERVICE_SILENT	5

/**
 * struct service - a unit that is looked at until it has ended
 * @asked: how it is
 * @inactive: looks that have found it so
 * @ends: it is to
 * @stop: the call that ends it, NULL: it was not made, or got lost
 * @doubt: why it may not have begun, NULL: there is none
 */
struct service {
	struct services *all;
	char *machine;
	char *node;
	char *name;
	char *path;
	bool asked;
	bool active;
	unsigned int inactive;
	bool ends;
	sd_bus_slot *stop;
	char *doubt;
};

/**
 * struct services - all of them
 * @asked: what an earlier dvmmd has left; @known: that is among them
 * @looks: at them, so far
 */
struct services {
	const struct service_ops *ops;
	void *arg;
	sd_bus *bus;
	unsigned int watch, look;
	bool asked;
	bool known;
	unsigned int looks;
	GPtrArray *list;
};

/* ---- names ---- */

/* As systemd-escape(1) does with what is not in names here. */
static void name_append(GString *s, const char *part)
{
	for (; *part; part++)
		if (*part == '-')
			g_string_append(s, "\\x2d");
		else
			g_string_append_c(s, *part);
}

char *service_name(const char *machine, const char *node)
{
	GString *s = g_string_new("dvmm-");

	name_append(s, machine);
	g_string_append_c(s, '-');
	name_append(s, node);
	g_string_append(s, ".service");
	return g_string_free(s, FALSE);
}

static void service_free(void *arg)
{
	struct service *s = arg;

	g_free(s->machine);
	g_free(s->node);
	g_free(s->name);
	g_free(s->doubt);
	free(s->path);
	sd_bus_slot_unref(s->stop);
	g_free(s);
}

static struct service *service_add(struct services *all, const char *machine, const char *node)
{
	struct service *s = g_new0(struct service, 1);

	s->all = all;
	s->machine = g_strdup(machine);
	s->node = g_strdup(node);
	s->name = service_name(machine, node);
	sd_bus_path_encode(SYSTEMD_PATH "/unit", s->name, &s->path);
	g_ptr_array_add(all->list, s);
	return s;
}

/* ---- how it is ---- */

static void service_end(struct service *s, const char *reason)
{
	struct services *all = s->all;

	g_ptr_array_remove_fast(all->list, s);
	all->ops->ended(all->arg, s->machine, s->node, reason);
	service_free(s);
}

/* All properties of a service are too much work for systemd to ask for them again and again. */
static int service_ask(struct service *s, const char *interface, const char *property,
		       sd_bus_message_handler_t heard)
{
	return sd_bus_call_method_async(s->all->bus, NULL, SYSTEMD, s->path,
					"org.freedesktop.DBus.Properties", "Get", heard, s, "ss",
					interface, property);
}

/* An answer that does not come in time says nothing of the unit: the next look asks again. */
static int on_result(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	const char *result = "unknown";
	struct service *s = arg;
	char *reason;

	(void)error;
	s->asked = false;
	if (sd_bus_message_is_method_error(m, NULL))
		return 0;
	sd_bus_message_read(m, "v", "s", &result);
	reason = g_strdup_printf("%s has failed: %s", s->name, result);
	service_end(s, reason);
	g_free(reason);
	return 0;
}

static void service_be(struct service *s, const char *state)
{
	if (!strcmp(state, "active") && !s->active) {
		s->active = true;
		s->all->ops->active(s->all->arg, s->machine, s->node);
	} else if (!strcmp(state, "failed")) {
		s->asked = service_ask(s, SYSTEMD ".Service", "Result", on_result) >= 0;
	} else if (!strcmp(state, "inactive") && ++s->inactive > 1) {
		/* At the first look it may not have begun yet. */
		service_end(s, !s->active && s->doubt ? s->doubt : "");
	}
}

static int on_state(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	struct service *s = arg;
	const char *state;

	(void)error;
	s->asked = false;
	/* systemd has an answer for any name: an error is one of the way to it. */
	if (!sd_bus_message_is_method_error(m, NULL) &&
	    sd_bus_message_read(m, "v", "s", &state) >= 0)
		service_be(s, state);
	return 0;
}

static int services_ask_list(struct services *all);
static void service_ask_stop(struct service *s);

/* Never waits: a host's other work, and that of the pool, goes on while systemd does not answer. */
static gboolean services_process(struct services *all)
{
	int r;

	do {
		r = sd_bus_process(all->bus, NULL);
	} while (r > 0);
	if (r >= 0)
		return G_SOURCE_CONTINUE;
	/* The next dvmmd finds what runs. */
	fprintf(stderr, "dvmmd: the connection to systemd is lost: systemctl restart dvmmd\n");
	exit(EXIT_FAILURE);
}

static gboolean on_look(gpointer arg)
{
	struct services *all = arg;
	unsigned int i;

	if (!all->known && ++all->looks == SERVICE_SILENT)
		fprintf(stderr, "dvmmd: systemd does not answer: what runs here is not known\n");
	if (!all->asked)
		services_ask_list(all);
	for (i = 0; i < all->list->len; i++) {
		struct service *s = g_ptr_array_index(all->list, i);

		if (s->ends && !s->stop)
			service_ask_stop(s);
		if (s->asked)
			continue;
		s->asked = service_ask(s, SYSTEMD ".Unit", "ActiveState", on_state) >= 0;
	}
	return services_process(all);
}

/* ---- start and stop ---- */

/* Whether it is the way to systemd that has failed, so that nobody knows what became of the call */
static bool service_is_in_doubt(sd_bus_message *m)
{
	return sd_bus_message_is_method_error(m, SD_BUS_ERROR_NO_REPLY) ||
	       sd_bus_message_is_method_error(m, SD_BUS_ERROR_TIMEOUT) ||
	       sd_bus_message_is_method_error(m, SD_BUS_ERROR_DISCONNECTED);
}

static int on_started(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	struct service *s = arg;

	(void)error;
	s->asked = false;
	if (!sd_bus_message_is_method_error(m, NULL))
		return 0;
	s->doubt = g_strdup_printf("systemd does not start %s: %s", s->name,
				   sd_bus_message_get_error(m)->message);
	if (!service_is_in_doubt(m))
		service_end(s, s->doubt);
	return 0;
}

static int append_argv(sd_bus_message *m, char **argv)
{
	int r = sd_bus_message_open_container(m, 'r', "sasb");

	r = r < 0 ? r : sd_bus_message_append(m, "s", argv[0]);
	r = r < 0 ? r : sd_bus_message_append_strv(m, argv);
	r = r < 0 ? r : sd_bus_message_append(m, "b", 0);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_commands(sd_bus_message *m, const char *key, const GPtrArray *commands,
			   unsigned int from, unsigned int to)
{
	int r = sd_bus_message_open_container(m, 'r', "sv");

	r = r < 0 ? r : sd_bus_message_append(m, "s", key);
	r = r < 0 ? r : sd_bus_message_open_container(m, 'v', "a(sasb)");
	r = r < 0 ? r : sd_bus_message_open_container(m, 'a', "(sasb)");
	for (; r >= 0 && from < to; from++)
		r = append_argv(m, g_ptr_array_index(commands, from));
	r = r < 0 ? r : sd_bus_message_close_container(m);
	r = r < 0 ? r : sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_properties(sd_bus_message *m, const char *description, const GPtrArray *commands)
{
	int r = sd_bus_message_open_container(m, 'a', "(sv)");

	r = r < 0 ? r : sd_bus_message_append(m, "(sv)", "Description", "s", description);
	r = r < 0 ? r : sd_bus_message_append(m, "(sv)", "Type", "s", "notify");
	r = r < 0 ? r : sd_bus_message_append(m, "(sv)", "NotifyAccess", "s", "main");
	r = r < 0 ? r : sd_bus_message_append(m, "(sv)", "Slice", "s", "machine.slice");
	r = r < 0 ? r : sd_bus_message_append(m, "(sv)", "KillMode", "s", "mixed");
	/* Nodes wait for each other as long as the machine file says. */
	r = r < 0 ? r : sd_bus_message_append(m, "(sv)", "TimeoutStartUSec", "t", UINT64_MAX);
	r = r < 0 ? r : sd_bus_message_append(m, "(sv)", "TimeoutStopUSec", "t", SERVICE_STOP_US);
	r = r < 0 ? r : append_commands(m, "ExecStart", commands, 0, 1);
	r = r < 0 ? r : append_commands(m, "ExecStartPost", commands, 1, commands->len);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

void service_start(struct services *all, const struct unit *u, const GPtrArray *commands)
{
	struct service *s = service_add(all, u->machine, u->node);
	char *description = g_strdup_printf(SERVICE_FORMAT, u->machine, u->node, u->run, u->cell);
	sd_bus_message *m = NULL;
	int r;

	/* A failed one of that name would be in the way. */
	sd_bus_call_method_async(all->bus, NULL, SYSTEMD, SYSTEMD_PATH, MANAGER, "ResetFailedUnit",
				 NULL, NULL, "s", s->name);
	r = sd_bus_message_new_method_call(all->bus, &m, SYSTEMD, SYSTEMD_PATH, MANAGER,
					   "StartTransientUnit");
	r = r < 0 ? r : sd_bus_message_append(m, "ss", s->name, "fail");
	r = r < 0 ? r : append_properties(m, description, commands);
	r = r < 0 ? r : sd_bus_message_append(m, "a(sa(sv))", 0);
	s->asked = true;
	r = r < 0 ? r : sd_bus_call_async(all->bus, NULL, m, on_started, s, 0);
	sd_bus_message_unref(m);
	g_free(description);
	if (r < 0)
		service_end(s, strerror(-r));
}

/* One that was not heard is made again at the next look. */
static int on_stopped(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	struct service *s = arg;

	(void)error;
	if (sd_bus_message_is_method_error(m, NULL))
		s->stop = sd_bus_slot_unref(s->stop);
	return 0;
}

static void service_ask_stop(struct service *s)
{
	sd_bus_call_method_async(s->all->bus, &s->stop, SYSTEMD, SYSTEMD_PATH, MANAGER, "StopUnit",
				 on_stopped, s, "ss", s->name, "replace");
}

void service_stop(struct services *all, const struct unit *u)
{
	unsigned int i;

	for (i = 0; i < all->list->len; i++) {
		struct service *s = g_ptr_array_index(all->list, i);

		if (strcmp(s->machine, u->machine) || strcmp(s->node, u->node) || s->ends)
			continue;
		s->ends = true;
		service_ask_stop(s);
	}
}

/* ---- what is there already ---- */

static void service_found(struct services *all, const char *description)
{
	char machine[64], node[64];
	unsigned int run, cell;

	if (sscanf(description, SERVICE_SCAN, machine, node, &run, &cell) != 4)
		return;
	service_add(all, machine, node);
	all->ops->found(all->arg, machine, node, run, cell);
}

static int on_list(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	const char *name, *description, *load, *active, *sub, *following, *path, *type, *job;
	struct services *all = arg;
	uint32_t id;
	int r = sd_bus_message_enter_container(m, 'a', "(ssssssouso)");

	(void)error;
	all->asked = !sd_bus_message_is_method_error(m, NULL);
	if (!all->asked)
		return 0;
	while (r >= 0 && (r = sd_bus_message_read(m, "(ssssssouso)", &name, &description, &load,
						  &active, &sub, &following, &path, &id, &type,
						  &job)) > 0)
		service_found(all, description);
	all->known = r >= 0;
	all->ops->known(all->arg);
	return 0;
}

static int services_ask_list(struct services *all)
{
	int r = sd_bus_call_method_async(all->bus, NULL, SYSTEMD, SYSTEMD_PATH, MANAGER,
					 "ListUnitsByPatterns", on_list, all, "asas", 0, 1,
					 "dvmm-*.service");

	all->asked = r >= 0;
	return r;
}

bool services_are_known(const struct services *all)
{
	return all->known;
}

/* ---- connection ---- */

static gboolean on_bus(gint fd, GIOCondition condition, gpointer arg)
{
	(void)fd;
	(void)condition;
	return services_process(arg);
}

struct services *services_open(const struct service_ops *ops, void *arg, char **why)
{
	struct services *all = g_new0(struct services, 1);
	int r = sd_bus_open_system(&all->bus);

	all->ops = ops;
	all->arg = arg;
	all->list = g_ptr_array_new();
	if (r >= 0)
		sd_bus_set_method_call_timeout(all->bus, SERVICE_CALL_US);
	r = r < 0 ? r : services_ask_list(all);
	if (r < 0) {
		*why = g_strdup_printf("systemd does not answer, so no machine can run here: %s: "
				       "start dvmmd as root where systemd runs", strerror(-r));
		services_close(all);
		return NULL;
	}
	all->watch = g_unix_fd_add(sd_bus_get_fd(all->bus), G_IO_IN | G_IO_HUP, on_bus, all);
	all->look = g_timeout_add(SERVICE_LOOK_MS, on_look, all);
	return all;
}

void services_close(struct services *all)
{
	if (all->watch)
		g_source_remove(all->watch);
	if (all->look)
		g_source_remove(all->look);
	sd_bus_flush_close_unref(all->bus);
	g_ptr_array_set_free_func(all->list, service_free);
	g_ptr_array_unref(all->list);
	g_free(all);
}
