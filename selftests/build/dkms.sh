#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# dkms builds every module against headers of a kernel that is not running, out
# of nothing but the files that "make dkms-install" copies.

. "$(dirname "$0")/lib.sh"
[ -n "$KDIR" ] || skip_all "no kernel headers"
command -v dkms >/dev/null || skip_all "dkms is not installed"
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' "$top/dkms.conf")
kver=$(cat "$KDIR/include/config/kernel.release")
arch=$(uname -m)

echo "TAP version 13"
echo "1..7"
fail=0

mkdir -p "$tmp/source" "$tmp/tree" "$tmp/modules"
make -s -C "$top" dkms-tree DKMS_TREE="$tmp/source/dvmm-$version" >"$tmp/log" 2>&1 &&
	! find "$tmp/source" -name '*.o' | grep -q .
result $? 1 "sources are copied without built files" "$tmp/log"

dkms build dvmm/"$version" -k "$kver" -a "$arch" --kernelsourcedir "$KDIR" \
	--sourcetree "$tmp/source" --dkmstree "$tmp/tree" \
	--installtree "$tmp/modules" >"$tmp/log" 2>&1
status=$?
[ $status = 0 ] || cat "$tmp/tree/dvmm/$version/build/make.log" >>"$tmp/log" 2>/dev/null
result $status 2 "dkms build for $kver (running: $(uname -r))" "$tmp/log"

built=$tmp/tree/dvmm/$version/$kver/$arch/module
for module in $(grep -o 'in dvmm.*; do' "$top/dkms.conf" | sed 's/^in //; s/; do//; s/\$rdma/dvmm-rdma/'); do
	ls "$built/$module".ko* >/dev/null 2>&1 || echo "no $module.ko"
	vermagic=$(modinfo -F vermagic "$built/$module".ko* 2>/dev/null | cut -d' ' -f1)
	[ "$vermagic" = "$kver" ] || echo "$module: vermagic '$vermagic'"
done >"$tmp/log"
[ ! -s "$tmp/log" ]
result $? 3 "every module is there and is for that kernel" "$tmp/log"

make -s -C "$tmp/source/dvmm-$version" modules KDIR="$KDIR" CONFIG_INFINIBAND_ADDR_TRANS= >"$tmp/log" 2>&1 &&
	ls "$tmp/source/dvmm-$version"/dvmm-tcp.ko >>"$tmp/log" 2>&1 &&
	! ls "$tmp/source/dvmm-$version"/dvmm-rdma.ko >>"$tmp/log" 2>&1
result $? 4 "without RDMA in the kernel the other modules are built" "$tmp/log"

# dkms_for KERNEL COMMAND...: in trees of its own, headers of any kernel in the role of KERNEL's
dkms_for()
{
	kernel=$1
	shift
	dkms "$@" -k "$kernel" -a "$arch" --kernelsourcedir "$tmp/headers" \
		--sourcetree "$tmp/source" --dkmstree "$tmp/tree" --installtree "$tmp/modules"
}

mkdir "$tmp/headers"
ln -s "$KDIR"/* "$tmp/headers/"
cp "$KDIR/.config" "$tmp/headers/.config"
dkms_for 9.9.0-amd64 build dvmm/"$version" >"$tmp/log" 2>&1
status=$?
echo "status $status" >>"$tmp/log"
[ $status = 77 ]
result $? 5 "a kernel that dvmm is not made for is skipped (dkms' status 77)" "$tmp/log"

sed -i 's/^# CONFIG_PREEMPT_RT is not set/CONFIG_PREEMPT_RT=y/' "$tmp/headers/.config"
dkms_for 6.12.999-rt-amd64 build dvmm/"$version" >"$tmp/log" 2>&1
status=$?
echo "status $status" >>"$tmp/log"
grep -q '^CONFIG_PREEMPT_RT=y' "$tmp/headers/.config" && [ $status = 77 ]
result $? 6 "so is one with PREEMPT_RT" "$tmp/log"

# what a kernel's installation runs
dkms_for 9.9.0-amd64 autoinstall >"$tmp/log" 2>&1
status=$?
echo "status $status" >>"$tmp/log"
[ $status = 0 ] && ! find "$tmp/modules" -name 'dvmm*' | grep -q .
result $? 7 "neither fails a kernel's upgrade" "$tmp/log"
exit $fail
