// SPDX-License-Identifier: GPL-2.0
/* Nodes of a machine on this host. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "place.h"

/* A word with a slash is a path, any other one a machine's name. */
struct file *place_file(const struct options *o, const char *word)
{
	char *path = strchr(word, '/') ? g_canonicalize_filename(word, NULL) :
		     g_strdup_printf("%s/%s.conf", o->dir, word), *error = NULL;
	struct file *f = file_read(path, &error);

	if (!f)
		fprintf(stderr, "dvmm: %s\n", error);
	g_free(error);
	g_free(path);
	return f;
}

struct file *machine_file(const struct options *o, const char *word)
{
	struct file *f = place_file(o, word);

	if (!f || !file_is_share(f))
		return f;
	fprintf(stderr, "dvmm: %s: it has no vCPUs but a region that machines share: "
		"dvmm share %s\n", f->path, word);
	file_free(f);
	return NULL;
}

int place_node(const struct file *f, const char *name)
{
	GString *names = g_string_new(NULL);
	unsigned int i;

	for (i = 0; i < f->nodes->len; i++) {
		if (!strcmp(file_node(f, i)->name, name)) {
			g_string_free(names, TRUE);
			return i;
		}
		g_string_append_printf(names, "%s%s", i ? ", " : "", file_node(f, i)->name);
	}
	fprintf(stderr, "dvmm: %s: there is no node '%s': there are %s\n", f->path, name,
		names->str);
	g_string_free(names, TRUE);
	return -1;
}

int place_cell(const struct file *f, const char *name)
{
	int cell = f->has_cells ? file_cell_named(f, name) : place_node(f, name);

	if (cell < 0 && f->has_cells)
		fprintf(stderr, "dvmm: %s: there is no cell '%s': see dvmm topology\n", f->path,
			name);
	return cell;
}

/* The name of a node is that of its host, whole or up to the first dot. */
bool place_host_is_this(const char *name)
{
	const char *host = g_get_host_name(), *dot = strchr(host, '.');

	return !strcmp(name, host) ||
	       (dot && strlen(name) == (size_t)(dot - host) && g_str_has_prefix(host, name));
}

int place_own(const struct file *f)
{
	unsigned int i;

	for (i = 0; i < f->nodes->len; i++)
		if (place_host_is_this(file_node(f, i)->name))
			return i;
	return -1;
}

int place_pick(const struct file *f, const char *name)
{
	int own = name ? place_node(f, name) : place_own(f);

	if (own < 0 && !name)
		fprintf(stderr, "dvmm: %s: none of its nodes is named '%s' as this host is: "
			"name one behind the machine\n", f->path, g_get_host_name());
	return own;
}

bool place_is_here(const struct file *f, unsigned int node)
{
	const struct file_node *n = file_node(f, node);

	return place_host_is_this(n->name) ||
	       (!n->ssh && (!n->address || g_str_has_prefix(n->address, "127.") ||
			    !strcmp(n->address, "::1") || !strcmp(n->address, "localhost")));
}

/* QEMU knows no ssh, and of [guest] what all nodes need. */
static bool is_for_qemu(const struct file *f)
{
	unsigned int i;

	for (i = 0; i < f->nodes->len; i++)
		if (file_node(f, i)->ssh)
			return false;
	for (i = GUEST_SMP + 1; i < GUEST_KEYS; i++)
		if (f->guest[i])
			return false;
	return true;
}

void place_make(struct place *p, const struct options *o, const struct file *f, unsigned int node)
{
	char *stem = file_stem(f);

	p->node = node;
	p->dir = g_build_filename(o->state, stem, file_node(f, node)->name, NULL);
	p->machine = is_for_qemu(f) ? g_strdup(f->path) : place_path(p, "machine");
	p->vars = g_build_filename(VARS_DIR, stem, "uefi-vars.fd", NULL);
	g_free(stem);
}

void place_free(struct place *p)
{
	g_free(p->dir);
	g_free(p->machine);
	g_free(p->vars);
}

char *place_path(const struct place *p, const char *name)
{
	return g_build_filename(p->dir, name, NULL);
}

char *place_share(const struct place *p, const char *name)
{
	char *node = g_path_get_basename(p->dir), *machine = g_path_get_dirname(p->dir);
	char *state = g_path_get_dirname(machine);
	char *path = g_build_filename(state, name, node, SHARE_SOCKET, NULL);

	g_free(state);
	g_free(machine);
	g_free(node);
	return path;
}

char *place_read(const struct place *p, const char *name)
{
	char *path = place_path(p, name), *text = NULL;

	if (g_file_get_contents(path, &text, NULL, NULL))
		g_strchomp(text);
	g_free(path);
	return text;
}

bool place_write(const struct place *p, const char *name, const char *text)
{
	char *path = place_path(p, name);
	GError *error = NULL;

	if (!g_file_set_contents(path, text, -1, &error))
		fprintf(stderr, "dvmm: %s: make room, or give another --state\n", error->message);
	g_free(path);
	if (!error)
		return true;
	g_error_free(error);
	return false;
}

/* ---- who runs it ---- */

bool place_write_pid(const struct place *p)
{
	char *text = g_strdup_printf("%d\n", getpid());
	bool ok = place_write(p, "pid", text);

	g_free(text);
	return ok;
}

bool place_go_behind(const struct place *p)
{
	pid_t pid = fork();
	int null;

	if (pid)
		_exit(pid > 0 ? 0 : verb_fail(EXIT_FAILED, "no process", "end some"));
	setsid();
	null = open("/dev/null", O_RDWR);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	close(null);
	return place_write_pid(p);
}

static int open_lock(const struct place *p, const char *name, int flags)
{
	char *path = place_path(p, name);
	int fd = open(path, flags | O_CLOEXEC, 0600);

	g_free(path);
	return fd;
}

/* @who: has it already, and what to do about it */
static bool place_claim(const struct place *p, const char *name, const char *who)
{
	struct flock lock = { .l_type = F_WRLCK };
	int fd = g_mkdir_with_parents(p->dir, 0700) ? -1 : open_lock(p, name, O_RDWR | O_CREAT);

	if (fd < 0) {
		fprintf(stderr, "dvmm: %s: %s: run as root, or give --state\n", p->dir,
			strerror(errno));
		return false;
	}
	/* Held until this process and those that it forks without exec are gone. */
	if (fcntl(fd, F_OFD_SETLK, &lock)) {
		close(fd);
		return verb_fail(0, p->dir, who);
	}
	return true;
}

bool place_lock(const struct place *p)
{
	return place_claim(p, "lock", "the node runs already: dvmm down ends the machine");
}

bool place_lock_checkpoint(const struct place *p)
{
	return place_claim(p, "checkpoint.lock",
			   "a checkpoint of it is being made: wait for its end");
}

int place_runner(const struct place *p)
{
	struct flock lock = { .l_type = F_WRLCK };
	int fd = open_lock(p, "lock", O_RDWR), pid = 0;
	char *text;

	if (fd < 0)
		return 0;
	if (!fcntl(fd, F_OFD_GETLK, &lock) && lock.l_type != F_UNLCK) {
		text = place_read(p, "pid");
		pid = text ? strtol(text, NULL, 10) : 0;
		g_free(text);
	}
	close(fd);
	return pid;
}

bool place_is_served(const struct options *o, const struct file *f, const struct place *p)
{
	return o->here || place_is_here(f, p->node) || place_runner(p);
}

void place_in_child(gpointer parent)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != GPOINTER_TO_INT(parent))
		_exit(1);
}

static bool place_has_service(void)
{
	static const char *const dirs[] = {
		"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
		"/usr/lib/systemd/system", "/lib/systemd/system",
	};
	char path[64];
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(dirs); i++) {
		snprintf(path, sizeof(path), "%s/dvmm@.service", dirs[i]);
		if (!access(path, F_OK))
			return true;
	}
	return false;
}

/* The service knows the usual directories and the host's own node. */
char *place_unit(const struct options *o, const struct file *f, unsigned int node)
{
	char *stem, *unit;

	if (access("/run/systemd/system", F_OK) || strcmp(o->dir, CONF_DIR) ||
	    strcmp(o->state, STATE_DIR) || place_own(f) != (int)node || !place_has_service())
		return NULL;
	stem = file_stem(f);
	unit = g_strdup_printf("dvmm@%s.service", stem);
	g_free(stem);
	return unit;
}
