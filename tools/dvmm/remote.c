// SPDX-License-Identifier: GPL-2.0
/* Other hosts, by ssh or whatever DVMM_SSH says. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib-unix.h>

#include "remote.h"

#define SSH	"ssh -o BatchMode=yes -o ConnectTimeout=10"

/* dvmm, the words, and which directories are meant if they are others than usual */
static GPtrArray *command(const struct options *o, const char *program, const char *const *words)
{
	GPtrArray *argv = g_ptr_array_new();

	g_ptr_array_add(argv, g_strdup(program));
	for (; *words; words++)
		g_ptr_array_add(argv, g_strdup(*words));
	if (strcmp(o->dir, CONF_DIR)) {
		g_ptr_array_add(argv, g_strdup("--dir"));
		g_ptr_array_add(argv, g_strdup(o->dir));
	}
	if (strcmp(o->state, STATE_DIR)) {
		g_ptr_array_add(argv, g_strdup("--state"));
		g_ptr_array_add(argv, g_strdup(o->state));
	}
	g_ptr_array_add(argv, NULL);
	return argv;
}

/* as one word for a shell at the other end */
static char *quoted(char **words)
{
	GString *s = g_string_new(NULL);
	char *q;

	for (; *words; words++) {
		q = g_shell_quote(*words);
		g_string_append_printf(s, "%s%s", s->len ? " " : "", q);
		g_free(q);
	}
	return g_string_free(s, FALSE);
}

char **remote_host(const struct options *o, const char *host, const char *const *words)
{
	const char *ssh = g_getenv("DVMM_SSH");
	GPtrArray *there = command(o, "dvmm", words), *argv = g_ptr_array_new();
	char **words_of_ssh = NULL;
	int i;

	if (!g_shell_parse_argv(ssh ? ssh : SSH, NULL, &words_of_ssh, NULL))
		g_shell_parse_argv(SSH, NULL, &words_of_ssh, NULL);
	for (i = 0; words_of_ssh[i]; i++)
		g_ptr_array_add(argv, words_of_ssh[i]);
	g_ptr_array_add(argv, g_strdup(host));
	g_ptr_array_add(argv, quoted((char **)there->pdata));
	g_ptr_array_add(argv, NULL);
	g_free(words_of_ssh);
	g_strfreev((char **)g_ptr_array_free(there, FALSE));
	return (char **)g_ptr_array_free(argv, FALSE);
}

char **remote_argv(const struct options *o, const struct file *f, unsigned int node,
		   const char *const *words)
{
	const struct file_node *n = file_node(f, node);

	if (place_is_here(f, node))
		return (char **)g_ptr_array_free(command(o, "/proc/self/exe", words), FALSE);
	return remote_host(o, n->ssh ? n->ssh : n->address, words);
}

int remote_status(const char *name, int wait_status)
{
	int status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : EXIT_FAILED;

	if (status == 255)
		fprintf(stderr, "dvmm: %s: it cannot be reached: let ssh get there without a "
			"password, or set DVMM_SSH\n", name);
	else if (status == 127)
		fprintf(stderr, "dvmm: %s: there is no dvmm: install it there\n", name);
	else if (status == EXIT_USAGE)
		fprintf(stderr, "dvmm: %s: its dvmm does not know that: "
			"install the same release on all hosts\n", name);
	return status == 255 || status == 127 ? EXIT_SILENT : status;
}

/* a file that holds the text, at its beginning */
static int text_file(const char *text)
{
	int fd = memfd_create("dvmm", MFD_CLOEXEC);
	ssize_t len = strlen(text);

	if (fd >= 0 && write(fd, text, len) == len && !lseek(fd, 0, SEEK_SET))
		return fd;
	verb_fail(0, "no memory", strerror(errno));
	return fd;
}

char *remote_drain(int fd)
{
	GString *s = g_string_new(NULL);
	char data[4096];
	ssize_t len;

	while ((len = read(fd, data, sizeof(data))) > 0)
		g_string_append_len(s, data, len);
	close(fd);
	return g_string_free(s, FALSE);
}

int remote_run(const char *name, char **argv, const char *input, char **output)
{
	int in = text_file(input ? input : ""), fds[2] = { -1, -1 }, status = 0;
	GError *error = NULL;
	GPid pid;

	if (output && !g_unix_open_pipe(fds, FD_CLOEXEC, &error))
		return verb_fail(EXIT_FAILED, "no pipe", "close some files");
	g_spawn_async_with_fds(NULL, argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD,
			       NULL, NULL, &pid, in, fds[1], -1, &error);
	close(in);
	if (output)
		close(fds[1]);
	if (error) {
		fprintf(stderr, "dvmm: %s: %s: install ssh, or set DVMM_SSH\n", name,
			error->message);
		g_error_free(error);
		if (output)
			close(fds[0]);
	} else {
		if (output)
			*output = remote_drain(fds[0]);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	g_strfreev(argv);
	return error ? EXIT_SILENT : remote_status(name, status);
}

int remote_forward(const struct options *o, const struct file *f, unsigned int node,
		   const char *const *words, bool terminal)
{
	char **argv = remote_argv(o, f, node, words);
	char *with_terminal[64] = { argv[0], "-t" };
	int i;

	for (i = 1; argv[i] && i < 60; i++)
		with_terminal[i + 1] = argv[i];
	execvp(argv[0], terminal ? with_terminal : argv);
	return verb_fail(EXIT_SILENT, argv[0], "install ssh, or set DVMM_SSH");
}
