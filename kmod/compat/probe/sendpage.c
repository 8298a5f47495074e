// SPDX-License-Identifier: GPL-2.0
/* Sockets take pages by a function of their own (before 6.5). */
#include <linux/net.h>

ssize_t (*probe(struct socket *sock))(struct socket *, struct page *, int, size_t, int);
ssize_t (*probe(struct socket *sock))(struct socket *, struct page *, int, size_t, int)
{
	return sock->ops->sendpage;
}
