// SPDX-License-Identifier: GPL-2.0
/*
 * Plants bugs in copies of the engine and of the explorer's and the simulator's executors,
 * one at a time, and demands that the test named with each fails on it.  The list is in the file
 * "mutants":
 *
 *	bug what is wrong
 *	file home.c
 *	caught explore 3 nodes, 1 page
 *	- text that stands exactly once in the file
 *	+ what stands there instead
 *
 * bugs [N]: only the Nth.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../engine/tap.h"

#define ENGINE	"../../kmod/dsm/engine"
#define CC	"cc -std=gnu11 -O1 -w -I../explore -I../engine"
#define MODEL	"../explore/[!e]*.[ch] " MACHINE
#define MACHINE	"../sim/sim.[ch] ../sim/machine.h ../sim/[!s]*.c"
#define TESTS	"explore/explore " EXTRA
#define EXTRA	"sim/simulate engine/scenario engine/cost engine/unit engine/wire engine/rehome"
#define MAX	4096

struct bug {
	char what[128], file[32], caught[96];
	char old[MAX], new[MAX];
};

static char dir[64];

__attribute__((__format__(__printf__, 1, 2)))
static int sh(const char *fmt, ...)
{
	char cmd[MAX];
	va_list ap;
	int status;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	status = system(cmd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void append(char *to, const char *line)
{
	size_t n = strlen(to);

	/* "+" alone: nothing stands there instead. */
	snprintf(to + n, MAX - n, "%s%s", n ? "\n" : "", line);
}

/* Read the next bug; false at the end of the list. */
static bool next_bug(FILE *f, struct bug *b)
{
	char line[512];

	memset(b, 0, sizeof(*b));
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		if (!*line && *b->what)
			break;
		if (!strncmp(line, "bug ", 4))
			snprintf(b->what, sizeof(b->what), "%.100s", line + 4);
		else if (!strncmp(line, "file ", 5))
			snprintf(b->file, sizeof(b->file), "%.30s", line + 5);
		else if (!strncmp(line, "caught ", 7))
			snprintf(b->caught, sizeof(b->caught), "%.90s", line + 7);
		else if (!strncmp(line, "- ", 2))
			append(b->old, line + 2);
		else if (!strncmp(line, "+ ", 2))
			append(b->new, line + 2);
	}
	return *b->what;
}

static char *slurp(const char *path)
{
	char *text = calloc(1, 1 << 20);
	FILE *f = fopen(path, "r");

	if (f && text && !fread(text, 1, (1 << 20) - 1, f))
		*text = 0;
	if (f)
		fclose(f);
	return text;
}

/* Write @b->file with the bug in it; false if it does not fit. */
static bool plant(const struct bug *b)
{
	char path[256], *text, *at;
	FILE *f;

	snprintf(path, sizeof(path), "%s/engine/%s", dir, b->file);
	text = slurp(path);
	at = text ? strstr(text, b->old) : NULL;
	if (!*b->old || !at || strstr(at + 1, b->old)) {
		printf("# the text stands not exactly once in %s\n", b->file);
		free(text);
		return false;
	}
	snprintf(path, sizeof(path), "%s/src/%s", dir, b->file);
	f = fopen(path, "w");
	if (f) {
		fprintf(f, "%.*s%s%s", (int)(at - text), text, b->new, at + strlen(b->old));
		fclose(f);
	}
	free(text);
	return f;
}

/* Compile all of it, or what a planted bug has changed. */
static bool build(const char *file, const char *main)
{
	const char *dot = strrchr(file, '.');
	int ret = 0;

	if (dot && !strcmp(dot, ".c"))
		ret = sh(CC " -I%s/src -c -o %s/%.*s.o %s/src/%s", dir, dir,
			 (int)(dot - file), file, dir, file);
	else
		ret = sh("cd %s && " CC " -I%s/src -c src/*.c", dir, dir) ||
		      sh("for i in %s; do " CC
			 " -I%s/src -c -o %s/test-$(basename $i).o ../$i.c || exit 1; done",
			 TESTS, dir, dir);
	if (ret || !main)
		return !ret;
	/* The engine's own wire.o and the test of that name are two. */
	return !sh("cd %s && cc -o run test-%s.o $(ls *.o | grep -v test-)", dir, main);
}

static bool run(const char *main, const char *arg)
{
	return sh("cd ../engine && timeout 120 %s/run %s%s%s >%s/log 2>&1", dir,
		  *arg ? "'" : "", arg, *arg ? "'" : "", dir) &&
	       !sh("grep -q '^not ok' %s/log", dir) && *main;
}

static bool try(const struct bug *b)
{
	char main[96];
	char *arg;
	bool caught;

	snprintf(main, sizeof(main), "%s", b->caught);
	arg = main + strcspn(main, " ");
	if (*arg)
		*arg++ = 0;
	sh("cd %s && rm -f src/* && cp engine/* src/", dir);
	if (!plant(b))
		return false;
	if (!build(b->file, main)) {
		printf("# it does not compile\n");
		return false;
	}
	caught = run(main, arg);
	if (caught)
		sh("grep -m1 -B1 '^not ok' %s/log | cut -c 1-100 | sed 's/^#* */# /'", dir);
	else
		sh("tail -n 3 %s/log | cut -c 1-100 | sed 's/^/# /'", dir);
	/* Back to the engine as it is. */
	sh("cd %s && rm -f src/* && cp engine/* src/", dir);
	build(b->file, NULL);
	return caught;
}

int main(int argc, char **argv)
{
	int only = argc > 1 ? atoi(argv[1]) : 0, n = 0;
	FILE *f = fopen("mutants", "r");
	struct bug b;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!f || !mkdtemp(strcpy(dir, "/tmp/dvmm-bugs-XXXXXX")) ||
	    sh("mkdir %s/src %s/engine && cp " ENGINE "/*.[ch] " MODEL " %s/engine && "
	       "cp %s/engine/* %s/src", dir, dir, dir, dir, dir) || !build("all", "explore")) {
		printf("Bail out! no list, or the engine does not compile\n");
		return 1;
	}
	tap(!run("explore", "2 nodes, 1 page") && !sh("grep -q ^ok %s/log", dir),
	    "the engine as it is passes");
	while (next_bug(f, &b))
		if (!only || only == ++n)
			tap(try(&b), "%s: caught by %s", b.what, b.caught);
	fclose(f);
	sh("rm -rf %s", dir);
	return tap_done();
}
