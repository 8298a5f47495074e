#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# make W=1 C=2 builds every module without a warning of the compiler's or of sparse's, and would show one.
# Without sparse it is W=1 alone.

. "$(dirname "$0")/lib.sh"
[ -n "$KDIR" ] || skip_all "no kernel headers"
sparse='C=2 CF=-D__CHECK_ENDIAN__'
command -v sparse >/dev/null || sparse=
copy_tree

echo "TAP version 13"
echo "1..4"
fail=0

# built VARIABLE...: the copy's modules; what is said of them, and not of the kernel's files, is in $tmp/bad
built()
{
	make -C "$tmp/tree" modules W=1 $sparse KDIR="$KDIR" "$@" >"$tmp/log" 2>&1
	status=$?
	# sparse reads the kernel's headers as well
	grep -E 'warning:|WARNING:|rror:|rror ' "$tmp/log" | grep -v '^/usr/.*\(warning\|error\):' >"$tmp/bad"
	return $status
}

# Kernel headers without a vmlinux make no BTF; that is no warning of ours.
built DVMM_TESTS=y
result $? 1 "make W=1 $sparse builds" "$tmp/log"
[ ! -s "$tmp/bad" ]
result $? 2 "and is silent" "$tmp/bad"

# one that is not used, and not declared anywhere; one whose type is for another byte order
cat >>"$tmp/tree/kmod/transport/loop.c" <<'END'
int planted(int a); int planted(int a) { int b; return 0; }
__le32 endian(int a); __le32 endian(int a) { return a; }
END
built DVMM_MODULES=dvmm-loop KBUILD_MODPOST_WARN=1
grep -q 'warning: unused variable' "$tmp/bad"
result $? 3 "a planted warning is seen" "$tmp/bad"
if [ -z "$sparse" ]; then
	echo "ok 4 # SKIP sparse is not installed"
	exit $fail
fi
grep -q 'loop.c.*incorrect type in return expression' "$tmp/bad"
result $? 4 "a planted endian mistake is seen" "$tmp/bad"
exit $fail
