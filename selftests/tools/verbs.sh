#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# dvmm's verbs that start, steer and end machines: two hosts that are directories, with a QEMU
# and an ssh that only look like them.
. "$(dirname "$0")/lib.sh"
input=

# on HOST STATUS WORD...: dvmm there; all that it says is in $dir/out
on() {
	host=$dir/hosts/$1
	wanted=$2
	shift 2
	"$tool" "$@" --dir "$host/etc" --state "$host/run" > "$dir/out" 2>&1 < "${input:-/dev/null}"
	got=$?
	test $got = "$wanted" || { echo "status $got, not $wanted" >> "$dir/out"; return 1; }
}

has() {
	grep -qF -- "$1" "$dir/out"
}

runs_on() {
	grep -q '^State:.[^Z]' "/proc/$(cat "$dir/hosts/$1/run/${2:-big}/$1/pid" 2> /dev/null)/status" 2> /dev/null
}

# the words after an option on a host's QEMU
word_after() {
	grep -A 1 -x -e "$2" "$dir/hosts/$1/argv" | sed -n 2p
}

plan() {
	echo "$2" > "$dir/hosts/$1/plan"
	rm -f "$dir/hosts/quit" "$dir/hosts/$1/commands"
}

echo "TAP version 13"
make_hosts
touch disk.qcow2

# ---- create and push ----

on admin 0 create big --node alpha=192.0.2.1,cpus=2,memory=1G,ssh=alpha \
	--node beta=192.0.2.2,cpus=2,memory=1G,ssh=beta --disk disk.qcow2 --net user --cpu max --append 'quiet ro' &&
	has 'dvmm push big' && grep -q "^disk = $dir/disk.qcow2$" hosts/admin/etc/big.conf
result $? "create writes [guest], with paths that mean the same later"
on admin 0 cmdline big alpha && has "virtio-net-pci,netdev=net,mac=$(sed -n 's/^mac = //p' hosts/admin/etc/big.conf) " &&
	has 'vmgenid,guid=auto'
result $? "a network card gets an address of its own, and the guest a vmgenid"
sed 's/^net = user/net = bridge:br0/' hosts/admin/etc/big.conf > hosts/admin/etc/bridged.conf
on admin 0 cmdline bridged alpha && has 'tap,id=net,vhost=on,helper=/usr/lib/qemu/qemu-bridge-helper,br=br0 '
result $? "a card in a bridge is put there by the helper of Debian's QEMU, and served by the kernel"
rm hosts/admin/etc/bridged.conf
on admin 0 cmdline big alpha && has "file=$dir/disk.qcow2,"
on admin 6 diff big && has 'alpha/etc/big.conf: No such file' && has 'beta/etc/big.conf'
result $? "diff says which hosts lack the file"
on admin 6 up big && has 'No such file' && ! runs_on alpha
result $? "so does up, and starts nothing"
on admin 0 push big && has 'big: alpha has it' && has 'big: beta has it' &&
	cmp hosts/admin/etc/big.conf hosts/beta/etc/big.conf && cmp hosts/admin/etc/big.key hosts/beta/etc/big.key &&
	test "$(stat -c %a hosts/beta/etc/big.key)" = 600
result $? "push copies file and key, which stays its owner's"
on admin 0 diff big && has 'the same on 2 nodes'
result $? "then nothing differs"
sed -i 's/^net = user/net = none/' hosts/beta/etc/big.conf
on admin 1 diff big && has 'dvmm: beta: its file or key is another one: dvmm push big' && has '-net = user' &&
	has '+net = none'
result $? "diff shows what differs"
on admin 1 up big && one_line && has 'beta: its file or key' && ! runs_on alpha
result $? "a machine whose files differ is not started"
on admin 0 push big && printf %064d 1 > hosts/beta/etc/big.key
on admin 1 diff big && has 'file or key'
result $? "a key that differs is noticed"
sed -i 's/^uuid = ......../uuid = 11111111/' hosts/beta/etc/big.conf
cp hosts/beta/etc/big.conf before
on admin 1 push big && has 'is machine 11111111' && has '--force' && cmp before hosts/beta/etc/big.conf
result $? "push leaves another machine of that name alone"
on admin 0 push big --force && on admin 0 diff big
result $? "unless it is forced to"
mv hosts/beta hosts/away
on admin 7 push big && has 'dvmm: beta: it cannot be reached: ' && has 'big: alpha has it'
result $? "a host that cannot be reached is named: 7"
mv hosts/away hosts/beta
rm hosts/beta/bin/dvmm
on admin 7 diff big && has 'dvmm: beta: there is no dvmm: install it there'
result $? "so is one without dvmm"
ln -s "$(readlink -f "$tool")" hosts/beta/bin/dvmm
echo '{"file": "[machine", "uuid": "x"}' > parcel
input=parcel
on beta 6 receive bad && has 'end it with ]' && ! ls hosts/beta/etc | grep -q bad
result $? "a file that is wrong is not received"
input=
on beta 2 receive bad && one_line
result $? "nor is nothing"

# ---- up ----

plan alpha late
plan beta
on admin 0 up big && has 'big: alpha started' && has "big: alpha: waiting for node 'beta'" &&
	has 'running after' && has '4 vCPUs, 2048 MiB; console: dvmm console big' && runs_on alpha && runs_on beta
result $? "up starts both nodes, says for whom it waits, and that it runs"
test "$(word_after alpha -append)" = 'quiet ro' && grep -q 'virtio-net' hosts/alpha/argv
result $? "the boot node has the devices of the whole machine"
! grep -q virtio hosts/beta/argv
result $? "a satellite has none"
word_after beta -qmp | grep -q "^unix:$dir/hosts/beta/run/big/beta/qmp,"
result $? "and a monitor of its own"
machine=$dir/hosts/alpha/run/big/alpha/machine
! grep -qE 'append|net|ssh' "$machine" && grep -qx 'cpu = max' "$machine" && grep -q "^key = $dir/hosts/alpha/etc/big.key" "$machine" &&
	"$tool" check "$machine" > "$dir/out"
result $? "QEMU gets a file without what it does not read"
on alpha 1 run big alpha && one_line && has 'the node runs already: dvmm down'
result $? "a node is not run twice"
on admin 1 up big && has 'runs already' && runs_on alpha && runs_on beta
result $? "nor is the machine, and it goes on"
on admin 0 pause big && grep -qx stop hosts/alpha/commands
result $? "pause"
on beta 0 resume big && grep -qx cont hosts/alpha/commands
result $? "resume, asked on the other host"
on beta 0 spread big && grep -qx dvmm-move hosts/alpha/commands
result $? "spread"
on admin 0 move big 1=beta 3=alpha && on admin 0 pack big
result $? "move and pack"
on admin 0 move big beta=alpha && test "$(grep -cx dvmm-move hosts/alpha/commands)" = 4
result $? "all vCPUs of a cell move"
refused=0
for words in 4=beta 1=gamma beta=1 gamma=beta 1; do
	on admin 2 move big $words && one_line && refused=$((refused + 1))
done
test $refused = 5
result $? "a move of no vCPU or to no node: 2"
echo refuse > hosts/alpha/plan
on admin 1 resume big && one_line && has 'QEMU refuses cont: it is resetting'
result $? "what QEMU refuses is said"
on admin 0 reset big && grep -qx system_reset hosts/alpha/commands
result $? "reset"
echo hello > hello
input=hello
on admin 0 console big -t 1 && has 'login: ' && has 'you said hello'
result $? "console: what the guest prints, and what is typed"
input=
echo deaf > hosts/alpha/plan
on admin 7 down big -t 1 && has 'has not powered off within 1 s' && has '--force' && runs_on alpha
result $? "a guest that does not power off is named: 7"
echo > hosts/alpha/plan
on admin 0 down big && ! runs_on alpha && grep -qx system_powerdown hosts/alpha/commands
result $? "down powers the guest off"
on beta 0 down big beta && ! runs_on beta
result $? "and its satellite is not there any more"
on admin 0 down big
result $? "what does not run is down"
on admin 3 pause big && one_line && has 'is it running?  dvmm up'
result $? "and cannot be paused: 3"
on admin 3 console big && one_line && has 'is it running?  dvmm up'
result $? "nor has it a console: 3"

plan alpha deaf
on admin 0 up big && on admin 0 down big --force && ! runs_on alpha && on beta 0 down big beta
result $? "down --force asks no guest"

# ---- what fails ----

plan alpha late
plan beta port
on admin 1 up big && has 'dvmm: beta: QEMU ended with status 1: cannot listen on 192.0.2.2 port 7400: Address already in use' &&
	has 'dvmm: big is not up: its nodes were ended' && ! runs_on alpha && ! runs_on beta
result $? "a node that ends: up says why, and leaves nothing"
plan alpha
plan beta
DVMM_QEMU=/nonexistent/qemu on alpha 5 run big alpha && one_line && has '/nonexistent/qemu cannot be started: No such file' &&
	has 'install qemu-system-dvmm'
result $? "no QEMU: 5"
on alpha 6 run big gamma && one_line && has "no node 'gamma': there are alpha, beta"
result $? "a node that is not there: 6"
on alpha 6 run big && one_line && has 'none of its nodes is named' && has 'name one behind the machine'
result $? "a host that is no node: 6"
mkdir -p hosts/alpha/run/big && touch hosts/alpha/file
"$tool" run big alpha --dir hosts/alpha/etc --state hosts/alpha/file > out 2>&1
test $? = 1 && one_line && has 'hosts/alpha/file' && has 'give --state'
result $? "a state directory that cannot be made"
on alpha 3 wait big alpha && one_line && has 'it does not run: dvmm up'
result $? "waiting for what does not run: 3"
on admin 2 up && has usage
result $? "up without a machine: 2"

# ---- nodes that join and leave ----

for host in admin alpha beta; do
	sed '/^\[node beta\]/a joins = later' hosts/$host/etc/big.conf > hosts/$host/etc/late.conf
	cp hosts/$host/etc/big.key hosts/$host/etc/late.key
done
plan alpha absent
plan beta
on admin 0 up late && has 'late: alpha started' && ! has 'beta started' && ! test -e hosts/beta/run/late
result $? "up does not wait for a node that joins later"
on admin 0 down late && mv hosts/beta hosts/off
plan alpha absent
on admin 0 up late && has 'late: alpha started' && ! has cannot && on admin 7 add late beta &&
	has 'beta: it cannot be reached'
result $? "nor does its host have to be there, before it is added"
mv hosts/off hosts/beta
mv hosts/beta/run hosts/beta/kept
touch hosts/beta/run
plan alpha absent
on admin 1 add late beta && has 'give --state' && runs_on alpha late
result $? "add: where a node cannot be started the machine goes on"
rm hosts/beta/run
mv hosts/beta/kept hosts/beta/run
on beta 0 nodes late && grep -qx 'alpha member, vCPUs 0,1,2,3' out && grep -qx 'beta absent' out
result $? "nodes tells who takes part"
on admin 0 nodes late --json && python3 -c '
import json
assert [n["state"] for n in json.load(open("out"))] == ["member", "absent"]' > json 2>&1
result $? "the same in JSON"
plan alpha absent
plan beta port
on admin 1 add late beta && has 'beta: QEMU ended with status 1: cannot listen on 192.0.2.2 port 7400' && ! has 'has joined' &&
	on admin 0 pause late
result $? "add: a node that ends says why, and the machine goes on"
on admin 2 add late alpha && one_line && has 'alpha: it is there from the start: for another one write'
result $? "add of one that is there: 2"
for verb in remove evacuate; do
	on admin 2 $verb late alpha && one_line && has 'alpha: it is the boot node, which has the devices: it stays' &&
		on admin 2 $verb late gamma && one_line && has "no node 'gamma'" &&
		on admin 2 $verb late beta beta && one_line && has 'name another node' &&
		on admin 3 $verb late beta && one_line && has 'beta: it does not take part: see dvmm nodes'
	result $? "$verb: of the boot node, of no node, to itself: 2; of one that is not there: 3"
done
on admin 0 spread late && grep -qx dvmm-move hosts/alpha/commands
result $? "spread leaves out who is not there"
on admin 0 down late && on admin 3 nodes late && has 'is it running?  dvmm up'
result $? "down; then nobody tells"

# ---- an old peer, a full disk, no rights: by whatever verb ----

rm hosts/beta/bin/dvmm
printf '#!/bin/sh\nexec "$FAKE_HOSTS/alpha/bin/dvmm" no-such-verb "$@"\n' > hosts/beta/bin/dvmm
chmod +x hosts/beta/bin/dvmm
for verb in push diff up; do
	on admin 2 $verb big &&
		has 'dvmm: beta: its dvmm does not know that: install the same release on all hosts' && ! runs_on alpha
	result $? "$verb with an old peer: its host is named"
done
ln -sf "$(readlink -f "$tool")" hosts/beta/bin/dvmm

# full HOST STATUS WORD...: as on, where no file gets a byte
full() {
	host=$dir/hosts/$1
	wanted=$2
	shift 2
	{
		trap '' XFSZ
		ulimit -f 0
		"$tool" "$@" --dir "$host/etc" --state "$host/run" 2>&1 < "${input:-/dev/null}"
		echo "status $?"
	} | cat > "$dir/out"
	has "status $wanted"
}

full admin 1 create other --node a=192.0.2.1,cpus=1,memory=1G && has 'other.conf' && has 'make room' &&
	! ls hosts/admin/etc | grep -q other
result $? "create on a full disk leaves no file"
cp hosts/beta/etc/big.conf before
echo '{"file": "[machine]\nuuid = 0f0e9a6c-7a43-4d0e-9a27-6a4f7f0a5c11\n[node a]\naddress = x\ncpus = 1\nmemory = 2M\n", "uuid": "x", "key": "1"}' > parcel
input=parcel
full beta 1 receive other && has 'make room' && ! ls hosts/beta/etc | grep -q other
result $? "nor does what push sends"
input=
full alpha 1 run big alpha && has 'make room' && ! runs_on alpha
result $? "run on a full disk starts nothing"

if test "$(id -u)" = 0 && command -v setpriv > /dev/null; then
	chmod 755 "$dir" "$dir/hosts" hosts/admin
	chmod 700 hosts/admin/etc
	mkdir -m 755 hosts/admin/bin/tool && cp "$(readlink -f "$tool")" hosts/admin/bin/tool/dvmm
	for words in "check big" "create other --node a=x,cpus=1,memory=2M" "up big" "push big" "run big alpha" "pause big"; do
		setpriv --reuid 65534 --regid 65534 --clear-groups hosts/admin/bin/tool/dvmm $words --dir hosts/admin/etc \
			--state hosts/admin/run > out 2>&1
		status=$?
		echo "status $status" >> out
		test $status != 0 && grep -q 'Permission denied' out && grep -q '^dvmm: .*: .*: ' out && test "$(wc -l < out)" = 2
		result $? "without rights: dvmm $words"
	done
	chmod 755 hosts/admin/etc
else
	n=$((n + 1))
	echo "ok $n - without rights # SKIP needs root and setpriv"
fi

# ---- doctor ----

on admin 1 doctor alpha beta && grep -qE '^alpha +qemu +PASS' out && grep -qE '^beta +same cpu +PASS the features of alpha' out &&
	grep -qE '^beta +same dvmm +PASS' out
result $? "doctor asks hosts, and compares them"
rm hosts/beta/bin/dvmm
cat > hosts/beta/bin/dvmm <<'END'
#!/bin/sh
"$FAKE_HOSTS/alpha/bin/dvmm" "$@" | sed 's/"features":"/&dvmm_test /; s/"dvmm [0-9.]*"/"dvmm 0.0.1"/'
END
chmod +x hosts/beta/bin/dvmm
on admin 1 doctor alpha beta && grep -qE '^beta +same cpu +FAIL only alpha: -; only here: dvmm_test: \[guest\] cpu = ' out &&
	grep -qE '^beta +same dvmm +FAIL dvmm 0.0.1, and dvmm [0-9.]+ on alpha: install the same' out
result $? "other CPUs and another release are named"
on admin 1 doctor alpha beta --json && python3 -c '
import json
d = json.load(open("out"))
assert list(d) == ["alpha", "beta"] and d["beta"][-1]["result"] == "FAIL", d' > json 2>&1
result $? "the same in JSON"
mv hosts/beta hosts/away
on admin 1 doctor beta && has 'dvmm: beta: it cannot be reached' && grep -qE '^beta +reach +FAIL' out
result $? "a host that does not answer has failed"
mv hosts/away hosts/beta

for line in 'firmware = coreboot|write bios or uefi' 'disk = a.img|begins with /' 'smp = cores=|write sockets=N' 'net = wifi|write none, user, bridge:NAME' \
	"args = -device 'x|close the quote" 'console = vnc:|write serial or vnc' 'disks = /x|no key ' \
	'disk = gamma:/x|there is no node of that name'; do
	grep -v "^${line%% *} " hosts/admin/etc/big.conf | sed "s,^\[guest\].*,&\n${line%|*}," > hosts/admin/etc/bad.conf
	on admin 6 check bad && one_line && has "bad.conf:" && has "${line#*|}"
	result $? "[guest] ${line%|*}"
done

# ---- a host with systemd that does not know the service ----

mkdir bare
printf '#!/bin/sh\necho "$@" >> %s/systemctl\nexit 5\n' "$dir" > bare/systemctl
chmod +x bare/systemctl
# bare UNIT WORD...: dvmm as alpha, with its usual directories, where systemd has that unit, "": none
bare() {
	unit=$1
	shift
	unshare --mount --uts sh -ec '
		mount -t tmpfs etc /etc
		mount -t tmpfs run /run
		hostname alpha
		mkdir -p /run/systemd/system /etc/systemd/system /etc/dvmm
		cp "$1"/big.* /etc/dvmm
		test -z "$2" || touch "/etc/systemd/system/$2"
		shift 2
		exec "$@"' sh "$dir/hosts/alpha/etc" "$unit" env PATH="$dir/bare:$PATH" "$(readlink -f "$tool")" "$@" > out 2>&1
}
bare '' down big alpha && ! test -e systemctl
result $? "down where systemd has no unit of dvmm: it is not asked"
bare dvmm@.service down big alpha
test $? = 5 && grep -qx 'stop dvmm@big.service' systemctl
result $? "where it has one, it is"
echo "1..$n"
exit $fail
