// SPDX-License-Identifier: GPL-2.0
/* What a host tells of itself, from files that a test has written. */
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "../engine/tap.h"
#include "../../tools/dvmm/json.h"
#include "host.h"

static const char *const files[][2] = {
	{ "sys/devices/system/cpu/online", "0-2,4,8-9\n" },
	{ "sys/devices/system/cpu/cpu0/tsc_freq_khz", "2400000\n" },
	{ "sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n" },
	{ "sys/devices/system/node/node1/cpulist", "4,8-9\n" },
	{ "sys/devices/system/node/node1/meminfo",
	  "Node 1 MemTotal:       2048 kB\nNode 1 MemFree:  1 kB\n" },
	{ "sys/devices/system/node/node0/cpulist", "0-2\n" },
	{ "sys/devices/system/node/node0/meminfo", "Node 0 MemTotal:       1024 kB\n" },
	{ "sys/devices/system/node/possible", "0-1\n" },
	{ "sys/class/net/lo/type", "772\n" },
	{ "sys/class/net/eth0/type", "1\n" },
	{ "sys/class/net/eth0/speed", "100000\n" },
	{ "sys/class/net/eth0/operstate", "up\n" },
	{ "sys/class/net/down0/type", "1\n" },
	{ "sys/class/net/down0/speed", "-1\n" },
	{ "sys/class/net/down0/operstate", "down\n" },
	{ "sys/class/infiniband/mlx5_0/ports/1/rate", "100 Gb/sec (4X EDR)\n" },
	{ "sys/class/infiniband/mlx5_0/ports/1/state", "4: ACTIVE\n" },
	{ "sys/module/dvmm/version", "0.1.0\n" },
	{ "proc/cpuinfo",
	  "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu vmx ept_ad nonstop_tsc\n"
	  "cpu MHz\t\t: 2399.9\n\nprocessor\t: 1\nmodel name\t: Other\n" },
	{ "proc/meminfo",
	  "MemTotal:       4096 kB\nMemAvailable:   1000 kB\nHugePages_Total:       3\n"
	  "Hugepagesize:       2048 kB\n" },
	{ "proc/pressure/cpu", "some avg10=12.34 avg60=1.00 avg300=0.00 total=5\n" },
	{ "proc/sys/kernel/osrelease", "6.12.0-test\n" },
};

static void write_files(const char *root)
{
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(files); i++) {
		char *path = g_build_filename(root, files[i][0], NULL);
		char *dir = g_path_get_dirname(path);

		g_mkdir_with_parents(dir, 0700);
		g_file_set_contents(path, files[i][1], -1, NULL);
		g_free(dir);
		g_free(path);
	}
}

static void check(struct json_object *host, const char *key, const char *wanted)
{
	struct json_object *value;
	const char *text = "nothing";

	if (json_object_object_get_ex(host, key, &value))
		text = json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN);
	tap(!strcmp(text, wanted), "%s: %s", key, text);
}

static void check_all(struct json_object *host)
{
	check(host, "name", "\"here\"");
	check(host, "cpus", "6");
	check(host, "memory", "4194304");
	check(host, "memory_free", "1024000");
	check(host, "huge_pages", "3");
	check(host, "huge_page_size", "2097152");
	check(host, "cpu", "\"Some CPU\"");
	check(host, "cpu_mhz", "2399");
	check(host, "features", "[\"vmx\",\"ept_ad\",\"nonstop_tsc\"]");
	check(host, "tsc_khz", "2400000");
	check(host, "clock", "\"tsc\"");
	check(host, "numa", "[{\"node\":0,\"cpus\":\"0-2\",\"memory\":1048576},"
			    "{\"node\":1,\"cpus\":\"4,8-9\",\"memory\":2097152}]");
	check(host, "nics", "[{\"name\":\"down0\",\"state\":\"down\",\"mbit\":0},"
			    "{\"name\":\"eth0\",\"state\":\"up\",\"mbit\":100000}]");
	check(host, "rdma", "[{\"name\":\"mlx5_0\",\"rate\":\"100 Gb\\/sec (4X EDR)\","
			    "\"state\":\"4: ACTIVE\"}]");
	check(host, "kernel", "\"6.12.0-test\"");
	check(host, "module", "\"0.1.0\"");
	check(host, "qemu", "\"QEMU 1\"");
	check(host, "pressure", "{\"cpu\":1234,\"memory\":0,\"io\":0}");
}

int main(void)
{
	char *root = g_dir_make_tmp("dvmm-host-XXXXXX", NULL);
	struct json_object *host;
	char *command = g_strdup_printf("rm -r %s", root);

	write_files(root);
	host = host_look(root, "here", "QEMU 1");
	check_all(host);
	json_object_put(host);
	/* Nothing is there that could be read. */
	host = host_look("/nowhere", "here", "");
	check(host, "cpus", "0");
	check(host, "numa", "[]");
	check(host, "features", "[]");
	json_object_put(host);
	return system(command) || tap_done();
}
