# SPDX-License-Identifier: GPL-2.0
# This work tree: modules for the node's kernel, tools, tests.

# build_in_root DIRECTORY: the modules in $root, with its compiler; then in DIRECTORY
build_in_root() {
	as_root rm -rf "$root/testbed" "$1"
	as_root make -s -C "$top" dkms-tree DKMS_TREE="$root/testbed" KDIR=/
	mkdir -p "$1"
	tar -C "$top" --exclude='*.o' --exclude='*.ko' --exclude='*.cmd' -c \
		selftests/transport selftests/debug selftests/ipi/module selftests/dsm/module | as_root tar -C "$root/testbed" -x
	make_in_root "$root" /testbed "$(recall VERSION)" DVMM_TESTS=y
	cp "$root"/testbed/*.ko "$1/"
}

setup_tree() {
	say "building modules for $(recall VERSION), tools and tests"
	forget MODULES
	if test -n "$root"; then
		quietly "$tree/make-modules.log" build_in_root "$tree/modules"
		quietly "$tree/make.log" nice make -C "$top" -j"$(nproc)" tools selftests
		remember MODULES "$tree/modules"
		return
	fi
	quietly "$tree/make.log" nice make -C "$top" -j"$(nproc)" all DVMM_TESTS=y \
		"KDIR=/usr/src/linux-headers-$(recall VERSION)"
}
