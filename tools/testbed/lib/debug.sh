# SPDX-License-Identifier: GPL-2.0
# Kernels for the nodes of check-debug: "kasan" with KASAN, lockdep and kmemleak,
# "kcsan" with KCSAN, which excludes KASAN. Their guests run the stock kernel all
# the same. Built outside of the tree.

# unpack_source DIRECTORY: Debian's, with what a debug kernel would stop at for no fault of ours mended
unpack_source() {
	mkdir -p "$1"
	tar -C "$1" --strip-components=1 -xf "/usr/src/linux-source-$series.tar.xz"
	patch -d "$1" -p1 -s < "$here/debug-kernel/rxe.patch"
}

# configure_debug KIND SOURCE
configure_debug() {
	cat "$here/debug-kernel/common" "$here/debug-kernel/$1" > "$2/wanted.config"
	quietly "$tree/debug-config.log" make -C "$2" KCONFIG_ALLCONFIG=wanted.config allnoconfig
	for option in $(sed -n 's/^\(CONFIG_[A-Z0-9_]*\)=[ym]$/\1/p' "$2/wanted.config"); do
		grep -q "^$option=" "$2/.config" || die "the debug kernel's configuration has no $option"
	done
}

# build_debug KIND DIRECTORY. KCSAN costs much where each access is watched: the
# kernel itself is not, only what is built for it later, our modules.
build_debug() {
	say "building a debug kernel, $1 (7 to 10 minutes on two cores)"
	rm -rf "$2"
	unpack_source "$2/source"
	configure_debug "$1" "$2/source"
	quietly "$tree/debug-build.log" nice make -C "$2/source" -j"$(nproc)" KCSAN_SANITIZE=n bzImage modules
	version=$(cat "$2/source/include/config/kernel.release")
	quietly "$tree/debug-install.log" make -C "$2/source" modules_install INSTALL_MOD_PATH="$2"
	mkdir -p "$2/boot"
	cp "$2/source/arch/x86/boot/bzImage" "$2/boot/vmlinuz-$version"
	find "$2/source" -name '*.o' ! -path '*/scripts/*' ! -path '*/tools/objtool/*' ! -name 'module.lds*' -delete
	echo "$version" > "$2/version"
}

# our modules for that kernel, built from a copy so that the tree's stay as they are
build_debug_modules() {
	mkdir -p "$1/selftests/ipi" "$1/selftests/dsm"
	rsync -a --delete --include='*/' --include='*.[ch]' --include='*.sh' --include='Kbuild' \
		--include='Makefile' --include='*.mk' --include='dkms.conf' --exclude='*' \
		"$top/Kbuild" "$top/Makefile" "$top/dkms.conf" "$top/kmod" "$top/uapi" "$1/"
	rsync -a --exclude='*.o' --exclude='*.ko' "$top/selftests/transport" "$top/selftests/debug" "$1/selftests/"
	rsync -a --exclude='*.o' --exclude='*.ko' "$top/selftests/ipi/module" "$1/selftests/ipi/"
	rsync -a --exclude='*.o' --exclude='*.ko' "$top/selftests/dsm/module" "$1/selftests/dsm/"
	quietly "$tree/debug-modules.log" nice make -C "$1" -j"$(nproc)" modules DVMM_TESTS=y "KDIR=$2"
}

# setup_debug_kernel KIND: everything that nodes with this kernel need
setup_debug_kernel() {
	apt_install $(sed 's/#.*//' "$here/packages.debug")
	debug=$cache/debug-kernel-$1-$(key "$here/debug-kernel/common" "$here/debug-kernel/$1" \
		"$here/debug-kernel/rxe.patch" "$(dpkg-query -W "linux-source-$series")")
	test -e "$debug/version" || build_debug "$1" "$debug"
	version=$(cat "$debug/version")
	say "debug kernel $version: modules and initramfs"
	build_debug_modules "$tree/modules-$1" "$debug/source"
	stock=$(recall IMAGES) qemu=$(recall QEMU) node_qemu=$(recall NODE_QEMU)
	config=$tree/config.$1
	remember VERSION "$version"
	remember KERNEL "$debug/boot/vmlinuz-$version"
	remember KERNEL_DIR "$debug"
	setup_images
	remember IMAGES "$stock"
	remember QEMU "$qemu"
	remember NODE_QEMU "$node_qemu"
	remember MODULES "$tree/modules-$1"
	config=$tree/config
}

setup_kasan() {
	setup_debug_kernel kasan
}

setup_kcsan() {
	setup_debug_kernel kcsan
}
