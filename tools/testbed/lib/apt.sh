# SPDX-License-Identifier: GPL-2.0
# Debian packages, by name.

as_root() {
	if test "$(id -u)" = 0; then
		"$@"
	elif command -v sudo > /dev/null; then
		sudo "$@"
	else
		die "needs root once: $*"
	fi
}

missing_packages() {
	for package; do
		dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || echo "$package"
	done
}

install_now() {
	patiently "$tree/apt.log" into "$tree/apt.log" as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y --no-install-recommends "$@"
}

# apt_install PACKAGE...: those that are not there yet
apt_install() {
	wanted=$(missing_packages "$@")
	test -n "$wanted" || return 0
	say "installing packages:" $wanted
	install_now $wanted || {
		say "fetching new package lists first"
		quietly "$tree/apt-update.log" as_root apt-get update
		install_now $wanted
	} || {
		tail -n 20 "$tree/apt.log" >&2
		die "apt-get could not install:" $wanted
	}
}

# corosync for the tests that have several of their own; as a package it would start one for this
# machine as well, so it is only unpacked. All that it links is in the list.
setup_corosync() {
	corosync_version=$(dpkg-query -W -f '${Version}' libcpg-dev)
	corosync=$cache/corosync-$corosync_version
	test ! -e "$corosync/usr/sbin/corosync" || return 0
	rm -rf "$corosync.new" "$tree/fetch"
	mkdir -p "$tree/fetch"
	(cd "$tree/fetch" && quietly "$tree/corosync.log" apt-get download "corosync=$corosync_version")
	dpkg -x "$tree"/fetch/corosync_*.deb "$corosync.new"
	rm -rf "$tree/fetch" "$corosync"
	mv "$corosync.new" "$corosync"
}

setup_packages() {
	apt_install $(sed 's/#.*//' "$here/packages")
	setup_corosync
}
