#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Set-up is never silent for long: what takes time says how far it is; what fails says all.
here=$(dirname "$(readlink -f "$0")")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
fail=0

result() {
	n=$((n + 1))
	if test "$1" -eq 0; then
		echo "ok $n - $2"
	else
		sed 's/^/# /' "$dir/out"
		echo "not ok $n - $2"
		fail=1
	fi
}

# setup_with SCRIPT: as a part of set-up
setup_with() {
	SAY_EVERY=1 sh -euc ". '$here/../../tools/testbed/lib/say.sh'; $1" > "$dir/out" 2>&1
}

echo "TAP version 13"
setup_with "quietly $dir/log sh -c 'echo first; sleep 2.5; echo second'"
result $? "what works has status 0"
grep -q '^setup: \.\.\. 1 s: first$' "$dir/out" && grep -q '^setup: \.\.\. 2 s: first$' "$dir/out"
result $? "and tells each second how far it is"
cp "$dir/log" "$dir/out" && test "$(cat "$dir/log")" = 'first
second'
result $? "all that it says is in its log"
setup_with "quietly $dir/log sh -c 'echo why; exit 3'; echo on"
test $? = 1 && grep -qx why "$dir/out" && grep -q "^setup: failed: sh .*$dir/log" "$dir/out" && ! grep -qx on "$dir/out"
result $? "what fails ends set-up, and says why"
before=$(date +%s)
SAY_EVERY=20 sh -euc ". '$here/../../tools/testbed/lib/say.sh'; quietly $dir/log true" | cat > "$dir/out" 2>&1
test $(($(date +%s) - before)) -lt 10
result $? "nobody waits for the one who tells"
"$here/../../tools/testbed/setup" packages pianos > "$dir/out" 2>&1
test $? = 1 && grep -q "there is no piece 'pianos'" "$dir/out" && ! grep -q '1 of 2' "$dir/out"
result $? "a piece that there is not is named before anything is set up"
echo "1..$n"
exit $fail
