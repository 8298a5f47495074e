#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What libvirt calls: the emulator's words, and the hook that starts satellites, with a QEMU and hosts that only look like them.
. "$(dirname "$0")/lib.sh"
libvirt=$here/../../tools/libvirt
make_hosts
mkdir -p bin run etc
export PATH="$dir/bin:$PATH" DVMM_STATE="$dir/hosts/admin/run" DVMM_LIBVIRT_USER="$(id -un)"
cat > bin/words <<'END'
#!/bin/sh
for word; do echo "<$word>"; done
END
cat > bin/dvmm <<END
#!/bin/sh
exec "$(readlink -f "$tool")" "\$@" --dir $dir/hosts/admin/etc --state $dir/hosts/admin/run
END
printf '#!/bin/sh\necho "$*" > %s/modules\n' "$dir" > bin/modprobe
chmod 755 bin/*
xml='<domain><devices><emulator>/usr/lib/dvmm/qemu-libvirt</emulator></devices></domain>'

# emulator STATUS WORD...: all that it says is in out
emulator()
{
	wanted=$1
	shift
	DVMM_QEMU=$dir/bin/words "$libvirt/emulator" "$@" > out 2>&1
	got=$?
	test $got = "$wanted" || { echo "status $got, not $wanted" >> out; return 1; }
}

# hook STATUS XML WORD...
hook()
{
	wanted=$1
	echo "$2" > xml
	shift 2
	"$libvirt/hook" "$@" > out 2>&1 < xml
	got=$?
	test $got = "$wanted" || { echo "status $got, not $wanted" >> out; return 1; }
}

# begun HOST: what its QEMU was told is there, within 10 s
begun()
{
	for i in $(seq 100); do
		test ! -e "hosts/$1/argv" || return 0
		sleep 0.1
	done
	return 1
}

echo "TAP version 13"
emulator 0 -S -machine none,accel=kvm:tcg -nographic && printf '<%s>\n' -S -machine none,accel=kvm:tcg -nographic | cmp -s - out
result $? "without a domain the words are QEMU's"
emulator 1 -name guest=big -accel kvm && one_line && has "big: $DVMM_STATE/big is not made: libvirt finds the hook"
result $? "a domain that the hook has not seen: one line with the remedy"

admin 0 create big --node "$(hostname)=127.0.0.1,cpus=1,memory=64M" --node beta=beta,cpus=1,memory=64M --machine q35,hpet=off &&
	mkdir -p hosts/beta/etc && cp -p hosts/admin/etc/big.* hosts/beta/etc/
result $? "a machine whose boot node is here"
hook 0 '<domain><emulator>/usr/bin/qemu-system-x86_64</emulator></domain>' big prepare begin - && test ! -s out && test ! -e "$DVMM_STATE"
result $? "another domain is none of its business"
hook 1 "$xml" nosuch prepare begin - && has 'nosuch' && test ! -e "$DVMM_STATE/nosuch"
result $? "a domain without a machine does not start"
hook 0 "$xml" big prepare begin - && has 'big: beta started' && begun beta && test ! -e hosts/admin/argv && grep -q dvmm modules
result $? "before QEMU, satellites start, and no other node"
node=$DVMM_STATE/big/$(hostname)
grep -q '^\[node beta\]' "$node/machine" && ! grep -q '^\[guest\]' "$node/machine" && grep -qx "key = $node/key" "$node/machine" &&
	cmp -s "$node/key" hosts/admin/etc/big.key && test "$(stat -c %a "$node/key" "$node/machine" "$node" | tr '\n' ' ')" = '400 400 700 '
result $? "QEMU's user has file and key, alone"
emulator 0 -name guest=big,debug-threads=on -S -machine pc-q35-10.0,usb=off,memory-backend=pc.ram,hpet=off -accel kvm -m 128 \
	-object '{"qom-type":"secret","id":"s"}' -object '{"qom-type":"memory-backend-ram","id":"pc.ram","size":134217728}' \
	-append 'a "b" c' -x '' &&
	printf '<%s>\n' -name guest=big,debug-threads=on -S -machine pc-q35-10.0,usb=off,hpet=off \
		-accel "kvm,dvmm=on,dvmm-machine=$node/machine,dvmm-node=$(hostname)" -m 128 -object '{"qom-type":"secret","id":"s"}' \
		-append 'a "b" c' -x '' -qmp "unix:$node/qmp,server=on,wait=off" | cmp - out
result $? "libvirt's words with the machine's accelerator and memory"
emulator 1 -name guest=big -accel tcg && one_line && has "accelerator 'tcg': " && has "write <domain type='kvm'>"
result $? "another accelerator: one line with the remedy"
emulator 1 -name guest=big -accel kvm -object '{"qom-type":"memory-backend-file","id":"pc.ram","mem-path":"/dev/hugepages"}' &&
	one_line && has "big: <memoryBacking>: " && has 'remove it'
result $? "memory of another kind, too"
hook 0 "$xml" big release end - && test ! -e "$DVMM_STATE/big" && ! pgrep -f "$dir/hosts/beta/.*/machine" > /dev/null
result $? "afterwards nothing is left, here and there"

rm -f hosts/quit
admin 0 run big "$(hostname)" --detach
hook 1 "$xml" big prepare begin - && one_line && has 'big: it runs already, without libvirt: dvmm down big' &&
	hook 0 "$xml" big release end - && kill -0 "$(cat "$node/pid")" && test -e "$node/machine"
result $? "a machine that runs without libvirt is left alone"
admin 0 down big "$(hostname)" && rm -rf "$DVMM_STATE/big"
sed -i "s/^\[node $(hostname)\]/[node gamma]/" hosts/admin/etc/big.conf
hook 1 "$xml" big prepare begin - && one_line && has "big: its boot node is gamma, and this host is $(hostname): start" && test ! -e "$DVMM_STATE/big"
result $? "on a host that is not the boot node's it does not start"
admin 2 up big --satellites --from "$dir" && one_line && has 'the boot node begins with a checkpoint'
result $? "satellites alone begin with no checkpoint"
echo "1..$n"
exit $fail
