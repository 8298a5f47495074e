#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# dvmm checkpoint --since: what has changed and nothing else, which is there without the one before; with a QEMU and an
# ssh that only look like them, and the qemu-img that is there.
. "$(dirname "$0")/lib.sh"

# change FILE: one page of it
change() {
	head -c 100 /dev/urandom | dd of="$1" bs=4096 seek=$((n * 7)) conv=notrunc 2> dd
}

# own DIRECTORY: KiB that no other checkpoint has
own() {
	find "$1" -type f -links 1 -exec du -k {} + | awk '{n += $1} END {print n}'
}

# is_loaded: QEMU has the memory as it is; a file of layers is of whole sectors
is_loaded() {
	cmp -n "$(stat -c %s hosts/alpha/memory)" hosts/alpha/loaded hosts/alpha/memory
}

# begins DIRECTORY: a machine does, with the memory and the disk as they are
begins() {
	admin 0 down big --force
	sleep 0.3
	plan
	rm -f disk*.before
	cp disk.raw wanted
	echo other > disk.raw
	admin 0 up big --from "$1" && is_loaded && cmp disk.raw wanted
}

# refused WORDS: an increment is, before the guest stands still
refused() {
	rm -f hosts/alpha/commands
	admin "${2:-1}" checkpoint big "$dir/new" --since "${3:-$dir/three}" && one_line && has "$1" && test ! -e new &&
		! grep -qs stop hosts/alpha/commands
}

echo "TAP version 13"
make_hosts
head -c 4194304 /dev/urandom > disk.raw
head -c 3000001 /dev/urandom > hosts/alpha/memory
admin 0 create big --node alpha=192.0.2.1,cpus=2,memory=1G,ssh=alpha --node beta=192.0.2.2,cpus=2,memory=1G,ssh=beta \
	--disk "$dir/disk.raw" && admin 0 push big
plan
admin 0 up big && admin 0 checkpoint big "$dir/one" && test "$(own one)" -gt 7000
result $? "a whole one"
change hosts/alpha/memory
change disk.raw
admin 0 checkpoint big "$dir/two" --since "$dir/one" && test "$(ls two | tr '\n' ' ')" = \
	'disk.0 disk.1 manifest.json state.0 state.1 '
result $? "one since that, in layers"
test "$(own two)" -lt 200 && test two/state.0 -ef one/state && test two/disk.0 -ef one/disk
result $? "it has what has changed, $(own two) KiB, and shares the rest"
change hosts/alpha/memory
echo longer >> hosts/alpha/memory
admin 0 checkpoint big "$dir/three" --since "$dir/two" && test -e three/state.2 && test "$(own three)" -lt 200
result $? "one since that"
rm -r one two
begins "$dir/three"
result $? "the ones before may go: a machine begins with it"
test ! -e three/state && test "$(ls three | wc -l)" = 7
result $? "what was made for that is gone"

# ---- refused ----

mv three/state.1 kept
refused "$dir/three/state.1: No such file"
result $? "a layer that is missing is named, and the guest goes on"
admin 0 down big --force
sleep 0.3
plan
rm -f disk*.before hosts/alpha/argv
admin 1 up big --from "$dir/three" && one_line && has "$dir/three/state.1: No such file" && ! grep -qs incoming hosts/alpha/argv
result $? "nothing begins with it"
cp kept three/state.1
printf x | dd of=three/state.1 bs=1 seek=4200 conv=notrunc 2> dd
admin 1 up big --from "$dir/three" && one_line && has "$dir/three/state.1: it is damaged" && ! grep -qs incoming hosts/alpha/argv
result $? "nor with one that is damaged"
mv kept three/state.1
size=$(stat -c %s three/disk.0)
cp three/disk.0 kept
truncate -s 0 three/disk.0
truncate -s "$size" three/disk.0
admin 1 up big --from "$dir/three" && one_line && has "$dir/three/disk.0: it is damaged"
result $? "nor with one of which a disk has said that it was written"
mv kept three/disk.0
admin 0 up big
result $? "a machine runs"
refused "begins with /" 2 three
result $? "a path that is not the boot host's: 2"
refused "it is no checkpoint" 1 "$dir/none"
result $? "since none"
sed -i 's/^uuid = ......../uuid = 11111111/' hosts/*/etc/big.conf
refused "it is of another machine"
result $? "since another machine's"
sed -i 's/^uuid = ......../uuid = 22222222/' hosts/*/etc/big.conf
admin 0 down big --force
sleep 0.3
plan
admin 0 up big && admin 0 checkpoint big "$dir/one"
printf '#!/bin/sh\necho qemu-img: No space left on device >&2\nexit 1\n' > hosts/alpha/bin/qemu-img
chmod +x hosts/alpha/bin/qemu-img
admin 1 checkpoint big "$dir/two" --since "$dir/one" && has 'state.1: it was not made: qemu-img: No space left on device: make room' &&
	! ls | grep -q two && grep -qx cont hosts/alpha/commands
result $? "a disk that is full: there is none, and the guest goes on"
rm hosts/alpha/bin/qemu-img
torn=0
for call in link rename unlink fsync; do
	for i in $(seq 1 2 30); do
		strace -o /dev/null -e trace=$call -e inject="$call:signal=SIGKILL:when=$i" "$tool" checkpoint big "$dir/two" --here \
			--since "$dir/one" --dir "$dir/hosts/alpha/etc" --state "$dir/hosts/alpha/run" > out 2>&1
		status=$?
		test -e two || test $status = 137 || { sed 's/^/# /' out; torn=1; }
		test ! -e two || "$tool" fork big "$dir/two" probe --dir "$dir/hosts/alpha/etc" > out 2>&1 || torn=1
		rm -rf two two.part probe hosts/alpha/etc/probe.*
		test $status = 137 || break
	done
done
test $torn = 0 && test $i -gt 2 && change disk.raw && change hosts/alpha/memory && admin 0 checkpoint big "$dir/two" --since "$dir/one" &&
	begins "$dir/two"
result $? "killed at any moment: there is a whole one or none, and the next is made"
admin 0 fork big "$dir/two" twin && rm -r one two && admin 0 push twin && plan && admin 0 up twin --from "$dir/twin" &&
	is_loaded && qemu-img convert -U -f qcow2 -O raw twin/disk.qcow2 twin.raw && cmp twin.raw disk.raw
result $? "an increment is forked as any other one"
echo "1..$n"
exit $fail
