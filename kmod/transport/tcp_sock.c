// SPDX-License-Identifier: GPL-2.0
/* Sockets of the TCP transport: taking them, their options, giving them back. */
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/net.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/sock.h>
#include <net/tcp.h>
#include <net/tls.h>

#include <dvmm/transport.h>
#include "tcp_sock.h"

/*
 * A class of lock of our own for lockdep, and not by a key of ours: a socket that is
 * closed may outlive this module.
 */
#define LINK_SUBCLASS	(MAX_LOCKDEP_SUBCLASSES - 1)

/*
 * A lost frame is noticed by its sender after this and two round trips, where TCP's
 * own floor is 200 ms; the receiver must acknowledge a lone frame well before that.
 */
#define RTO_MIN_MS	30
#define DELACK_MAX_MS	10

static bool sock_has_key(int conf)
{
	return conf == TLS_SW || conf == TLS_HW;
}

/*
 * True if what goes through the socket is encrypted and authentic, both ways.  Keys
 * that are set are never taken out again.
 */
static bool sock_is_secure(struct sock *sk)
{
	const struct tcp_ulp_ops *ulp;
	const struct tls_context *tls;
	bool both = false;

	lock_sock(sk);
	ulp = inet_csk(sk)->icsk_ulp_ops;
	if (ulp && !strcmp(ulp->name, "tls")) {
		tls = tls_get_ctx(sk);
		both = sock_has_key(tls->tx_conf) && sock_has_key(tls->rx_conf);
	}
	release_sock(sk);
	return both;
}

int dvmm_tcp_sock_check(const struct dvmm_xport_params *params, unsigned int i)
{
	const struct socket *sock = params->sock[i];
	unsigned int k;

	if (*params->address)
		return -EINVAL;
	if (!sock || !sock->sk || !sock->file)
		return -EBADF;
	if (sock->type != SOCK_STREAM || sock->sk->sk_protocol != IPPROTO_TCP)
		return -EPROTOTYPE;
	if (READ_ONCE(sock->sk->sk_state) != TCP_ESTABLISHED)
		return -ENOTCONN;
	for (k = 0; k < i; k++)
		if (params->sock[k] == sock)
			return -EINVAL;
	if (READ_ONCE(sock->sk->sk_user_data))
		return -EBUSY;
	return !params->secure || sock_is_secure(sock->sk) ? 0 : -ENOKEY;
}

/* The socket's own first: it wakes whoever polls, and sends what TLS has kept. */
static void sock_on_write_space(struct sock *sk)
{
	struct tcp_sock_held *s;

	read_lock_bh(&sk->sk_callback_lock);
	s = sk->sk_user_data;
	if (s) {
		s->write_space(sk);
		if (sk_stream_is_writeable(sk))
			s->writable(s);
	}
	read_unlock_bh(&sk->sk_callback_lock);
}

/* ---- what userspace's descriptors do meanwhile ---- */

/*
 * A system call that was preempted may call by a table long after the socket has its own
 * again.  So tables stay until the module goes; there is one for each kind of socket.
 */
struct sock_bar {
	struct list_head list;
	u8 ops[sizeof(const struct proto_ops)] __aligned(8);
};

static LIST_HEAD(sock_bars);
static DEFINE_MUTEX(sock_bars_lock);

/*
 * System calls that find no function, or one of the kernel's that refuse, say
 * EOPNOTSUPP.  TLS in the kernel reads through this table, too.
 */
static struct sock_bar *sock_new_bar(const struct proto_ops *was)
{
	const struct proto_ops barred = {
		.family = was->family,
		.owner = was->owner,
		.release = was->release,
		.bind = sock_no_bind,
		.connect = sock_no_connect,
		.socketpair = sock_no_socketpair,
		.accept = sock_no_accept,
		.getname = was->getname,
		.poll = was->poll,
		.ioctl = was->ioctl,
		.listen = sock_no_listen,
		.shutdown = was->shutdown,
		.sendmsg = sock_no_sendmsg,
		.recvmsg = sock_no_recvmsg,
		.mmap = sock_no_mmap,
		.peek_len = was->peek_len,
		.read_sock = was->read_sock,
		.read_skb = was->read_skb,
	};
	struct sock_bar *bar = kzalloc(sizeof(*bar), GFP_KERNEL);

	if (bar)
		memcpy(bar->ops, &barred, sizeof(barred));
	return bar;
}

/* The same by what is in it: a module's table may be where another one's has been. */
static struct sock_bar *sock_share_bar(struct sock_bar *bar)
{
	struct sock_bar *old;

	lockdep_assert_held(&sock_bars_lock);
	list_for_each_entry(old, &sock_bars, list) {
		if (!memcmp(old->ops, bar->ops, sizeof(old->ops))) {
			kfree(bar);
			return old;
		}
	}
	list_add(&bar->list, &sock_bars);
	return bar;
}

static const struct proto_ops *sock_barred(const struct proto_ops *was)
{
	struct sock_bar *bar = sock_new_bar(was);

	if (!bar)
		return NULL;
	mutex_lock(&sock_bars_lock);
	bar = sock_share_bar(bar);
	mutex_unlock(&sock_bars_lock);
	return (const struct proto_ops *)bar->ops;
}

void dvmm_tcp_sock_exit(void)
{
	struct sock_bar *bar, *next;

	synchronize_rcu_tasks();
	list_for_each_entry_safe(bar, next, &sock_bars, list)
		kfree(bar);
}

/* ---- taking and giving ---- */

int dvmm_tcp_sock_take(struct tcp_sock_held *s, struct socket *sock,
		       void (*writable)(struct tcp_sock_held *s))
{
	const struct proto_ops *was = READ_ONCE(sock->ops), *barred = sock_barred(was);
	struct sock *sk = sock->sk;
	int err = -EBUSY;

	if (!barred)
		return -ENOMEM;
	s->writable = writable;
	write_lock_bh(&sk->sk_callback_lock);
	if (!sk->sk_user_data && READ_ONCE(sock->ops) == was) {
		s->sock = sock;
		s->ops = was;
		s->write_space = sk->sk_write_space;
		sk->sk_user_data = s;
		sk->sk_write_space = sock_on_write_space;
		WRITE_ONCE(sock->ops, barred);
		err = 0;
	}
	write_unlock_bh(&sk->sk_callback_lock);
	return err;
}

void dvmm_tcp_sock_give(struct tcp_sock_held *s)
{
	struct sock *sk = s->sock->sk;

	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_user_data = NULL;
	sk->sk_write_space = s->write_space;
	WRITE_ONCE(s->sock->ops, s->ops);
	write_unlock_bh(&sk->sk_callback_lock);
}

/*
 * send() may run in a page fault, and a page fault in another socket's
 * sendmsg(): that one's lock and page fragment are in use then.
 */
static void sock_tune_locked(struct sock *sk)
{
	sk->sk_allocation = GFP_NOIO;
	dvmm_sk_own_frag(sk);
	sk->sk_sndtimeo = MAX_SCHEDULE_TIMEOUT;
	sk->sk_rcvtimeo = MAX_SCHEDULE_TIMEOUT;
	sk->sk_rcvlowat = 1;
	inet_csk(sk)->icsk_rto_min = msecs_to_jiffies(RTO_MIN_MS);
	inet_csk(sk)->icsk_delack_max = msecs_to_jiffies(DELACK_MAX_MS);
}

/*
 * On an idle lane the timeout is only looked at when a probe is due, each second.
 * Half a second less than whole ones, and the last look is not just too early.
 */
#define HALF_PROBE_MS	500

void dvmm_tcp_sock_tune(struct tcp_sock_held *s, unsigned int seconds, bool patient)
{
	struct sock *sk = s->sock->sk;

	lock_sock(sk);
	sock_tune_locked(sk);
	release_sock(sk);
	lockdep_set_subclass(&sk->sk_lock, LINK_SUBCLASS);
	tcp_sock_set_cork(sk, false);
	tcp_sock_set_nodelay(sk);
	sock_set_keepalive(sk);
	tcp_sock_set_keepidle(sk, 1);
	tcp_sock_set_keepintvl(sk, 1);
	tcp_sock_set_keepcnt(sk, seconds - 1);
	if (!patient)
		tcp_sock_set_user_timeout(sk, seconds * MSEC_PER_SEC - HALF_PROBE_MS);
}
