#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The packages on a Debian host that is a directory: installed, built by DKMS for its kernel, upgraded, removed and purged.
#
# usage: debian-host.sh [RELEASE]	by its codename; this machine's own without one

. "$(dirname "$0")/lib.sh"
command -v dh_dkms >/dev/null || skip_all "debhelper and dh-dkms are not installed"
command -v mmdebstrap >/dev/null || skip_all "mmdebstrap is not installed"
[ "$(id -u)" = 0 ] || skip_all "needs root"
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
chmod 755 "$tmp"

# build DIRECTORY [VERSION]: both packages
build()
{
	mkdir "$1" "$1/tree"
	(cd "$top" && git ls-files -co --exclude-standard | tar -c -T -) | tar -x -C "$1/tree"
	[ -z "$2" ] || sed -i "1s/(.*)/($2)/" "$1/tree/debian/changelog"
	(cd "$1/tree" && DEB_BUILD_OPTIONS=nocheck dpkg-buildpackage -us -uc -b) >"$tmp/log" 2>&1
}

echo "TAP version 13"
echo "1..8"
fail=0
build "$tmp/old" && build "$tmp/new" "$(sed -n '1s/.*(\(.*\)).*/\1/p' "$top/debian/changelog")+later"
result $? 1 "two versions are built" "$tmp/log"

# What runs in the host, step by step; a step that was done is told in a line of its own.
cat >"$tmp/in-host" <<'END'
set -eux
root=$1
shared=$2
in_root() { chroot "$root" env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
packages() { cp "$shared/$1"/dvmm_*.deb "$shared/$1"/dvmm-dkms_*.deb "$root/tmp"; }
all_files() { (cd "$root" && find etc lib/systemd lib/udev lib/modprobe.d usr/bin usr/lib usr/share usr/src | grep -i dvmm); }
packages old
in_root sh -c 'apt-get install -y --no-install-recommends /tmp/*.deb'
status=0
in_root dvmm version || status=$?
test $status = 5
in_root dvmm create big --node alpha=192.0.2.1,cpus=1,memory=1G
test -n "$(in_root dkms status dvmm)"
echo install >>"$shared/done"
kernel=$(ls "$root/lib/modules")
in_root dkms status dvmm -k "$kernel" | grep installed || in_root dkms install dvmm -k "$kernel"
in_root dkms status dvmm -k "$kernel" | grep installed | tee "$shared/built"
echo dkms >>"$shared/done"
rm "$root"/tmp/*.deb
packages new
in_root sh -c 'apt-get install -y --no-install-recommends /tmp/*.deb'
in_root dpkg-query -W dvmm dvmm-dkms | grep -c later | grep -qx 2
in_root dvmm check big
test "$(in_root dkms status dvmm | wc -l)" = 1
echo upgrade >>"$shared/done"
in_root apt-get remove -y dvmm dvmm-dkms
in_root test -e /etc/dvmm/big.conf
test -z "$(in_root dkms status dvmm)"
in_root sh -c 'apt-get install -y --no-install-recommends /tmp/*.deb'
echo remove >>"$shared/done"
in_root apt-get purge -y dvmm dvmm-dkms
all_files >"$shared/left" || true
echo purge >>"$shared/done"
# What packages have started keeps the host's file systems mounted until it has ended.
for i in $(seq 300); do
	ls -l /proc/[0-9]*/root /proc/[0-9]*/fd 2>/dev/null | grep -q " $root" || break
	sleep 0.1
done
END

here=$(. /etc/os-release && echo "$VERSION_CODENAME")
release=${1:-$here}
apt-get indextargets --format '$(ORIGIN) $(CREATED_BY) $(REPO_URI) $(RELEASE) $(COMPONENT)' |
	awk '$1 == "Debian" && $2 == "Packages" && $5 == "main" {print "deb", $3, $4, $5}' | sort -u | grep -v -e -backports |
	sed "s/\<$here\>/$release/" >"$tmp/sources.list"
touch "$tmp/done" "$tmp/left" "$tmp/built"
mmdebstrap --variant=apt --include=udev,kmod,systemd,linux-headers-amd64 --aptopt='Acquire::Languages "none"' --dpkgopt='path-exclude=/usr/share/locale/*' \
	--customize-hook="sh $tmp/in-host \"\$1\" $tmp" "$release" /dev/null "$tmp/sources.list" >"$tmp/log" 2>&1
result $? 2 "a Debian $release host" "$tmp/log"
sed 's/^/# /' "$tmp/built"
i=2
for step in install dkms upgrade remove purge; do
	i=$((i + 1))
	grep -qx $step "$tmp/done"
	result $? $i "$step"
done
grep -vx -e etc/dvmm -e 'etc/dvmm/big\.\(conf\|key\)' "$tmp/left" >"$tmp/log"
[ ! -s "$tmp/log" ]
result $? 8 "nothing is left but the machine that was made" "$tmp/log"
exit $fail
