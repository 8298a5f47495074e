#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# fuzz.sh [RUNS [SECONDS]]: the engine and the wire format under generated cases and, where
# clang has it, under libFuzzer; with address and undefined-behaviour sanitizers.
# corpus/NAME.tar.xz has a case for everything that was ever reached; with $KEEP it is
# written anew with what this run has found.

cd "$(dirname "$0")" || exit 1
runs=${1:-100000}
seconds=${2:-200}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
n=0
fail=0

# keep NAME DIRECTORY...: the smallest set of cases that reaches as much as these
keep()
{
	name=$1
	shift
	mkdir "$tmp/least-$name"
	"./$name-fuzz" -merge=1 "$tmp/least-$name" "$@" >"$tmp/log" 2>&1 &&
		tar -C "$tmp/least-$name" --sort=name --mtime=@0 --owner=0 --group=0 -cJf "corpus/$name.tar.xz" .
}

# try NAME COMMAND...
try()
{
	what=$1
	shift
	n=$((n + 1))
	if timeout $((seconds + 50)) "$@" >"$tmp/log" 2>&1; then
		echo "ok $n - $what: $(grep -E '^(Done|[0-9]+ cases)' "$tmp/log" | tail -n 1)"
	else
		tail -n 20 "$tmp/log" | sed 's/^/# /'
		echo "not ok $n - $what"
		fail=1
	fi
}

echo "TAP version 13"
for i in engine wire; do
	try "$i, generated" "./$i-cases" -runs="$runs" -seed=1
	[ -x "./$i-fuzz" ] || continue
	# Seeds: kept cases and 2000 generated ones.
	mkdir -p "$tmp/$i" "$tmp/seeds-$i" "$tmp/kept-$i"
	"./$i-cases" -corpus="$tmp/seeds-$i" -runs=2000 >/dev/null
	tar -C "$tmp/kept-$i" -xf "corpus/$i.tar.xz"
	set -- "$tmp/$i" "$tmp/seeds-$i" "$tmp/kept-$i"
	try "$i, libFuzzer" "./$i-fuzz" -runs="$runs" -max_total_time="$seconds" -seed=1 -max_len=1024 \
		-artifact_prefix="${TMPDIR:-/tmp}/dvmm-$i-" "$@"
	[ -z "$KEEP" ] || keep "$i" "$@"
done
# A planted fault must be seen: an engine that answers before it unmaps.
if [ -x ./engine-planted ]; then
	n=$((n + 1))
	if ./engine-planted -runs=100000 -seed=1 >"$tmp/log" 2>&1; then
		echo "not ok $n - a planted bug is found"
		fail=1
	else
		echo "ok $n - a planted bug is found: $(grep -m 1 'broken rule' "$tmp/log")"
	fi
fi
echo "1..$n"
exit $fail
