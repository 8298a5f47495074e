#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# This node's debug kernel reports a planted fault of each kind it is there for.
# Without a debug kernel nothing can be shown.

echo 0 > /proc/sys/kernel/panic_on_warn
number=0
failed=0

# report NAME STATUS
report() {
	number=$((number + 1))
	test "$2" = 0 && echo "ok $number $1" || { echo "not ok $number $1"; failed=1; }
}

plant() {
	echo "planted: $1" > /dev/kmsg
	modprobe dvmm-planted what="$1"
	rmmod dvmm-planted
}

since() {
	dmesg | sed -n "/planted: $1\$/,\$p"
}

# reported KIND PATTERN: what is said after the fault, and was not before
reported() {
	plant "$1"
	since "$1" | grep -E "$2" | head -3 >&2
	since "$1" | grep -qE "$2"
	report "$1: $2" $?
}

# An object is told of only when it is five seconds old and did not change since the last scan;
# by its allocator's name while the module is there.
leak_found() {
	modprobe dvmm-planted what=leak
	for pause in 6 1; do
		sleep $pause
		echo scan > /sys/kernel/debug/kmemleak
	done
	grep -q 'comm "modprobe"' /sys/kernel/debug/kmemleak
	report "leak: kmemleak" $?
	grep -m 8 . /sys/kernel/debug/kmemleak >&2
	echo clear > /sys/kernel/debug/kmemleak
	rmmod dvmm-planted
}

case $(uname -r) in
*-dvmm-kasan)
	echo 1..9
	leak_found
	reported rcu "suspicious RCU usage"
	reported sleep "sleeping function called|scheduling while atomic"
	reported list "list_del corruption"
	reported refcount "refcount_t: decrement hit 0|refcount_t: underflow"
	reported timer "ODEBUG: free active"
	reported beyond-array "UBSAN: array-index-out-of-bounds"
	# the last two switch lockdep off, the first of them after its report
	reported inversion "possible circular locking dependency"
	reported use-after-free "KASAN: slab-use-after-free"
	;;
*-dvmm-kcsan)
	echo 1..1
	reported race "KCSAN: data-race"
	;;
*)
	echo "1..0 # SKIP no debug kernel: make check-debug"
	;;
esac
exit $failed
