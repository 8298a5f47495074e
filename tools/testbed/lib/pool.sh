# SPDX-License-Identifier: GPL-2.0
# What nodes are given to be hosts of a pool: systemd, D-Bus, corosync, and dvmmd's libraries.

setup_pool() {
	apt_install $(sed 's/#.*//' "$here/packages.pool")
	setup_corosync
	inputs=$(key "$here"/image/pool "$here"/image/pool-units/* "$here"/image/bundle "$top"/debian/dvmmd.service \
		"$corosync" "$(dpkg-query -W systemd dbus libknet1 libc6)")
	pool=$cache/pool-$inputs.cpio
	test -e "$pool" || {
		say "building what the hosts of a pool have besides: systemd, D-Bus, corosync"
		rm -rf "$tree/pool"
		quietly "$tree/pool.log" "$here/image/pool" "$tree/pool" "$corosync" "$top" "$pool.new"
		mv "$pool.new" "$pool"
	}
	remember POOL "$pool"
}
