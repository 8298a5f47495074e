#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Every source of the modules compiles without a warning for the other kernels, too, whose headers are
# installed: syntax and types alone, which takes seconds.  "make kernels" builds and links.

. "$(dirname "$0")/lib.sh"

series()
{
	echo "$1" | sed 's/.*linux-headers-\([0-9]*\.[0-9]*\)\..*/\1/'
}

# others: the newest headers of each series but KDIR's
others()
{
	for headers in $(ls -d /usr/src/linux-headers-*-amd64 | grep -v -e -rt- -e -cloud- | sort -rV); do
		case " $(series "$KDIR") $seen " in
		*" $(series "$headers") "*) ;;
		*) echo "$headers"; seen="$seen $(series "$headers")" ;;
		esac
	done
}

# learn HEADERS: $tmp/flags, with which this kernel's build compiles a file of ours
learn()
{
	real=$(sed -n 's/^CONFIG_CC_VERSION_TEXT="\([^ ]*\) .*/\1/p' "$1/.config")
	command -v "$real" >/dev/null || real=gcc
	cat >"$tmp/cc" <<-END
		#!/bin/sh
		for word; do
			case \$word in
			*/loop.c) for word; do printf "'%s' " "\$word"; done >"$tmp/flags" ;;
			esac
		done
		exec $real "\$@"
	END
	chmod +x "$tmp/cc"
	rm -f "$tmp/tree/kmod/compat/probes.h" "$tmp/flags"
	make -C "$tmp/tree" modules KDIR="$1" DVMM_MODULES=dvmm-loop CC="$tmp/cc" \
		KBUILD_MODPOST_WARN=1 >"$tmp/log" 2>&1 && test -s "$tmp/flags"
}

# cat_one: a script that compiles one file as the build would, but makes nothing
cat_one()
{
	cat <<-END
		#!/bin/sh
		# FILE
		file=\$1
		eval set -- $(cat "$tmp/flags")
		for word; do
			shift
			case \$word in
			-c|*/loop.c|*loop.o|-o|-Wp,-MMD*|-DKBUILD_*|-D__KBUILD_*) ;;
			*) set -- "\$@" "\$word" ;;
			esac
		done
		exec $real "\$@" -DKBUILD_MODNAME='"dvmm"' -DKBUILD_BASENAME='"dvmm"' -DKBUILD_MODFILE='"dvmm"' \
			-D__KBUILD_MODNAME=dvmm -I"\${file%/*}" -Werror -fsyntax-only "\$file"
	END
}

# compile NAME: every file of the copy that is called so; what is wrong is in $tmp/log
compile()
{
	cat_one >"$tmp/one"
	find "$tmp/tree/kmod" -name "$1" ! -path '*/compat/*' ! -name '*.mod.c' |
		(cd "$headers" && xargs -P 2 -n 1 nice sh "$tmp/one") >"$tmp/log" 2>&1
}

[ -n "$KDIR" ] || skip_all "no kernel headers"
all=$(others)
[ -n "$all" ] || skip_all "no headers of another kernel series"
copy_tree

echo "TAP version 13"
echo "1..$(($(echo "$all" | wc -l) + 1))"
fail=0
number=0

for headers in $all; do
	number=$((number + 1))
	learn "$headers" && compile '*.c'
	result $? $number "all sources compile for ${headers##*/linux-headers-}" "$tmp/log"
done

echo 'int planted(int a); int planted(int a) { return planted_nowhere(a); }' >>"$tmp/tree/kmod/dsm/machine/args.c"
! compile args.c && grep -q planted_nowhere "$tmp/log"
result $? $((number + 1)) "a function that this kernel does not have is seen" "$tmp/log"
exit $fail
