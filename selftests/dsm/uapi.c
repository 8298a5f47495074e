// SPDX-License-Identifier: GPL-2.0
/*
 * Every call with wrong sizes, flags, ranges, states and descriptors: each gets
 * its own errno and changes nothing.
 *
 * usage: uapi [SEED [VALUES-PER-FIELD]]
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cluster.h"
#include "tap.h"
#include "uapi.h"

static unsigned int per_field = 60;
static unsigned long cases;

static struct env {
	int fd[WHERES]; /* where calls belong */
	int region, channel;
} env;

/* ---- nothing changed ---- */

struct picture {
	int fds;
	struct dvmm_stats stats;
};

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static struct picture look(void)
{
	struct picture p;

	memset(&p, 0, sizeof(p));
	p.fds = open_fds();
	machine_stats(env.fd[ON_MACHINE], &p.stats);
	return p;
}

static bool unchanged(const struct picture *before)
{
	struct picture now = look();
	struct dvmm_event_record ev;

	return !memcmp(before, &now, sizeof(now)) && event_next(env.fd[ON_MACHINE], &ev, 0) == 0;
}

/* ---- one case ---- */

static bool refused(const struct call *c, int fd, void *arg, int err, int err2, const char *what)
{
	int ret;

	cases++;
	errno = 0;
	ret = ioctl(fd, c->cmd, arg);
	if (ret < 0 && (errno == err || (err2 && errno == err2)))
		return true;
	tap_diag("%s, %s: %d, %s; expected %s", c->name, what, ret, strerror(errno), strerror(err));
	if (ret > 2)
		close(ret);
	return false;
}

static void *sound(const struct call *c)
{
	static uint8_t arg[8192] __attribute__((aligned(8)));
	uint32_t size = c->size;

	memset(arg, 0, sizeof(arg));
	c->sound(arg);
	memcpy(arg, &size, sizeof(size));
	return arg;
}

static void put(void *arg, size_t at, int width, uint64_t v)
{
	memcpy((char *)arg + at, &v, width);
}

/* ---- families ---- */

static bool sizes(const struct call *c)
{
	int fd = env.fd[c->on];
	uint8_t *arg;
	uint32_t n;
	bool ok = true;

	for (n = 0; n < 8; n++) {
		arg = sound(c);
		put(arg, 0, 4, n);
		ok &= refused(c, fd, arg, EINVAL, 0, "size below the head");
	}
	for (n = 0; n < per_field; n++) {
		arg = sound(c);
		put(arg, 0, 4, rnd_range(4097, UINT32_MAX));
		ok &= refused(c, fd, arg, EINVAL, E2BIG, "size beyond a page");
		arg = sound(c);
		put(arg, 0, 4, c->size + rnd_range(1, 1000));
		arg[c->size] = 1;
		ok &= refused(c, fd, arg, E2BIG, 0, "unknown bytes that are set");
	}
	return ok;
}

static uint32_t known_flags(const struct call *c)
{
	return c->cmd == DVMM_CREATE_MACHINE ? (DVMM_MACHINE_SECURE | DVMM_MACHINE_JOIN) : 0;
}

/* Each bit alone, then some at random, without those that are known. */
static bool flags(const struct call *c)
{
	bool ok = true;
	unsigned int n;
	uint32_t wrong;
	uint8_t *arg;

	for (n = 0; n < 32 + per_field; n++) {
		wrong = (n < 32 ? 1u << n : rnd_range(1, UINT32_MAX)) & ~known_flags(c);
		if (!wrong)
			continue;
		arg = sound(c);
		put(arg, 4, 4, wrong);
		ok &= refused(c, env.fd[c->on], arg, EINVAL, 0, "unknown flags");
	}
	return ok;
}

static bool pointers(const struct call *c)
{
	char *edge =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = env.fd[c->on];
	bool ok;

	ok = refused(c, fd, NULL, EFAULT, 0, "NULL");
	ok &= refused(c, fd, (void *)(1ul << 63), EFAULT, 0, "kernel address");
	munmap(edge + PAGE, PAGE);
	memcpy(edge + PAGE - 8, sound(c), 8);
	if (c->size > 8)
		ok &= refused(c, fd, edge + PAGE - 8, EFAULT, 0, "argument that ends in a hole");
	ok &= refused(c, fd, edge + PAGE - 4, EFAULT, 0, "head that ends in a hole");
	munmap(edge, PAGE);
	return ok;
}

static bool descriptors(const struct call *c)
{
	int other[] = {
		env.fd[ON_DEV],
		env.fd[ON_MACHINE],
		env.fd[ON_LINK],
		env.region,
		env.channel,
		open("/dev/null", O_RDWR),
		socket(AF_UNIX, SOCK_STREAM, 0),
		-1,
		1 << 20,
	};
	bool ok = true;
	size_t i;

	for (i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		if (other[i] == env.fd[c->on])
			continue;
		ok &= refused(c, other[i], sound(c), i < 7 ? ENOTTY : EBADF, 0,
			      "foreign descriptor");
	}
	close(other[5]);
	close(other[6]);
	return ok;
}

static void common(const struct call *c)
{
	static const struct {
		bool (*run)(const struct call *c);
		const char *what;
	} all[] = {
		{ sizes, "wrong sizes" },
		{ flags, "unknown flags" },
		{ pointers, "bad addresses" },
		{ descriptors, "foreign descriptors" },
	};
	struct picture before = look();
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		bool ok = all[i].run(c);

		tap_ok(ok && unchanged(&before), "%s: %s are refused and change nothing", c->name,
		       all[i].what);
	}
}

static uint64_t value(const struct refusal *r, unsigned int n)
{
	uint64_t v = n == 0 ? r->lo : n == 1 ? r->hi : rnd_range(r->lo, r->hi);

	if (!r->mask)
		return v;
	/* The lowest bit of the mask, if chance has set none. */
	return v & r->mask ?: r->mask & -r->mask;
}

static void field(const struct refusal *r)
{
	struct picture before = look();
	unsigned int n, count = r->lo == r->hi ? 1 : per_field;
	bool ok = true;
	uint8_t *arg;

	/* A name that is not known costs a run of modprobe. */
	if (r->err == EPROTONOSUPPORT)
		count = 2;
	for (n = 0; n < count; n++) {
		arg = sound(r->call);
		put(arg, r->at, r->width, value(r, n));
		ok &= refused(r->call, env.fd[r->call->on], arg, r->err, r->err2, r->what);
	}
	tap_ok(ok && unchanged(&before), "%s: %s: %s", r->call->name, r->what, strerror(r->err));
}

static void unknown_numbers(void)
{
	struct call c = { .name = "unknown number" };
	struct picture before = look();
	bool ok = true;
	unsigned int n;
	int on;

	for (n = 0; n < 256; n++) {
		c.cmd = _IOW(DVMM_IOCTL_BASE, n, struct dvmm_version);
		for (on = 0; on < WHERES; on++)
			if (n > 0x10 || (n > 8 && n < 0x10 && n != _IOC_NR(DVMM_LEAVE)))
				ok &= refused(&c, env.fd[on], &env, ENOTTY, 0, "any descriptor");
		c.cmd = _IOW(n == DVMM_IOCTL_BASE ? 0 : n, 0x10 + n, struct dvmm_version);
		ok &= refused(&c, env.fd[ON_LINK], &env, ENOTTY, 0, "foreign number");
	}
	tap_ok(ok && unchanged(&before), "unknown numbers: ENOTTY");
}

/* ---- text fields ---- */

static void texts(void)
{
	struct dvmm_create_link l = { .size = sizeof(l), .peer = 1 };
	struct dvmm_stop s = { .size = sizeof(s) };
	struct dvmm_link_connect c = { .size = sizeof(c), .sock = { -1, -1, -1, -1 } };
	struct picture before = look();
	bool ok;

	memset(l.transport, 'x', sizeof(l.transport));
	memset(s.reason, 'x', sizeof(s.reason));
	memset(c.address, 'x', sizeof(c.address));
	ok = refused(&calls[3], env.fd[ON_MACHINE], &l, EINVAL, 0, "unterminated name");
	ok &= refused(&calls[7], env.fd[ON_MACHINE], &s, EINVAL, 0, "unterminated reason");
	ok &= refused(&calls[9], env.fd[ON_LINK], &c, EINVAL, 0, "unterminated address");
	strcpy(c.address, "10.0.0.1:7000");
	ok &= refused(&calls[9], env.fd[ON_LINK], &c, EINVAL, 0, "loop with an address");
	memcpy(l.transport, "../../dvmm-tcp", 15);
	ok &= refused(&calls[3], env.fd[ON_MACHINE], &l, EPROTONOSUPPORT, EINVAL, "path as a name");
	tap_ok(ok && unchanged(&before), "texts without an end, with a path, or out of place");
}

/* Regions may still be added after a connect that was refused. */
static void no_start(void)
{
	struct dvmm_link_connect c = { .size = sizeof(c), .sock = { -1, -1, -1, -1 },
				       .address = "10.0.0.1:7000" };
	struct machine_params p = { .nodes = 2 };
	int m, link, region;
	bool ok;

	random_uuid(p.uuid);
	m = machine_create(&p);
	link = link_create(m, 1, "loop");
	ok = refused(&calls[9], link, &c, EINVAL, 0, "loop with an address");
	region = region_create(m, 0, 0, PAGE, 0);
	tap_ok(ok && region >= 0, "a connect that is refused starts nothing");
	close(region);
	close(link);
	close(m);
}

/* ---- sockets that are none ---- */

/* What is given in place of a connected TCP socket. */
struct others {
	int null, unconnected, udp, un[2];
};

static bool wrong_sockets(int link, const int pair[4], const struct others *o)
{
	const struct {
		int sock[4], error, other_error;
		const char *what;
	} tries[] = {
		{ { -1, -1, -1, -1 }, EINVAL, EBADF, "tcp without sockets" },
		{ { pair[0], pair[1], pair[2], -1 }, EINVAL, EBADF, "three sockets" },
		{ { pair[0], pair[0], pair[2], pair[3] }, EINVAL, 0, "one socket twice" },
		{ { o->null, pair[1], pair[2], pair[3] }, ENOTSOCK, 0, "no socket" },
		{ { pair[0], o->udp, pair[2], pair[3] }, EPROTOTYPE, 0, "UDP" },
		{ { pair[0], o->unconnected, pair[2], pair[3] }, ENOTCONN, EINVAL,
		  "not connected" },
		{ { pair[0], pair[1], pair[2], o->un[0] }, EPROTOTYPE, 0, "a UNIX socket" },
		{ { env.region, pair[1], pair[2], pair[3] }, ENOTSOCK, 0, "a region" },
	};
	struct dvmm_link_connect c = { .size = sizeof(c) };
	bool ok = true;
	size_t i;

	for (i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		memcpy(c.sock, tries[i].sock, sizeof(c.sock));
		ok &= refused(&calls[9], link, &c, tries[i].error, tries[i].other_error,
			      tries[i].what);
	}
	return ok;
}

static void open_others(struct others *o)
{
	o->null = open("/dev/null", O_RDWR);
	o->unconnected = socket(AF_INET, SOCK_STREAM, 0);
	o->udp = socket(AF_INET, SOCK_DGRAM, 0);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, o->un))
		tap_bail("socketpair: %s", strerror(errno));
}

static void sockets(void)
{
	struct dvmm_link_connect c = { .size = sizeof(c) };
	struct machine_params p = { .nodes = 2 };
	int pair[4][2], ends[4], m, link, i;
	struct others o;
	bool ok;

	random_uuid(p.uuid);
	m = machine_create(&p);
	link = link_create(m, 1, "tcp");
	open_others(&o);
	for (i = 0; i < 4; i++) {
		if (tcp_pair(pair[i]))
			tap_bail("TCP over loopback: %s", strerror(errno));
		ends[i] = pair[i][0];
		c.sock[i] = ends[i];
	}
	ok = wrong_sockets(link, ends, &o);
	ok &= !ioctl(link, DVMM_LINK_CONNECT, &c);
	tap_ok(ok, "wrong sockets are refused, right ones are taken after that");
	tap_ok(refused(&calls[9], link, &c, EISCONN, EBUSY, "connecting again"),
	       "a link is connected once");
	for (i = 0; i < 4; i++)
		close_all(pair[i], 2);
	close_all(o.un, 2);
	close(o.null);
	close(o.udp);
	close(o.unconnected);
	close(link);
	close(m);
}

/* ---- descriptors that are read and written ---- */

static bool io_fails(ssize_t ret, int err, const char *what)
{
	cases++;
	if (ret < 0 && errno == err)
		return true;
	tap_diag("%s: %zd, %s; expected %s", what, ret, strerror(errno), strerror(err));
	return false;
}

static void machine_io(void)
{
	struct dvmm_event_record ev;
	int m = env.fd[ON_MACHINE];
	bool ok;

	fcntl(m, F_SETFL, O_NONBLOCK);
	ok = io_fails(read(m, &ev, sizeof(ev)), EAGAIN, "no event");
	ok &= io_fails(read(m, &ev, sizeof(ev) - 1), EINVAL, "short buffer");
	ok &= io_fails(write(m, &ev, sizeof(ev)), EINVAL, "write to a machine");
	ok &= io_fails(read(env.region, &ev, 1), EINVAL, "read of a region");
	ok &= io_fails(write(env.region, &ev, 1), EINVAL, "write to a region");
	ok &= io_fails(read(env.fd[ON_LINK], &ev, 1), EINVAL, "read of a link");
	fcntl(m, F_SETFL, 0);
	tap_ok(ok, "read and write where there is nothing to read or write");
}

static void channel_io(void)
{
	char buf[sizeof(struct dvmm_datagram) + 4200];
	struct dvmm_datagram *d = (struct dvmm_datagram *)buf;
	int c = env.channel;
	unsigned int n;
	bool ok = true;

	memset(buf, 0, sizeof(buf));
	for (n = 0; n < sizeof(*d); n++)
		ok &= io_fails(write(c, buf, n), EINVAL, "part of a head");
	for (n = 0; n < per_field; n++) {
		*d = (struct dvmm_datagram){ .node = 1, .length = rnd_range(1, 4096) };
		ok &= io_fails(write(c, buf, sizeof(*d) + d->length - 1), EINVAL, "short data");
		ok &= io_fails(write(c, buf, sizeof(*d) + d->length + 1), EINVAL, "long data");
		*d = (struct dvmm_datagram){ .node = rnd_range(2, 0xfffe) };
		ok &= io_fails(write(c, buf, sizeof(*d)), EINVAL, "node beyond the machine");
		*d = (struct dvmm_datagram){ .node = 1, .reserved = rnd_range(1, 255) };
		ok &= io_fails(write(c, buf, sizeof(*d)), EINVAL, "reserved");
	}
	*d = (struct dvmm_datagram){ .node = 1, .length = 4097 };
	ok &= io_fails(write(c, buf, sizeof(*d) + 4097), EINVAL, "4097 bytes");
	*d = (struct dvmm_datagram){ .node = 0 };
	ok &= io_fails(write(c, buf, sizeof(*d)), EINVAL, "to itself");
	*d = (struct dvmm_datagram){ .node = 1 };
	ok &= io_fails(write(c, buf, sizeof(*d)), ENOTCONN, "no link yet");
	ok &= io_fails(syscall(SYS_write, c, NULL, sizeof(*d)), EFAULT, "NULL");
	fcntl(c, F_SETFL, O_NONBLOCK);
	ok &= io_fails(read(c, buf, sizeof(buf)), EAGAIN, "nothing to read");
	fcntl(c, F_SETFL, 0);
	tap_ok(ok, "datagrams that are none");
}

/* ---- states ---- */

static void states(void)
{
	struct dvmm_create_region region = { .size = sizeof(region), .id = 7, .bytes = PAGE };
	struct dvmm_create_machine again = { .size = sizeof(again), .nodes = 1 };
	struct dvmm_create_channel channel = { .size = sizeof(channel), .id = 16 };
	struct cluster c = { .nodes = 2, .transport = "loop", .bytes = 64 * PAGE };
	struct dvmm_create_link link = { .size = sizeof(link), .peer = 1 };
	struct dvmm_event_record ev;
	bool ok;

	if (cluster_open(&c)) {
		tap_ok(false, "a cluster to try states on: %s", c.why);
		return;
	}
	strcpy(link.transport, "loop");
	ok = refused(&calls[2], c.machine[0], &region, EBUSY, 0, "region after the start");
	region.id = 0;
	ok &= refused(&calls[2], c.machine[0], &region, EBUSY, EEXIST,
		      "region again, after the start");
	ok &= refused(&calls[3], c.machine[0], &link, EEXIST, 0, "second link");
	tap_ok(ok, "what a running machine refuses");

	machine_stop(c.machine[0], "for the test");
	ok = event_want(c.machine[0], DVMM_EVENT_STOPPED, &ev, 5000) == 1 &&
	     event_want(c.machine[1], DVMM_EVENT_STOPPED, &ev, 5000) == 1;
	ok &= refused(&calls[2], c.machine[0], &region, EBUSY, EEXIST, "region after the stop");
	tap_ok(ok, "what a stopped machine refuses");
	cluster_close(&c);

	random_uuid(again.uuid);
	c.machine[0] = ioctl(env.fd[ON_DEV], DVMM_CREATE_MACHINE, &again);
	ok = c.machine[0] >= 0 &&
	     refused(&calls[1], env.fd[ON_DEV], &again, EEXIST, 0, "this node exists");
	c.machine[1] = ioctl(c.machine[0], DVMM_CREATE_CHANNEL, &channel);
	ok &= c.machine[1] >= 0 &&
	      refused(&calls[4], c.machine[0], &channel, EBUSY, EEXIST, "this channel exists");
	close_all(c.machine, 2);
	c.machine[0] = ioctl(env.fd[ON_DEV], DVMM_CREATE_MACHINE, &again);
	tap_ok(ok && c.machine[0] >= 0, "a name is taken while its holder lives, and free after");
	close_all(c.machine, 1);
}

static void not_kvm(void)
{
	struct dvmm_attach_kvm a = { .size = sizeof(a), .count = 1 };
	struct picture before = look();
	uint16_t node = 0;
	bool ok;

	a.nodes_of = (uintptr_t)&node;
	a.vm = env.fd[ON_DEV];
	ok = refused(&calls[5], env.fd[ON_MACHINE], &a, EINVAL, 0, "a descriptor that is no VM");
	a.vm = -1;
	ok &= refused(&calls[5], env.fd[ON_MACHINE], &a, EBADF, 0, "no descriptor");
	tap_ok(ok && unchanged(&before), "ATTACH_KVM: what is no VM is refused");
}

/* The refusals mean something only if the sound arguments are taken. */
static void accepted(void)
{
	struct machine_params p = { .nodes = 2 };
	static const int take[] = { 2, 3, 4, 8, 7 };
	size_t i;
	int m, fd;

	random_uuid(p.uuid);
	m = machine_create(&p);
	for (i = 0; i < sizeof(take) / sizeof(take[0]); i++) {
		fd = ioctl(m, calls[take[i]].cmd, sound(&calls[take[i]]));
		tap_ok(fd >= 0, "%s: the sound argument is taken%s%s", calls[take[i]].name,
		       fd < 0 ? ": " : "", fd < 0 ? strerror(errno) : "");
		if (fd > 0)
			close(fd);
	}
	close(m);
}

static void newer_program(void)
{
	struct {
		struct dvmm_version v;
		uint32_t more[8];
	} v;
	struct dvmm_version old = { .size = 8 };
	bool ok;

	memset(&v, 0, sizeof(v));
	v.v.size = sizeof(v);
	ok = !ioctl(env.fd[ON_DEV], DVMM_GET_VERSION, &v) && v.v.api == DVMM_API_VERSION &&
	     v.v.page_size == PAGE && !v.more[0];
	ok = ok && !ioctl(env.fd[ON_DEV], DVMM_GET_VERSION, &old) && !old.api;
	tap_ok(ok, "a longer and a shorter struct get what both sides know");
}

static void env_open(void)
{
	struct machine_params p = { .nodes = 2 };

	random_uuid(p.uuid);
	env.fd[ON_DEV] = dev_open();
	env.fd[ON_MACHINE] = machine_create(&p);
	env.region = region_create(env.fd[ON_MACHINE], 0, 0, 16 * PAGE, 0);
	env.fd[ON_LINK] = link_create(env.fd[ON_MACHINE], 1, "loop");
	env.channel = channel_create(env.fd[ON_MACHINE], 16);
	if (env.fd[ON_MACHINE] < 0 || env.region < 0 || env.fd[ON_LINK] < 0 || env.channel < 0)
		tap_bail("a sound machine is refused: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	uint64_t seed = rnd_seed(argc > 1 ? strtoull(argv[1], NULL, 0) : 1);
	int i;

	per_field = argc > 2 ? atoi(argv[2]) : 60;
	tap_start(300);
	klog_open();
	env_open();
	tap_diag("seed %llu", (unsigned long long)seed);
	newer_program();
	accepted();
	for (i = 0; i < call_count; i++)
		common(&calls[i]);
	for (i = 0; i < refusal_count; i++)
		field(&refusals[i]);
	unknown_numbers();
	texts();
	no_start();
	sockets();
	machine_io();
	channel_io();
	states();
	not_kvm();
	tap_diag("%lu calls that must fail", cases);
	tap_ok(klog_clean(), "the kernel did not complain");
	return tap_end();
}
