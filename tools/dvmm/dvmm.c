// SPDX-License-Identifier: GPL-2.0
/* dvmm: machine files, this host, and what its machines are doing (told by debugfs). */
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
#include "verbs.h"

static const char *const usage =
	"usage: dvmm status [--json] [--debugfs DIR]\n"
	"       dvmm version\n"
	"       dvmm doctor [--json]\n"
	"       dvmm create NAME --node NODE=ADDRESS,cpus=N,memory=SIZE... [--transport T] [--dir DIR]\n"
	"       dvmm check|dump FILE|NAME [--json] [--dir DIR]\n"
	"       dvmm cmdline FILE|NAME [NODE] [--dir DIR]\n"
	"       dvmm list [--dir DIR]\n";

static int fail(int status, const char *what, const char *remedy)
{
	fprintf(stderr, "dvmm: %s: %s\n", what, remedy);
	return status;
}

static int not_there(const char *dir)
{
	if (access("/sys/module/dvmm", F_OK))
		return fail(EXIT_MISSING, "the module is not loaded", "modprobe dvmm");
	if (errno == EACCES || geteuid())
		return fail(EXIT_DENIED, "debugfs cannot be read", "run as root");
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

static int verb_status(const struct options *o, int argc, char **argv)
{
	const char *dir = o->debugfs;
	bool json = o->json;
	struct dirent **list;
	int n = scandir(dir, &list, is_machine, by_name), i, ret = 0;

	(void)argc;
	(void)argv;
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

static int verb_version(const struct options *o, int argc, char **argv)
{
	struct dvmm_version v = { .size = sizeof(v) };
	int fd = open("/dev/dvmm", O_RDWR | O_CLOEXEC);

	(void)o;
	(void)argc;
	(void)argv;
	printf("dvmm %s\n", DVMM_RELEASE);
	if (fd < 0 && errno == EACCES)
		return fail(EXIT_DENIED, "/dev/dvmm cannot be opened", "run as root");
	if (fd < 0)
		return fail(EXIT_MISSING, "the module is not loaded", "modprobe dvmm");
	if (ioctl(fd, DVMM_GET_VERSION, &v))
		return fail(EXIT_FAILED, "the module does not tell its version",
			    "install the same dvmm for kernel and tools");
	printf("api %u, wire %u..%u, page %u bytes\n", v.api, v.wire_min, v.wire_max, v.page_size);
	close(fd);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(const struct options *o, int argc, char **argv);
	int min, max;	/* words after it */
} verbs[] = {
	{ "status", verb_status, 0, 0 },
	{ "version", verb_version, 0, 0 },
	{ "doctor", verb_doctor, 0, 0 },
	{ "create", verb_create, 1, 1 },
	{ "check", verb_check, 1, 1 },
	{ "dump", verb_dump, 1, 1 },
	{ "cmdline", verb_cmdline, 1, 2 },
	{ "list", verb_list, 0, 0 },
};

/* Options may stand anywhere.  Return: 0, or 'h' for help, or '?' */
static int parse(int argc, char **argv, struct options *o)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "debugfs", required_argument, NULL, 'd' },
		{ "dir", required_argument, NULL, 'D' },
		{ "node", required_argument, NULL, 'n' },
		{ "transport", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{}
	};
	int c, nodes = 0;

	while ((c = getopt_long(argc, argv, "jh", options, NULL)) != -1) {
		if (c == 'j')
			o->json = true;
		else if (c == 'd')
			o->debugfs = optarg;
		else if (c == 'D')
			o->dir = optarg;
		else if (c == 'n')
			o->nodes[nodes++] = optarg;
		else if (c == 't')
			o->transport = optarg;
		else
			return c;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = { .dir = CONF_DIR, .debugfs = "/sys/kernel/debug/dvmm" };
	size_t i;
	int c;

	o.nodes = calloc(argc + 1, sizeof(*o.nodes));
	if (!o.nodes)
		return fail(EXIT_FAILED, "no memory", "free some");
	c = parse(argc, argv, &o);
	if (c == 'h')
		return fputs(usage, stdout), 0;
	if (c == 'V')
		return puts("dvmm " DVMM_RELEASE), 0;
	argc -= optind;
	argv += optind;
	for (i = 0; !c && argc && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(argv[0], verbs[i].name) && argc > verbs[i].min &&
		    argc <= verbs[i].max + 1)
			return verbs[i].run(&o, argc, argv);
	fputs(usage, stderr);
	return EXIT_USAGE;
}
