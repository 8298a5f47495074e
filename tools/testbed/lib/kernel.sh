# SPDX-License-Identifier: GPL-2.0
# The stock kernel of nodes and guests: its headers are installed, for module
# builds; its image is only unpacked.  One that this Debian does not have comes from
# a root that tools/testbed/kernels has made.

series=${DVMM_KERNEL:-6.12}
root=

# a release's name: its own 6.12, from its root
release=
case $series in
[a-z]*) release=$series series=6.12 ;;
esac

# the newest kernel of the series that Debian has for this machine
newest_kernel() {
	apt-cache pkgnames "linux-headers-$series." |
		sed -n 's/^linux-headers-\([0-9.]*[0-9][^-]*\(-[0-9]*\)\{0,1\}-amd64\)$/\1/p' |
		grep -v -e rt- -e cloud- | sort -V | tail -n 1
}

# last_headers DIRECTORY: of the series, or one release of it, the newest in DIRECTORY/usr/src
last_headers() {
	ls -d $1/usr/src/linux-headers-"$series"[.+-]*-amd64 2>/dev/null | grep -v -e rt- -e cloud- | sort -V | tail -n 1
}

# an installed one needs no download
installed_kernel() {
	last_headers "" | sed 's,.*/linux-headers-,,'
}

# kernel_packages VERSION: an image alone, or in parts
kernel_packages() {
	if test -n "$root"; then in_root "$root" apt-cache pkgnames linux-; else apt-cache pkgnames linux-; fi |
		grep -xF -e "linux-image-$1" -e "linux-base-$1" -e "linux-binary-$1" -e "linux-modules-$1"
}

# fetch_kernel VERSION: its packages, into $tree/fetch
fetch_kernel() {
	rm -rf "$tree/fetch"
	mkdir -p "$tree/fetch"
	if test -n "$root"; then
		in_root "$root" sh -c 'rm -rf /fetch && mkdir -m 777 /fetch && cd /fetch && apt-get download "$@"' sh \
			$(kernel_packages "$1")
		as_root mv "$root"/fetch/*.deb "$tree/fetch/"
	else
		(cd "$tree/fetch" && apt-get download $(kernel_packages "$1"))
	fi
}

unpack_kernel() {
	say "fetching and unpacking the stock kernel $1 (about 100 MB)"
	rm -rf "$2.new"
	mkdir -p "$2.new"
	quietly "$tree/kernel.log" fetch_kernel "$1"
	for deb in "$tree"/fetch/*.deb; do
		dpkg -x "$deb" "$2.new"
	done
	if test -d "$2.new/usr/lib/modules" && ! test -d "$2.new/lib/modules"; then
		mkdir -p "$2.new/lib" && mv "$2.new/usr/lib/modules" "$2.new/lib/"
	fi
	mkdir -p "$2.new/boot"
	test -e "$2.new/boot/vmlinuz-$1" || cp "$2.new/lib/modules/$1/vmlinuz" "$2.new/boot/vmlinuz-$1"
	depmod -b "$2.new" "$1"
	rm -rf "$tree/fetch" "$2"
	mv "$2.new" "$2"
}

# sets $version, and $root if it is another release's
choose_kernel() {
	test -n "$release$(newest_kernel)$(last_headers "$cache/kernels/*")" || quietly "$tree/apt-update.log" as_root apt-get update
	test -n "$release" || version=$(newest_kernel)
	if test -n "$version"; then
		apt_install "linux-headers-$version"
		return
	fi
	version=$(last_headers "$cache/kernels/${release:-*}")
	test -n "$version" || die "no linux-headers-$series.* in the package lists: make kernels K=none makes roots with others'"
	root=${version%/usr/src/*}
	version=${version##*/linux-headers-}
}

setup_kernel() {
	version=
	test -n "$release" || version=$(installed_kernel)
	test -n "$version" || choose_kernel
	kernel=$cache/kernel-$version
	test -e "$kernel/lib/modules/$version/modules.dep" || unpack_kernel "$version" "$kernel"
	say "kernel $version"
	remember VERSION "$version"
	remember KERNEL "$kernel/boot/vmlinuz-$version"
	remember KERNEL_DIR "$kernel"
}
