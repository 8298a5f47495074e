#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs installed tests, with results as the kernel's own runner prints them (KTAP).
#
# usage: run_kselftest.sh [-l] [-c GROUP]... [-t GROUP:TEST]...
#	-l  names them
#	-c  those of a group
#	-t  one test
# The status is 0 if none has failed; a test that ends with 4 was skipped.
cd "$(dirname "$0")" || exit 1
list=kselftest-list.txt
chosen=

usage() {
	sed -n 's/^# \{0,1\}//p' "$0" | sed -n '/^usage/,$p' >&2
	exit 2
}

choose() {
	grep -q "$1" "$list" || { echo "run_kselftest.sh: there is no $2: -l names what there is" >&2; exit 2; }
	chosen="$chosen
$(grep "$1" "$list")"
}

while getopts lc:t: option; do
	case $option in
	l) exec cat "$list" ;;
	c) choose "^$OPTARG:" "group $OPTARG" ;;
	t) choose "^$OPTARG\( \|$\)" "test $OPTARG" ;;
	*) usage ;;
	esac
done
test $OPTIND -gt $# || usage
echo "${chosen:-$(cat "$list")}" | grep . > "${TMPDIR:-/tmp}/run_kselftest.$$"
exec 3< "${TMPDIR:-/tmp}/run_kselftest.$$"
rm "${TMPDIR:-/tmp}/run_kselftest.$$"

# run GROUP PROGRAM [ARGUMENT...]: what it prints becomes comments
run() {
	group=$1
	shift
	seconds=$(sed -n 's/^timeout=//p' "$group/settings" 2> /dev/null)
	(
		cd "$group" || exit 1
		{ timeout -k 10 "${seconds:-300}" "./$@" 2>&1 < /dev/null 3<&-; echo "status $?"; } | sed 's/^/# /'
	) > "$group/log"
	status=$(sed -n '$s/^# status //p' "$group/log")
	sed '$d' "$group/log"
	rm "$group/log"
	case $status in
	0) echo "ok $n selftests: $group: $*" ;;
	4) echo "ok $n selftests: $group: $* # SKIP" ;;
	124) echo "not ok $n selftests: $group: $* # TIMEOUT ${seconds:-300} seconds"; bad=1 ;;
	*) echo "not ok $n selftests: $group: $* # exit=$status"; bad=1 ;;
	esac
}

echo "TAP version 13"
n=0
bad=0
while IFS=: read -r group words <&3; do
	n=$((n + 1))
	echo "# selftests: $group: $words"
	# shellcheck disable=SC2086
	run "$group" $words
done
echo "1..$n"
exit $bad
