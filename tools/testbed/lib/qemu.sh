# SPDX-License-Identifier: GPL-2.0
# The patched QEMU; one program runs the nodes and, inside them, the guest.

build_qemu() {
	"$top/qemu-patches/build" < /dev/null > "$tree/qemu.out" 2> "$tree/qemu.log"
}

patched_qemu() {
	say "QEMU: patched, built if its series has changed (4 minutes on two cores)" >&2
	patiently "$tree/qemu.log" build_qemu || {
		tail -n 40 "$tree/qemu.log" >&2
		die "QEMU does not build; see $tree/qemu.log"
	}
	echo "$(tail -n 1 "$tree/qemu.out")/bin/qemu-system-x86_64"
}

any_qemu() {
	command -v qemu-system-x86_64 || {
		apt_install qemu-system-x86 >&2
		command -v qemu-system-x86_64
	}
}

setup_qemu() {
	if test -n "${DVMM_QEMU:-}"; then
		qemu=$DVMM_QEMU
	elif test -x "$top/qemu-patches/build"; then
		qemu=$(patched_qemu)
	else
		qemu=$(any_qemu)
	fi
	test -x "$qemu" || die "no QEMU at '$qemu'"
	bundle=$cache/node-qemu-$(key "$qemu $(stat -c %Y.%s "$qemu")" "$here/image/qemu-bundle")
	test -d "$bundle" || "$here/image/qemu-bundle" "$bundle" "$qemu"
	say "QEMU: $("$qemu" --version | head -n 1), $qemu"
	remember QEMU "$qemu"
	remember NODE_QEMU "$bundle"
}
