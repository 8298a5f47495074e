// SPDX-License-Identifier: GPL-2.0
/* Multicast groups have flags of their own since 6.7; those of operations before. */
#include <net/genetlink.h>

struct genl_multicast_group probe = { .name = "probe", .flags = GENL_MCAST_CAP_NET_ADMIN };
