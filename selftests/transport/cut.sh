#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# TCP links between two nodes: a cut cable, a dead node and a node that closes are
# noticed at both ends, in time, with the reason; idle or busy, the same.

dir=/dvmm/selftests/transport
limit=/sys/module/dvmm_tcp/parameters/timeout
bound=$((5 * ${DVMM_PATIENCE:-1}))
number=0
fail=0
port=7100
log=$(mktemp -d) || exit 1
trap 'rm -rf "$log"' EXIT

result()
{
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $number - $2"
	else
		sed 's/^/# /' "$log"/node?
		echo "not ok $number - $2"
		fail=1
	fi
}

# wait_for FILE WORD SECONDS
wait_for()
{
	i=0
	while ! grep -q "$2" "$log/$1"; do
		i=$((i + 1))
		[ $i -lt $(($3 * 10)) ] || return 1
		sleep 0.1
	done
}

# start [busy]: both ends; returns when the link is up
start()
{
	port=$((port + 1))
	: >"$log/node0"
	: >"$log/node1"
	on -t 90 0 $dir/peer serve $port $1 >"$log/node0" 2>&1 &
	on -t 90 1 $dir/peer join node0 $port >"$log/node1" 2>&1 &
	wait_for node0 up 30 && wait_for node1 up 30
}

# set_limit SECONDS: for links to come
set_limit()
{
	on 0 sh -c "echo $1 > $limit" && on 1 sh -c "echo $1 > $limit"
}

# expect NODE REASON TEXT [AT-LEAST-MS]: within the bound
expect()
{
	began=$(date +%s%N)
	wait_for "node$1" down: 60
	took=$((($(date +%s%N) - began) / 1000000))
	grep -q "down: $2" "$log/node$1" && [ $took -le $((bound * 1000)) ] && [ $took -ge "${4:-0}" ]
	result $? "$3 (after $took ms)"
}

echo "TAP version 13"
echo "1..14"
for load in "" busy; do
	start $load
	result $? "a ${load:-idle} link between two nodes comes up"
	sleep 2
	! grep -q down: "$log"/node?
	result $? "${load:-idle}: it stays up"
	cluster cut 0 1
	expect 0 "peer does not answer" "${load:-idle}: the cut cable is noticed at node 0"
	expect 1 "peer does not answer" "${load:-idle}: the cut cable is noticed at node 1"
	cluster mend 0 1
	wait
done
start busy
cluster kill 1
expect 0 "peer does not answer" "the death of node 1 is noticed at node 0"
cluster restart 1
start
on 1 busybox killall -KILL peer
expect 0 "connection closed by peer" "the close of node 1 is noticed at node 0"
wait
! set_limit 1 2> /dev/null && ! set_limit 61 2> /dev/null
result $? "a timeout of 1 or of 61 s is refused"
before=$(on 0 cat $limit)
later=$((bound + 2))
set_limit $later
result $? "a timeout of $later s is taken"
bound=$((later + bound))
start
cluster cut 0 1
expect 0 "peer does not answer" "with it a cut cable is noticed later" $(((later - 1) * 1000))
expect 1 "peer does not answer" "at both ends"
cluster mend 0 1
set_limit "$before"
wait
exit $fail
