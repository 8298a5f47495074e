# SPDX-License-Identifier: GPL-2.0
# A kernel with KASAN, lockdep and kmemleak for the nodes of check-debug; their
# guests run the stock kernel all the same. Built outside of the tree.

unpack_source() {
	mkdir -p "$1"
	tar -C "$1" --strip-components=1 -xf "/usr/src/linux-source-$series.tar.xz"
}

configure_debug() {
	quietly "$tree/debug-config.log" make -C "$1" KCONFIG_ALLCONFIG="$here/image/debug.config" allnoconfig
	grep -q '^CONFIG_KASAN=y' "$1/.config" || die "the debug kernel's configuration has no KASAN"
	for option in $(sed -n 's/^\(CONFIG_[A-Z0-9_]*\)=[ym]$/\1/p' "$here/image/debug.config"); do
		grep -q "^$option=" "$1/.config" || say "note: this kernel has no $option"
	done
}

build_debug() {
	say "building a debug kernel (about 20 minutes on two cores)"
	rm -rf "$1"
	unpack_source "$1/source"
	configure_debug "$1/source"
	quietly "$tree/debug-build.log" nice make -C "$1/source" -j"$(nproc)" bzImage modules
	version=$(cat "$1/source/include/config/kernel.release")
	quietly "$tree/debug-install.log" make -C "$1/source" modules_install INSTALL_MOD_PATH="$1"
	mkdir -p "$1/boot"
	cp "$1/source/arch/x86/boot/bzImage" "$1/boot/vmlinuz-$version"
	find "$1/source" -name '*.o' ! -path '*/scripts/*' ! -path '*/tools/objtool/*' ! -name 'module.lds*' -delete
	echo "$version" > "$1/version"
}

# our modules for that kernel, built from a copy so that the tree's stay as they are
build_debug_modules() {
	mkdir -p "$1"
	rsync -a --delete --include='*/' --include='*.[ch]' --include='*.sh' --include='Kbuild' \
		--include='Makefile' --include='*.mk' --include='dkms.conf' --exclude='*' \
		"$top/Kbuild" "$top/Makefile" "$top/dkms.conf" "$top/kmod" "$top/uapi" "$1/"
	mkdir -p "$1/selftests"
	rsync -a --exclude='*.o' --exclude='*.ko' "$top/selftests/transport" "$1/selftests/"
	quietly "$tree/debug-modules.log" nice make -C "$1" -j"$(nproc)" modules DVMM_TESTS=y "KDIR=$2"
}

setup_debug() {
	apt_install $(sed 's/#.*//' "$here/packages.debug")
	debug=$cache/debug-kernel-$(key "$here/image/debug.config" "$(dpkg-query -W "linux-source-$series")")
	test -e "$debug/version" || build_debug "$debug"
	version=$(cat "$debug/version")
	say "debug kernel $version: modules and initramfs"
	build_debug_modules "$tree/debug-modules" "$debug/source"
	stock=$(recall IMAGES) qemu=$(recall QEMU) node_qemu=$(recall NODE_QEMU)
	config=$tree/config.debug
	remember VERSION "$version"
	remember KERNEL "$debug/boot/vmlinuz-$version"
	remember KERNEL_DIR "$debug"
	setup_images
	remember IMAGES "$stock"
	remember QEMU "$qemu"
	remember NODE_QEMU "$node_qemu"
	remember MODULES "$tree/debug-modules"
	config=$tree/config
}
