#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# dvmm vcpus and dvmm balance: what is measured of threads, what is done about it and what is not.  Two hosts of one
# CPU that are directories, with a QEMU that only looks like one, whose vCPUs are as busy as a file says.
. "$(dirname "$0")/lib.sh"
waits=$here/waits

# on HOST STATUS WORD...: dvmm there; all that it says is in $dir/out
on() {
	host=$dir/hosts/$1
	wanted=$2
	shift 2
	"$tool" "$@" --dir "$host/etc" --state "$host/run" > "$dir/out" 2>&1 < /dev/null
	got=$?
	test $got = "$wanted" || { echo "status $got, not $wanted" >> "$dir/out"; return 1; }
}

has() {
	grep -qF -- "$1" "$dir/out"
}

# errors COUNT: so many lines are complaints
errors() {
	test "$(grep -c '^dvmm: ' "$dir/out")" = "$1"
}

load() {
	echo "$*" > "$dir/hosts/load"
}

plan() {
	echo "$2" > "$dir/hosts/$1/plan"
	rm -f "$dir/hosts/quit"
}

# moves: what QEMU was told to do since the last time
moves() {
	touch hosts/alpha/commands
	grep -cx dvmm-move hosts/alpha/commands
	: > hosts/alpha/commands
}

# at VCPU NODE: it is there
at() {
	on admin 0 nodes big --json && python3 -c '
import json, sys
nodes = {n["name"]: n["vcpus"] for n in json.load(open("out"))}
assert int(sys.argv[1]) in nodes[sys.argv[2]], nodes' "$1" "$2" > said 2>&1
}

pids=
finish() {
	for pid in $pids; do
		kill -9 "$pid" 2> /dev/null
	done
	end_hosts
}

echo "TAP version 13"
make_hosts
trap finish EXIT
touch disk.raw
on admin 0 create big --node alpha=192.0.2.1,cpus=2,memory=1G,ssh=alpha --node beta=192.0.2.2,cpus=2,memory=1G,ssh=beta
on admin 0 create one --node alpha=192.0.2.1,cpus=2,memory=1G,ssh=alpha
on admin 0 push big
plan alpha
plan beta
on admin 3 balance big && errors 1 && has 'is it running?  dvmm up'
result $? "of a machine that does not run: 3"
on admin 1 balance one && one_line && has "one: it has one node: add a [node] section with 'joins = later'"
result $? "of one that has a single node: 1"
on admin 0 up big
on admin 2 vcpus big gamma && one_line && has "no node 'gamma': there are alpha, beta"
result $? "vcpus of no node: 2"

# ---- what is measured ----

sh -c 'while :; do :; done' > log 2>&1 &
pids="$pids $!"
mkdir -p hosts/alpha/threads
ln -s $! hosts/alpha/threads/1
"$waits" > log 2>&1 &
pids="$pids $!"
ln -s $! hosts/alpha/threads/2
on alpha 0 vcpus big alpha --json -d 1 --here && python3 -c '
import json
seen = json.load(open("out"))
idle, runs, waits, _ = seen["vcpus"]
assert idle["vcpu"] == 0 and idle["ran"] < 0.3 and idle["waited"] < 0.3, seen
assert runs["ran"] + runs["queued"] > 0.8 and runs["waited"] < 0.2, seen
assert waits["waited"] > 0.8 and waits["ran"] < 0.2, seen
assert seen["node"] == "alpha" and seen["cpus"] > 0 and seen["busy"] > 0.3 and seen["free"] > 1 << 20, seen' > said 2>&1
result $? "a thread that runs, one that waits as for a page, and others that idle, are told apart"
cat said | sed 's/^/# /'
on admin 0 vcpus big alpha -d 0.5 && has 'alpha: ' && has 'CPUs busy' && has 'vCPU 1: ran '
result $? "the same in words, asked from another host"

# ---- what is done about it ----

for host in alpha beta; do
	rm hosts/$host/bin/dvmm
	printf '#!/bin/sh\nexec %s/fake-look %s %s/hosts/%s "$@"\n' "$here" "$(readlink -f "$tool")" "$dir" $host > hosts/$host/bin/dvmm
	chmod +x hosts/$host/bin/dvmm
done
load busy 1 2
on admin 0 pack big
on admin 0 vcpus big && has 'alpha: 1.00 of 1 CPUs busy' && has 'vCPU 2: ran 50 %, waited for CPUs 50 %, for pages 0 %' &&
	has 'beta: 0.00 of 1 CPUs busy'
result $? "vcpus shows all nodes, each with the vCPUs that are there"
moves > said
on admin 0 balance big --dry-run && has 'big: vCPU 2 from alpha to beta: its host has too few CPUs, 1.00 more are expected to run' &&
	has 'big: 1 steps to take' && test "$(moves)" = 0
result $? "--dry-run tells of the step, and takes none"
on admin 0 balance big --dry-run --json && one_line && python3 -c '
import json
step = json.load(open("out"))
assert step == {"machine": "big", "vcpu": 2, "from": "alpha", "to": "beta", "reason": "crowded", "cpus": 1.0, "done": False}, step' > said 2>&1
result $? "the same in JSON"
on admin 0 balance big --once && has 'big: vCPU 2 from alpha to beta' && has 'big: 1 moved, the guest stood still for 1.5 ms' &&
	has 'big: 1 steps' && test "$(moves)" = 1 && at 2 beta && at 1 alpha
result $? "of two busy vCPUs on one CPU one goes to the other host, that of its cell"
on admin 0 balance big --once && has 'big: 0 steps' && test "$(moves)" = 0
result $? "then nothing is left to do"
on admin 0 pack big
on admin 0 balance big --once --json && python3 -c '
import json
step, = map(json.loads, open("out"))
assert step["done"] and step["reason"] == "crowded" and step["said"].startswith("1 moved"), step' > said 2>&1
result $? "a step in JSON"
load share 1 2
moves > said
on admin 0 balance big --once && has 'big: vCPU 1 from alpha to beta: it waits for pages of that node, 0.80 CPUs more' &&
	test "$(moves)" = 1 && at 1 beta && at 2 beta
result $? "two that wait for each other's pages are packed again"
on admin 0 balance big -n 5 && has 'vCPU 1 from beta to alpha: its host has too few' &&
	has 'vCPU 1 from alpha to beta: back again: 0.80 CPUs fewer ran' && test "$(moves)" = 2 && at 1 beta
result $? "what was better together is tried apart once and taken back, and not tried again at once"

# ---- what goes wrong ----

load busy 1 2
plan alpha absent
on admin 0 pack big
moves > said
on admin 0 balance big --once && has 'big: 0 steps' && test "$(moves)" = 0
result $? "a node that is absent gets nothing"
plan alpha fixed
on admin 1 balance big --once && errors 1 && has "QEMU refuses dvmm-move: node 'beta' is leaving: wait for its end" && at 2 alpha
result $? "a move that is refused ends --once: 1, and nothing has moved"
on admin 0 balance big -n 4 && errors 2 && has 'big: 0 steps' && at 1 alpha && at 2 alpha
result $? "without it, it goes on, and leaves those alone that were refused"
plan alpha
mv hosts/beta hosts/away
on admin 7 balance big --once && errors 1 && has 'dvmm: beta: it cannot be reached: let ssh get there'
result $? "a host that cannot be reached: 7"
mv hosts/away hosts/beta
for signal in TERM INT; do
	# what the last signal has left behind would be taken for the next one's: SIGINT is ignored until dvmm has begun
	load busy
	begin=$(date +%s)
	while pgrep -f "fake-look .*$dir/hosts/beta vcpus" > /dev/null; do
		test $(($(date +%s) - begin)) -lt 30 || break
	done
	load slow
	begin=$(date +%s)
	env -i PATH="$PATH" DVMM_SSH="$DVMM_SSH" FAKE_HOSTS="$FAKE_HOSTS" "$tool" balance big --dir "$dir/hosts/admin/etc" \
		--state "$dir/hosts/admin/run" > out 2>&1 &
	pid=$!
	until pgrep -f "fake-look .*$dir/hosts/beta vcpus" > /dev/null; do
		test $(($(date +%s) - begin)) -lt 30 || break
	done
	kill -$signal $pid
	wait $pid
	status=$?
	test $status = 0 && one_line && has 'big: 0 steps' && test $(($(date +%s) - begin)) -lt 30
	result $? "SIG$signal ends it at once, with status 0"
done
load busy
on admin 0 down big --force
echo "1..$n"
exit $fail
