#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Debian packages are built out of the tree, and have in them what they should.

. "$(dirname "$0")/lib.sh"
command -v dh_dkms >/dev/null || skip_all "debhelper and dh-dkms are not installed"
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

echo "TAP version 13"
echo "1..8"
fail=0

mkdir "$tmp/tree"
(cd "$top" && git ls-files -co --exclude-standard | tar -c -T -) | tar -x -C "$tmp/tree"
(cd "$tmp/tree" && dpkg-buildpackage -us -uc -b) >"$tmp/log" 2>&1
result $? 1 "dpkg-buildpackage" "$tmp/log"

for file in bin/dvmm share/man/man4/dvmm.4.gz share/man/man8/dvmm.8.gz share/man/man5/dvmm.conf.5.gz lib/sysctl.d/60-dvmm.conf \
	share/bash-completion/completions/dvmm share/doc/dvmm/examples/big.conf; do
	echo "./usr/$file"
done >"$tmp/wanted"
dpkg-deb -c "$tmp"/dvmm_*.deb | awk '{print $6}' >"$tmp/has"
grep -vxFf "$tmp/has" "$tmp/wanted" >"$tmp/log"
for file in udev/rules.d/60-dvmm.rules modprobe.d/dvmm.conf systemd/system/dvmm@.service; do
	grep -q "/lib/$file\$" "$tmp/has" || echo "$file"
done >>"$tmp/log"
dpkg-deb -c "$tmp"/dvmmd_*.deb | awk '{print $6}' >"$tmp/has-daemon"
for file in /usr/sbin/dvmmd /usr/share/man/man8/dvmmd.8.gz /systemd/system/dvmmd.service; do
	grep -q "$file\$" "$tmp/has-daemon" || echo "$file"
done >>"$tmp/log"
[ -s "$tmp/has" ] && [ ! -s "$tmp/log" ]
result $? 2 "dvmm and dvmmd have programs, manuals, completion, settings, services and the rule of its device" "$tmp/log"

dpkg-deb -c "$tmp"/dvmm-dkms_*.deb | sed -n 's,.*\./usr/src/dvmm-[^/]*/,,p' | grep '[^/]$' | sort >"$tmp/has"
(cd "$top" && git ls-files -co --exclude-standard Kbuild Makefile dkms.conf kmod uapi) | sort >"$tmp/wanted"
diff "$tmp/wanted" "$tmp/has" >"$tmp/log"
result $? 3 "dvmm-dkms has all sources of the modules and nothing else" "$tmp/log"

if command -v systemd-analyze >/dev/null; then
	mkdir "$tmp/unit"
	for package in "$tmp"/dvmm_*.deb "$tmp"/dvmmd_*.deb; do
		dpkg-deb -x "$package" "$tmp/unit"
	done
	ln -sf /bin/true "$tmp/true"
	find "$tmp/unit" -name 'dvmm@.service' -exec sed "s,/sbin/modprobe\|/usr/bin/dvmm,$tmp/true," {} \; >"$tmp/dvmm@big.service"
	find "$tmp/unit" -name 'dvmmd.service' -exec sed "s,/usr/sbin/dvmmd,$tmp/true," {} \; >"$tmp/dvmmd.service"
	systemd-analyze verify --man=no "$tmp/dvmm@big.service" "$tmp/dvmmd.service" >"$tmp/log" 2>&1 &&
		! grep "dvmm@\|dvmmd" "$tmp/log"
	result $? 4 "systemd takes its services" "$tmp/log"
else
	echo "ok 4 - systemd takes its services # SKIP there is no systemd-analyze"
fi

if command -v lintian >/dev/null; then
	lintian --fail-on error,warning,info "$tmp"/*.changes >"$tmp/log" 2>&1 && ! grep '^[EWI]:' "$tmp/log"
	result $? 5 "lintian finds nothing" "$tmp/log"
else
	echo "ok 5 - lintian finds nothing # SKIP lintian is not installed"
fi

# What groff warns of in a manual is a mistake in it.
for page in "$top"/tools/dvmm/dvmm*.[0-9] "$top"/tools/dvmmd/dvmmd.8; do
	man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null
done >"$tmp/log"
[ ! -s "$tmp/log" ]
result $? 6 "manuals have no mistake that groff sees" "$tmp/log"

for file in etc/default/grub.d/dvmm-guest.cfg usr/lib/dvmm-guest/settings usr/share/doc/dvmm-guest/guest-tuning.rst; do
	echo "./$file"
done >"$tmp/wanted"
dpkg-deb -c "$tmp"/dvmm-guest_*.deb | awk '{print $6}' | sed 's/\.gz$//' >"$tmp/has"
grep -vxFf "$tmp/has" "$tmp/wanted" >"$tmp/log"
grep -q '/lib/systemd/system/dvmm-guest.service$' "$tmp/has" || echo "dvmm-guest.service" >>"$tmp/log"
[ ! -s "$tmp/log" ]
result $? 7 "dvmm-guest has the words for the kernel, the service and what it runs" "$tmp/log"

# As update-grub reads it, after the guest's own words.
mkdir "$tmp/guest"
dpkg-deb -x "$tmp"/dvmm-guest_*.deb "$tmp/guest"
words=$(GRUB_CMDLINE_LINUX_DEFAULT=quiet && . "$tmp/guest/etc/default/grub.d/dvmm-guest.cfg" &&
	echo "$GRUB_CMDLINE_LINUX_DEFAULT")
case $words in "quiet tsc=reliable "*) : ;; *) false ;; esac
result $? 8 "its words come after those that the guest has: $words" "$tmp/log"
exit $fail
