#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Tests are installed and run as the kernel's own are.
selftests=$(dirname "$(readlink -f "$0")")/..
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
fail=0

result() {
	n=$((n + 1))
	if test "$1" -eq 0; then
		echo "ok $n - $2"
	else
		tail -n 30 "$dir/out" | sed 's/^/# /'
		echo "not ok $n - $2"
		fail=1
	fi
}

# runs STATUS [OPTION...]
runs() {
	wanted=$1
	shift
	"$dir/there/run_kselftest.sh" "$@" > "$dir/out" 2>&1
	test $? = "$wanted"
}

echo "TAP version 13"
make -C "$selftests" install INSTALL_PATH="$dir/there" > "$dir/out" 2>&1
result $? "make install"
runs 0 -l && grep -qx 'dsm:litmus 3' "$dir/out" && grep -qx engine:unit "$dir/out" && ! grep -q bench "$dir/out" &&
	for program in $(sed 's/:/\//; s/ .*//' "$dir/out"); do
		test -x "$dir/there/$program" || { echo "no $program" >> "$dir/out"; false; break; }
	done
result $? "what the list names is there"
runs 0 -c engine && grep -q '^ok [0-9]* selftests: engine: unit$' "$dir/out" && grep -q '^# ok 1 ' "$dir/out" &&
	test "$(grep -c '^ok' "$dir/out")" = "$(grep -c ^engine: "$dir/there/kselftest-list.txt")"
result $? "a group runs where it was installed, outside of the tree"
mkdir "$dir/there/made"
echo timeout=1 > "$dir/there/made/settings"
for end in 'good exit 0' 'bad exit 3' 'skipped exit 4' 'slow sleep 20'; do
	printf '#!/bin/sh\necho "# %s"\n%s\n' "${end%% *}" "${end#* }" > "$dir/there/made/${end%% *}"
	chmod +x "$dir/there/made/${end%% *}"
	echo "made:${end%% *}" >> "$dir/there/kselftest-list.txt"
done
runs 1 -c made && grep -qx 'ok 1 selftests: made: good' "$dir/out" && grep -qx 'not ok 2 selftests: made: bad # exit=3' "$dir/out" &&
	grep -qx 'ok 3 selftests: made: skipped # SKIP' "$dir/out" && grep -qx 'not ok 4 selftests: made: slow # TIMEOUT 1 seconds' "$dir/out" &&
	grep -qx '1..4' "$dir/out"
result $? "what fails, skips and hangs is told so"
runs 0 -t made:good && grep -qx '1..1' "$dir/out"
result $? "one test alone"
runs 2 -t made:none && grep -q 'there is no test made:none: -l names' "$dir/out"
result $? "one that is not there is named"
runs 2 -c nothing && grep -q 'there is no group nothing' "$dir/out"
result $? "so is a group"
echo "1..$n"
exit $fail
