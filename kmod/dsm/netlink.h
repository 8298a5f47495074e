/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What machines are doing, told by generic netlink (uapi/linux/dvmm_netlink.h).
 *
 * A dump walks through the machines by their serial number, holding one at a time, and
 * through what a machine has by its id: a message that is full is followed by one that
 * goes on where it ended, whatever has come and gone meanwhile.
 */
#ifndef DVMM_NETLINK_H
#define DVMM_NETLINK_H

#include <linux/dvmm_netlink.h>
#include <linux/types.h>

struct dvmm_machine;

int dvmm_netlink_init(void);
/** dvmm_netlink_exit - returns when no request is under way.  No machine is left */
void dvmm_netlink_exit(void);

/**
 * dvmm_netlink_event - tell those who follow, if there are any
 * @m: the machine
 * @notice: enum dvmm_notice
 * @peer: the node that it is about
 * @reason: text or NULL
 *
 * What cannot be delivered is lost; its receiver gets ENOBUFS.  Not in hard interrupts;
 * does not sleep.
 */
void dvmm_netlink_event(const struct dvmm_machine *m, u32 notice, u16 peer, const char *reason);

#endif
