// SPDX-License-Identifier: GPL-2.0
/*
 * dvmm-share: one node of a region that machines share.  To the kernel it is a node of a machine
 * without vCPUs, to QEMU an ivshmem server.
 *
 * usage: dvmm-share MACHINE-FILE NODE STATE-DIRECTORY [detach]	(by dvmm share)
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <glib-unix.h>

#include "doorbell.h"
#include "link.h"
#include "place.h"
#include "tls.h"

/**
 * struct region - the node, from its beginning to its end
 * @link: to each peer
 * @up: that many links are
 * @asked: it ends because it was told to
 * @end: why it ends, NULL: it does not
 */
struct region {
	const struct options *o;
	struct file *f;
	struct place p;
	uint8_t key[DVMM_KEY_LEN];
	struct links links;
	int machine;
	int memory;
	int channel;
	int link[FILE_NODES_MAX];
	unsigned int up;
	struct doorbell *bell;
	bool asked;
	char *end;
};

static const char *region_node(const struct region *r)
{
	return file_node(r->f, r->p.node)->name;
}

/* The first reason counts. */
static void region_end(struct region *r, char *why)
{
	if (r->end)
		g_free(why);
	else
		r->end = why;
}

/* ---- the kernel's part ---- */

/* The descriptor or 0; -1 after a line on stderr */
static int region_call(int fd, unsigned long call, void *arg, const char *what)
{
	int ret = ioctl(fd, call, arg);

	if (ret < 0)
		verb_fail(0, what, errno == EEXIST ? "it runs on this host already: dvmm list" :
			  errno == ENOMEM ? "no memory for it: free some, or share less" :
			  strerror(errno));
	return ret;
}

static int region_status(int error)
{
	if (error == EACCES || error == EPERM)
		return verb_fail(EXIT_DENIED, "/dev/dvmm cannot be opened", "run as root");
	return verb_fail(EXIT_MISSING, "/dev/dvmm is not there", "modprobe dvmm");
}

static bool create_machine(struct region *r, int dev)
{
	struct dvmm_create_machine m = {
		.size = sizeof(m),
		.flags = r->links.key ? DVMM_MACHINE_SECURE : 0,
		.node = r->p.node,
		.nodes = r->f->nodes->len,
		.hold_us = r->f->hold_us,
		.policy = (r->f->migratory ? DVMM_POLICY_MIGRATORY : 0) |
			  (r->f->prefetch ? DVMM_POLICY_PREFETCH : 0),
		.stall_s = r->f->stall,
	};

	memcpy(m.uuid, r->links.uuid, sizeof(m.uuid));
	memcpy(m.config, r->links.config, sizeof(m.config));
	r->machine = region_call(dev, DVMM_CREATE_MACHINE, &m, r->f->name);
	return r->machine >= 0;
}

static bool create_memory(struct region *r)
{
	struct dvmm_create_region m = {
		.size = sizeof(m),
		.bytes = r->f->memory,
		.cache_bytes = file_node(r->f, r->p.node)->cache,
	};
	struct dvmm_create_channel c = { .size = sizeof(c), .id = DVMM_CHANNEL_USER };

	r->memory = region_call(r->machine, DVMM_CREATE_REGION, &m, "the region");
	if (r->memory >= 0)
		r->channel = region_call(r->machine, DVMM_CREATE_CHANNEL, &c, "the channel");
	return r->memory >= 0 && r->channel >= 0;
}

static bool create_links(struct region *r)
{
	unsigned int i;

	for (i = 0; i < r->f->nodes->len; i++) {
		struct dvmm_create_link l = { .size = sizeof(l), .peer = i };

		if (i == r->p.node)
			continue;
		g_strlcpy(l.transport, r->f->transport, sizeof(l.transport));
		r->link[i] = region_call(r->machine, DVMM_CREATE_LINK, &l,
					 file_node(r->f, i)->name);
		if (r->link[i] < 0)
			return false;
	}
	return true;
}

static bool connect_link(struct region *r, unsigned int peer, const int sock[DVMM_LINK_LANES])
{
	struct dvmm_link_connect c = { .size = sizeof(c) };
	unsigned int i;

	for (i = 0; i < DVMM_LINK_LANES; i++)
		c.sock[i] = sock ? sock[i] : -1;
	return !region_call(r->link[peer], DVMM_LINK_CONNECT, &c, file_node(r->f, peer)->name);
}

/* ---- events ---- */

static void region_ready(struct region *r)
{
	char *path = place_path(&r->p, SHARE_SOCKET);

	if (!doorbell_listen(r->bell, path)) {
		region_end(r, g_strdup("its socket cannot be made"));
	} else {
		place_write(&r->p, "ready", "");
		printf("%s: %s shares %" G_GUINT64_FORMAT " MiB: %s\n", r->f->name, region_node(r),
		       r->f->memory >> 20, path);
		fflush(stdout);
	}
	g_free(path);
}

static gboolean on_event(gint fd, GIOCondition condition, gpointer arg)
{
	struct region *r = arg;
	struct dvmm_event_record e;

	(void)condition;
	if (read(fd, &e, sizeof(e)) != sizeof(e))
		return G_SOURCE_CONTINUE;
	if (e.type == DVMM_EVENT_LINK_UP && ++r->up == r->f->nodes->len - 1)
		region_ready(r);
	else if (e.type == DVMM_EVENT_STOPPED)
		region_end(r, g_strdup(e.reason));
	else if (e.type == DVMM_EVENT_LINK_DOWN)
		region_end(r, g_strdup_printf("the link to node '%s' is down: %s",
					      file_node(r->f, e.node)->name, e.reason));
	return G_SOURCE_CONTINUE;
}

static void on_linked(void *arg, unsigned int peer, const int sock[DVMM_LINK_LANES])
{
	struct region *r = arg;
	unsigned int i;

	if (!connect_link(r, peer, sock))
		region_end(r, g_strdup_printf("no link to node '%s'", file_node(r->f, peer)->name));
	for (i = 0; i < DVMM_LINK_LANES; i++)
		close(sock[i]);
}

static void on_failed(void *arg, char *why)
{
	region_end(arg, why);
}

/* All others learn why. */
static gboolean on_signal(gpointer arg)
{
	struct region *r = arg;
	struct dvmm_stop s = { .size = sizeof(s) };

	r->asked = true;
	snprintf(s.reason, sizeof(s.reason), "node '%s' was told to end", region_node(r));
	if (ioctl(r->machine, DVMM_STOP, &s))
		region_end(r, g_strdup(s.reason));
	return G_SOURCE_CONTINUE;
}

/* ---- begin and end ---- */

static bool region_connect(struct region *r)
{
	unsigned int i;

	if (strcmp(r->f->transport, "loop"))
		return links_begin(&r->links);
	for (i = 0; i < r->f->nodes->len; i++)
		if (i != r->p.node && !connect_link(r, i, NULL))
			return false;
	return true;
}

static int region_serve(struct region *r)
{
	r->bell = doorbell_new(r->p.node, r->memory, r->channel);
	g_unix_fd_add(r->machine, G_IO_IN, on_event, r);
	g_unix_signal_add(SIGTERM, on_signal, r);
	g_unix_signal_add(SIGINT, on_signal, r);
	if (!region_connect(r))
		return EXIT_FAILED;
	if (r->f->nodes->len == 1)
		region_ready(r);
	while (!r->end)
		g_main_context_iteration(NULL, TRUE);
	doorbell_free(r->bell);
	place_write(&r->p, "ended", r->asked ? "" : r->end);
	if (!r->asked)
		fprintf(stderr, "dvmm: %s: %s\n", region_node(r), r->end);
	return r->asked ? 0 : EXIT_FAILED;
}

/* A descriptor for each client of each node */
static void region_allow_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

static bool region_prepare(struct region *r)
{
	static const char *const stale[] = { "ready", "ended", SHARE_SOCKET, NULL };
	char *path;
	int i;

	region_allow_files();
	if (!place_lock(&r->p))
		return false;
	for (i = 0; stale[i]; i++) {
		path = place_path(&r->p, stale[i]);
		unlink(path);
		g_free(path);
	}
	return place_write_pid(&r->p) && (!r->o->detach || place_go_behind(&r->p));
}

static int hex_bytes(const char *text, uint8_t *bytes, int n)
{
	int i = 0;

	for (; *text && i < 2 * n; text++)
		if (g_ascii_isxdigit(*text)) {
			bytes[i / 2] = bytes[i / 2] << 4 | g_ascii_xdigit_value(*text);
			i++;
		}
	return i;
}

static int region_run(struct region *r)
{
	bool secure = strcmp(r->f->security, "none");
	char *digest = file_digest(r->f);
	int dev;

	hex_bytes(r->f->uuid, r->links.uuid, sizeof(r->links.uuid));
	hex_bytes(digest, r->links.config, sizeof(r->links.config));
	g_free(digest);
	if (secure && !tls_key(r->f->key, r->key))
		return EXIT_FAILED;
	r->links.key = secure ? r->key : NULL;
	dev = open("/dev/dvmm", O_RDWR | O_CLOEXEC);
	if (dev < 0)
		return region_status(errno);
	if (!region_prepare(r) || !create_machine(r, dev) || !create_memory(r) || !create_links(r))
		return EXIT_FAILED;
	return region_serve(r);
}

int main(int argc, char **argv)
{
	struct options o = { .detach = argc > 4 };
	struct region r = { .o = &o };
	char *error = NULL;
	int node;

	if (argc < 4)
		return verb_fail(EXIT_USAGE, argv[0], "is what dvmm share runs");
	o.state = argv[3];
	r.f = file_read(argv[1], &error);
	if (!r.f)
		return verb_fail(EXIT_FILE, "dvmm share", error);
	node = place_pick(r.f, argv[2]);
	if (node < 0)
		return EXIT_FILE;
	place_make(&r.p, &o, r.f, node);
	r.links = (struct links){ .f = r.f, .self = node, .linked = on_linked, .failed = on_failed,
				  .arg = &r };
	return region_run(&r);
}
