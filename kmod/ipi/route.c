// SPDX-License-Identifier: GPL-2.0
/*
 * Which nodes an interrupt message concerns.
 *
 * Physical destinations name one vCPU.  Logical x2APIC destinations name up to
 * 16, and their ids follow from the destination (Intel SDM 3A, 11.12.10.2).
 * What a logical xAPIC destination means depends on registers of all vCPUs, so
 * every node gets it.
 */
#include "route.h"

static int route_remote(const struct dvmm_ipi_table *t, u16 node)
{
	if (node == t->self || node >= t->nodes)
		return DVMM_IPI_NOWHERE;
	return node;
}

static u16 route_node_of(const struct dvmm_ipi_table *t, u32 id)
{
	return id < t->count ? READ_ONCE(t->node_of[id]) : DVMM_IPI_NO_NODE;
}

int dvmm_ipi_remote(const struct dvmm_ipi_table *t, u32 id)
{
	return route_remote(t, route_node_of(t, id));
}

static bool route_is_broadcast(enum dvmm_ipi_space space, u32 dest)
{
	switch (space) {
	case DVMM_IPI_FLAT:
	case DVMM_IPI_CLUSTER:
		return dest == 0xff;
	case DVMM_IPI_X2APIC:
		return dest == 0xffffffff;
	default:
		return dest == 0xff || dest == 0xffffffff;
	}
}

/* The ids that exist among those of a logical x2APIC destination, as its mask. */
static u32 route_x2apic_members(const struct dvmm_ipi_table *t, u32 dest)
{
	u32 first = (dest >> 16) * 16;
	u32 members = 0;
	u32 bit;

	for (bit = 0; bit < 16; bit++) {
		if (dest & (1u << bit) && route_node_of(t, first + bit) < t->nodes)
			members |= 1u << bit;
	}
	return members;
}

static int route_x2apic_logical(const struct dvmm_ipi_table *t, u32 dest)
{
	u32 members = route_x2apic_members(t, dest);
	int found = DVMM_IPI_NOWHERE;
	u32 bit;

	for (bit = 0; bit < 16; bit++) {
		int node;

		if (!(members & (1u << bit)))
			continue;
		node = dvmm_ipi_remote(t, (dest >> 16) * 16 + bit);
		if (node == DVMM_IPI_NOWHERE || node == found)
			continue;
		if (found != DVMM_IPI_NOWHERE)
			return DVMM_IPI_EVERYWHERE;
		found = node;
	}
	return found;
}

/* Keep the (vector mod n)th of n bits: what KVM's vector hashing does, too. */
static u32 route_pick(u32 mask, u8 vector)
{
	unsigned int skip = vector % hweight32(mask);

	while (skip--)
		mask &= mask - 1;
	return mask & -mask;
}

/*
 * Arbitration between nodes would cost a round trip, and several nodes that
 * decide alone would deliver twice.  So the sender decides, from nothing but
 * the message.
 */
static bool route_narrow(const struct dvmm_ipi_table *t, enum dvmm_ipi_space space,
			 struct dvmm_ipi_msg *msg)
{
	u32 mask, field;

	switch (space) {
	case DVMM_IPI_FLAT:
		field = 0xff;
		mask = msg->dest & field;
		break;
	case DVMM_IPI_CLUSTER:
		field = 0x0f;
		mask = msg->dest & field;
		break;
	case DVMM_IPI_X2APIC:
		field = 0xffff;
		mask = route_x2apic_members(t, msg->dest);
		break;
	default:
		return false;
	}
	if (!mask)
		return false;
	msg->dest = (msg->dest & ~field) | route_pick(mask, msg->vector);
	return true;
}

static int route_logical(const struct dvmm_ipi_table *t, enum dvmm_ipi_space space,
			 const struct dvmm_ipi_msg *msg)
{
	if (space == DVMM_IPI_X2APIC)
		return route_x2apic_logical(t, msg->dest);
	return DVMM_IPI_EVERYWHERE;
}

static int route_dest(const struct dvmm_ipi_table *t, enum dvmm_ipi_space space,
		      bool one_only, struct dvmm_ipi_msg *msg)
{
	/* Any vCPU will do for one_only, so let the local KVM pick a local one. */
	if (route_is_broadcast(space, msg->dest))
		return one_only ? DVMM_IPI_NOWHERE : DVMM_IPI_EVERYWHERE;
	if (!(msg->flags & DVMM_IPI_LOGICAL))
		return dvmm_ipi_remote(t, msg->dest);
	/* In doubt more than one vCPU takes it: an interrupt that comes twice does no harm. */
	if (one_only && space != DVMM_IPI_MIXED && !route_narrow(t, space, msg))
		return DVMM_IPI_NOWHERE;
	return route_logical(t, space, msg);
}

bool dvmm_ipi_is_cluster(enum dvmm_ipi_space space, const struct dvmm_ipi_msg *msg)
{
	if (msg->shorthand != DVMM_IPI_TO_DEST || !(msg->flags & DVMM_IPI_LOGICAL))
		return false;
	/* An APIC in xAPIC mode knows eight bits. */
	return !route_is_broadcast(space, msg->dest) &&
	       (space == DVMM_IPI_X2APIC || msg->dest > 0xff);
}

bool dvmm_ipi_is_nothing(const struct dvmm_ipi_msg *msg)
{
	switch (msg->mode) {
	case DVMM_IPI_FIXED:
	case DVMM_IPI_LOWEST:
	case DVMM_IPI_INIT:
		return (msg->flags & DVMM_IPI_LEVEL) && !(msg->flags & DVMM_IPI_ASSERT);
	default:
		return msg->mode >= DVMM_IPI_EXTINT;
	}
}

int dvmm_ipi_route(const struct dvmm_ipi_table *t, enum dvmm_ipi_space space,
		   bool one_only, struct dvmm_ipi_msg *msg)
{
	if (t->nodes < 2 || dvmm_ipi_is_nothing(msg))
		return DVMM_IPI_NOWHERE;
	switch (msg->shorthand) {
	case DVMM_IPI_TO_DEST:
		return route_dest(t, space, one_only, msg);
	case DVMM_IPI_TO_ALL:
	case DVMM_IPI_TO_OTHERS:
		return one_only ? DVMM_IPI_NOWHERE : DVMM_IPI_EVERYWHERE;
	default:
		return DVMM_IPI_NOWHERE;
	}
}
