#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# make W=1 builds every module without a warning, and would show one.

. "$(dirname "$0")/lib.sh"
[ -n "$KDIR" ] || skip_all "no kernel headers"
copy_tree

echo "TAP version 13"
echo "1..2"
fail=0

# Kernel headers without a vmlinux make no BTF; that is no warning of ours.
make -C "$tmp/tree" modules W=1 KDIR="$KDIR" DVMM_TESTS=y >"$tmp/log" 2>&1
built=$?
grep -E 'warning:|WARNING:|rror:|rror ' "$tmp/log" >"$tmp/bad"
[ $built = 0 ] && [ ! -s "$tmp/bad" ]
result $? 1 "make W=1 is silent" "$tmp/bad"

# unused, and not declared anywhere
echo 'int planted(int a); int planted(int a) { int b; return 0; }' >>"$tmp/tree/kmod/transport/loop.c"
make -C "$tmp/tree" modules W=1 KDIR="$KDIR" DVMM_MODULES=dvmm-loop \
	KBUILD_MODPOST_WARN=1 >"$tmp/log" 2>&1
grep -q 'warning: unused variable' "$tmp/log"
result $? 2 "a planted warning is seen" "$tmp/log"
exit $fail
