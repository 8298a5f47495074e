# SPDX-License-Identifier: GPL-2.0
# This work tree: modules for the node's kernel, tools, tests.

setup_tree() {
	say "building modules for $(recall VERSION), tools and tests"
	quietly "$tree/make.log" nice make -C "$top" -j"$(nproc)" all DVMM_TESTS=y \
		"KDIR=/usr/src/linux-headers-$(recall VERSION)"
}
