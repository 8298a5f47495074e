// SPDX-License-Identifier: GPL-2.0
/* Thin wrappers of the calls of uapi/linux/dvmm.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node.h"
#include "tap.h"

/* As an administrator would; what goes wrong shows when the device is opened. */
static void load_module(void)
{
	pid_t pid = fork();

	if (!pid) {
		execlp("modprobe", "modprobe", "dvmm", NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
}

bool dev_there(void)
{
	if (access("/dev/dvmm", F_OK))
		load_module();
	return !access("/dev/dvmm", F_OK);
}

int dev_open(void)
{
	int fd;

	dev_there();
	fd = open("/dev/dvmm", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		tap_skip_all("/dev/dvmm: %s (as root: modprobe dvmm)", strerror(errno));
	return fd;
}

void random_uuid(uint8_t uuid[16])
{
	if (getrandom(uuid, 16, 0) != 16)
		tap_bail("getrandom: %s", strerror(errno));
}

int machine_create(const struct machine_params *p)
{
	struct dvmm_create_machine arg = {
		.size = sizeof(arg),
		.node = p->self,
		.nodes = p->nodes,
		.hold_us = p->hold_us,
		.policy = p->policy,
		.stall_s = p->stall_s,
		.flags = p->flags,
		.absent = { p->absent },
	};
	int dev = dev_open();
	int fd, err;

	memcpy(arg.uuid, p->uuid, sizeof(arg.uuid));
	memcpy(arg.config, p->config, sizeof(arg.config));
	fd = ioctl(dev, DVMM_CREATE_MACHINE, &arg);
	err = errno;
	close(dev);
	errno = err;
	return fd;
}

int region_create(int machine, int id, int home, size_t bytes, size_t cache)
{
	struct dvmm_create_region arg = {
		.size = sizeof(arg),
		.id = id,
		.home = home,
		.bytes = bytes,
		.cache_bytes = cache,
	};

	return ioctl(machine, DVMM_CREATE_REGION, &arg);
}

int snapshot_create(int region)
{
	struct dvmm_create_snapshot arg = { .size = sizeof(arg) };

	return ioctl(region, DVMM_CREATE_SNAPSHOT, &arg);
}

int link_create(int machine, int peer, const char *transport)
{
	struct dvmm_create_link arg = { .size = sizeof(arg), .peer = peer };

	strncpy(arg.transport, transport, sizeof(arg.transport) - 1);
	return ioctl(machine, DVMM_CREATE_LINK, &arg);
}

int link_connect(int link, const int *sock)
{
	struct dvmm_link_connect arg = { .size = sizeof(arg) };
	int i;

	for (i = 0; i < DVMM_LINK_LANES; i++)
		arg.sock[i] = sock ? sock[i] : -1;
	return ioctl(link, DVMM_LINK_CONNECT, &arg);
}

int link_connect_at(int link, const char *address)
{
	struct dvmm_link_connect c = { .size = sizeof(c), .sock = { -1, -1, -1, -1 } };

	snprintf(c.address, sizeof(c.address), "%s", address);
	return ioctl(link, DVMM_LINK_CONNECT, &c);
}

int channel_create(int machine, int id)
{
	struct dvmm_create_channel arg = { .size = sizeof(arg), .id = id };

	return ioctl(machine, DVMM_CREATE_CHANNEL, &arg);
}

int machine_stop(int machine, const char *reason)
{
	struct dvmm_stop arg = { .size = sizeof(arg) };

	strncpy(arg.reason, reason, sizeof(arg.reason) - 1);
	return ioctl(machine, DVMM_STOP, &arg);
}

int machine_leave(int machine)
{
	struct dvmm_leave arg = { .size = sizeof(arg) };

	return ioctl(machine, DVMM_LEAVE, &arg);
}

int machine_stats(int machine, struct dvmm_stats *s)
{
	memset(s, 0, sizeof(*s));
	s->size = sizeof(*s);
	return ioctl(machine, DVMM_GET_STATS, s);
}

static int wait_readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int ret;

	do {
		ret = poll(&p, 1, ms);
	} while (ret < 0 && errno == EINTR);
	return ret;
}

static int next_event(int machine, struct dvmm_event_record *ev, int ms)
{
	int ret = wait_readable(machine, ms);

	if (ret <= 0)
		return ret;
	return read(machine, ev, sizeof(*ev)) == sizeof(*ev) ? 1 : -1;
}

int event_next(int machine, struct dvmm_event_record *ev, int ms)
{
	return next_event(machine, ev, ms * tap_patience());
}

int event_want(int machine, int type, struct dvmm_event_record *ev, int ms)
{
	uint64_t end = now_ns() + ms * tap_patience() * 1000000ull;
	uint64_t now;
	int ret;

	while ((now = now_ns()) < end) {
		ret = next_event(machine, ev, (end - now) / 1000000 + 1);
		if (ret <= 0 || ev->type == type)
			return ret;
	}
	return 0;
}

void uuid_text(const uint8_t uuid[16], char text[UUID_TEXT])
{
	int i, at = 0;

	for (i = 0; i < 16; i++)
		at += snprintf(text + at, UUID_TEXT - at, "%02x%s", uuid[i],
			       i == 3 || i == 5 || i == 7 || i == 9 ? "-" : "");
}

int node_debugfs(const uint8_t uuid[16], int node, const char *file, char *buf, size_t n)
{
	static const char root[] = "/sys/kernel/debug";
	char name[128], text[UUID_TEXT];
	ssize_t got;
	int fd;

	mount("debugfs", root, "debugfs", 0, NULL);
	uuid_text(uuid, text);
	snprintf(name, sizeof(name), "%s/dvmm/%s.%d/%s", root, text, node, file);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	got = read(fd, buf, n - 1);
	close(fd);
	buf[got > 0 ? got : 0] = 0;
	return got > 0 ? 0 : -1;
}

int channel_send(int channel, int node, int type, uint64_t id, const void *data, size_t n)
{
	struct dvmm_datagram d = { .node = node, .type = type, .length = n, .id = id };
	char buf[sizeof(d) + DVMM_CHANNEL_DATA_MAX];

	/* One write() a datagram: writev() could hand it over in two pieces. */
	memcpy(buf, &d, sizeof(d));
	if (n)
		memcpy(buf + sizeof(d), data, n);
	return write(channel, buf, sizeof(d) + n) == (ssize_t)(sizeof(d) + n) ? 0 : -1;
}

int channel_recv(int channel, struct dvmm_datagram *d, void *data, size_t room, int ms)
{
	char buf[sizeof(*d) + DVMM_CHANNEL_DATA_MAX];
	int ret = wait_readable(channel, ms);
	ssize_t n;

	if (ret <= 0) {
		errno = ret ? errno : ETIME;
		return -1;
	}
	n = read(channel, buf, sizeof(buf));
	if (n < (ssize_t)sizeof(*d))
		return -1;
	memcpy(d, buf, sizeof(*d));
	n -= sizeof(*d);
	if ((size_t)n != d->length || (size_t)n > room) {
		errno = EPROTO;
		return -1;
	}
	if (n)
		memcpy(data, buf + sizeof(*d), n);
	return n;
}

static void no_delay(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

long thread_switches(int tid)
{
	char line[100];
	long n = -1;
	FILE *f;

	snprintf(line, sizeof(line), "/proc/self/task/%d/status", tid);
	f = fopen(line, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1)
			break;
	if (f)
		fclose(f);
	return n;
}

int tcp_pair(int end[2])
{
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	end[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	end[1] = -1;
	if (l < 0 || end[0] < 0 || bind(l, (struct sockaddr *)&a, len) || listen(l, 1) ||
	    getsockname(l, (struct sockaddr *)&a, &len) ||
	    connect(end[0], (struct sockaddr *)&a, len))
		goto fail;
	end[1] = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	if (end[1] < 0)
		goto fail;
	no_delay(end[0]);
	no_delay(end[1]);
	close(l);
	return 0;
fail:
	close_all(end, 2);
	close_all(&l, 1);
	return -1;
}

void close_all(int *fd, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		if (fd[i] >= 0)
			close(fd[i]);
		fd[i] = -1;
	}
}
