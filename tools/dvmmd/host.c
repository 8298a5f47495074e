// SPDX-License-Identifier: GPL-2.0
/* Discovery: CPUs, memory, NUMA nodes, NICs, RDMA devices, KVM, versions, load. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <glib.h>

#include "../dvmm/json.h"
#include "host.h"

/* ---- small files ---- */

__attribute__((__format__(__printf__, 2, 3)))
static char *host_read(const char *root, const char *fmt, ...)
{
	char *path, *whole, *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	path = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	whole = g_strconcat(root, path, NULL);
	if (g_file_get_contents(whole, &text, NULL, NULL))
		g_strstrip(text);
	g_free(whole);
	g_free(path);
	return text ? text : g_strdup("");
}

static uint64_t host_number(const char *root, const char *path)
{
	char *text = host_read(root, "%s", path);
	uint64_t number = g_ascii_strtoull(text, NULL, 10);

	g_free(text);
	return number;
}

/* What stands behind a word at the beginning of a line; "" if none does. */
static char *line_of(const char *text, const char *word)
{
	const char *at = text;

	while (at && *at && !g_str_has_prefix(at, word)) {
		at = strchr(at, '\n');
		at += !!at;
	}
	if (!at || !*at)
		return g_strdup("");
	at += strlen(word);
	at += strspn(at, " \t:");
	return g_strndup(at, strcspn(at, "\n"));
}

static uint64_t number_in(const char *text, const char *word)
{
	char *line = line_of(text, word);
	uint64_t number = g_ascii_strtoull(line, NULL, 10);

	g_free(line);
	return number;
}

static int name_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names in a directory, sorted. */
static GPtrArray *names_in(const char *root, const char *path)
{
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	char *whole = g_strconcat(root, path, NULL);
	GDir *dir = g_dir_open(whole, 0, NULL);
	const char *name;

	while (dir && (name = g_dir_read_name(dir)))
		g_ptr_array_add(names, g_strdup(name));
	if (dir)
		g_dir_close(dir);
	g_free(whole);
	g_ptr_array_sort(names, name_order);
	return names;
}

/* An array of what @visit makes of each name in a directory; NULL is left out. */
static struct json_object *host_each(const char *root, const char *path,
				     struct json_object *(*visit)(const char *root,
								  const char *name))
{
	struct json_object *list = json_object_new_array(), *o;
	GPtrArray *names = names_in(root, path);
	unsigned int i;

	for (i = 0; i < names->len; i++) {
		o = visit(root, g_ptr_array_index(names, i));
		if (o)
			json_object_array_add(list, o);
	}
	g_ptr_array_unref(names);
	return list;
}

/* ---- CPUs and memory ---- */

/* "0-3,8": how many */
static unsigned int count_list(const char *text)
{
	unsigned int n = 0, from, to;

	while (*text) {
		char *end;

		from = strtoul(text, &end, 10);
		if (end == text)
			break;
		to = *end == '-' ? strtoul(end + 1, &end, 10) : from;
		n += to - from + 1;
		text = *end == ',' ? end + 1 : end;
	}
	return n;
}

static unsigned int count_in(const char *root, const char *path)
{
	char *text = host_read(root, "%s", path);
	unsigned int n = count_list(text);

	g_free(text);
	return n;
}

static struct json_object *numa_node(const char *root, const char *name)
{
	struct json_object *o;
	char *text, *word;

	if (!g_str_has_prefix(name, "node") || !g_ascii_isdigit(name[4]))
		return NULL;
	o = json_object_new_object();
	json_number(o, "node", strtoul(name + 4, NULL, 10));
	text = host_read(root, "/sys/devices/system/node/%s/cpulist", name);
	json_text(o, "cpus", text);
	g_free(text);
	text = host_read(root, "/sys/devices/system/node/%s/meminfo", name);
	word = g_strdup_printf("Node %s MemTotal", name + 4);
	json_number(o, "memory", number_in(text, word) << 10);
	g_free(word);
	g_free(text);
	return o;
}

static void look_memory(struct json_object *o, const char *root)
{
	char *text = host_read(root, "/proc/meminfo");

	json_number(o, "memory", number_in(text, "MemTotal") << 10);
	json_number(o, "memory_free", number_in(text, "MemAvailable") << 10);
	json_number(o, "huge_pages", number_in(text, "HugePages_Total"));
	json_number(o, "huge_page_size", number_in(text, "Hugepagesize") << 10);
	g_free(text);
}

/* ---- networks ---- */

static struct json_object *nic(const char *root, const char *name)
{
	char *type = host_read(root, "/sys/class/net/%s/type", name);
	char *speed = host_read(root, "/sys/class/net/%s/speed", name);
	char *state = host_read(root, "/sys/class/net/%s/operstate", name);
	struct json_object *o = NULL;

	/* Ethernet and InfiniBand; the loopback is none. */
	if (!strcmp(type, "1") || !strcmp(type, "32")) {
		o = json_object_new_object();
		json_text(o, "name", name);
		json_text(o, "state", state);
		json_number(o, "mbit", *speed == '-' ? 0 : g_ascii_strtoull(speed, NULL, 10));
	}
	g_free(type);
	g_free(speed);
	g_free(state);
	return o;
}

static struct json_object *rdma(const char *root, const char *name)
{
	struct json_object *o = json_object_new_object();
	char *rate = host_read(root, "/sys/class/infiniband/%s/ports/1/rate", name);
	char *state = host_read(root, "/sys/class/infiniband/%s/ports/1/state", name);

	json_text(o, "name", name);
	json_text(o, "rate", rate);
	json_text(o, "state", state);
	g_free(rate);
	g_free(state);
	return o;
}

/* ---- KVM, clocks, versions ---- */

static bool has_flag(const char *flags, const char *flag)
{
	char **words = g_strsplit(flags, " ", -1);
	bool has = g_strv_contains((const char *const *)words, flag);

	g_strfreev(words);
	return has;
}

/* Of the CPUs' flags those that decide whether a machine can be on two hosts. */
static struct json_object *cpu_features(const char *flags)
{
	static const char *const wanted[] = {
		"vmx", "svm", "ept", "npt", "ept_ad", "constant_tsc", "nonstop_tsc",
		"tsc_deadline_timer", "x2apic", "avx", "avx2", "avx512f", "amx_tile", "pku", NULL
	};
	struct json_object *list = json_object_new_array();
	int i;

	for (i = 0; wanted[i]; i++)
		if (has_flag(flags, wanted[i]))
			json_object_array_add(list, json_object_new_string(wanted[i]));
	return list;
}

static void look_cpu(struct json_object *o, const char *root)
{
	char *text = host_read(root, "/proc/cpuinfo");
	char *model = line_of(text, "model name"), *flags = line_of(text, "flags");
	char *mhz = line_of(text, "cpu MHz");

	json_text(o, "cpu", model);
	json_number(o, "cpu_mhz", g_ascii_strtoull(mhz, NULL, 10));
	json_object_object_add(o, "features", cpu_features(flags));
	g_free(model);
	g_free(flags);
	g_free(mhz);
	json_number(o, "tsc_khz", host_number(root, "/sys/devices/system/cpu/cpu0/tsc_freq_khz"));
	text = host_read(root, "/sys/devices/system/clocksource/clocksource0/current_clocksource");
	json_text(o, "clock", text);
	g_free(text);
}

static void look_versions(struct json_object *o, const char *root, const char *qemu)
{
	char *kernel = host_read(root, "/proc/sys/kernel/osrelease");
	char *module = host_read(root, "/sys/module/dvmm/version");
	char *source = host_read(root, "/sys/module/dvmm/srcversion");
	char *boot = host_read(root, "/proc/sys/kernel/random/boot_id");

	json_text(o, "kernel", kernel);
	json_text(o, "module", module);
	json_text(o, "module_source", source);
	json_text(o, "qemu", qemu);
	json_text(o, "boot", boot);
	g_free(kernel);
	g_free(module);
	g_free(source);
	g_free(boot);
}

/* ---- load ---- */

/* Hundredths of a percent of the last ten seconds that some task was waiting. */
static void look_pressure(struct json_object *o, const char *root, const char *what)
{
	char *text = host_read(root, "/proc/pressure/%s", what);
	char *line = line_of(text, "some avg10=");

	json_number(o, what, g_ascii_strtod(line, NULL) * 100 + 0.5);
	g_free(line);
	g_free(text);
}

static struct json_object *load(const char *root)
{
	struct json_object *o = json_object_new_object();

	look_pressure(o, root, "cpu");
	look_pressure(o, root, "memory");
	look_pressure(o, root, "io");
	return o;
}

struct json_object *host_look(const char *root, const char *name, const char *qemu)
{
	struct json_object *o = json_object_new_object();

	json_text(o, "name", name);
	json_number(o, "cpus", count_in(root, "/sys/devices/system/cpu/online"));
	look_memory(o, root);
	look_cpu(o, root);
	json_object_object_add(o, "numa", host_each(root, "/sys/devices/system/node", numa_node));
	json_object_object_add(o, "nics", host_each(root, "/sys/class/net", nic));
	json_object_object_add(o, "rdma", host_each(root, "/sys/class/infiniband", rdma));
	look_versions(o, root, qemu);
	json_object_object_add(o, "pressure", load(root));
	return o;
}
