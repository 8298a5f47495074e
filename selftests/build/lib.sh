# SPDX-License-Identifier: GPL-2.0
# For the tests of the build: a private copy of the tree, and TAP.

top=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
# Kernels of a flavour (rt, cloud) are taken only if they are asked for.
: "${KDIR:=$(ls -d /usr/src/linux-headers-*-amd64 2>/dev/null | grep -v -e -rt- -e -cloud- | sort -V | tail -n 1)}"

skip_all()
{
	echo "TAP version 13"
	echo "1..0 # SKIP $1"
	exit 0
}

# copy_tree: sources only, into $tmp/tree, removed at exit
copy_tree()
{
	tmp=$(mktemp -d) || exit 1
	trap 'rm -rf "$tmp"' EXIT
	mkdir "$tmp/tree"
	tar -C "$top" -c --exclude='*.o' --exclude='*.cmd' --exclude='*.ko' \
		--exclude=probes.h Kbuild Makefile dkms.conf COPYING kmod uapi \
		selftests/transport selftests/debug selftests/ipi/module selftests/dsm/module | tar -C "$tmp/tree" -x
}

# result STATUS NUMBER TEXT [FILE]: one line of TAP, FILE as its explanation
result()
{
	if [ "$1" = 0 ]; then
		echo "ok $2 - $3"
	else
		[ -z "$4" ] || sed 's/^/# /' "$4"
		echo "not ok $2 - $3"
		fail=1
	fi
}
