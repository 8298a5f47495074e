// SPDX-License-Identifier: GPL-2.0
/* The kernel is told that QEMU will need its guest's memory: MADV_WILLNEED. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "gather.h"
#include "qmp.h"

#define REGION	"/dvmm-region"		/* as the kernel calls what is mapped */
#define SLICE	(16UL << 20)		/* bytes, between two looks at whether to go on */

static void gather_mapping(int pidfd, char *at, char *end, const volatile sig_atomic_t *stop)
{
	while (at < end && !*stop) {
		struct iovec slice = { at, MIN(SLICE, (size_t)(end - at)) };

		if (process_madvise(pidfd, &slice, 1, MADV_WILLNEED, 0) < 0)
			return;
		at += slice.iov_len;
	}
}

static void gather_all(int pid, int pidfd, const volatile sig_atomic_t *stop)
{
	char *path = g_strdup_printf("/proc/%d/maps", pid), *line = NULL;
	FILE *f = fopen(path, "re");
	void *at, *end;
	size_t room = 0;

	while (f && getline(&line, &room, f) > 0)
		if (strstr(line, REGION) && sscanf(line, "%p-%p", &at, &end) == 2)
			gather_mapping(pidfd, at, end, stop);
	free(line);
	if (f)
		fclose(f);
	g_free(path);
}

void gather(const struct place *p, const volatile sig_atomic_t *stop)
{
	int pid = qmp_process(p), pidfd = pid ? pidfd_open(pid, 0) : -1;
	gint64 took = G_MAXINT64, before, begin;

	if (pidfd < 0)
		return;
	do {
		before = took;
		begin = g_get_monotonic_time();
		gather_all(pid, pidfd, stop);
		took = g_get_monotonic_time() - begin;
	} while (took < before / 2 && !*stop);
	close(pidfd);
}
