// SPDX-License-Identifier: GPL-2.0
/* tracefs. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <glib.h>

#include "tracefs.h"
#include "verbs.h"

static volatile sig_atomic_t over;

static void on_signal(int signal)
{
	(void)signal;
	over = 1;
}

char *tracefs_make(void)
{
	char *dir = g_strdup_printf(TRACEFS "/instances/dvmm-%d", getpid());

	if (!mkdir(dir, 0700))
		return dir;
	verb_fail(0, TRACEFS, errno == EACCES || errno == EPERM ? "run as root" :
		  "mount -t tracefs none " TRACEFS);
	g_free(dir);
	return NULL;
}

void tracefs_end(char *dir)
{
	rmdir(dir);
	g_free(dir);
}

bool tracefs_write(const char *dir, const char *file, const char *text)
{
	char *path = g_strdup_printf("%s/%s", dir, file);
	FILE *f = fopen(path, "w");
	bool ok = f && fputs(text, f) >= 0;

	if (f)
		ok &= !fclose(f);
	if (!ok)
		fprintf(stderr, "dvmm: %s: %s: this kernel's tracing cannot do that\n", path,
			strerror(errno));
	g_free(path);
	return ok;
}

char *tracefs_read(const char *dir, const char *file)
{
	char *path = g_strdup_printf("%s/%s", dir, file), *text = NULL;

	g_file_get_contents(path, &text, NULL, NULL);
	g_free(path);
	return text ? text : g_strdup("");
}

void tracefs_sleep(double seconds)
{
	struct timespec t = { .tv_sec = seconds, .tv_nsec = (seconds - (long)seconds) * 1e9 };
	struct sigaction a = { .sa_handler = on_signal };

	sigaction(SIGINT, &a, NULL);
	sigaction(SIGTERM, &a, NULL);
	if (!over)
		nanosleep(&t, NULL);
}
