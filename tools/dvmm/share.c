// SPDX-License-Identifier: GPL-2.0
/* dvmm share: a region that machines share; what serves it is a program of its own, with GnuTLS. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "place.h"

#define PACKAGED	"/usr/lib/dvmm/dvmm-share"

/* Beside this program, or where the package has it; to be freed */
static char *share_program(void)
{
	char *own = g_file_read_link("/proc/self/exe", NULL), *dir = g_path_get_dirname(own ?: "");
	char *path = g_build_filename(dir, "dvmm-share", NULL);

	g_free(dir);
	g_free(own);
	if (!access(path, X_OK))
		return path;
	g_free(path);
	return g_strdup(PACKAGED);
}

static int share_run(const struct options *o, const struct file *f, int node)
{
	char *program = share_program();

	execl(program, "dvmm-share", f->path, file_node(f, node)->name, o->state,
	      o->detach ? "detach" : NULL, NULL);
	verb_fail(0, program, "it cannot be started: install the same dvmm again");
	g_free(program);
	return EXIT_MISSING;
}

static int share_check(const struct options *o, const struct file *f, int node)
{
	char *path;
	struct place p;
	int status = 0;

	if (!file_is_share(f))
		return verb_fail(EXIT_FILE, f->path, "it has vCPUs: dvmm up; where machines share "
				 "a region all nodes have cpus = 0");
	place_make(&p, o, f, node);
	path = place_path(&p, SHARE_SOCKET);
	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		status = verb_fail(EXIT_USAGE, path,
				   "too long for a socket: give a shorter --state");
	g_free(path);
	place_free(&p);
	return status;
}

int verb_share(const struct options *o, int argc, char **argv)
{
	struct file *f = place_file(o, argv[1]);
	int node = f ? place_pick(f, argc > 2 ? argv[2] : NULL) : -1;
	int status = node < 0 ? EXIT_FILE : share_check(o, f, node);

	if (!status)
		status = share_run(o, f, node);
	if (f)
		file_free(f);
	return status;
}
