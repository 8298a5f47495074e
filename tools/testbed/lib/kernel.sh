# SPDX-License-Identifier: GPL-2.0
# The stock kernel of nodes and guests: its headers are installed, for module
# builds; its image is only unpacked.

series=${DVMM_KERNEL:-6.12}

# the newest kernel of the series that Debian has for this machine
newest_kernel() {
	apt-cache pkgnames "linux-headers-$series." |
		sed -n 's/^linux-headers-\([0-9.]*[0-9][^-]*\(-[0-9]*\)\{0,1\}-amd64\)$/\1/p' |
		grep -v -e rt- -e cloud- | sort -V | tail -n 1
}

# an installed one needs no download
installed_kernel() {
	ls -d /usr/src/linux-headers-"$series".*-amd64 2>/dev/null | sed 's,.*/linux-headers-,,' |
		grep -v -e rt- -e cloud- | sort -V | tail -n 1
}

unpack_kernel() {
	say "fetching and unpacking the stock kernel $1 (about 100 MB)"
	rm -rf "$2.new" "$tree/fetch"
	mkdir -p "$2.new" "$tree/fetch"
	(cd "$tree/fetch" && quietly "$tree/kernel.log" apt-get download "linux-image-$1")
	dpkg -x "$tree"/fetch/linux-image-*.deb "$2.new"
	if test -d "$2.new/usr/lib/modules" && ! test -d "$2.new/lib/modules"; then
		mkdir -p "$2.new/lib" && mv "$2.new/usr/lib/modules" "$2.new/lib/"
	fi
	depmod -b "$2.new" "$1"
	rm -rf "$tree/fetch" "$2"
	mv "$2.new" "$2"
}

setup_kernel() {
	version=$(installed_kernel)
	if test -z "$version"; then
		test -n "$(newest_kernel)" || quietly "$tree/apt-update.log" as_root apt-get update
		version=$(newest_kernel)
		test -n "$version" || die "no linux-headers-$series.* for amd64 in the package lists"
		apt_install "linux-headers-$version"
	fi
	kernel=$cache/kernel-$version
	test -e "$kernel/lib/modules/$version/modules.dep" || unpack_kernel "$version" "$kernel"
	say "kernel $version"
	remember VERSION "$version"
	remember KERNEL "$kernel/boot/vmlinuz-$version"
	remember KERNEL_DIR "$kernel"
}
