// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"
#include "tap.h"

#define ROOT	"/tmp/dvmm-cgroup"
#define OWN	ROOT "/owner"

bool cgroup_put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

bool cgroup_make(void)
{
	mkdir(ROOT, 0700);
	return !mount("none", ROOT, "cgroup2", 0, NULL) &&
	       cgroup_put(ROOT "/cgroup.subtree_control", "+memory") && !mkdir(OWN, 0700);
}

void cgroup_remove(void)
{
	rmdir(OWN);
	umount(ROOT);
}

bool cgroup_enter(void)
{
	return cgroup_put(OWN "/cgroup.procs", "0");
}

bool cgroup_leave(void)
{
	return cgroup_put(ROOT "/cgroup.procs", "0");
}

bool cgroup_bound(const char *bytes)
{
	return cgroup_put(OWN "/memory.max", bytes);
}

bool cgroup_slow(const char *bytes)
{
	return cgroup_put(OWN "/memory.high", bytes);
}

bool cgroup_orphan(void)
{
	return !rmdir(OWN);
}

long long cgroup_bytes(void)
{
	char text[64] = "";
	int fd = open(OWN "/memory.current", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		tap_bail("memory.current: %s", strerror(errno));
	close(fd);
	return atoll(text);
}
