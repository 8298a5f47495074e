# SPDX-License-Identifier: GPL-2.0
# For the tests of the command: TAP, a directory that goes at the end, and what the command
# has said in $dir/out.

here=$(dirname "$(readlink -f "$0")")
tool=$here/../../tools/dvmm/dvmm
dir=$(mktemp -d)
n=0
fail=0
trap 'rm -rf "$dir"' EXIT

# result STATUS TEXT: one line of TAP
result()
{
	n=$((n + 1))
	if test "$1" -eq 0; then
		echo "ok $n - $2"
	else
		test ! -s "$dir/out" || sed 's/^/# /' "$dir/out"
		echo "not ok $n - $2"
		fail=1
	fi
}

# skip TEXT WHY: a line of TAP for what cannot be had here
skip()
{
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}

# one_line: nothing else was said
one_line()
{
	test "$(wc -l < "$dir/out")" = 1
}

end_hosts()
{
	for pid in "$dir"/hosts/*/run/*/*/pid; do
		test ! -e "$pid" || kill "$(cat "$pid")" 2> /dev/null
	done
	rm -rf "$dir"
}

# make_hosts: admin, alpha and beta are directories, with a QEMU and an ssh that only look like
# them; all that runs there ends with the test, which goes on in $dir
make_hosts()
{
	export FAKE_HOSTS="$dir/hosts" DVMM_SSH="$here/fake-ssh" DVMM_QEMU="$here/fake-qemu"
	trap end_hosts EXIT
	for name in admin alpha beta; do
		mkdir -p "$dir/hosts/$name/bin"
		ln -s "$(readlink -f "$tool")" "$dir/hosts/$name/bin/dvmm"
	done
	cd "$dir" || exit 1
}

# What follows is for tests that have made hosts.

# admin STATUS WORD...: dvmm there; all that it says is in $dir/out
admin()
{
	wanted=$1
	shift
	"$tool" "$@" --dir "$dir/hosts/admin/etc" --state "$dir/hosts/admin/run" > out 2>&1 < /dev/null
	got=$?
	test $got = "$wanted" || { echo "status $got, not $wanted" >> out; return 1; }
}

has()
{
	grep -qF -- "$1" out
}

# plan WORDS: what alpha's QEMU is to do
plan()
{
	echo "$1" > hosts/alpha/plan
	rm -f hosts/quit hosts/alpha/commands
}
