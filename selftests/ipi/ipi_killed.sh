#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# dvmm-ipi is to go when ftrace has shut itself down and keeps calling it: its code must stay.
# The node is spoilt afterwards.
modprobe dvmm || { echo "1..0 # SKIP no module dvmm"; exit 0; }
echo "TAP version 13"
echo "1..4"
status=0

result() {
	test "$1" = 0 || { status=1; printf 'not '; }
	echo "ok $2 - $3"
}

./ipi_slow > /tmp/ipi_killed.out 2>&1
grep -q '^dvmm_ipi ' /proc/modules
result $? 1 "dvmm-ipi has watched KVM and is still there"
modprobe dvmm-ftrace-kill
result $? 2 "ftrace has shut itself down"
rmmod dvmm-ipi > /dev/null 2>&1 &
tries=0
while test $tries -lt 10; do
	tries=$((tries + 1))
	dmesg | grep -q 'dvmm-ipi stays until this host is booted again' && break
	usleep 300000
done
dmesg | grep -q 'dvmm-ipi stays until this host is booted again'
result $? 3 "the log says why dvmm-ipi cannot go"
sleep 2
grep -q '^dvmm_ipi .* Unloading' /proc/modules && ! dmesg | grep -q 'Oops\|BUG:'
result $? 4 "its code is still there, and KVM's calls of it do no harm"
exit $status
