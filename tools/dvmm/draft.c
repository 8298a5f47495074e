// SPDX-License-Identifier: GPL-2.0
/* A directory is whole or it is not there. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "draft.h"
#include "verbs.h"

char *draft_begin(const char *dir)
{
	char *part = g_strconcat(dir, ".part", NULL);

	if (!access(dir, F_OK))
		verb_fail(0, dir, "it is there already: name another one");
	else if (mkdir(part, 0700))
		verb_fail(0, part, errno == EEXIST ?
			  "one is being made, or was broken off: then remove it" : strerror(errno));
	else
		return part;
	g_free(part);
	return NULL;
}

void draft_drop(const char *path)
{
	GDir *d = g_dir_open(path, 0, NULL);
	const char *name;
	char *file;

	while (d && (name = g_dir_read_name(d))) {
		file = g_build_filename(path, name, NULL);
		unlink(file);
		g_free(file);
	}
	if (d)
		g_dir_close(d);
	rmdir(path);
}

bool draft_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && !fsync(fd);

	if (fd >= 0)
		close(fd);
	return ok;
}

bool draft_commit(const char *part, const char *dir)
{
	char *parent = g_path_get_dirname(dir);
	bool ok = (draft_sync(part) && !rename(part, dir) && draft_sync(parent)) ||
		  verb_fail(0, dir, strerror(errno));

	g_free(parent);
	return ok;
}
