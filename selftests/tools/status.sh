#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# dvmm where the module is not loaded, and bad words on its command line.
tool=$(dirname "$0")/../../tools/dvmm/dvmm
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
fail=0

# says STATUS TEXT WORD...: one line on stderr with the text, that status
says() {
	wanted=$1
	text=$2
	shift 2
	"$tool" "$@" --dir "$dir" > "$dir/out" 2> "$dir/err"
	got=$?
	n=$((n + 1))
	if test $got = "$wanted" && grep -qF -- "$text" "$dir/err"; then
		echo "ok $n - dvmm $*: status $got: $(head -n 1 "$dir/err")"
	else
		sed 's/^/# /' "$dir/out" "$dir/err"
		echo "not ok $n - dvmm $*: status $got, not $wanted with $text"
		fail=1
	fi
}

echo "TAP version 13"
for verb in status 'status big' 'is-active big' top hot events metrics; do
	if test -d /sys/module/dvmm; then
		n=$((n + 1))
		echo "ok $n - dvmm $verb # SKIP the module is loaded"
		continue
	fi
	says 5 'dvmm: the module is not loaded: modprobe dvmm' $verb
done
says 6 'big.conf: No such file' topology big
says 2 'usage: dvmm' statsu
says 2 'usage: dvmm' is-active
says 2 'usage: dvmm' status one two
says 2 'dvmm: -n 0: write a number from 1' top -n 0
says 2 'dvmm: -n 2x: write a number from 1' events -n 2x
says 2 'dvmm: -d 0: write a number from 0.1' top -d 0
says 2 'unrecognized option' status --jason
echo "1..$n"
exit $fail
