#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# sparse has nothing to say about our files.

. "$(dirname "$0")/lib.sh"
[ -n "$KDIR" ] || skip_all "no kernel headers"
command -v sparse >/dev/null || skip_all "sparse is not installed"
copy_tree

echo "TAP version 13"
echo "1..2"
fail=0

# complaints VARIABLE...: what sparse says of the copy's own files, not the kernel's
complaints()
{
	make -C "$tmp/tree" modules C=2 CF=-D__CHECK_ENDIAN__ KDIR="$KDIR" \
		KBUILD_MODPOST_WARN=1 "$@" >"$tmp/log" 2>&1 || tail -n 20 "$tmp/log"
	grep -E "^$tmp/tree/.*(warning|error):" "$tmp/log"
}

complaints DVMM_TESTS=y >"$tmp/bad"
[ ! -s "$tmp/bad" ]
result $? 1 "sparse is silent" "$tmp/bad"

cat >>"$tmp/tree/kmod/transport/loop.c" <<'END'
__le32 planted(int a);
__le32 planted(int a)
{
	return a;
}
END
complaints DVMM_MODULES=dvmm-loop >"$tmp/bad"
grep -q 'loop.c.*incorrect type in return expression' "$tmp/bad"
result $? 2 "a planted endian mistake is seen" "$tmp/bad"
exit $fail
