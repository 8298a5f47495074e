// SPDX-License-Identifier: GPL-2.0
/* Which values of which fields are refused, and with what. */
#include <errno.h>
#include <string.h>

#include "uapi.h"

/* Of a machine of 2 nodes, self 0, with region 0 and a loop link to node 1. */
static void version(void *p)
{
	(void)p;
}

static void machine(void *p)
{
	struct dvmm_create_machine *a = p;

	a->nodes = 2;
	memset(a->uuid, 0x5a, sizeof(a->uuid));
}

static void region(void *p)
{
	struct dvmm_create_region *a = p;

	a->id = 9;
	a->home = 1;
	a->bytes = 1 << 20;
	a->cache_bytes = DVMM_REGION_CACHE_MIN;
}

static void link(void *p)
{
	struct dvmm_create_link *a = p;

	a->peer = 1;
	strcpy(a->transport, "loop");
}

static void channel(void *p)
{
	struct dvmm_create_channel *a = p;

	a->id = 20;
}

static void kvm(void *p)
{
	struct dvmm_attach_kvm *a = p;
	static uint16_t nodes[1];

	a->vm = -1;
	a->count = 1;
	a->nodes_of = (uintptr_t)nodes;
}

static void clock(void *p)
{
	struct dvmm_clock *a = p;

	a->peer = 1;
	a->rounds = 1;
}

static void stop(void *p)
{
	struct dvmm_stop *a = p;

	strcpy(a->reason, "asked for");
}

static void place(void *p)
{
	struct dvmm_place_vcpu *a = p;

	a->node = 1;
}

static void connect(void *p)
{
	struct dvmm_link_connect *a = p;

	memset(a->sock, -1, sizeof(a->sock));
}

const struct call calls[] = {
	{ "GET_VERSION", ON_DEV, DVMM_GET_VERSION, sizeof(struct dvmm_version), version },
	{ "CREATE_MACHINE", ON_DEV, DVMM_CREATE_MACHINE, sizeof(struct dvmm_create_machine),
	  machine },
	{ "CREATE_REGION", ON_MACHINE, DVMM_CREATE_REGION, sizeof(struct dvmm_create_region),
	  region },
	{ "CREATE_LINK", ON_MACHINE, DVMM_CREATE_LINK, sizeof(struct dvmm_create_link), link },
	{ "CREATE_CHANNEL", ON_MACHINE, DVMM_CREATE_CHANNEL, sizeof(struct dvmm_create_channel),
	  channel },
	{ "ATTACH_KVM", ON_MACHINE, DVMM_ATTACH_KVM, sizeof(struct dvmm_attach_kvm), kvm },
	{ "GET_CLOCK", ON_MACHINE, DVMM_GET_CLOCK, sizeof(struct dvmm_clock), clock },
	{ "STOP", ON_MACHINE, DVMM_STOP, sizeof(struct dvmm_stop), stop },
	{ "GET_STATS", ON_MACHINE, DVMM_GET_STATS, sizeof(struct dvmm_stats), version },
	{ "LINK_CONNECT", ON_LINK, DVMM_LINK_CONNECT, sizeof(struct dvmm_link_connect), connect },
	{ "PLACE_VCPU", ON_MACHINE, DVMM_PLACE_VCPU, sizeof(struct dvmm_place_vcpu), place },
	{ "LEAVE", ON_MACHINE, DVMM_LEAVE, sizeof(struct dvmm_leave), version },
};
const int call_count = sizeof(calls) / sizeof(calls[0]);

#define F(type, field) offsetof(struct type, field), sizeof(((struct type *)0)->field)
#define ODD 4095 /* bits of a length that are not whole pages */

const struct refusal refusals[] = {
	{ &calls[1], "no nodes", F(dvmm_create_machine, nodes), 0, 0, 0, EINVAL, 0 },
	{ &calls[1], "too many nodes", F(dvmm_create_machine, nodes), DVMM_MAX_NODE + 2, 0xffff, 0,
	  EINVAL, 0 },
	{ &calls[1], "self beyond nodes", F(dvmm_create_machine, node), 2, 0xffff, 0, EINVAL, 0 },
	{ &calls[1], "hold time too long", F(dvmm_create_machine, hold_us), DVMM_HOLD_MAX_US + 1,
	  UINT32_MAX, 0, EINVAL, 0 },
	{ &calls[1], "unknown policy", F(dvmm_create_machine, policy), DVMM_POLICY_MASK + 1,
	  UINT32_MAX, ~(uint32_t)DVMM_POLICY_MASK, EINVAL,
	  0 },
	{ &calls[1], "stall_s", F(dvmm_create_machine, stall_s), DVMM_STALL_MAX + 1, UINT32_MAX, 0,
	  EINVAL, 0 },
	{ &calls[1], "self absent", F(dvmm_create_machine, absent[0]), 1, 3, 1, EINVAL, 0 },
	{ &calls[1], "absent beyond nodes", F(dvmm_create_machine, absent[0]), 4, UINT64_MAX,
	  ~3ull, EINVAL, 0 },
	{ &calls[1], "absent far beyond nodes", F(dvmm_create_machine, absent[15]), 1, UINT64_MAX,
	  0, EINVAL, 0 },

	{ &calls[2], "id too high", F(dvmm_create_region, id), DVMM_MAX_REGION + 1, 0xffff, 0,
	  EINVAL, 0 },
	{ &calls[2], "id taken", F(dvmm_create_region, id), 0, 0, 0, EEXIST, 0 },
	{ &calls[2], "home beyond nodes", F(dvmm_create_region, home), 2, 0xffff, 0, EINVAL, 0 },
	{ &calls[2], "reserved", F(dvmm_create_region, reserved), 1, UINT32_MAX, 0, EINVAL, 0 },
	{ &calls[2], "no bytes", F(dvmm_create_region, bytes), 0, 0, 0, EINVAL, 0 },
	{ &calls[2], "odd bytes", F(dvmm_create_region, bytes), 1, 1 << 20, ODD, EINVAL, 0 },
	{ &calls[2], "absurd bytes", F(dvmm_create_region, bytes), 1ull << 52, INT64_MAX, ~4095ull,
	  ENOMEM, EINVAL },
	{ &calls[2], "bytes wrap", F(dvmm_create_region, bytes), 1ull << 63, UINT64_MAX, ~4095ull,
	  EINVAL, ENOMEM },
	{ &calls[2], "odd cache", F(dvmm_create_region, cache_bytes), DVMM_REGION_CACHE_MIN,
	  1 << 20, ODD, EINVAL, 0 },
	{ &calls[2], "tiny cache", F(dvmm_create_region, cache_bytes), 4096,
	  DVMM_REGION_CACHE_MIN - 4096, ~4095ull, EINVAL, 0 },

	{ &calls[3], "peer beyond nodes", F(dvmm_create_link, peer), 2, 0xffff, 0, EINVAL, 0 },
	{ &calls[3], "peer is self", F(dvmm_create_link, peer), 0, 0, 0, EINVAL, 0 },
	{ &calls[3], "reserved", F(dvmm_create_link, reserved), 1, 0xffff, 0, EINVAL, 0 },
	{ &calls[3], "peer is linked", F(dvmm_create_link, peer), 1, 1, 0, EEXIST, 0 },
	{ &calls[3], "unknown transport", offsetof(struct dvmm_create_link, transport), 4,
	  0x61616161, 0x61616161 + 9, 0, EPROTONOSUPPORT, 0 },
	{ &calls[3], "no transport", offsetof(struct dvmm_create_link, transport), 4, 0, 0, 0,
	  EPROTONOSUPPORT, EINVAL },

	{ &calls[10], "node beyond nodes", F(dvmm_place_vcpu, node), 2, 0xffff, 0, EINVAL, 0 },
	{ &calls[10], "reserved", F(dvmm_place_vcpu, reserved), 1, 0xffff, 0, EINVAL, 0 },
	{ &calls[10], "no VM", F(dvmm_place_vcpu, id), 0, UINT32_MAX, 0, ENOTCONN, 0 },

	{ &calls[4], "id of the kernel", F(dvmm_create_channel, id), 0, DVMM_CHANNEL_USER - 1, 0,
	  EINVAL, 0 },
	{ &calls[4], "id too high", F(dvmm_create_channel, id), DVMM_MAX_CHANNEL + 1, 0xffff, 0,
	  EINVAL, 0 },
	{ &calls[4], "reserved 0", F(dvmm_create_channel, reserved[0]), 1, 0xffff, 0, EINVAL, 0 },
	{ &calls[4], "reserved 1", F(dvmm_create_channel, reserved[1]), 1, 0xffff, 0, EINVAL, 0 },
	{ &calls[4], "reserved 2", F(dvmm_create_channel, reserved[2]), 1, 0xffff, 0, EINVAL, 0 },

	{ &calls[5], "no descriptor", F(dvmm_attach_kvm, vm), 1 << 20, INT32_MAX, 0, EBADF, 0 },
	{ &calls[5], "no entries", F(dvmm_attach_kvm, count), 0, 0, 0, EINVAL, EBADF },
	{ &calls[5], "too many entries", F(dvmm_attach_kvm, count), DVMM_MAX_APIC_ID + 2,
	  UINT32_MAX, 0, EINVAL, EBADF },

	{ &calls[6], "peer is self", F(dvmm_clock, peer), 0, 0, 0, EINVAL, 0 },
	{ &calls[6], "peer beyond nodes", F(dvmm_clock, peer), 2, 0xffff, 0, EINVAL, 0 },
	{ &calls[6], "no rounds", F(dvmm_clock, rounds), 0, 0, 0, EINVAL, 0 },
	{ &calls[6], "too many rounds", F(dvmm_clock, rounds), 1001, 0xffff, 0, EINVAL, 0 },

	{ &calls[9], "no such socket", offsetof(struct dvmm_link_connect, sock), 4, 1 << 20,
	  INT32_MAX, 0, EBADF, EINVAL },
	{ &calls[9], "negative descriptor", offsetof(struct dvmm_link_connect, sock), 4, 0x80000000,
	  0xfffffffe, 0, EBADF, EINVAL },
};
const int refusal_count = sizeof(refusals) / sizeof(refusals[0]);
