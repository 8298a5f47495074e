#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# dvmm checkpoint and dvmm up --from: what is in the directory, what is none, and that nothing is half made; with a
# QEMU and an ssh that only look like them.
. "$(dirname "$0")/lib.sh"

down() {
	admin 0 down big --force
	for i in $(seq 100); do
		kill -0 "$(cat hosts/beta/run/big/beta/pid)" 2> /dev/null || return 0
		sleep 0.05
	done
}

# refused WORDS: dvmm up --from says them in one line, and starts nothing
refused() {
	admin 1 up big --from "$dir/one" && one_line && has "$1" && ! grep -qs incoming hosts/alpha/argv
}

# killed CALL NUMBER WORD...: dvmm of host alpha is when it makes that system call for the so many-th time
killed() {
	call=$1
	number=$2
	shift 2
	strace -o /dev/null -e trace="$call" -e inject="$call:signal=SIGKILL:when=$number" \
		"$tool" "$@" --dir "$dir/hosts/alpha/etc" --state "$dir/hosts/alpha/run" > out 2>&1
	test $? = 137
}

# slowly CALL WORD...: dvmm of host alpha waits before each such system call
slowly() {
	call=$1
	shift
	strace -o trace -e trace="$call" -e inject="$call:delay_enter=3000000" \
		"$tool" "$@" --dir "$dir/hosts/alpha/etc" --state "$dir/hosts/alpha/run" > slow 2>&1
}

# unheard COMMAND: as broken_off, and nobody hears what it says from then on
unheard() {
	: > hosts/alpha/commands
	mkfifo ears
	"$tool" checkpoint big "$dir/two" --here --dir "$dir/hosts/alpha/etc" --state "$dir/hosts/alpha/run" > ears 2>&1 &
	{ for i in $(seq 400); do grep -qsx "$1" hosts/alpha/commands && break; sleep 0.05; done; } < ears
	rm ears
	kill -HUP $!
	wait $!
}

# is_whole DIRECTORY: a machine can begin with it
is_whole() {
	"$tool" fork big "$1" probe --dir "$dir/hosts/admin/etc" > out 2>&1 && rm -r probe hosts/admin/etc/probe.*
}

# altered SED: the manifest with something else in it, and a sum that is right again
altered() {
	sed "$1; s/\"sum\":\"[^\"]*/\"sum\":\"$(printf %064d 0)/" manifest > draft
	sed "s/\"sum\":\"[^\"]*/\"sum\":\"$(sha256sum < draft | cut -d ' ' -f 1)/" draft > one/manifest.json
}

# broken_off SIGNAL COMMAND: dvmm checkpoint gets the signal, and gets it again as from people who are in a hurry, when
# QEMU has got the command; its status
broken_off() {
	: > hosts/alpha/commands
	"$tool" checkpoint big "$dir/two" --here --dir "$dir/hosts/alpha/etc" --state "$dir/hosts/alpha/run" > out 2>&1 &
	for i in $(seq 400); do grep -qsx "$2" hosts/alpha/commands && break; sleep 0.05; done
	for i in $(seq 20); do kill -"$1" $! 2> /dev/null || break; sleep 0.05; done
	wait $!
}

echo "TAP version 13"
make_hosts
echo early > disk.raw
echo second > disk2.raw
admin 0 create big --node alpha=192.0.2.1,cpus=2,memory=1G,ssh=alpha \
	--node beta=192.0.2.2,cpus=2,memory=1G,ssh=beta --disk disk.raw --disk2 disk2.raw && admin 0 push big
result $? "a machine with two disks"

# ---- made ----

admin 3 checkpoint big "$dir/one" && has 'is it running?' && ! ls | grep -q one
result $? "of a machine that does not run there is none: 3"
plan
admin 0 up big && admin 0 checkpoint big "$dir/one" && has 'stood still for' && has "$dir/one after"
result $? "checkpoint: a directory, and how long the guest stood still"
test "$(ls one)" = "disk
disk2
manifest.json
state" && cmp one/disk disk.raw && cmp one/disk2 disk2.raw && test "$(stat -c %a one)" = 700
result $? "it has the state, the disks and a manifest, for its owner alone"
test "$(grep -vE 'query|qom|capabilities' hosts/alpha/commands | tr '\n' ' ')" = \
	"migrate_cancel stop dvmm-move migrate blockdev-set-active transaction dvmm-move cont job-dismiss job-dismiss "
result $? "the guest goes on while its disks are copied"
admin 1 checkpoint big "$dir/one" && one_line && has 'it is there already: name another one'
result $? "one that is there is not overwritten"
admin 2 checkpoint big two && has 'begins with /'
result $? "its path is that of the boot host: 2"
admin 1 checkpoint big "$dir/no/two" && one_line && has 'No such file'
result $? "a directory that cannot be made is named"
for what in "full No space left on device" "torn Input/output error"; do
	plan "${what%% *}"
	admin 1 checkpoint big "$dir/two" && has "${what#* }" && ! ls | grep -q two && grep -qx cont hosts/alpha/commands
	result $? "${what#* }: there is no checkpoint, and the guest goes on"
	rm -f hosts/quit
done
plan
admin 0 checkpoint big "$dir/two"
result $? "a copy that failed leaves no other one behind that stays in the way of the next"
rm -rf two
plan slow
broken_off INT migrate
test $? = 1 && has 'it was broken off' && ! ls | grep -q two && grep -qx cont hosts/alpha/commands
result $? "broken off: there is no checkpoint, and the guest goes on"
plan slow
unheard migrate
test $? = 1 && ! ls | grep -q two && grep -qx cont hosts/alpha/commands
result $? "nor is there one, and the guest goes on, where nobody listens any more"
plan fixed
admin 1 checkpoint big "$dir/two" && has 'is leaving' && has 'dvmm spread' && has 'stood still for' && ! ls | grep -q two &&
	grep -qx cont hosts/alpha/commands
result $? "vCPUs that cannot move: there is no checkpoint, and the guest goes on"
plan copying
: > hosts/alpha/commands
"$tool" checkpoint big "$dir/two" --here --dir "$dir/hosts/alpha/etc" --state "$dir/hosts/alpha/run" > first 2>&1 &
for i in $(seq 400); do grep -qsx cont hosts/alpha/commands && break; sleep 0.05; done
admin 1 checkpoint big "$dir/three" && one_line && has 'is being made: wait' && ! ls | grep -q three &&
	! grep -qx job-cancel hosts/alpha/commands
result $? "a second one at a time is refused, and takes nothing away from the first"
kill -INT $!
wait $!
plan writing
broken_off INT cont
test $? = 1 && has 'stood still for' && has 'it was broken off' && ! ls | grep -q two &&
	sed "1,/^cont$/d" hosts/alpha/commands | grep -qx migrate_cancel
result $? "it goes on while its memory is written; broken off then: there is no checkpoint"
plan writing
broken_off KILL cont
rm -r two.part
plan
admin 0 checkpoint big "$dir/two" && rm -r two
result $? "what a command that was killed had begun to save does not stay in the way of the next"
plan uncut
admin 0 checkpoint big "$dir/two" && has 'stood still for' && is_whole "$dir/two" && rm -r two &&
	test "$(grep -cx migrate hosts/alpha/commands)" = 2
result $? "where memory cannot be kept as it was the guest stands still until it is written"
plan copying
broken_off INT cont
test $? = 1 && has 'it was broken off' && ! has canceled && ! ls | grep -q two
result $? "broken off while disks are copied: there is no checkpoint"
plan
: > hosts/alpha/commands
admin 1 checkpoint big "$dir/two" --parts && has 'shows no memory of it' && ! ls | grep -q two && ! grep -qx stop hosts/alpha/commands
result $? "in parts: a node whose memory cannot be had is named, before the guest stands still"
admin 2 checkpoint big "$dir/two" --parts --since "$dir/one" && one_line && has 'no increments'
result $? "in parts there is no increment: 2"
plan copying
broken_off KILL cont
rm -r two.part
plan
admin 0 checkpoint big "$dir/two"
result $? "copies of a command that was killed do not stay in the way of the next"
rm -rf two
kills=0
torn=0
for call in mkdir sendto openat fsync rename; do
	for i in $(seq 1 2 60); do
		killed $call "$i" checkpoint big "$dir/two" --here || break
		kills=$((kills + 1))
		test ! -e two || is_whole "$dir/two" || { echo "# torn at $call $i"; torn=1; }
		rm -rf two two.part
	done
	test -e two || { echo "# none after $call $i"; torn=1; }
	rm -rf two two.part
done
is_whole "$dir/one" && test $torn = 0 && test $kills -gt 15
result $? "killed at any of $kills moments: there is a whole one or none, the next is made, and the one before is as it was"
mkdir two.part
admin 1 checkpoint big "$dir/two" && one_line && has 'one is being made, or was broken off'
result $? "two at once are not made"
rmdir two.part

# ---- one after the other, by one name ----

admin 0 checkpoint big "$dir/last" --replace && test "$(readlink last)" = last.1 && is_whole "$dir/last"
result $? "--replace: the name is a link to it"
mkdir last.2.part last.other
admin 0 checkpoint big "$dir/last" --replace && test "$(readlink last)" = last.3 && is_whole "$dir/last" &&
	test "$(echo last*)" = "last last.3 last.other"
result $? "then to the next one; those before it are gone, and what of them was never whole"
admin 1 checkpoint big "$dir/one" --replace && one_line && has 'no link to a checkpoint' && test -f one/manifest.json
result $? "a name that somebody else has is refused"
admin 2 checkpoint big "$dir/last" --replace --since "$dir/one" && one_line
result $? "what the next one needs is not removed: 2"
kills=0
torn=0
for call in mkdir openat rename symlink unlink rmdir; do
	for i in $(seq 1 2 60); do
		killed $call "$i" checkpoint big "$dir/last" --replace --here || break
		kills=$((kills + 1))
		is_whole "$dir/last" || { echo "# none at $call $i"; torn=1; }
	done
done
admin 0 checkpoint big "$dir/last" --replace && test "$(ls -d last.[0-9]*)" = "$(readlink last)" || torn=1
test $torn = 0 && test $kills -gt 15
result $? "killed at any of $kills moments: the name is that of a whole one, and the next leaves nothing else"
rm -rf last*
down

# ---- begun with ----

echo late > disk.raw
rm -f hosts/alpha/argv
mv one/manifest.json manifest
refused 'it is no checkpoint: no manifest can be read'
result $? "without its manifest it is none"
altered 's/"format": *2/"format":9/'
refused 'of a version that is not known here'
result $? "a version that nobody knows"
altered 's/"cpus": *2/"cpus":3/'
refused 'other vCPUs or memory'
result $? "a machine of another shape"
altered 's/"uuid": *"......../"uuid":"00000000/'
refused "it is of another machine, 'big'" && has '--force'
result $? "another machine's"
altered 's/"uuid": *"[^"]*"/"uuid":null/'
refused "it is of another machine"
result $? "nobody's"
cp manifest one/manifest.json
cp one/state state
printf x | dd of=one/state conv=notrunc 2> dd
refused "$dir/one/state: it is damaged"
result $? "a byte that has changed"
echo more >> one/state
refused "$dir/one/state: its size"
result $? "a file that is longer"
rm one/state
refused "$dir/one/state: No such file"
result $? "a file that is missing"
cp state one/state
touch disk.raw.before
refused "disk.raw.before: it is from an earlier restart"
result $? "a disk that was kept is not overwritten"
rm disk.raw.before
for call in link rename; do
	for i in 1 2 3 4 5 6 7 8; do
		rm -f disk*.before
		echo late > disk.raw
		killed $call $i run big alpha --from "$dir/one" --detach || break
		case $(cat disk.raw) in
		early | late) ;;
		*) torn=1 ;;
		esac
		test ! -e disk.raw.before || test "$(cat disk.raw.before)" = late || torn=1
	done
	test $i -gt 1 || torn=1
	admin 0 down big --force
done
test $torn = 0
result $? "killed while it begins: there is the disk that was or that of the checkpoint, and none is lost"
rm -f disk*.before
sleep 100 &
stranger=$!
echo $stranger > hosts/alpha/run/big/alpha/pid
slowly link run big alpha --from "$dir/one" --detach &
lock=:$(stat -c %i hosts/alpha/run/big/alpha/lock)
for i in $(seq 100); do grep -q "$lock " /proc/locks && break; sleep 0.05; done
for i in $(seq 20); do test "$(cat hosts/alpha/run/big/alpha/pid)" -ne $stranger && break; sleep 0.05; done 2> /dev/null
"$tool" down big alpha --dir "$dir/hosts/alpha/etc" --state "$dir/hosts/alpha/run" > out 2>&1
status=$?
wait $!
kill $stranger
result $? "down while disks are put back: what has the number of an earlier run of the node lives"
test $status = 0 && ! grep -q "$lock " /proc/locks
result $? "and the node does not begin afterwards"
admin 0 down big --force
rm -f disk*.before disk*.new hosts/alpha/argv
echo late > disk.raw
test "$(cat disk.raw)" = late && ! ls | grep -q new
result $? "after all of these the disk is as it was"
plan
admin 0 up big --from "$dir/one" && grep -qx "file:$dir/one/state" hosts/alpha/argv &&
	test "$(cat disk.raw) $(cat disk.raw.before)" = "early late"
result $? "up --from: QEMU loads the state, and the disk is that of the checkpoint"
test "$(grep -E 'move|cont' hosts/alpha/commands | tr '\n' ' ')" = "dvmm-move cont "
result $? "its vCPUs are spread, and the guest goes on"
! grep -q incoming hosts/beta/argv
result $? "a satellite loads nothing"
admin 1 up big --from "$dir/one" && has 'runs already'
result $? "a machine that runs does not begin again"
down
plan
admin 1 up big --from "$dir/one" && has 'from an earlier restart'
result $? "a second time what was there before would be lost"
echo later > disk.raw
admin 0 up big --from "$dir/one" --replace && test "$(cat disk.raw) $(cat disk.raw.before)" = "early later"
result $? "--replace: unless that is meant"
down
plan
admin 0 up big && ! grep -q incoming hosts/alpha/argv
result $? "the next time it begins anew"
down
echo "1..$n"
exit $fail
