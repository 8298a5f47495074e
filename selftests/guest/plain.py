#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Without dvmm=on the patched QEMU runs a guest as before, on a host where no dvmm is loaded."""
import checks
from guestlib import Plain, main, must, on


def test(t):
    """Boot, look, work, reboot, end."""
    m = Plain(2, 256)
    text = must(0, 'grep ^dvmm /proc/modules || true')
    t.ok(not text, 'no module of dvmm is loaded', text)
    try:
        m.start('loglevel=5', '-action reboot=reset')
        t.diag(f'guest up after {m.up():.0f} s')
        checks.cpus_online(t, m)
        checks.timers(t, m)
        checks.idles(t, m)
        checks.parallel(t, m, 1000000)
        text = on(0, f"guest qmp {m.process(0)} '{{\"execute\": \"query-dvmm\"}}'")[1]
        t.ok('"error"' in text and 'dvmm' in text, 'query-dvmm says that this is no dvmm machine', text)
        text = must(0, f'cat {m.log(0, "qemu")}')
        t.ok('dvmm:' not in text, 'QEMU says nothing about dvmm', text)
        checks.nmi(t, m)
        checks.hotplug(t, m)
        checks.stop_cont(t, m)
        if checks.reboot(t, m):
            checks.cpus_online(t, m)
            checks.power_off(t, m)
    finally:
        m.end()


main(test)
