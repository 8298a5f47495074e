#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A guest of four nodes with one vCPU each, all in one kernel."""
import checks
from guestlib import Machine, load, main, unload_all


def test(t):
    """Boot, look, work, end."""
    m = Machine([0, 0, 0, 0], cpus=1, memory=128, name='f')
    load({0})
    try:
        m.start()
        t.diag(f'guest up after {m.up(600):.0f} s')
        checks.faults(t, m, 'boot')
        checks.cpus_online(t, m)
        checks.numa(t, m)
        checks.parallel(t, m, 1000000)
        checks.litmus(t, m)
        checks.nmi(t, m)
        checks.power_off(t, m)
    finally:
        m.end()
    unload_all(t, [0])


main(test)
