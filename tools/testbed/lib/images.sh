# SPDX-License-Identifier: GPL-2.0
# What nodes and guests boot.

build_images() {
	say "building the agent and the initramfs of nodes and guests"
	mkdir -p "$1/agent/guest" "$1/images"
	quietly "$tree/agent.log" make -C "$here/agent" O="$1/agent"
	for program in "$here"/guest-programs/*.c; do
		test ! -e "$program" || quietly "$tree/guest-programs.log" cc -O2 -Wall -static -pthread \
			-o "$1/agent/guest/$(basename "$program" .c)" "$program"
	done
	cp "$here/guest-programs/cpus-online" "$1/agent/guest/"
	quietly "$tree/initramfs.log" "$here/image/initramfs" "$1" "$(recall KERNEL_DIR)" "$(recall VERSION)" "$1/agent"
	cp "$(recall KERNEL)" "$1/images/vmlinuz"
	mv "$1/guest.cpio" "$1/debian.initrd" "$1/images/"
	touch "$1/done"
}

setup_images() {
	inputs=$(key "$here"/image/* "$here"/agent/*.[ch] "$here"/guest-programs/* "$(basename "$(recall KERNEL_DIR)")" \
		"$(dpkg-query -W busybox-static kmod iproute2 libc6)")
	initramfs=$cache/images-$inputs
	test -e "$initramfs/done" || build_images "$initramfs"
	remember INITRAMFS "$initramfs"
	remember IMAGES "$initramfs/images"
}
