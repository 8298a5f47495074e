#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# dvmm status on a made-up debugfs: text, JSON, and what is said of bad input.
tool=$(dirname "$0")/../../tools/dvmm/dvmm
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0

result() {
	n=$((n + 1))
	if test "$1" -eq 0; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}

part() {
	mkdir -p "$dir/0e.1"
	printf 'v: %s\n' "$1" > "$dir/0e.1/$2"
	cat >> "$dir/0e.1/$2"
}

echo "TAP version 13"
test "$("$tool" status --debugfs "$dir")" = "no machine on this host"
result $? "an idle host is told"

part 1 machine <<'END'
uuid: 0e
reason: node 0 said "stop" \ now
END
part 1 links <<'END'
peer: 0 transport: tcp state: up sent: 5 received: 6
END
part 1 lanes <<'END'
peer: 0 lane: 1 path: copy sent_bytes: 5 sent: 1
END
part 1 regions < /dev/null
part 1 stats <<'END'
faults_read: 3
faults_write: 007
END
"$tool" status --debugfs "$dir" | grep -q 'peer: 0 transport: tcp state: up'
result $? "a person can read it"
"$tool" status --json --debugfs "$dir" | python3 -c '
import json, sys
m = json.load(sys.stdin)["machines"][0]
assert m["machine"]["reason"] == "node 0 said \"stop\" \\ now", m
assert m["lanes"][0]["path"] == "copy"
assert m["links"][0]["sent"] == 5 and m["regions"] == [] and m["stats"]["faults_read"] == 3, m
assert m["stats"]["faults_write"] == "007", m'
result $? "JSON holds the same, quotes and all"

part 2 stats < /dev/null
"$tool" status --debugfs "$dir" 2>&1 > /dev/null | grep -q 'stats: unknown format: install the same dvmm'
result $? "a format of another version is refused with the remedy"
rm "$dir/0e.1/links"
! "$tool" status --debugfs "$dir" > /dev/null 2>&1
result $? "a file that is missing makes the command fail"
"$tool" status --debugfs "$dir/none" 2>&1 | grep -q 'modprobe dvmm'
result $? "without the module the remedy is named"
"$tool" statsu 2>&1 | grep -q '^usage: dvmm status'
result $? "a misspelled command gets the usage"
echo "1..$n"
