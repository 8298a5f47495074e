// SPDX-License-Identifier: GPL-2.0
/* TLS under the transport: keys as a handshake in userspace would leave them. */
#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sockets.h"
#include "suite.h"

#ifndef SOL_TLS
#define SOL_TLS		282
#endif
#define ALERT		21
#define HANDSHAKE	22

/* One key both ways: there is nobody to keep anything from. */
static int secure(int fd)
{
	struct tls12_crypto_info_aes_gcm_128 key = {
		.info = { .version = TLS_1_3_VERSION, .cipher_type = TLS_CIPHER_AES_GCM_128 },
		.iv = "ivivivi", .key = "0123456789abcde", .salt = "slt",
	};

	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 4) ||
	    setsockopt(fd, SOL_TLS, TLS_TX, &key, sizeof(key)) ||
	    setsockopt(fd, SOL_TLS, TLS_RX, &key, sizeof(key)))
		return errno;
	return 0;
}

static int secure_lanes(__s32 *fd)
{
	int i, err = 0;

	connect_lanes(fd);
	for (i = 0; !err && i < 2 * XT_LANES; i++)
		err = secure(fd[i]);
	return err;
}

static void send_record(int fd, unsigned char type, const void *data, size_t length)
{
	char space[CMSG_SPACE(sizeof(type))] = {};
	struct iovec v = { (void *)data, length };
	struct msghdr msg = {
		.msg_iov = &v, .msg_iovlen = 1,
		.msg_control = space, .msg_controllen = sizeof(space),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_TLS;
	c->cmsg_type = TLS_SET_RECORD_TYPE;
	c->cmsg_len = CMSG_LEN(sizeof(type));
	*CMSG_DATA(c) = type;
	if (sendmsg(fd, &msg, MSG_NOSIGNAL) != (ssize_t)length)
		die("sendmsg of a TLS record");
}

const char *tls_traffic(const char *transport)
{
	struct xt_request q = { .transport = "tcp" };
	struct xt_request t = {
		.flags = XT_BOTH_WAYS | XT_RANDOM_LENGTH,
		.lanes = 15, .frames = 100, .streams = 2, .bytes = 4096, .seed = 3, .ms = 60000,
	};
	const char *bad = NULL;
	int err;

	(void)transport;
	err = secure_lanes(q.fd);
	if (err == ENOENT)
		return cannot;
	if (err)
		return failed("a socket with TLS: %s", strerror(err));
	err = ask(XT_OPEN, &q);
	close_lanes(q.fd, 2 * XT_LANES);
	if (err)
		return failed("open: %s (%s)", strerror(err), q.text);
	err = ask(XT_TRAFFIC, &t);
	if (err)
		bad = failed("%s (%s)", strerror(err), t.text);
	return close_link(bad);
}

/* A session ticket between two frames is skipped; an alert ends the link. */
const char *tls_records(const char *transport)
{
	static const unsigned char ticket[100] = { 4 }, close_notify[2] = { 1, 0 };
	struct xt_request q = { .transport = "tcp", .flags = XT_ONE_END };
	__s32 fd[2 * XT_LANES];
	const char *bad;
	int err;

	(void)transport;
	err = secure_lanes(fd);
	if (err == ENOENT)
		return cannot;
	if (err)
		return failed("a socket with TLS: %s", strerror(err));
	memset(q.fd, -1, sizeof(q.fd));
	memcpy(q.fd, fd, XT_LANES * sizeof(*fd));
	err = ask(XT_OPEN, &q);
	close_lanes(fd, XT_LANES);
	if (err)
		return failed("open: %s", strerror(err));
	send_record(fd[XT_LANES + 1], HANDSHAKE, ticket, sizeof(ticket));
	greet_lanes(fd + XT_LANES);
	bad = wait_up();
	send_record(fd[XT_LANES + 2], ALERT, close_notify, sizeof(close_notify));
	bad = bad ?: expect_down("TLS alert from peer", 1);
	close_lanes(fd + XT_LANES, XT_LANES);
	return close_link(bad);
}
