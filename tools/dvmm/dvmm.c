// SPDX-License-Identifier: GPL-2.0
/* dvmm: what the machines of this host are doing, as told by debugfs. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/dvmm.h>

#include "report.h"

static const char *const usage =
	"usage: dvmm status [--json] [--debugfs DIR]\n"
	"       dvmm version\n";

static int fail(const char *what, const char *remedy)
{
	fprintf(stderr, "dvmm: %s: %s\n", what, remedy);
	return 1;
}

static int not_there(const char *dir)
{
	if (access("/sys/module/dvmm", F_OK))
		return fail("the module is not loaded", "modprobe dvmm");
	if (errno == EACCES || geteuid())
		return fail("debugfs cannot be read", "run as root");
	fprintf(stderr, "dvmm: there is no %s: is /sys/kernel/debug mounted?\n", dir);
	return 1;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_machine(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static int status(const char *dir, bool json)
{
	struct dirent **list;
	int n = scandir(dir, &list, is_machine, by_name), i, ret = 0;

	if (n < 0)
		return not_there(dir);
	report_begin(json);
	for (i = 0; i < n; i++) {
		ret |= report_machine(dir, list[i]->d_name, json, i);
		free(list[i]);
	}
	free(list);
	report_end(json, n);
	return ret;
}

static int show_version(void)
{
	struct dvmm_version v = { .size = sizeof(v) };
	int fd = open("/dev/dvmm", O_RDWR | O_CLOEXEC);

	if (fd < 0 && errno == EACCES)
		return fail("/dev/dvmm cannot be opened", "run as root");
	if (fd < 0)
		return fail("the module is not loaded", "modprobe dvmm");
	if (ioctl(fd, DVMM_GET_VERSION, &v))
		return fail("the module does not tell its version",
			    "install the same dvmm for kernel and tools");
	printf("api %u, wire %u..%u, page %u bytes\n", v.api, v.wire_min, v.wire_max, v.page_size);
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "debugfs", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{}
	};
	const char *dir = "/sys/kernel/debug/dvmm";
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'j')
			json = true;
		else if (c == 'd')
			dir = optarg;
		else
			return fputs(usage, c == 'h' ? stdout : stderr), c == 'h' ? 0 : 2;
	}
	if (argc - optind == 1 && !strcmp(argv[optind], "status"))
		return status(dir, json);
	if (argc - optind == 1 && !strcmp(argv[optind], "version"))
		return show_version();
	fputs(usage, stderr);
	return 2;
}
