// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel itself reads and writes shared memory: O_DIRECT pins pages, read()
 * and write() copy from page faults in the kernel, pipes hold references.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mem_io.h"
#include "tap.h"

#define IO_PAGES	32
#define IO_BYTES	(IO_PAGES * PAGE)
#define IO_AT		(64 * PAGE)

struct io {
	char *near;	/* node 0's view of region 1: homed elsewhere */
	char *far;	/* node 1's view of the same */
	int file;
	const char *how;
};

static void pattern(char *p, uint64_t seed)
{
	uint64_t *w = (uint64_t *)p;
	size_t i;

	for (i = 0; i < IO_BYTES / 8; i++)
		w[i] = seed * 0x9e3779b97f4a7c15ull + i;
}

static bool has_pattern(const char *p, uint64_t seed)
{
	const uint64_t *w = (const uint64_t *)p;
	size_t i;

	for (i = 0; i < IO_BYTES / 8; i++)
		if (w[i] != seed * 0x9e3779b97f4a7c15ull + i)
			return false;
	return true;
}

/* Written on one node, goes out from another, comes back in there, read on the first. */
static bool round_trip(struct io *io, uint64_t seed)
{
	pattern(io->far, seed);
	if (pwrite(io->file, io->near, IO_BYTES, 0) != (ssize_t)IO_BYTES)
		return false;
	pattern(io->far, ~seed);
	if (pread(io->file, io->near, IO_BYTES, 0) != (ssize_t)IO_BYTES)
		return false;
	return has_pattern(io->far, seed) && has_pattern(io->near, seed);
}

static void round_trips(struct io *io)
{
	bool ok = true;
	uint64_t i;

	errno = 0;
	for (i = 1; i <= 20 && ok; i++)
		ok = round_trip(io, i);
	tap_ok(ok, "%s to and from pages that another node wrote%s%s", io->how,
	       ok ? "" : ": ", ok ? "" : strerror(errno));
}

/* Both nodes use the pages while I/O pins them: who reads sees one round or another. */
static void contended(struct io *io)
{
	volatile uint64_t *far = (volatile uint64_t *)io->far;
	bool ok = true;
	int i, status;
	pid_t pid;

	pattern(io->near, 77);
	if (pwrite(io->file, io->near, IO_BYTES, 0) != (ssize_t)IO_BYTES) {
		tap_ok(false, "%s: %s", io->how, strerror(errno));
		return;
	}
	pid = fork();
	if (!pid) {
		/* The child has no mapping: it only keeps the file's pages moving. */
		for (i = 0; i < 200; i++)
			if (fsync(io->file))
				_exit(1);
		_exit(0);
	}
	for (i = 0; i < 50 && ok; i++) {
		far[i % IO_PAGES * (PAGE / 8)] = 0;
		ok = pread(io->file, io->near, IO_BYTES, 0) == (ssize_t)IO_BYTES &&
		     has_pattern(io->far, 77);
	}
	waitpid(pid, &status, 0);
	tap_ok(ok, "%s into pages that another node takes away meanwhile", io->how);
}

int mem_io_file(int flags, const char **where)
{
	static const char * const dirs[] = { "/mnt/dvmm-ext", "/log", "/var/tmp", "/tmp", "." };
	char name[64];
	size_t i;
	int fd;

	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(name, sizeof(name), "%s/dvmm-io.XXXXXX", dirs[i]);
		fd = mkostemp(name, O_CLOEXEC | flags);
		if (fd < 0)
			continue;
		unlink(name);
		*where = dirs[i];
		return fd;
	}
	return -1;
}

static void through_pipe(struct io *io)
{
	static char got[IO_BYTES];
	bool ok = true;
	size_t p;
	int fd[2];

	if (pipe(fd)) {
		tap_ok(false, "pipe: %s", strerror(errno));
		return;
	}
	pattern(io->far, 5);
	for (p = 0; p < IO_PAGES && ok; p++)
		ok = write(fd[1], io->near + p * PAGE, PAGE) == PAGE &&
		     read(fd[0], got + p * PAGE, PAGE) == PAGE;
	tap_ok(ok && has_pattern(got, 5), "a pipe carries pages that another node wrote");
	close(fd[0]);
	close(fd[1]);
}

static void files(struct io *io)
{
	static const struct { int flags; const char *how; } ways[] = {
		{ 0, "file I/O" }, { O_DIRECT, "O_DIRECT" },
	};
	const char *where;
	size_t i;

	for (i = 0; i < 2; i++) {
		io->how = ways[i].how;
		io->file = mem_io_file(ways[i].flags, &where);
		if (io->file < 0) {
			tap_skip(io->how, "no directory for it: %s", strerror(errno));
			continue;
		}
		tap_diag("%s in %s", io->how, where);
		round_trips(io);
		contended(io);
		close(io->file);
	}
}

void mem_io(struct cluster *c)
{
	const int rw = PROT_READ | PROT_WRITE;
	struct io io;

	io.near = mmap(NULL, IO_BYTES, rw, MAP_SHARED, c->region[0][1], IO_AT);
	io.far = mmap(NULL, IO_BYTES, rw, MAP_SHARED, c->region[1][1], IO_AT);
	if (io.near == MAP_FAILED || io.far == MAP_FAILED) {
		tap_ok(false, "mapping for I/O: %s", strerror(errno));
		return;
	}
	files(&io);
	through_pipe(&io);
	munmap(io.near, IO_BYTES);
	munmap(io.far, IO_BYTES);
}
