# SPDX-License-Identifier: GPL-2.0
# A full Debian root file system for the guest, from Debian's packages.

guest_packages="systemd,systemd-sysv,udev,dbus,kmod,numactl,util-linux,procps,iproute2,login,passwd"

# sources.list lines for this release, as this machine's own apt has them
own_sources() {
	apt-get indextargets --format '$(ORIGIN) $(CREATED_BY) $(REPO_URI) $(RELEASE) $(COMPONENT)' |
		awk '$1 == "Debian" && $2 == "Packages" && $5 == "main" {print "deb", $3, $4, $5}' | sort -u
}

# the unit that runs the testbed's agent, and a quicker start
configure_root() {
	mkdir -p "$1/etc/systemd/system/multi-user.target.wants" "$1/etc/systemd/system.conf.d" \
		"$1/etc/systemd/journald.conf.d"
	cp "$2/agent/agent" "$2"/agent/guest/* "$1/usr/local/bin/"
	cp "$here/image/dvmm-agent.service" "$1/etc/systemd/system/"
	ln -sf ../dvmm-agent.service "$1/etc/systemd/system/multi-user.target.wants/"
	printf '[Manager]\nDefaultTimeoutStartSec=900s\nDefaultTimeoutStopSec=120s\nDefaultDeviceTimeoutSec=900s\n' \
		> "$1/etc/systemd/system.conf.d/slow.conf"
	printf '[Journal]\nStorage=volatile\n' > "$1/etc/systemd/journald.conf.d/slow.conf"
	echo guest > "$1/etc/hostname"
	echo '/dev/vda / ext4 noatime 0 1' > "$1/etc/fstab"
	sed -i 's/^root:[^:]*:/root::/' "$1/etc/shadow"
	for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service \
		fstrim.timer dpkg-db-backup.timer getty@tty1.service systemd-timesyncd.service \
		systemd-pstore.service; do
		ln -sf /dev/null "$1/etc/systemd/system/$unit"
	done
}

build_debian() {
	. /etc/os-release
	say "building a Debian $VERSION_CODENAME root file system (a few minutes)"
	root=$tree/debian-root
	as_root rm -rf "$root"
	own_sources > "$tree/sources.list"
	grep -q . "$tree/sources.list" || die "apt has no Debian sources on this machine"
	quietly "$tree/mmdebstrap.log" as_root nice mmdebstrap --variant=minbase --include="$guest_packages" \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--aptopt='Acquire::Languages "none"' "$VERSION_CODENAME" "$root" "$tree/sources.list"
	configure_root "$root" "$1"
	mkdir -p "$root/lib/modules"
	cp -a "$1/root/lib/modules/." "$root/lib/modules/"
	rm -f "$tree/debian.img"
	quietly "$tree/mke2fs.log" mke2fs -q -t ext4 -d "$root" -L guest "$tree/debian.img" 1500M
	mv "$tree/debian.img" "$2/debian.img"
	as_root rm -rf "$root"
}

setup_debian() {
	apt_install $(sed 's/#.*//' "$here/packages.debian")
	images=$(recall IMAGES)
	test -e "$images/debian.img" || build_debian "$(recall INITRAMFS)" "$images"
}
