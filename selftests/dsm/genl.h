/* SPDX-License-Identifier: GPL-2.0 */
/* The generic netlink family "dvmm", without a library: what is sent is exactly what is said. */
#ifndef DVMM_TEST_GENL_H
#define DVMM_TEST_GENL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/dvmm_netlink.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>

#define GENL_ROOM 4096

/**
 * struct genl_request - a message while it is put together
 * @n: header, with the length so far
 * @g: header of generic netlink
 * @room: attributes
 */
struct genl_request {
	struct nlmsghdr n;
	struct genlmsghdr g;
	char room[GENL_ROOM];
};

/**
 * struct genl - a socket
 * @fd: -1: there is no such family
 * @family: its number
 * @group: number of its events
 * @version: of the family
 * @why: text of the last extended acknowledgment, or ""
 * @where: place of the attribute that was refused within the request; 0: none is named
 */
struct genl {
	int fd;
	uint16_t family;
	uint32_t group;
	uint32_t version;
	char why[200];
	uint32_t where;
};

/* For a message: its attributes by number up to DVMM_A_MAX, NULL where there is none. */
typedef void (*genl_fn)(struct nlattr **a, uint8_t cmd, void *arg);

/** genl_open - find the family; 0 or -1 */
int genl_open(struct genl *s);
/** genl_follow - join the group of events; 0 or -1 with errno */
int genl_follow(struct genl *s);

/** genl_begin - a dump of @cmd */
void genl_begin(const struct genl *s, struct genl_request *r, uint8_t cmd);
/** genl_add - an attribute */
void genl_add(struct genl_request *r, int type, const void *data, size_t n);

/**
 * genl_ask - send a request and read all answers
 * @fn: called for each one
 *
 * Return: 0, or the errno with which it was refused (@s->why, @s->where).
 */
int genl_ask(struct genl *s, struct genl_request *r, genl_fn fn, void *arg);
/** genl_event - the next event within @ms milliseconds, else -1 */
int genl_event(struct genl *s, int ms, genl_fn fn, void *arg);

static inline void *genl_data(const struct nlattr *a)
{
	return (char *)a + NLA_HDRLEN;
}

/** genl_num - the value of a number of 2, 4 or 8 bytes; all ones if it is not there */
uint64_t genl_num(const struct nlattr *a);
/** genl_text - "" if it is not there */
const char *genl_text(const struct nlattr *a);
/** genl_split - the attributes in @data by number, up to @max */
void genl_split(void *data, size_t n, struct nlattr **a, int max);

#endif
