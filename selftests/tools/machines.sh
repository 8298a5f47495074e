#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# dvmm on machine files: what is right is shown, each kind of bad input gets its
# line, its remedy and its status, and nothing half made is left.
. "$(dirname "$0")/lib.sh"

# runs STATUS [WORD...]: all that it says is in $dir/out
runs() {
	wanted=$1
	shift
	"$tool" "$@" > "$dir/out" 2>&1
	got=$?
	test $got = "$wanted" || { echo "status $got, not $wanted" >> "$dir/out"; return 1; }
}

# bad LINE TEXT REMEDY NAME: the file on stdin is refused so
bad() {
	cat > "$dir/bad.conf"
	runs 6 check "$dir/bad.conf" && test "$(wc -l < "$dir/out")" = 1 &&
		grep -qF "dvmm: $dir/bad.conf:$1" "$dir/out" && grep -qF -- "$2" "$dir/out" && grep -qF -- "$3" "$dir/out"
	result $? "$4"
}

uuid='uuid = 0f0e9a6c-7a43-4d0e-9a27-6a4f7f0a5c11'
alpha='[node alpha]
address = 192.0.2.1
cpus = 2
memory = 64M'
good="[machine]
$uuid
$alpha"

echo "TAP version 13"
echo "$good" > "$dir/good.conf"
runs 0 check "$dir/good.conf" && grep -q '1 nodes, 2 vCPUs, 64 MiB' "$dir/out"
result $? "a right file is taken"
runs 0 dump --json "$dir/good.conf" && python3 -c '
import json, sys
m = json.load(open(sys.argv[1]))
assert m["prefetch"] and not m["migratory"] and m["security"] == "tls" and m["key"].endswith("/good.key") and m["timeout"] == 60, m
assert m["nodes"] == [{"name": "alpha", "address": "192.0.2.1", "port": 7400, "cpus": 2,
                       "memory": 64 << 20, "cache": 0}], m' "$dir/out"
result $? "JSON says all, defaults as well"
runs 0 dump --dir "$dir" good && cp "$dir/out" "$dir/again.conf" && runs 0 check "$dir/again.conf"
result $? "what dump prints is a machine file"
{ echo "$good"; printf 'port = 7401\n[guest]\ncpu = EPYC\ndisk = /a,b.img\n'; } | sed 's/^\[node/stall = 0\n&/' > "$dir/more.conf"
runs 0 dump "$dir/more.conf" && grep -q '^stall = 0$' "$dir/out" && cp "$dir/out" "$dir/again.conf" &&
	runs 0 check "$dir/again.conf"
result $? "stall and [guest] are known"
printf '%s\n' "$good" | sed 's/^\[node/prefetch = off\n&/' > "$dir/off.conf"
runs 0 dump "$dir/off.conf" && grep -q '^prefetch = off$' "$dir/out"
result $? "a switch that is on can be off"
runs 0 cmdline "$dir/more.conf" alpha && grep -qF 'file=/a,,b.img -device virtio-blk-pci' "$dir/out" &&
	! grep -q -- ' -cpu' "$dir/out" && grep -qF 'dvmm-machine=/run/dvmm/more/alpha/machine,' "$dir/out"
result $? "the command line has what [guest] says, and a file that QEMU reads"
runs 0 cmdline "$dir/good.conf" alpha && grep -q 'dvmm-machine=.*good.conf,dvmm-node=alpha ' "$dir/out"
result $? "the command line has file and node"
{ echo "$good"; printf '[guest]\nsmp = sockets=1,cores=2\ncpu = EPYC\n'; } > "$dir/smp.conf"
runs 0 cmdline "$dir/smp.conf" alpha && grep -q 'dvmm-machine=[^ ]*/smp.conf,' "$dir/out"
result $? "what QEMU reads itself takes no copy of the file"
runs 6 cmdline "$dir/good.conf" nobody && grep -q "no node 'nobody'" "$dir/out"
result $? "a node that is not there is named"

bad '1: ' "uuid" 'the section that it belongs to' 'a key before any section' <<END
$uuid
END
bad '3: ' "unknown section [nod beta]" '[node NAME]' 'an unknown section' <<END
[machine]
$uuid
[nod beta]
END
bad '3: ' "[node beta" 'end it with ]' 'a bracket that is missing' <<END
[machine]
$uuid
[node beta
END
bad '3: ' "no key 'uiud'" 'use one of name, uuid' 'an unknown key' <<END
[machine]
$uuid
uiud = 1
END
bad '3: ' "'transport'" 'KEY = VALUE' 'a line without a value' <<END
[machine]
$uuid
transport
END
bad '3: ' "[machine] uuid is there twice (line 2 as well)" 'remove one' 'a key that is there twice' <<END
[machine]
$uuid
$uuid
END
bad '7: ' "[node alpha] is there twice (line 3 as well)" 'remove one' 'a section that is there twice' <<END
$good
$alpha
END
bad '2: ' "uuid = 12" 'uuidgen' 'a UUID that is none' <<END
[machine]
uuid = 12
END
bad '1: ' "uuid is missing" 'add a line' 'a UUID that is missing' <<END
[machine]
name = x
$alpha
END
bad ' ' "no section [machine]" 'add one' 'no section [machine]' <<END
$alpha
END
bad ' ' "0 nodes" '1 to 64 sections' 'no node' <<END
[machine]
$uuid
END
bad '7: ' "port = 70000" 'from 1 to 65535' 'a port beyond the last' <<END
$good
port = 70000
END
bad '7: ' "port = 7400x" 'from 1 to 65535' 'a port that is no number' <<END
$good
port = 7400x
END
bad '7: ' "port = -1" 'from 1 to 65535' 'a port below zero' <<END
$good
port = -1
END
for mac in 53:54:00:12:34:56 52:54:00:12:34 52:54:00:12:34:5g; do
bad '8: ' "mac = $mac" 'MAC address of one card' "the MAC address $mac" <<END
$good
[guest]
mac = $mac
END
done
bad '3: ' "timeout = 0" 'from 1 to 86400' 'a timeout of nothing' <<END
[machine]
$uuid
timeout = 0
$alpha
END
bad '6: ' "memory = 63M" 'multiple of 2048 KiB' 'memory that is no multiple of 2 MiB' <<END
[machine]
$uuid
[node a]
cpus = 1
address = x
memory = 63M
END
bad '6: ' "memory = 9Z" 'K, M, G or T' 'an unknown unit' <<END
[machine]
$uuid
[node a]
cpus = 1
address = x
memory = 9Z
END
bad '6: ' "memory = 99999999999T" 'K, M, G or T' 'more memory than there are numbers' <<END
[machine]
$uuid
[node a]
cpus = 1
address = x
memory = 99999999999T
END
bad '3: ' "cpus is missing" 'add a line' 'vCPUs that are missing' <<END
[machine]
$uuid
[node a]
memory = 64M
address = x
END
bad '5: ' "cpus = 5000" 'from 0 to 4096' 'more vCPUs than there can be' <<END
[machine]
$uuid
[node a]
address = x
cpus = 5000
memory = 64M
END
bad '3: ' "address is missing" 'add a line' 'an address that is missing' <<END
[machine]
$uuid
[node a]
cpus = 1
memory = 64M
END
bad '4: ' "address is empty" 'give it a value' 'an address that is empty' <<END
[machine]
$uuid
[node a]
address =
cpus = 1
memory = 64M
END
bad '8: ' "address 192.0.2.1 and port 7400 both" 'change one' 'two nodes at one place' <<END
$good
[node beta]
address = 192.0.2.1
cpus = 1
memory = 64M
END
bad '8: ' "joins = sometimes" 'one of start, later' 'an unknown time to join' <<END
$good
[node beta]
joins = sometimes
address = x
cpus = 1
memory = 64M
END
bad '7: ' "joins = later" 'is there from the start: remove it' 'a boot node that joins later' <<END
[machine]
$uuid
[node alpha]
address = x
cpus = 1
memory = 64M
joins = later
END
bad '9: ' "joins = later" 'all are there from the start: remove it' 'a transport that nobody joins by' <<END
[machine]
$uuid
transport = rdma
$alpha
[node beta]
joins = later
address = y
cpus = 1
memory = 64M
END
bad '3: ' "transport = carrier" 'one of tcp, rdma, loop' 'an unknown transport' <<END
[machine]
$uuid
transport = carrier
$alpha
END
bad '8: ' "transport = rdma" 'all use the same' 'two transports' <<END
$good
[node beta]
transport = rdma
address = x
cpus = 1
memory = 64M
END
bad '3: ' "security = auth" 'write tls or none' 'a security that the transport has not' <<END
[machine]
$uuid
security = auth
$alpha
END
bad '3: ' "prefetch = maybe" 'on or off' 'a switch between on and off' <<END
[machine]
$uuid
prefetch = maybe
$alpha
END

# ---- a region that machines share ----

region="[machine]
$uuid
[node alpha]
address = x
cpus = 0
memory = 16M"
beta='[node beta]
address = y
cpus = 0'
printf '%s\n%s\n' "$region" "$beta" > "$dir/region.conf"
runs 0 check "$dir/region.conf" && grep -q '2 nodes, 0 vCPUs, 16 MiB' "$dir/out" && runs 0 dump "$dir/region.conf" &&
	cp "$dir/out" "$dir/again.conf" && runs 0 check "$dir/again.conf"
result $? "a region that is shared: the first node has memory, none has vCPUs"
bad '9: ' "[node beta] cpus" 'for all nodes' 'a region, and a node with vCPUs' <<END
$region
[node beta]
address = y
cpus = 1
memory = 16M
END
printf '%s\ncpus = 2\nmemory = 32M\n%s\nmemory = 16M\n[node gamma]\naddress = z\ncpus = 1\nmemory = 0\n[node delta]\naddress = w\ncpus = 0\n' \
	"[machine]
$uuid
[node alpha]
address = x" "$beta" > "$dir/lent.conf"
runs 0 check "$dir/lent.conf" && grep -q '4 nodes, 3 vCPUs, 48 MiB' "$dir/out" && runs 0 dump "$dir/lent.conf" &&
	cp "$dir/out" "$dir/again.conf" && runs 0 check "$dir/again.conf"
result $? "nodes without vCPUs, without memory, and without either"
runs 0 topology "$dir/lent.conf" && grep -q 'beta at y:7400, memory 32-48 MiB, NUMA node 1$' "$dir/out" &&
	grep -q 'gamma at z:7400, vCPUs 2-2, NUMA node 2$' "$dir/out" && grep -q 'delta at w:7400, NUMA node 3$' "$dir/out"
result $? "topology says what they have"

# ---- cells ----

places="[machine]
$uuid
[node alpha]
address = x
[node beta]
address = y"
first='[cell one]
node = alpha
cpus = 2
memory = 32M'
printf '%s\n%s\n[cell two]\nnode = beta\ncpus = 0\nmemory = 16M\n[cell three]\nnode = alpha\ncpus = 1\nmemory = 0\n' \
	"$places" "$first" > "$dir/cells.conf"
runs 0 check "$dir/cells.conf" && grep -q '2 nodes, 3 vCPUs, 48 MiB' "$dir/out" && runs 0 dump "$dir/cells.conf" &&
	cp "$dir/out" "$dir/again.conf" && runs 0 check "$dir/again.conf"
result $? "more cells than nodes"
runs 0 topology "$dir/cells.conf" && grep -q 'cell 0 one on alpha at x:7400, vCPUs 0-1, memory 0-32 MiB, NUMA node 0, firmware' "$dir/out" &&
	grep -q 'cell 1 two on beta at y:7400, memory 32-48 MiB, NUMA node 1$' "$dir/out" &&
	grep -q 'cell 2 three on alpha at x:7400, vCPUs 2-2, NUMA node 2$' "$dir/out"
result $? "topology says where they are"
runs 0 topology "$dir/cells.conf" --json && grep -q '"name":"three","node":"alpha","cpus":1,"first_cpu":2' "$dir/out"
result $? "in JSON too"
bad '7: ' "[node beta] cpus" 'the sections [cell NAME] say that: remove it' 'a node with vCPUs beside cells' <<END
$places
cpus = 1
$first
END
bad '8: ' "[cell one] node = gamma" 'there is no section [node gamma]' 'a cell of no node' <<END
$places
$(echo "$first" | sed 's/alpha/gamma/')
END
bad '7: ' "[cell one] is the first cell" 'on the first node, which boots' 'a first cell elsewhere' <<END
$places
$(echo "$first" | sed 's/alpha/beta/')
END
bad '7: ' "[cell one] is the first cell" 'write vCPUs and memory' 'a first cell without vCPUs' <<END
$places
$(echo "$first" | sed 's/cpus = 2/cpus = 0/')
END
bad '11: ' "[cell one] is there twice" 'remove one' 'a cell twice' <<END
$places
$first
$first
END
bad '11: ' "two cells are named 'one'" 'another name' 'two cells of one name' <<END
$places
$first
$(echo "$first" | sed 's/cell one/cell  one/')
END
bad '11: ' "[cell two] memory is missing" 'add a line' 'a cell that does not say all' <<END
$places
$first
[cell two]
node = beta
cpus = 1
END
bad '15: ' "[cell two] has no key 'cache'" 'one of node, cpus, memory' 'a key that only nodes have' <<END
$places
$first
[cell two]
node = beta
cpus = 1
memory = 16M
cache = 16M
END
bad '7: ' "unknown section [cell ]" '[cell NAME]' 'a cell without a name' <<END
$places
[cell ]
END
bad '6: ' "[node alpha] memory" 'write how much' 'a boot node without memory' <<END
[machine]
$uuid
[node alpha]
address = x
cpus = 2
memory = 0
END
bad '' 'it has one vCPU' 'one node alone' 'one vCPU, and nodes without any' <<END
[machine]
$uuid
[node alpha]
address = x
cpus = 1
memory = 16M
$beta
END
bad '10: ' "[node beta] memory" 'of the first node: remove it' 'a region of two nodes' <<END
$region
$beta
memory = 16M
END
bad '6: ' "[node alpha] memory" 'write a power of two' 'a region that is no BAR' <<END
[machine]
$uuid
[node alpha]
address = x
cpus = 0
memory = 24M
END
bad '10: ' "[node beta] joins" 'from the start: remove it' 'a region that somebody joins later' <<END
$region
$beta
joins = later
END
bad '3: ' "[machine] transport" 'tcp or loop' 'a region over RDMA' <<END
[machine]
$uuid
transport = rdma
[node alpha]
address = x
cpus = 0
memory = 16M
END
bad '7: ' "[guest]" 'remove it' 'a region with a guest' <<END
$region
[guest]
cpu = host
END
for verb in run up cmdline pause checkpoint; do
	test $verb = checkpoint && word=there || word=
	runs 6 $verb "$dir/region.conf" $word && one_line && grep -qF "region.conf: it has no vCPUs" "$dir/out" &&
		grep -qF "dvmm share $dir/region.conf" "$dir/out"
	result $? "$verb of a region: the verb is share"
done
runs 6 share "$dir/good.conf" alpha && one_line && grep -qF "good.conf: it has vCPUs: dvmm up" "$dir/out"
result $? "share of a machine: the verb is up"
runs 6 share "$dir/region.conf" nobody && one_line && grep -q "no node 'nobody': there are alpha, beta" "$dir/out"
result $? "share of a node that is not there"
runs 2 share "$dir/region.conf" alpha --state "/$(printf %090d 0)" && one_line &&
	grep -q 'region/alpha/ivshmem: too long for a socket: give a shorter --state' "$dir/out"
result $? "share: a socket's path that is too long"
# key STATUS TEXT NAME: what share says of region.key; nothing is left of it
key() {
	runs "$1" share "$dir/region.conf" beta --state "$dir/state" && one_line && grep -qF "$2" "$dir/out" && test ! -e "$dir/state"
	result $? "$3"
}
key 1 "region.key: it cannot be read: dvmm create makes one" 'share: no key'
echo 12 > "$dir/region.key"
chmod 644 "$dir/region.key"
key 1 "region.key: others may have read it: make a new key" 'share: a key that others read'
chmod 600 "$dir/region.key"
key 1 "region.key: it has to hold 64 hexadecimal digits" 'share: a key that is none'
{ echo "$good"; printf '[guest]\nshare = ../x\n'; } > "$dir/bad.conf"
runs 6 check "$dir/bad.conf" && grep -qF '[guest] share = ../x: write the name of a region' "$dir/out"
result $? "share = in [guest] is a name"
{ echo "$good"; printf '[guest]\nshare = region\n'; } > "$dir/more.conf"
runs 0 cmdline "$dir/more.conf" alpha &&
	grep -qF -- '-chardev socket,id=share,path=/run/dvmm/region/alpha/ivshmem -device ivshmem-doorbell,chardev=share,vectors=1' "$dir/out"
result $? "with it the guest has the device"

printf '[machine]\nname = \377\n' > "$dir/binary"
bad '2: ' 'not UTF-8' 'machine file?' 'what is no text' < "$dir/binary"
runs 6 check "$dir/none.conf" && grep -q 'none.conf: No such file.*: is it' "$dir/out"
result $? "a file that is not there"
runs 6 check --dir "$dir" none && grep -q "$dir/none.conf: No such file" "$dir/out"
result $? "a name that is not there"

runs 0 create big --dir "$dir/etc" --node a=192.0.2.1,cpus=2,memory=1G --node b=192.0.2.2,cpus=2,memory=1G &&
	runs 0 check --dir "$dir/etc" big
result $? "what create writes is right"
test "$(stat -c %a "$dir/etc/big.key")" = 600 && grep -qE '^[0-9a-f]{64}$' "$dir/etc/big.key"
result $? "its key is 32 bytes in hex and nobody else's"
cp "$dir/etc/big.key" "$dir/before"
runs 1 create big --dir "$dir/etc" --node a=192.0.2.1,cpus=2,memory=1G && grep -q 'File exists: remove it' "$dir/out" &&
	cmp -s "$dir/before" "$dir/etc/big.key"
result $? "a machine that is there is not overwritten"
runs 6 create small --dir "$dir/etc" --node a=192.0.2.1,cpus=5000,memory=1G && grep -q 'cpus = 5000: write a number' "$dir/out" &&
	test "$(ls "$dir/etc" | tr '\n' ' ')" = "big.conf big.key "
result $? "a wrong node leaves no file"
runs 2 create small --dir "$dir/etc" --node a && grep -q 'write NAME=ADDRESS' "$dir/out"
result $? "a node that says nothing gets the form"
runs 1 create small --dir "$dir/none/etc" --node a=192.0.2.1,cpus=1,memory=1G && grep -q 'none/etc: No such file.*--dir' "$dir/out"
result $? "a directory that cannot be made is named"
runs 0 list --dir "$dir/etc" && grep -q "^big  *-  *-  *[0-9a-f-]*$" "$dir/out"
result $? "list names it"
runs 2 check
result $? "check without a file gets the usage"
"$tool" doctor --json 2>&1 | python3 -c '
import json, sys
checks = json.load(sys.stdin)
assert {"kernel", "module", "kvm", "walk", "tsc", "memory", "access"} <= {c["check"] for c in checks}, checks
assert all(c["result"] == "PASS" or c["remedy"] for c in checks), checks' > "$dir/out" 2>&1
result $? "doctor says in JSON what it checks, with a remedy for what does not pass"
echo "1..$n"
exit $fail
