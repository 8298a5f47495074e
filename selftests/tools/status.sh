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

# Every verb of the usage: too many words, and a machine that is not there or whose file is wrong.
echo '[machine' > "$dir/broken.conf"
verbs=$("$tool" --help | sed -n 's/^.* dvmm \([a-z|-]*\) .*/\1/p' | tr '|' ' ')
for verb in $verbs; do
	case $verb in
	doctor | move | fork) ;;
	rehome) says 2 'usage: dvmm' rehome one two ;;
	*) says 2 'usage: dvmm' $verb one two three four ;;
	esac
done
for verb in $verbs; do
	case $verb in
	list | version | doctor | create) ;;
	hosts | machines)
		says 3 'dvmm: dvmmd does not run on this host: systemctl start dvmmd' $verb --state "$dir"
		;;
	undefine | start | stop | fenced)
		says 3 'dvmm: dvmmd does not run on this host: systemctl start dvmmd' $verb none --state "$dir"
		;;
	status | is-active | top | hot | trace | events | metrics | clock)
		test -d /sys/module/dvmm || says 5 'the module is not loaded: modprobe dvmm' $verb none
		;;
	*)
		word=
		case $verb in
		move) word=0=alpha ;;
		checkpoint) word=/nowhere ;;
		fork) word='/nowhere new' ;;
		rehome) word='alpha beta alpha' ;;
		add | remove | evacuate) word=beta ;;
		esac
		says 6 'none.conf: No such file or directory: is it' $verb none $word
		says 6 "broken.conf:1: '[machine' is no [section]: end it with ]" $verb broken $word
		;;
	esac
done
says 2 'dvmm: a/b: a name has no slash: use --dir DIR' create a/b
echo "1..$n"
exit $fail
