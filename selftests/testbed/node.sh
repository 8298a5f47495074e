#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A node is what the other tests take for granted.
echo "TAP version 13"
echo "1..4"
n=0 failed=0
try() {
	what=$1
	shift
	n=$((n + 1))
	if "$@" > /tmp/try.out 2>&1; then
		echo "ok $n - $what"
	else
		sed 's/^/# /' /tmp/try.out
		echo "not ok $n - $what"
		failed=1
	fi
}
try "/dev/kvm is there" test -c /dev/kvm
try "the work tree is there" test -e /dvmm/selftests/testbed/node.sh
try "logs can be written" sh -c 'echo x > /log/testbed.probe && rm /log/testbed.probe'
try "QEMU starts" qemu-system-x86_64 --version
exit $failed
