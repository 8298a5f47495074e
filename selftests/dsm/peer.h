/* SPDX-License-Identifier: GPL-2.0 */
/* A peer made by hand: one real node of a machine, and this program as another. */
#ifndef DVMM_TEST_PEER_H
#define DVMM_TEST_PEER_H

#include <stdbool.h>

#include "node.h"
#include "wire.h"

#define PEER_SELF	1	/* the program's node; the kernel's is 0 */
#define PEER_NODES	2
#define PEER_PAGES	64	/* of each region; region r is homed on node r */

/**
 * struct peer - both ends
 * @self: the program's node
 * @nodes: of the machine
 * @joins: its HELLO says so
 * @machine: the kernel's node
 * @region: its regions
 * @link: its link
 * @sock: our end of each lane
 * @kept: the kernel's end of each lane
 * @uuid: of the machine
 * @sent: frames sent on each lane
 */
struct peer {
	int self;
	int nodes;
	bool joins;
	int machine;
	int region[PEER_NODES];
	int link;
	int sock[DVMM_LINK_LANES];
	int kept[DVMM_LINK_LANES];
	uint8_t uuid[16];
	uint32_t sent[DVMM_LINK_LANES];
};

/* What a transport wants to see first on each lane (Documentation/transports.rst). */
struct peer_greeting {
	uint8_t magic[8];
	uint8_t version;
	uint8_t lane;
	__le16 from;
	__le16 to;
	uint8_t reserved[2];
	uint8_t machine[16];
};

struct peer_frame {
	struct dvmm_wire_hdr hdr;
	uint8_t data[DVMM_WIRE_PAYLOAD_MAX];
};

/** peer_open - a machine whose link waits for our HELLO; 0 or -1 */
int peer_open(struct peer *p);
/**
 * struct peer_plan - another machine than usual
 * @nodes: 0: PEER_NODES
 * @flags: DVMM_MACHINE_* of the kernel's node
 * @absent: nodes that the kernel's node takes to be absent; the program's may be one
 * @home: of each region
 */
struct peer_plan {
	int nodes;
	uint32_t flags;
	uint64_t absent;
	int home[PEER_NODES];
};

/** peer_open_as - the same with such a machine */
int peer_open_as(struct peer *p, const struct peer_plan *plan);
/** peer_connect - a link for one whose @self, @nodes, @machine and @uuid are set; 0 or -1 */
int peer_connect(struct peer *p);
/** peer_again - the same link, which has gone down before it was up; 0 or -1 */
int peer_again(struct peer *p);
/** peer_greeting - a sound one of ours; @magic has 8 letters */
struct peer_greeting peer_greeting(const char *magic, const uint8_t uuid[16], int lane);
/** peer_hang_up - close our ends */
void peer_hang_up(struct peer *p);
/** peer_close - hang up and close the kernel's node */
void peer_close(struct peer *p);

/** peer_hdr - a sound header of ours */
struct dvmm_wire_hdr peer_hdr(int kind, int type, unsigned int length);
/** peer_hello - the HELLO that the kernel's node expects */
struct dvmm_wire_hello peer_hello(const struct peer *p);
/** peer_lane - the lane of a coherence message */
int peer_lane(int type);
/** peer_carries - true if a coherence message may carry a page */
bool peer_carries(int type);

/**
 * peer_send - a header and @n bytes of payload, whatever the header says; 0 or -1
 *
 * The frame gets its number; what the header has there is added to it.
 */
int peer_send(struct peer *p, int lane, const struct dvmm_wire_hdr *h, const void *data, size_t n);
/** peer_recv - the next frame on a lane; 1, 0 after @ms milliseconds, -1 at its end */
int peer_recv(struct peer *p, int lane, struct peer_frame *f, int ms);
/** peer_join - exchange HELLOs and wait for LINK_UP; 0 or -1 */
int peer_join(struct peer *p);
/** peer_alive - true if a PING is answered */
bool peer_alive(struct peer *p, int ms);

#endif
