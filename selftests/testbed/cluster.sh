#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Commands, cut cables, paused, killed and restarted nodes.
echo "TAP version 13"
echo "1..11"
n=0 failed=0
result() {
	n=$((n + 1))
	if test "$1" = 0; then echo "ok $n - $2"; else echo "not ok $n - $2"; failed=1; fi
}
reach() {
	on "$1" ping -c 1 -W "$3" "node$2" > /dev/null
}

test "$(on 1 hostname)" = node1
result $? "a command's output comes back"
on 0 sh -c 'exit 7'
test $? = 7
result $? "its status comes back"
on -t 1 0 sleep 30 2> /dev/null
test $? = 124
result $? "a command that exceeds its bound is ended"
test -z "$(on 0 pidof sleep)"
result $? "and is gone"
test "$(on 0 cat /run/tsc-khz)" = "$(on 1 cat /run/tsc-khz)"
result $? "nodes have one TSC"
# An emulated node that has mistaken it has another clock than we, and bounds that mean nothing.
us() { echo $(($(date +%s%N) / 1000)); }
uptime() { on 0 sed 's/ .*//' /proc/uptime; }
begin=$(us) there=$(uptime)
sleep 2
echo "$there $(uptime) $begin $(us)" | awk '{ours = ($4 - $3) / 1e6; exit !($2 - $1 > 1.8 && $2 - $1 < ours + 0.2)}'
result $? "and our time"
reach 0 1 5
result $? "node 0 reaches node 1"
cluster cut 0 1 && ! reach 0 1 1
result $? "not while the cable is cut"
cluster mend 0 1 && reach 0 1 5
result $? "again when it is mended"
cluster kill 1 && ! reach 0 1 1
result $? "not when node 1 is dead"
cluster restart 1 && reach 0 1 10 && reach 1 0 5
result $? "again when it has booted anew"
exit $failed
