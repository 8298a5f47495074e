// SPDX-License-Identifier: GPL-2.0
/* A guest's memory without QEMU: a region is a file that can be mapped. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "memory.h"
#include "qmp.h"

#define REGION	"dvmm-region:\t"	/* as the kernel has it in fdinfo */
#define PAGE	4096

/* -1: it is no region */
static int memory_region(int pid, const char *fd)
{
	char *path = g_strdup_printf("/proc/%d/fdinfo/%s", pid, fd), *text = NULL, *at;
	int region = -1;

	if (g_file_get_contents(path, &text, NULL, NULL)) {
		at = strstr(text, REGION);
		if (at)
			region = atoi(at + strlen(REGION));
	}
	g_free(text);
	g_free(path);
	return region;
}

/* Number of the descriptor there; -1: there is none */
static int memory_find(int pid, unsigned int region)
{
	char *path = g_strdup_printf("/proc/%d/fdinfo", pid);
	GDir *d = g_dir_open(path, 0, NULL);
	const char *name;
	int fd = -1;

	while (d && fd < 0 && (name = g_dir_read_name(d)))
		if (memory_region(pid, name) == (int)region)
			fd = atoi(name);
	if (d)
		g_dir_close(d);
	g_free(path);
	return fd;
}

int memory_open(const struct place *p, unsigned int cell)
{
	int pid = qmp_process(p), pidfd = pid ? pidfd_open(pid, 0) : -1;
	int there = pidfd < 0 ? -1 : memory_find(pid, cell);
	int fd = there < 0 ? -1 : pidfd_getfd(pidfd, there, 0);

	if (!pid)
		verb_fail(0, p->dir, "its QEMU does not run on this host: dvmm status");
	else if (there < 0)
		verb_fail(0, p->dir, "its QEMU shows no memory of it: run as root, with the "
			  "modules of this release");
	else if (fd < 0)
		verb_fail(0, p->dir, "its memory cannot be had: run as root");
	if (pidfd >= 0)
		close(pidfd);
	return fd;
}

char *memory_name(unsigned int cell)
{
	return g_strdup_printf("memory.%u", cell);
}

bool memory_is_zero(const void *data, size_t len)
{
	const unsigned char *at = data;

	return !at[0] && !memcmp(at, at + 1, len - 1);
}

bool memory_fill(int memory, int from, uint64_t bytes)
{
	char *to = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	char data[16 * PAGE];
	uint64_t at = 0;
	ssize_t len = 0, i;

	if (to == MAP_FAILED)
		return false;
	while (at < bytes && (len = pread(from, data, MIN(sizeof(data), bytes - at), at)) > 0) {
		for (i = 0; i + PAGE <= len; i += PAGE)
			if (!memory_is_zero(data + i, PAGE))
				memcpy(to + at + i, data + i, PAGE);
		at += len;
	}
	munmap(to, bytes);
	if (!len)
		errno = EIO;	/* it ends before the memory does */
	return at == bytes;
}
