/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What machines are doing, told by generic netlink (uapi/linux/dvmm_netlink.h): to who asks,
 * and notices (machine.h) to who follows.
 *
 * A dump walks through the machines by their serial number, holding one at a time, and
 * through what a machine has by its id: a message that is full is followed by one that
 * goes on where it ended, whatever has come and gone meanwhile.
 */
#ifndef DVMM_NETLINK_H
#define DVMM_NETLINK_H

int dvmm_netlink_init(void);
/** dvmm_netlink_exit - returns when no request is under way.  No machine is left */
void dvmm_netlink_exit(void);

#endif
