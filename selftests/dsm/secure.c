// SPDX-License-Identifier: GPL-2.0
/*
 * A machine that is secure takes no link on which nobody has proved anything: not a
 * plain socket, not one with a key for one direction only, no RDMA without a key; and
 * it is as good as another one with what it takes.
 */
#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node.h"
#include "tap.h"

#ifndef SOL_TLS
#define SOL_TLS	282
#endif
#define BOTH	2

struct pair {
	int machine[BOTH];
	int link[BOTH];
	int sock[BOTH][DVMM_LINK_LANES];
};

static int secure_machine(const uint8_t uuid[16], int self)
{
	struct dvmm_create_machine m = {
		.size = sizeof(m), .flags = DVMM_MACHINE_SECURE, .node = self, .nodes = BOTH,
	};
	int dev = dev_open(), fd;

	memcpy(m.uuid, uuid, sizeof(m.uuid));
	fd = ioctl(dev, DVMM_CREATE_MACHINE, &m);
	if (fd < 0)
		tap_bail("a secure machine: %s", strerror(errno));
	close(dev);
	return fd;
}

static void open_pair(struct pair *p, const char *transport)
{
	int end[BOTH], i, lane;
	uint8_t uuid[16];

	random_uuid(uuid);
	for (i = 0; i < BOTH; i++) {
		p->machine[i] = secure_machine(uuid, i);
		p->link[i] = link_create(p->machine[i], !i, transport);
		if (p->link[i] < 0)
			tap_bail("a link of %s: %s", transport, strerror(errno));
	}
	for (lane = 0; lane < DVMM_LINK_LANES; lane++) {
		if (tcp_pair(end))
			tap_bail("TCP over loopback: %s", strerror(errno));
		p->sock[0][lane] = end[0];
		p->sock[1][lane] = end[1];
	}
}

static void close_pair(struct pair *p)
{
	int i;

	for (i = 0; i < BOTH; i++)
		close_all(p->sock[i], DVMM_LINK_LANES);
	close_all(p->link, BOTH);
	close_all(p->machine, BOTH);
}

static void set_key(int fd, int direction)
{
	struct tls12_crypto_info_chacha20_poly1305 key = {
		.info = { .version = TLS_1_3_VERSION,
			  .cipher_type = TLS_CIPHER_CHACHA20_POLY1305 },
		.iv = "ivivivivivi", .key = "0123456789abcde0123456789abcde",
	};

	if (setsockopt(fd, SOL_TLS, direction, &key, sizeof(key)))
		tap_bail("a key for a socket: %s", strerror(errno));
}

static void for_sockets(struct pair *p, void (*call)(int fd))
{
	int i, lane;

	for (i = 0; i < BOTH; i++)
		for (lane = 0; lane < DVMM_LINK_LANES; lane++)
			call(p->sock[i][lane]);
}

static void set_tls(int fd)
{
	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 4))
		tap_bail("TLS for a socket: %s", strerror(errno));
}

static void set_tx(int fd)
{
	set_key(fd, TLS_TX);
}

static void set_rx(int fd)
{
	set_key(fd, TLS_RX);
}

static void refuses(const struct pair *p, const char *what)
{
	int ret = link_connect(p->link[0], p->sock[0]), err = errno;

	tap_ok(ret && err == ENOKEY, "%s: refused", what);
	if (!ret || err != ENOKEY)
		tap_diag("%d, %s", ret, strerror(err));
}

static bool comes_up(const struct pair *p, bool sockets)
{
	struct dvmm_event_record ev;
	int i;

	for (i = 0; i < BOTH; i++)
		if (link_connect(p->link[i], sockets ? p->sock[i] : NULL)) {
			tap_diag("DVMM_LINK_CONNECT: %s", strerror(errno));
			return false;
		}
	for (i = 0; i < BOTH; i++)
		if (event_want(p->machine[i], DVMM_EVENT_LINK_UP, &ev, 10000) != 1)
			return false;
	return true;
}

static void over_tcp(void)
{
	struct pair p;

	open_pair(&p, "tcp");
	refuses(&p, "plain sockets");
	for_sockets(&p, set_tls);
	refuses(&p, "TLS without keys");
	for_sockets(&p, set_tx);
	refuses(&p, "a key for what is sent only");
	set_rx(p.sock[0][0]);
	refuses(&p, "one lane of four with both keys");
	set_rx(p.sock[1][0]);
	close_pair(&p);

	open_pair(&p, "tcp");
	for_sockets(&p, set_tls);
	for_sockets(&p, set_tx);
	for_sockets(&p, set_rx);
	tap_ok(comes_up(&p, true), "keys for both directions of all lanes: the link comes up");
	close_pair(&p);
}

static void over_loop(void)
{
	struct pair p;

	open_pair(&p, "loop");
	tap_ok(comes_up(&p, false), "within one kernel there are no strangers");
	close_pair(&p);
}

static void over_rdma(void)
{
	struct pair p;
	int ret, err;

	open_pair(&p, "rdma");
	ret = link_connect_at(p.link[0], "127.0.0.1:7900");
	err = errno;
	tap_ok(ret && err == ENOKEY, "RDMA without a key: refused");
	if (!ret || err != ENOKEY)
		tap_diag("%d, %s", ret, strerror(err));
	close_pair(&p);
}

int main(void)
{
	tap_start(200);
	klog_open();
	over_tcp();
	over_loop();
	over_rdma();
	tap_ok(klog_clean(), "no complaints of the kernel");
	return tap_end();
}
