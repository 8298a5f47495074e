#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A machine of a pool of three hosts, with real systemd, corosync and QEMU, loses its boot host and goes on from its own
# checkpoint: make demo GUEST=pool, which fails by itself where a result is wrong or something does not happen in time.
testbed=$(dirname "$(readlink -f "$0")")/../../tools/testbed
echo "TAP version 13"
echo "1..1"
if "$testbed/setup" packages pool && "$testbed/demo" --guest pool --no-setup > demo.out; then
	echo "ok 1 - $(grep -o '[0-9]* results, all right' demo.out); $(grep -o 'it has gone on with round [0-9]*' demo.out)"
	status=0
else
	tail -n 30 demo.out | sed 's/^/# /'
	echo "not ok 1 - a machine goes on after its boot host was switched off"
	status=1
fi
rm -f demo.out
exit $status
