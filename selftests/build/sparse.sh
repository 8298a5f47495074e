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

# complaints: what sparse says of the copy's own files; the kernel's are not ours
complaints()
{
	make -C "$tmp/tree" modules C=2 CF=-D__CHECK_ENDIAN__ KDIR="$KDIR" \
		DVMM_TESTS=y >"$tmp/log" 2>&1 || tail -n 20 "$tmp/log"
	grep -E "^$tmp/tree/.*(warning|error):" "$tmp/log"
}

complaints >"$tmp/bad"
[ ! -s "$tmp/bad" ]
result $? 1 "sparse is silent" "$tmp/bad"

cat >>"$tmp/tree/kmod/transport/loop.c" <<'END'
__le32 planted(int a);
__le32 planted(int a)
{
	return a;
}
END
complaints >"$tmp/bad"
grep -q 'loop.c.*incorrect type in return expression' "$tmp/bad"
result $? 2 "a planted endian mistake is seen" "$tmp/bad"
exit $fail
