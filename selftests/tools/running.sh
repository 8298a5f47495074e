#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# dvmm on a node that runs both nodes of a machine: each verb says what is so, and what
# is asked wrongly gets its line and its status.
. "$(dirname "$0")/lib.sh"
node=$here/../dsm/dvmm-node
debugfs=/sys/kernel/debug/dvmm/6c616262-2d6d-6163-6869-6e6521212121
zero=
one=

end() {
	kill $zero $one $events 2> /dev/null
	rm -rf "$dir"
}
trap end EXIT

# runs STATUS WORD...: all that it says is in $dir/out
runs() {
	wanted=$1
	shift
	"$tool" "$@" --dir "$dir" > "$dir/out" 2>&1
	got=$?
	test $got = "$wanted" || { echo "status $got, not $wanted" >> "$dir/out"; return 1; }
}

# within COMMAND...: true within 30 s
within() {
	for i in $(seq 300); do
		"$@" > /dev/null 2>&1 && return 0
		usleep 100000
	done
	return 1
}

has() {
	grep -q -- "$1" "$dir/out"
}

counter() {
	sed -n "s/^$2: //p" "$debugfs.$1/stats"
}

start() {
	"$node" --self "$1" --peers 0=127.0.0.1:7600,1=127.0.0.1:7601 --bound 150 --seconds 120 \
		--uuid 'labb-machine!!!!' counters > "$dir/node$1" 2>&1 &
}

events_of() {
	grep -q "$1" "$dir/events"
}

echo "TAP version 13"
cat > "$dir/lab.conf" <<'END'
[machine]
name = lab
uuid = 6c616262-2d6d-6163-6869-6e6521212121
security = none
[node alpha]
address = 127.0.0.1
port = 7600
cpus = 1
memory = 2M
[node beta]
address = 127.0.0.1
port = 7601
cpus = 1
memory = 2M
END
sed 's/^name = .*/name = idle/; s/6c616262/00000000/' "$dir/lab.conf" > "$dir/idle.conf"
echo '[machine' > "$dir/broken.conf"

runs 0 list && has '^lab  *-  *-  *6c616262' && has 'broken.conf:1: '
result $? "without the module, list names files, and one that is wrong"
modprobe dvmm
runs 0 status && has '^no machine on this host$'
result $? "an idle host is told"
runs 3 status lab && has 'lab: not running on this host'
result $? "a machine that has a file and does not run: 3"
runs 4 status nosuch && has '^dvmm: nosuch: there is no such machine: dvmm list names them$'
result $? "a name that is not there: 4, with the remedy"
runs 4 is-active 00ff && has 'no such machine'
result $? "a UUID that is not there: 4"
runs 6 status broken && has 'broken.conf:1: .*: end it with ]'
result $? "a file that is wrong: 6, with its line"

"$tool" events lab -n 20 --dir "$dir" > "$dir/events" 2>&1 &
events=$!
start 0
zero=$!
runs 3 is-active lab
result $? "a machine whose other node is missing is not active"
start 1
one=$!
within "$tool" is-active lab --dir "$dir"
runs 0 is-active lab && test "$(cat "$dir/out")" = ready
result $? "then it is"
runs 3 is-active idle && has inactive
result $? "another one is not"
runs 0 status 6c616262 && has '^lab: ready for [0-9]* s' && has 'node alpha (0 of 2), 2 members, 1 of 1 links up' &&
	has 'link to alpha: tcp, up' && has 'region 1: at home on beta, 2 MiB'
result $? "status by the beginning of the UUID, with the file's names"
runs 0 list && has '^lab  *ready  *alpha ' && has '^lab  *ready  *beta ' && has '^idle  *-' &&
	! has '^lab  *-'
result $? "list knows what runs and what does not"
moved() {
	test "$(counter 0 pages_received)" -gt 50
}
within moved
before=$(counter 0 messages_sent)
runs 0 status lab --json && sed -n 's/.*"node":0,.*"messages_sent":\([0-9]*\).*"node":1,.*/\1/p' "$dir/out" > "$dir/sent" &&
	test "$(cat "$dir/sent")" -ge "$before" && test "$(cat "$dir/sent")" -le "$(counter 0 messages_sent)"
result $? "JSON has the counters of debugfs"
runs 0 top lab -n 1 -d 1 && has '^lab  *alpha  *[0-9]* ' && has WAIT% && test "$(wc -l < "$dir/out")" = 3
result $? "top shows both nodes"
runs 0 top -n 2 -d 0.5 --json && has '"waiting_percent":[0-9]' && test "$(grep -c '^\[{' "$dir/out")" = 2
result $? "top in JSON, a line a pass, with the share of the vCPUs' time"
sed 's/^/# /' "$dir/out"
printf 'ffffffff80000000 D first_word\nffffffff80000010 d second_word\nffffffff80001000 d far_away\n' > "$dir/System.map"
if grep -q 'hist:' /sys/kernel/tracing/README; then
	runs 0 hot lab -d 2 -n 3 --symbols "$dir/System.map" && has '^MESSAGES/s' && test "$(wc -l < "$dir/out")" -le 4 &&
		has '^ *[1-9][0-9.]* *[01] *[0-9]* *0'
	result $? "hot counts messages by page"
	sed 's/^/# /' "$dir/out"
	runs 0 hot lab -d 2 -n 100 --json --symbols "$dir/System.map" && has '"region":0,"page":0,"messages_per_second":[0-9.]*,"address":0,"what":"first_word, second_word"' &&
		! ls /sys/kernel/tracing/instances | grep -q dvmm
	result $? "and names what is there; no trace of it is left"
else
	skip "hot" "this kernel has no histograms of events"
fi
waits=/sys/kernel/tracing/events/dvmm/dvmm_wait/enable
echo 1 > $waits
within grep -q 'dvmm_wait: node=[01] region=[01] page=[0-9]* had=[01] need=[12] ns=[1-9][0-9]* ret=0$' /sys/kernel/tracing/trace
waited=$?
echo 0 > $waits
result $waited "the trace has each wait for a page, and how long it was"
runs 1 hot lab --symbols "$dir/lab.conf" && has 'lab.conf: it names no kernel symbol: give System.map'
result $? "a file without symbols is refused"
runs 3 hot idle && has 'no machine runs'
result $? "a machine that does not run moves no page: 3"
runs 0 metrics && ! grep -vqE '^# (HELP|TYPE) dvmm_[a-z_]+ |^dvmm_[a-z_]+\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\} [0-9.e+-]+$' "$dir/out" &&
	has 'dvmm_machine_state{machine="lab",uuid="6c616262-.*",node="beta",state="ready"} 1' &&
	has 'dvmm_link_up{machine="lab",.*node="alpha",peer="beta",transport="tcp"} 1'
result $? "metrics are what Prometheus reads"
test "$(grep -c '^# TYPE' "$dir/out")" = "$(grep '^# TYPE' "$dir/out" | sort -u | wc -l)"
result $? "each of them has one type"
runs 0 clock lab -n 20 -d 1 && has '^lab: alpha to beta: offset -\?[0-9]* cycles within [0-9.]* us, [+-][0-9.]* ppm within ' &&
	has '^lab: beta to alpha: '
result $? "clock: one kernel's beside itself"
sed 's/^/# /' "$dir/out"
runs 0 topology lab && has 'lab: 2 vCPUs, 4 MiB, tcp' && has 'node 1 beta at 127.0.0.1:7601, vCPUs 1-1, memory 2-4 MiB'
result $? "topology says who has what"
runs 0 topology lab --json && has '"first_cpu":1'
result $? "topology in JSON"

runs 0 rehome lab alpha beta alpha && has '^2 MiB have another home, [1-9][0-9]* of their pages had been used$'
result $? "rehome: memory in use has another home"
within sh -c "'$tool' status lab --dir '$dir' | grep -q 'region 0: .* 2 MiB at home here$'" && runs 0 status lab &&
	has 'region 0: .* 0 MiB at home here$'
result $? "status says so of both nodes"
runs 1 rehome lab alpha beta alpha && has 'lab: the 2 MiB at 0 MiB of region 0: another node is its home'
result $? "which its old home cannot move again"
within runs 0 rehome lab beta alpha alpha:0+2M && has '^2 MiB have another home' && runs 0 is-active lab && has ready
result $? "it comes back, and the machine goes on"
runs 2 rehome lab alpha beta alpha:1M && has 'in steps of 2M' && runs 2 rehome lab alpha beta alpha:2M && has 'within its memory' &&
	runs 2 rehome lab alpha gamma alpha && has gamma
result $? "what is no part of a node's memory, and what is no node, is refused"

kill -9 $one
within events_of 'stopped 6c616262.* node:0 .*node 1'
cp "$dir/events" "$dir/out"
has ' created ' && has ' ready ' && has 'link-up .*node:0 peer:1' && has 'stopped .*node:0 .*node 1'
result $? "events: created, link up, ready, and stopped with the reason once a node is killed"
within events_of 'removed .*node:0'
result $? "events: and gone"
runs 3 is-active lab && test "$(cat "$dir/out")" = inactive
result $? "then it is inactive: 3"
echo "1..$n"
exit $fail
