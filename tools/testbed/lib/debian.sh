# SPDX-License-Identifier: GPL-2.0
# A full Debian root file system for the guest, from Debian's packages.

guest_packages="systemd,systemd-sysv,udev,dbus,kmod,numactl,util-linux,procps,iproute2,login,passwd,cloud-init"

# sources.list lines for this release, as this machine's own apt has them
own_sources() {
	apt-get indextargets --format '$(ORIGIN) $(CREATED_BY) $(REPO_URI) $(RELEASE) $(COMPONENT)' |
		awk '$1 == "Debian" && $2 == "Packages" && $5 == "main" {print "deb", $3, $4, $5}' | sort -u
}

# the packages, unpacked and configured; kept, since it takes minutes
fetch_debian() {
	say "building a Debian $1 root file system from packages (3 minutes)"
	own_sources > "$tree/sources.list"
	grep -q . "$tree/sources.list" || die "apt has no Debian sources on this machine"
	quietly "$tree/mmdebstrap.log" as_root nice mmdebstrap --variant=minbase --include="$guest_packages" \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--aptopt='Acquire::Languages "none"' "$1" "$2.new.tar" "$tree/sources.list"
	mv "$2.new.tar" "$2"
}

# usage: pack_debian TARBALL BUILT-IMAGES OUT
pack_debian() {
	say "packing the Debian guest's disk"
	guest_root=$tree/debian-root
	as_root rm -rf "$guest_root"
	mkdir -p "$guest_root"
	as_root tar -C "$guest_root" -xpf "$1"
	as_root "$here/image/configure-debian" "$guest_root" "$2" "$here/image"
	rm -f "$3.new"
	quietly "$tree/mke2fs.log" as_root mke2fs -q -t ext4 -d "$guest_root" -L guest "$3.new" 1500M
	mv "$3.new" "$3"
	as_root rm -rf "$guest_root"
}

setup_trials() {
	apt_install $(sed 's/#.*//' "$here/packages.trials")
}

setup_debian() {
	apt_install $(sed 's/#.*//' "$here/packages.debian")
	release=$(. /etc/os-release && echo "$VERSION_CODENAME")
	tarball=$cache/debian-$release-$(key "$guest_packages").tar
	test -e "$tarball" || fetch_debian "$release" "$tarball"
	images=$(recall IMAGES)
	test -e "$images/debian.img" || pack_debian "$tarball" "$(recall INITRAMFS)" "$images/debian.img"
}
