#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What runs late in the boot of a guest (tools/guest/settings), on a made-up /sys and /proc.

. "$(dirname "$0")/lib.sh"
script=$here/../../tools/guest/settings
root=$dir/root

echo "TAP version 13"

# guest: two CPUs of which one is offline, as a kernel that has it all shows them
guest()
{
	rm -rf "$root"
	mkdir -p "$root/sys/devices/system/cpu/cpu0" "$root/sys/devices/system/cpu/cpu1" \
		"$root/sys/devices/system/cpu/cpu2" "$root/proc/sys/kernel"
	echo 1 > "$root/sys/devices/system/cpu/cpu1/online"
	echo 0 > "$root/sys/devices/system/cpu/cpu2/online"
	echo 1 > "$root/proc/sys/kernel/sched_autogroup_enabled"
}

guest
"$script" "$root" > "$dir/out" 2>&1 && test ! -s "$dir/out" &&
	test "$(cat "$root"/sys/devices/system/cpu/cpu[12]/online)" = "$(printf '1\n1')"
result $? "a CPU that the kernel was booted without comes up"

test "$(cat "$root/proc/sys/kernel/sched_autogroup_enabled")" = 0
result $? "sessions have no groups of their own"

mkdir -p "$root/bare"
"$script" "$root/bare" > "$dir/out" 2>&1 && test ! -s "$dir/out"
result $? "a kernel that has none of it is left alone"

guest
ln -sf /dev/full "$root/proc/sys/kernel/sched_autogroup_enabled"
"$script" "$root" > "$dir/out" 2>&1
test $? = 1 && one_line && grep -q "^dvmm-guest: cannot write 0 to $root/proc/sys/kernel/sched_auto" "$dir/out" &&
	test "$(cat "$root/sys/devices/system/cpu/cpu2/online")" = 1
result $? "what cannot be set is said, with its name, and the rest is done"

echo "1..$n"
exit $fail
