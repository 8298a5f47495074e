/* SPDX-License-Identifier: GPL-2.0 */
/* Descriptors of /dev/dvmm, one call each; all return what the system call returned. */
#ifndef DVMM_TEST_NODE_H
#define DVMM_TEST_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/dvmm.h>

#define PAGE 4096ul

struct machine_params {
	uint8_t uuid[16];
	uint8_t config[16];
	uint16_t self;
	uint16_t nodes;
	uint32_t hold_us;
	uint32_t policy;
	uint32_t stall_s;
	uint32_t flags;
	uint64_t absent;		/* nodes 0 to 63 */
};

/** dev_there - loads the module if need be */
bool dev_there(void);
/** dev_open - /dev/dvmm; ends the program with a skip where there is none */
int dev_open(void);
void random_uuid(uint8_t uuid[16]);
#define UUID_TEXT	37
/** uuid_text - as the kernel writes it */
void uuid_text(const uint8_t uuid[16], char text[UUID_TEXT]);

int machine_create(const struct machine_params *p);
int region_create(int machine, int id, int home, size_t bytes, size_t cache);
/** snapshot_create - DVMM_CREATE_SNAPSHOT of a region */
int snapshot_create(int region);
int link_create(int machine, int peer, const char *transport);
/** link_connect - @sock is NULL, or one socket for each lane */
int link_connect(int link, const int *sock);
/** link_connect_at - for transports with addresses */
int link_connect_at(int link, const char *address);
int channel_create(int machine, int id);
int machine_stop(int machine, const char *reason);
int machine_leave(int machine);
int machine_stats(int machine, struct dvmm_stats *s);

/**
 * event_next - wait for the next event of a machine, @ms times tap_patience()
 *
 * Return: 1, 0 after @ms milliseconds, or -1 with errno.
 */
int event_next(int machine, struct dvmm_event_record *ev, int ms);
/**
 * node_debugfs - read what a node shows of itself in debugfs
 * @uuid: of the machine
 * @node: which node
 * @file: name below its directory
 * @buf: filled, NUL-terminated
 * @n: size of @buf
 *
 * Return: 0 or -1.  Mounts debugfs if need be.
 */
int node_debugfs(const uint8_t uuid[16], int node, const char *file, char *buf, size_t n);
/** event_want - wait for an event of @type, passing over others; 1, 0 or -1 */
int event_want(int machine, int type, struct dvmm_event_record *ev, int ms);

/** channel_send - one datagram */
int channel_send(int channel, int node, int type, uint64_t id, const void *data, size_t n);
/**
 * channel_recv - the next datagram
 *
 * Return: bytes of data, -1 with errno (ETIME after @ms milliseconds).
 */
int channel_recv(int channel, struct dvmm_datagram *d, void *data, size_t room, int ms);

/** thread_switches - how often a thread of this process has gone to sleep */
long thread_switches(int tid);
/** tcp_pair - two ends of a new TCP connection over 127.0.0.1; 0 or -1 */
int tcp_pair(int end[2]);
/** close_all - close @n descriptors that are not -1 */
void close_all(int *fd, int n);

#endif
