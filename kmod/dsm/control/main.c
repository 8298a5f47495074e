// SPDX-License-Identifier: GPL-2.0
/* dvmm.ko: initialise in order, undo in reverse. */
#include <linux/module.h>

#include "chardev.h"
#include "debugfs.h"
#include "link/link.h"
#include "link/reserve.h"
#include "memory/flight.h"
#include "memory/reclaim.h"
#include "memory/region.h"
#include "netlink.h"

static int __init dvmm_init(void)
{
	int ret;

	ret = dvmm_reserve_init();
	if (ret)
		return ret;
	ret = dvmm_flight_init();
	if (ret)
		goto reserve;
	ret = dvmm_link_init();
	if (ret)
		goto dispatch;
	ret = dvmm_reclaim_start();
	if (ret)
		goto link;
	ret = dvmm_region_init();
	if (ret)
		goto reclaim;
	ret = dvmm_netlink_init();
	if (ret)
		goto region;
	dvmm_debugfs_init();
	ret = dvmm_chardev_init();
	if (ret)
		goto netlink;
	return 0;
netlink:
	dvmm_debugfs_exit();
	dvmm_netlink_exit();
region:
	dvmm_region_exit();
reclaim:
	dvmm_reclaim_end();
link:
	dvmm_link_exit();
dispatch:
	dvmm_flight_exit();
reserve:
	dvmm_reserve_exit();
	return ret;
}

static void __exit dvmm_exit(void)
{
	dvmm_chardev_exit();
	dvmm_debugfs_exit();
	dvmm_netlink_exit();
	dvmm_region_exit();
	dvmm_reclaim_end();
	dvmm_link_exit();
	dvmm_flight_exit();
	dvmm_reserve_exit();
}

module_init(dvmm_init);
module_exit(dvmm_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Distributed virtual machines: coherent guest memory across hosts");
MODULE_AUTHOR("The dvmm developers");
MODULE_VERSION("0.1.0");
