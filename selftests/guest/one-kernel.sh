#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A guest over two nodes that live in this kernel, without any help from outside:
# two QEMU processes.
#
# usage: one-kernel.sh [BOUND-SECONDS [CPUS-EACH [MIB-EACH]]]
bound=${1:-900}
cpus=${2:-2}
memory=${3:-256}
last=$((2 * cpus - 1))
count=0 failed=0

ok() {
	status=$? count=$((count + 1))
	test $status = 0 || { failed=$((failed + 1)); printf 'not '; }
	echo "ok $count - $1"
	return $status
}

finish() {
	tail -n 3 /log/guest-n?."$(hostname)".qemu | sed 's/^/# /'
	for name in n0 n1; do guest kill $name 2> /dev/null; done
	killall tail 2> /dev/null
	echo "1..$count"
	exit $((failed > 0))
}

echo "TAP version 13"
modprobe dvmm
ok "the module loads" || finish
mkdir -p /log
machine-file -o -n 2 -c "$cpus" -m "$memory" -t loop > /tmp/machine
for node in 1 0; do
	guest start -c $((2 * cpus)) -m $((2 * memory)) -M /tmp/machine -N node$node n$node
	ok "QEMU of node $node starts" || finish
done
tail -f "/log/guest-n0.$(hostname).console" | while read -r line; do echo "# $line"; done &
began=$(date +%s)
guest up -t "$bound" n0
ok "the guest comes up" || finish
echo "# after $(($(date +%s) - began)) s"
test "$(guest run -t 60 n0 cat /sys/devices/system/cpu/online)" = 0-$last
ok "all CPUs are online"
test "$(guest run -t 60 n0 cat /sys/devices/system/node/node1/cpulist)" = "$(test "$cpus" = 1 && echo 1 || echo "$cpus-$last")"
ok "each node is a NUMA node"
guest run -t 300 n0 work 400000
ok "a parallel computation on all CPUs is right"
guest run -t 60 n0 taskset -c $last sh -c 'poweroff -f' > /dev/null 2>&1 &
for node in 0 1; do
	guest wait -t 120 n$node
	ok "power-off on CPU $last ends QEMU of node $node with status 0"
done
finish
