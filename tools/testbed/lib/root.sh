# SPDX-License-Identifier: GPL-2.0
# Roots of Debian releases with headers and compilers, which tools/testbed/kernels makes.

# in_root ROOT COMMAND...: there, at a low priority and with a /proc
in_root() {
	in_root=$1
	shift
	as_root unshare -m sh -c 'mount -t proc proc "$0/proc" && exec nice chroot "$0" "$@"' "$in_root" "$@" < /dev/null
}

# make_in_root ROOT DIRECTORY KERNEL [VARIABLE=VALUE...]: modules of the sources in DIRECTORY of ROOT
make_in_root() {
	make_root=$1 make_directory=$2 make_kernel=$3
	shift 3
	in_root "$make_root" make -C "$make_directory" -j"$(nproc)" -k modules \
		"KDIR=/usr/src/linux-headers-$make_kernel" "$@"
}
