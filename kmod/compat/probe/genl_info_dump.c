// SPDX-License-Identifier: GPL-2.0
/* What a dump was asked for lies in its struct genl_info since 6.7, beside it before. */
#include <net/genetlink.h>

struct nlattr **probe(struct netlink_callback *cb);
struct nlattr **probe(struct netlink_callback *cb)
{
	return genl_info_dump(cb)->attrs;
}
