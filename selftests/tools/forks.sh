#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# dvmm fork: machines that begin with another one's checkpoint and run beside it; nothing is half made, and nothing of
# the first is changed.  With a QEMU and an ssh that only look like them, and the qemu-img that is there.
. "$(dirname "$0")/lib.sh"

# of MACHINE KEY: a value in its file
of() {
	sed -n "s/^$2 = //p" "hosts/admin/etc/$1.conf"
}

# refused STATUS WORDS CHECKPOINT NAME...: dvmm fork says them in one line, and nothing is there that was not before
refused() {
	status=$1
	words=$2
	shift 2
	find . > before
	admin "$status" fork big "$@" && one_line && has "$words" && find . | cmp - before
}

# is_whole NAME: the machine is there with all that is its own
is_whole() {
	admin 0 check "$1" && test -s "hosts/admin/etc/$1.key" && cmp one/state "$1/state" && cmp one/disk "$1/disk" &&
		test -s "$1/manifest.json"
}

# killed CALL NUMBER: dvmm fork is when it makes that system call for the so many-th time
killed() {
	strace -f -o /dev/null -e trace="$1" -e inject="$1:signal=SIGKILL:when=$2" \
		"$tool" fork big "$dir/one" torn --dir "$dir/hosts/admin/etc" > out 2>&1
	test $? = 137
}

echo "TAP version 13"
make_hosts
head -c 131072 /dev/urandom > disk.raw
qemu-img create -q -f qcow2 disk2.qcow2 1M
admin 0 create big --node alpha=192.0.2.1,cpus=2,memory=1G,ssh=alpha --node beta=192.0.2.2,cpus=2,memory=1G,ssh=beta \
	--disk disk.raw --disk2 disk2.qcow2 --net user --cdrom "$dir/cdrom" && admin 0 push big
plan
admin 0 up big && admin 0 checkpoint big "$dir/one"
result $? "a machine that runs, and its checkpoint"
find one -type f -exec sha256sum {} + | sort > sums

find one -type f -exec sha256sum {} + > sums

# ---- made ----

admin 0 fork big "$dir/one" twin other && is_whole twin && is_whole other && test "$(wc -l < out)" != 0
result $? "two forks, each with a file, a key and a checkpoint"
admin 0 fork big "$dir/one" third && has "third: a fork of big: dvmm push third, then dvmm up third --from $dir/third" &&
	has "network card has the first's address" && has "and then $(of third mac)" && ! has vmgenid
result $? "fork says what to do next, and what the guest keeps of the first"
test "$(for m in big twin other third; do of $m uuid; done | sort -u | wc -l)" = 4 &&
	test "$(cat hosts/admin/etc/*.key | sort -u | wc -l)" = 4 && test "$(stat -c %a hosts/admin/etc/twin.key)" = 600
result $? "UUIDs and keys are their own"
test "$(cat hosts/admin/etc/*.conf | grep -c '^port')" = 6 &&
	test "$(sed -n 's/^port = //p' hosts/admin/etc/*.conf | sort -u | tr '\n' ' ')" = '7401 7402 7403 '
result $? "so are their ports"
test "$(for m in big twin other third; do of $m mac; done | grep -E '^52:54:00(:[0-9a-f]{2}){3}$' | sort -u | wc -l)" = 4
result $? "and the addresses of their cards"
test "$(of twin start)" = packed && test "$(of twin name)" = twin && test "$(of twin cdrom)" = "$dir/cdrom" &&
	test "$(of twin disk)" = "$dir/twin/disk.qcow2"
result $? "their disks are in their directories, and they may begin with a state"
test "$(stat -c %h one/state one/disk one/disk2 | tr '\n' ' ')" = '4 4 4 '
result $? "nothing was copied"
sed 's/ one/ twin/' sums | grep -v manifest | sha256sum --quiet -c && sha256sum --quiet -c sums
result $? "what they begin with is what the first was"

# ---- refused ----

refused 1 "etc/twin.conf: it is there already" "$dir/one" new twin
result $? "a machine that is there"
touch hosts/admin/etc/new.key
refused 1 "etc/new.key: it is there already" "$dir/one" new
result $? "a key that is there"
rm hosts/admin/etc/new.key
mkdir new
refused 1 "$dir/new: it is there already" "$dir/one" new
result $? "a directory that is there"
rmdir new
mkdir new.part
refused 1 "$dir/new.part: one is being made, or was broken off" "$dir/one" new
result $? "one that is being made"
rmdir new.part
for name in a/b '' .hidden 'a b' '../up'; do
	refused 2 'write a name of letters, digits, - and _' "$dir/one" "$name"
	result $? "the name '$name': 2"
done
refused 1 'it is no checkpoint' "$dir/none" new
result $? "no checkpoint"
cp one/disk2 kept
printf x | dd of=one/disk2 conv=notrunc 2> dd
refused 1 "$dir/one/disk2: it is damaged" "$dir/one" new
result $? "a damaged disk"
cp kept one/disk2
cp one/manifest.json kept
whole=0
for i in $(seq 0 5 $(($(stat -c %s kept) - 1))); do
	cp kept one/manifest.json
	printf '\377' | dd of=one/manifest.json bs=1 seek="$i" conv=notrunc 2> dd
	"$tool" fork big "$dir/one" new --dir "$dir/hosts/admin/etc" > out 2>&1
	test $? = 1 && one_line && test ! -e new || { whole=$((whole + 1)); echo "# byte $i"; }
done
test $whole = 0 && test "$i" -gt 500
result $? "a manifest one byte of which is another one, of $i"
cp kept one/manifest.json
mv one/state kept
refused 1 "$dir/one/state: No such file" "$dir/one" new
result $? "a state that is missing"
mv kept one/state
cp hosts/admin/etc/big.conf kept
sed -i '/^disk2/d' hosts/admin/etc/big.conf
refused 1 "disk2: the checkpoint has a copy of it: name it" "$dir/one" new
result $? "a machine that has a disk less now"
{ cat kept; } | sed 's/^disk2.*/&\ndisk3 = \/x/' > hosts/admin/etc/big.conf
refused 1 "disk3: the checkpoint has no copy of it: remove the line" "$dir/one" new
result $? "and one that has one more"
sed 's/^cpus = 2/cpus = 3/' kept > hosts/admin/etc/big.conf
refused 1 'other vCPUs or memory' "$dir/one" new
result $? "a machine of another shape"
sed 's/^address.*/&\nport = 65535/' kept > hosts/admin/etc/big.conf
refused 1 'new: no ports are left' "$dir/one" new
result $? "no ports"
cp kept hosts/admin/etc/big.conf
admin 0 fork big "$dir/one" moved --node gamma=192.0.2.7 --node delta=192.0.2.7,ssh=gamma && admin 0 dump moved --json &&
	python3 -c 'import json, sys
nodes = json.load(sys.stdin)["nodes"]
assert [(n["name"], n["address"], n["cpus"]) for n in nodes] == [("gamma", "192.0.2.7", 2), ("delta", "192.0.2.7", 2)], nodes
assert nodes[0]["port"] != nodes[1]["port"], nodes' < out
result $? "both nodes on another host"
refused 1 'new: write a --node for each of its nodes, in their order' "$dir/one" new --node gamma=192.0.2.7
result $? "a node too few"
refused 1 'gamma: write --node NAME=ADDRESS[,ssh=HOST]' "$dir/one" new --node gamma --node delta=192.0.2.7
result $? "a node without an address"
refused 6 '[node gamma] is there twice' "$dir/one" new --node gamma=192.0.2.7 --node gamma=192.0.2.8
result $? "two nodes of one name: 6"
sed 's/^net = .*/net = tap:tap0/' kept > hosts/admin/etc/big.conf
refused 1 "tap:tap0: it is the first's: give the fork its own by --net" "$dir/one" new
result $? "a tap that the first has"
admin 0 fork big "$dir/one" tapped --net tap:tap1 && test "$(of tapped net)" = tap:tap1
result $? "another one is taken"
refused 1 "net: a device cannot be added to what was saved, nor taken from it" "$dir/one" new --net none
result $? "no card where there was one"
refused 6 "net = fast: write none, user" "$dir/one" new --net fast
result $? "a network that is none: 6"
refused 1 "cpu: a fork has what the first had" "$dir/one" new --cpu EPYC
result $? "another CPU"
sed 's/^net = .*/console = vnc:127.0.0.1:1/' kept > hosts/admin/etc/big.conf
refused 1 "vnc:127.0.0.1:1: it is the first's: give the fork its own by --console" "$dir/one" new
result $? "a screen that the first has"
cp kept hosts/admin/etc/big.conf
mkdir hosts/admin/etc/new.conf.new
refused 1 'etc/new.conf.new: File exists' "$dir/one" new
result $? "where the file cannot be written there is no checkpoint either"
rmdir hosts/admin/etc/new.conf.new
find . > before
(trap '' XFSZ; ulimit -f 0; exec "$tool" fork big "$dir/one" new --dir "$dir/hosts/admin/etc" 2>&1) | cat > out
one_line && has "new.part/manifest.json" && has 'make room' && find . | cmp - before
result $? "a disk that is full"
torn=0
kills=0
for call in mkdir link openat fsync rename; do
	for i in $(seq 40); do
		killed $call $i || break
		kills=$((kills + 1))
		test ! -e hosts/admin/etc/torn.conf || is_whole torn || { echo "# torn at $call $i"; torn=1; }
		rm -rf torn torn.part hosts/admin/etc/torn.*
	done
	rm -rf torn torn.part hosts/admin/etc/torn.*
done
test $torn = 0 && test $kills -gt 15 && sha256sum --quiet -c sums
result $? "killed at any of $kills moments: a machine that is there is whole, and the checkpoint is as it was"

# ---- begun with ----

admin 0 push twin && admin 0 up twin --from "$dir/twin" && grep -qx "file:$dir/twin/state" hosts/alpha/argv
result $? "a fork begins beside the first"
qemu-img info --output=json -U twin/disk.qcow2 > info && grep -q "\"backing-filename\": \"$dir/twin/disk\"" info &&
	grep -q '"backing-filename-format": "raw"' info && qemu-img info -U twin/disk2.qcow2 | grep -q 'backing file format: qcow2'
result $? "its disks have what the guest writes, and the checkpoint the rest"
qemu-img compare -U -f qcow2 -F raw twin/disk.qcow2 one/disk >> out 2>&1
result $? "they are what they were"
kill -0 "$(cat hosts/alpha/run/big/alpha/pid)" && kill -0 "$(cat hosts/alpha/run/twin/alpha/pid)"
result $? "the first runs on"
rm -r one
qemu-img check -q -U twin/disk.qcow2 && admin 0 push other && admin 0 up other --from "$dir/other"
result $? "the first's checkpoint may go: forks keep what they need"
admin 0 checkpoint other "$dir/two" && admin 0 fork other "$dir/two" grandchild && admin 0 check grandchild
result $? "a fork has checkpoints and forks as any machine has"
PATH=$dir/empty "$tool" fork other "$dir/two" --dir "$dir/hosts/admin/etc" > out 2>&1
test $? = 2 && has 'usage: dvmm'
result $? "without a name there is none: 2"
echo "1..$n"
exit $fail
