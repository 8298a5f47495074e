#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A guest over two hosts whose clocks drift apart, for longer than a check has time for: drift.py SECONDS."""
import sys

import checks
from guestlib import Machine, load, main, unload_all


def test(t):
    """One boot."""
    load({0, 1})
    m = Machine([0, 1], cpus=1, memory=128, keys=('start = packed',), at_once=True)
    try:
        m.start()
        m.up()
        m.spread()
        checks.drift(t, m, int(sys.argv[1]))
        t.ok(not m.panic(), 'the guest has seen nothing', m.panic())
    finally:
        m.end()
    unload_all(t, range(2))


main(test)
