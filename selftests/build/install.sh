#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# modprobe finds what make install has installed; make uninstall leaves nothing.

. "$(dirname "$0")/lib.sh"
[ -n "$KDIR" ] || skip_all "no kernel headers"
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
dest=$tmp/dest
kver=$(cat "$KDIR/include/config/kernel.release")
mkdir -p "$dest/lib/modules/$kver"
for list in order builtin; do
	touch "$dest/lib/modules/$kver/modules.$list"
done

echo "TAP version 13"
echo "1..3"
fail=0

make -C "$top" install KDIR="$KDIR" DESTDIR="$dest" >"$tmp/log" 2>&1
result $? 1 "make install" "$tmp/log"
for module in dvmm dvmm-ipi dvmm-loop dvmm-tcp; do
	modprobe -d "$dest" -S "$kver" -n "$module" 2>&1 || echo "no $module"
done >"$tmp/log"
[ ! -s "$tmp/log" ]
result $? 2 "modprobe finds each module" "$tmp/log"
make -C "$top" uninstall KDIR="$KDIR" DESTDIR="$dest" >"$tmp/log" 2>&1 &&
	! find "$dest" ! -type d ! -name 'modules.*' | grep .
result $? 3 "make uninstall leaves no file" "$tmp/log"
exit $fail
