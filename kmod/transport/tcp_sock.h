/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A connected TCP socket that userspace has handed over.  While it is held,
 * userspace's descriptors of it neither read, write nor set TCP options: their bytes
 * would be taken for frames, and a copy from or to guest memory under the socket's
 * lock would wait for a page that only this socket can bring.
 */
#ifndef DVMM_TRANSPORT_TCP_SOCK_H
#define DVMM_TRANSPORT_TCP_SOCK_H

#include <linux/net.h>

#include <dvmm/transport.h>

/**
 * struct tcp_sock_held - a socket in our hands
 * @sock: with userspace's reference on its file
 * @ops: what it was before; ours to call
 * @write_space: the socket's own
 * @writable: called in softirq when there is room again; must not sleep
 */
struct tcp_sock_held {
	struct socket *sock;
	const struct proto_ops *ops;
	void (*write_space)(struct sock *sk);
	void (*writable)(struct tcp_sock_held *s);
};

/**
 * dvmm_tcp_sock_check - whether a link may have this socket
 * @params: of connect()
 * @i: the lane
 *
 * Return: 0; -EINVAL: there is an address, or the socket is that of another lane;
 * -EBADF, -EPROTOTYPE, -ENOTCONN: none, not TCP, not connected; -EBUSY: something
 * else in the kernel has it (a sockmap, another link); -ENOKEY: the machine is secure
 * and the socket is not.  The socket is left as it was.
 */
int dvmm_tcp_sock_check(const struct dvmm_xport_params *params, unsigned int i);

/**
 * dvmm_tcp_sock_take - take a socket from userspace
 * @s: filled; MUST stay where it is until dvmm_tcp_sock_give()
 * @sock: checked
 * @writable: see above
 *
 * Return: 0, -EBUSY if something else was faster, or -ENOMEM.
 */
int dvmm_tcp_sock_take(struct tcp_sock_held *s, struct socket *sock,
		       void (*writable)(struct tcp_sock_held *s));

/** dvmm_tcp_sock_give - the opposite; the reference on the file is still there */
void dvmm_tcp_sock_give(struct tcp_sock_held *s);

/**
 * dvmm_tcp_sock_tune - set what a link needs
 * @s: the socket
 * @seconds: until a peer that does not answer is lost
 * @patient: the peer may be alive and take nothing: look for it on an idle socket only
 */
void dvmm_tcp_sock_tune(struct tcp_sock_held *s, unsigned int seconds, bool patient);

/** dvmm_tcp_sock_exit - when the module goes, and no socket is held any more */
void dvmm_tcp_sock_exit(void);

/** dvmm_tcp_sock_send - bytes sent, or negative errno */
static inline int dvmm_tcp_sock_send(struct tcp_sock_held *s, struct msghdr *msg)
{
	return s->ops->sendmsg(s->sock, msg, msg_data_left(msg));
}

/** dvmm_tcp_sock_recv - bytes received, 0 at the end of the stream, or negative errno */
static inline int dvmm_tcp_sock_recv(struct tcp_sock_held *s, struct msghdr *msg)
{
	return s->ops->recvmsg(s->sock, msg, msg_data_left(msg), msg->msg_flags);
}

#endif
