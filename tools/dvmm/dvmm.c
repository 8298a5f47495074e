// SPDX-License-Identifier: GPL-2.0
/* dvmm: machine files, this host, and what its machines are doing. */
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

#include "guest.h"

#define BALANCE_SECONDS	5	/* of a look that steps are decided by */

static const char *const usage =
	"usage: dvmm list [--json] [--dir DIR]\n"
	"       dvmm status [MACHINE] [--json] [--dir DIR]\n"
	"       dvmm is-active MACHINE [--dir DIR]\n"
	"       dvmm top [MACHINE] [-n COUNT] [-d SECONDS] [--json] [--dir DIR]\n"
	"       dvmm hot [MACHINE] [-n COUNT] [-d SECONDS] [--symbols FILE] [--json] [--dir DIR]\n"
	"       dvmm trace MACHINE [-d SECONDS] [--page REGION:NUMBER] [--dir DIR]\n"
	"       dvmm events [MACHINE] [-n COUNT] [--json] [--dir DIR]\n"
	"       dvmm metrics [MACHINE] [--dir DIR]\n"
	"       dvmm clock [MACHINE] [-n ROUNDS] [-d SECONDS] [--json] [--dir DIR]\n"
	"       dvmm topology MACHINE [--json] [--dir DIR]\n"
	"       dvmm version\n"
	"       dvmm doctor [HOST...] [--json]\n"
	"       dvmm create NAME --node NODE=ADDRESS,cpus=N,memory=SIZE... [--transport T] [--dir DIR]\n"
	"                   [--disk FILE] [--net NET] [--cpu MODEL] [--firmware bios|uefi] ...\n"
	"       dvmm check|dump MACHINE [--json] [--dir DIR]\n"
	"       dvmm cmdline MACHINE [NODE] [--dir DIR] [--state DIR]\n"
	"       dvmm push|diff MACHINE [--force] [--dir DIR]\n"
	"       dvmm up MACHINE [--satellites | --from CHECKPOINT [--force] [--replace]] [-t SECONDS]\n"
	"               [--dir DIR] [--state DIR]\n"
	"       dvmm checkpoint MACHINE DIRECTORY [--since CHECKPOINT | [--parts] [--replace]]\n"
	"                       [--dir DIR] [--state DIR]\n"
	"       dvmm fork MACHINE CHECKPOINT NAME... [--node NODE=ADDRESS...] [--net NET] ... [--dir DIR]\n"
	"       dvmm rehome MACHINE FROM TO [CELL[:OFFSET[+LENGTH]]] [--dir DIR] [--state DIR]\n"
	"       dvmm nodes MACHINE [--json] [--dir DIR] [--state DIR]\n"
	"       dvmm add MACHINE NODE [-t SECONDS] [--dir DIR] [--state DIR]\n"
	"       dvmm evacuate|remove MACHINE NODE [TO] [-t SECONDS] [--dir DIR] [--state DIR]\n"
	"       dvmm down MACHINE [NODE | --satellites] [--force] [-t SECONDS] [--dir DIR] [--state DIR]\n"
	"       dvmm pause|resume|reset|console MACHINE [-t SECONDS] [--dir DIR] [--state DIR]\n"
	"       dvmm move MACHINE {VCPU|CELL}=NODE... [-t SECONDS] [--dir DIR] [--state DIR]\n"
	"       dvmm spread|pack MACHINE [-t SECONDS] [--dir DIR] [--state DIR]\n"
	"       dvmm vcpus MACHINE [NODE] [-d SECONDS] [--json] [--dir DIR] [--state DIR]\n"
	"       dvmm balance MACHINE [--once] [--dry-run] [-n COUNT] [-d SECONDS] [--json]\n"
	"                    [--dir DIR] [--state DIR]\n"
	"       dvmm wait MACHINE [NODE] [-t SECONDS] [--dir DIR] [--state DIR]\n"
	"       dvmm run MACHINE [NODE] [--from CHECKPOINT [--force] [--replace]] [--detach] [--dir DIR]\n"
	"                [--state DIR]\n"
	"       dvmm share NAME [NODE] [--detach] [--dir DIR] [--state DIR]\n"
	"       dvmm hosts|machines [--json] [--state DIR]\n"
	"       dvmm define|undefine MACHINE [--dir DIR] [--state DIR]\n"
	"       dvmm start MACHINE [--from CHECKPOINT] [--restart CHECKPOINT [--every SECONDS]]\n"
	"                  [--state DIR]\n"
	"       dvmm stop MACHINE [--state DIR]\n"
	"       dvmm fenced HOST [--state DIR]\n"
	"MACHINE is a file (with a slash), the name of one in /etc/dvmm, or, where it has to run,\n"
	"the beginning of its UUID.\n";

static int verb_version(const struct options *o, int argc, char **argv)
{
	struct dvmm_version v = { .size = sizeof(v) };
	int fd = open("/dev/dvmm", O_RDWR | O_CLOEXEC);

	(void)o;
	(void)argc;
	(void)argv;
	printf("dvmm %s\n", DVMM_RELEASE);
	if (fd < 0 && errno == EACCES)
		return verb_fail(EXIT_DENIED, "/dev/dvmm cannot be opened", "run as root");
	if (fd < 0)
		return verb_fail(EXIT_MISSING, "the module is not loaded", "modprobe dvmm");
	if (ioctl(fd, DVMM_GET_VERSION, &v))
		return verb_fail(EXIT_FAILED, "the module does not tell its version",
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
	{ "status", verb_status, 0, 1 },
	{ "is-active", verb_is_active, 1, 1 },
	{ "top", verb_top, 0, 1 },
	{ "hot", verb_hot, 0, 1 },
	{ "trace", verb_trace, 1, 1 },
	{ "events", verb_events, 0, 1 },
	{ "metrics", verb_metrics, 0, 1 },
	{ "clock", verb_clock, 0, 1 },
	{ "topology", verb_topology, 1, 1 },
	{ "version", verb_version, 0, 0 },
	{ "doctor", verb_doctor, 0, 64 },
	{ "create", verb_create, 1, 1 },
	{ "check", verb_check, 1, 1 },
	{ "dump", verb_dump, 1, 1 },
	{ "cmdline", verb_cmdline, 1, 2 },
	{ "run", verb_run, 1, 2 },
	{ "share", verb_share, 1, 2 },
	{ "wait", verb_wait, 1, 2 },
	{ "up", verb_up, 1, 1 },
	{ "down", verb_down, 1, 2 },
	{ "pause", verb_pause, 1, 1 },
	{ "resume", verb_resume, 1, 1 },
	{ "reset", verb_reset, 1, 1 },
	{ "move", verb_move, 2, 4096 },
	{ "spread", verb_spread, 1, 1 },
	{ "pack", verb_pack, 1, 1 },
	{ "vcpus", verb_vcpus, 1, 2 },
	{ "balance", verb_balance, 1, 1 },
	{ "rehome", verb_rehome, 3, 4 },
	{ "nodes", verb_nodes, 1, 1 },
	{ "add", verb_add, 2, 2 },
	{ "remove", verb_remove, 2, 3 },
	{ "evacuate", verb_evacuate, 2, 3 },
	{ "checkpoint", verb_checkpoint, 2, 2 },
	{ "keep", verb_keep, 4, 5 },
	{ "fill", verb_fill, 3, 3 + FILE_NODES_MAX },
	{ "load", verb_load, 2, 2 },
	{ "fork", verb_fork, 3, 64 },
	{ "console", verb_console, 1, 1 },
	{ "push", verb_push, 1, 1 },
	{ "receive", verb_receive, 1, 1 },
	{ "diff", verb_diff, 1, 1 },
	{ "list", verb_list, 0, 0 },
	{ "hosts", verb_hosts, 0, 0 },
	{ "machines", verb_machines, 0, 0 },
	{ "define", verb_define, 1, 1 },
	{ "undefine", verb_named, 1, 1 },
	{ "start", verb_named, 1, 1 },
	{ "stop", verb_named, 1, 1 },
	{ "fenced", verb_named, 1, 1 },
};

/* 0 or '?' after a line */
static int number(const char *name, const char *text, double min, double max, double *value)
{
	char *end;

	*value = strtod(text, &end);
	if (end != text && !*end && *value >= min && *value <= max)
		return 0;
	fprintf(stderr, "dvmm: %s %s: write a number from %g to %g\n", name, text, min, max);
	return '?';
}

/* What else there is of [guest]: a path is completed, so that it means the same later. */
static char *guest_line(const char *key, const char *value)
{
	bool is_path = guest_is_path(key) && !strstr(value, ":/");
	char *path = is_path ? g_canonicalize_filename(value, NULL) : NULL;
	char *line = g_strdup_printf("%s = %s", key, is_path ? path : value);

	g_free(path);
	return line;
}

/* where it is kept; NULL: it is not such an option */
static bool *flag_of(struct options *o, int c)
{
	return c == 'j' ? &o->json : c == 'b' ? &o->detach : c == 'H' ? &o->here :
	       c == 'f' ? &o->force : c == 'o' ? &o->once : c == 'y' ? &o->dry_run :
	       c == 'r' ? &o->replace : c == 'p' ? &o->parts : c == 's' ? &o->satellites : NULL;
}

static const char **text_of(struct options *o, int c)
{
	return c == 'D' ? &o->dir : c == 'S' ? &o->state : c == 'T' ? &o->transport :
	       c == 'P' ? &o->page : c == 'Y' ? &o->symbols : c == 'F' ? &o->from :
	       c == 'R' ? &o->restart : c == 'I' ? &o->since :
	       c == 'K' ? &o->keep : NULL;
}

/* Return: 0, or 'h' for help, 'V' for the version, or '?' */
static int option(struct options *o, int c)
{
	const char **text = text_of(o, c);
	bool *flag = flag_of(o, c);
	double value = 0;
	int ret = 0;

	if (flag)
		*flag = true;
	else if (text)
		*text = optarg;
	else if (c == 't')
		ret = number("-t", optarg, 0.1, 86400, &o->patience);
	else if (c == 'd')
		ret = number("-d", optarg, 0.1, 3600, &o->delay);
	else if (c == 'E')
		ret = number("--every", optarg, 1, 86400, &o->every);
	else if (c == 'n')
		ret = number("-n", optarg, 1, 1e9, &value);
	else
		ret = c;
	if (value > 0)
		o->count = value;
	return ret;
}

#define GUEST_OPTION(key) { key, required_argument, NULL, 'G' }

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "dir", required_argument, NULL, 'D' },
	{ "node", required_argument, NULL, 'N' },
	{ "transport", required_argument, NULL, 'T' },
	{ "state", required_argument, NULL, 'S' },
	{ "detach", no_argument, NULL, 'b' },
	{ "symbols", required_argument, NULL, 'Y' },
	{ "page", required_argument, NULL, 'P' },
	{ "from", required_argument, NULL, 'F' },
	{ "since", required_argument, NULL, 'I' },
	{ "restart", required_argument, NULL, 'R' },
	{ "keep", required_argument, NULL, 'K' },
	{ "every", required_argument, NULL, 'E' },
	{ "parts", no_argument, NULL, 'p' },
	{ "replace", no_argument, NULL, 'r' },
	{ "once", no_argument, NULL, 'o' },
	{ "dry-run", no_argument, NULL, 'y' },
	{ "here", no_argument, NULL, 'H' },
	{ "satellites", no_argument, NULL, 's' },
	{ "force", no_argument, NULL, 'f' },
	{ "timeout", required_argument, NULL, 't' },
	{ "count", required_argument, NULL, 'n' },
	{ "delay", required_argument, NULL, 'd' },
	GUEST_OPTION("machine"), GUEST_OPTION("cpu"), GUEST_OPTION("firmware"),
	GUEST_OPTION("disk"), GUEST_OPTION("disk2"), GUEST_OPTION("disk3"),
	GUEST_OPTION("disk4"), GUEST_OPTION("cdrom"), GUEST_OPTION("net"),
	GUEST_OPTION("mac"), GUEST_OPTION("console"), GUEST_OPTION("kernel"),
	GUEST_OPTION("initrd"), GUEST_OPTION("append"), GUEST_OPTION("share"),
	GUEST_OPTION("args"),
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{}
};

/* Options may stand anywhere.  Return: as option() */
static int parse(int argc, char **argv, struct options *o)
{
	int c, ret = 0, nodes = 0, lines = 0, which = 0;

	while (!ret && (c = getopt_long(argc, argv, "jhn:d:t:", options, &which)) != -1) {
		if (c == 'G')
			o->guest[lines++] = guest_line(options[which].name, optarg);
		else if (c == 'N')
			o->nodes[nodes++] = optarg;
		else
			ret = option(o, c);
	}
	return ret;
}

static int run(size_t verb, struct options *o, int argc, char **argv)
{
	if (!o->delay)
		o->delay = verbs[verb].run == verb_balance ? BALANCE_SECONDS : 1;
	return verbs[verb].run(o, argc, argv);
}

int main(int argc, char **argv)
{
	struct options o = { .dir = CONF_DIR, .state = STATE_DIR };
	size_t i;
	int c;

	o.nodes = calloc(argc + 1, sizeof(*o.nodes));
	o.guest = calloc(argc + 1, sizeof(*o.guest));
	if (!o.nodes || !o.guest)
		return verb_fail(EXIT_FAILED, "no memory", "free some");
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
			return run(i, &o, argc, argv);
	fputs(usage, stderr);
	return EXIT_USAGE;
}
