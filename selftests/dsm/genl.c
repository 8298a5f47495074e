// SPDX-License-Identifier: GPL-2.0
/* Generic netlink by hand. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "genl.h"
#include "tap.h"

#define ANSWER_MS 10000

static void open_socket(struct genl *s)
{
	int one = 1;

	s->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (s->fd < 0)
		tap_bail("netlink: %s", strerror(errno));
	setsockopt(s->fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(s->fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
}

void genl_begin(const struct genl *s, struct genl_request *r, uint8_t cmd)
{
	memset(r, 0, sizeof(*r));
	r->n.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	r->n.nlmsg_type = s->family;
	r->n.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	r->g.cmd = cmd;
	r->g.version = 1;
}

void genl_add(struct genl_request *r, int type, const void *data, size_t n)
{
	struct nlattr *a = (struct nlattr *)((char *)r + NLMSG_ALIGN(r->n.nlmsg_len));

	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + n;
	if (n)
		memcpy(genl_data(a), data, n);
	r->n.nlmsg_len = NLMSG_ALIGN(r->n.nlmsg_len) + NLA_ALIGN(a->nla_len);
}

void genl_split(void *data, size_t n, struct nlattr **a, int max)
{
	struct nlattr *at = data;
	int type;

	memset(a, 0, (max + 1) * sizeof(*a));
	while (n >= sizeof(*at) && at->nla_len >= NLA_HDRLEN && at->nla_len <= n) {
		type = at->nla_type & NLA_TYPE_MASK;
		if (type <= max)
			a[type] = at;
		if (n <= (size_t)NLA_ALIGN(at->nla_len))
			return;
		n -= NLA_ALIGN(at->nla_len);
		at = (struct nlattr *)((char *)at + NLA_ALIGN(at->nla_len));
	}
}

uint64_t genl_num(const struct nlattr *a)
{
	uint64_t value = 0;

	if (!a)
		return UINT64_MAX;
	memcpy(&value, genl_data(a), a->nla_len - NLA_HDRLEN);
	return value;
}

const char *genl_text(const struct nlattr *a)
{
	return a ? genl_data(a) : "";
}

/* What follows the number of the error, in an error or at the end of a dump. */
static void note_refusal(struct genl *s, struct nlmsghdr *h, size_t skip)
{
	struct nlattr *a[NLMSGERR_ATTR_MAX + 1];

	s->why[0] = 0;
	s->where = 0;
	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS) || h->nlmsg_len < NLMSG_HDRLEN + skip)
		return;
	genl_split((char *)NLMSG_DATA(h) + skip, h->nlmsg_len - NLMSG_HDRLEN - skip, a,
		   NLMSGERR_ATTR_MAX);
	if (a[NLMSGERR_ATTR_MSG])
		strncpy(s->why, genl_text(a[NLMSGERR_ATTR_MSG]), sizeof(s->why) - 1);
	if (a[NLMSGERR_ATTR_OFFS])
		s->where = genl_num(a[NLMSGERR_ATTR_OFFS]);
}

static void hand_over(struct nlmsghdr *h, genl_fn fn, void *arg)
{
	struct genlmsghdr *g = NLMSG_DATA(h);
	struct nlattr *a[DVMM_A_MAX + 1];

	genl_split((char *)g + GENL_HDRLEN, h->nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN), a,
		   DVMM_A_MAX);
	if (fn)
		fn(a, g->cmd, arg);
}

/* One datagram: 1 to go on, else 0 or the errno that it ends with. */
static int take(struct genl *s, char *buf, size_t n, uint32_t seq, genl_fn fn, void *arg)
{
	struct nlmsghdr *h = (struct nlmsghdr *)buf;

	for (; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
		if (h->nlmsg_seq != seq)
			continue;
		if (h->nlmsg_type == NLMSG_DONE) {
			note_refusal(s, h, sizeof(int));
			return *(int *)NLMSG_DATA(h);
		}
		if (h->nlmsg_type == NLMSG_ERROR) {
			note_refusal(s, h, sizeof(struct nlmsgerr));
			return ((struct nlmsgerr *)NLMSG_DATA(h))->error;
		}
		hand_over(h, fn, arg);
		if (!(h->nlmsg_flags & NLM_F_MULTI))
			return 0;
	}
	return 1;
}

int genl_ask(struct genl *s, struct genl_request *r, genl_fn fn, void *arg)
{
	static uint32_t seq;
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	char buf[32768] __attribute__((aligned(8)));
	ssize_t n;
	int ret = 1;

	r->n.nlmsg_seq = __atomic_add_fetch(&seq, 1, __ATOMIC_RELAXED);
	if (send(s->fd, r, r->n.nlmsg_len, 0) < 0)
		return errno;
	while (ret == 1) {
		n = -1;
		errno = ETIME;
		if (poll(&p, 1, ANSWER_MS * tap_patience()) == 1)
			n = recv(s->fd, buf, sizeof(buf), 0);
		ret = n < 0 ? -errno : take(s, buf, n, r->n.nlmsg_seq, fn, arg);
	}
	return -ret;
}

int genl_event(struct genl *s, int ms, genl_fn fn, void *arg)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	char buf[8192] __attribute__((aligned(8)));
	ssize_t n;

	if (poll(&p, 1, ms * tap_patience()) != 1)
		return -1;
	n = recv(s->fd, buf, sizeof(buf), 0);
	if (n < 0)
		return -1;
	hand_over((struct nlmsghdr *)buf, fn, arg);
	return 0;
}

static void note_family(struct nlattr **a, uint8_t cmd, void *arg)
{
	struct nlattr *group[2], *inner[CTRL_ATTR_MCAST_GRP_MAX + 1];
	struct genl *s = arg;

	(void)cmd;
	s->family = genl_num(a[CTRL_ATTR_FAMILY_ID]);
	s->version = genl_num(a[CTRL_ATTR_VERSION]);
	if (!a[CTRL_ATTR_MCAST_GROUPS])
		return;
	genl_split(genl_data(a[CTRL_ATTR_MCAST_GROUPS]),
		   a[CTRL_ATTR_MCAST_GROUPS]->nla_len - NLA_HDRLEN, group, 1);
	if (!group[1])
		return;
	genl_split(genl_data(group[1]), group[1]->nla_len - NLA_HDRLEN, inner,
		   CTRL_ATTR_MCAST_GRP_MAX);
	if (!strcmp(genl_text(inner[CTRL_ATTR_MCAST_GRP_NAME]), DVMM_MCGRP_EVENTS))
		s->group = genl_num(inner[CTRL_ATTR_MCAST_GRP_ID]);
}

int genl_open(struct genl *s)
{
	struct genl_request r;

	memset(s, 0, sizeof(*s));
	open_socket(s);
	genl_begin(s, &r, CTRL_CMD_GETFAMILY);
	r.n.nlmsg_type = GENL_ID_CTRL;
	r.n.nlmsg_flags = NLM_F_REQUEST;
	genl_add(&r, CTRL_ATTR_FAMILY_NAME, DVMM_FAMILY_NAME, sizeof(DVMM_FAMILY_NAME));
	if (!genl_ask(s, &r, note_family, s))
		return 0;
	close(s->fd);
	s->fd = -1;
	return -1;
}

int genl_follow(struct genl *s)
{
	return setsockopt(s->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &s->group,
			  sizeof(s->group));
}
