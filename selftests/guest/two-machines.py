#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Two machines at once on the same two hosts: neither disturbs the other."""
import threading

import checks
from guestlib import Machine, load, main, unload_all


def together(t, both):
    """Both work at the same time."""
    threads = [threading.Thread(target=checks.parallel, args=(t, m, 1000000)) for m in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test(t):
    """The second one boots beside the first; then both work; one is killed, the other one goes on."""
    both = [Machine([0, 1], cpus=1, memory=160, name=name, port=port) for name, port in (('a', 7400), ('b', 7500))]
    load({0, 1})
    try:
        for m in both:
            m.start()
            t.diag(f'guest {m.name} up after {m.up(600):.0f} s')
        for m in both:
            checks.cpus_online(t, m)
        together(t, both)
        first, second = both
        first.kill(1)
        status, seconds = first.ended(0, 20)
        t.ok(status not in (0, 124) and seconds <= 5, 'the machine that lost a node ends', f'{status} after {seconds:.1f} s')
        checks.cpus_online(t, second)
        checks.parallel(t, second, 1000000)
        checks.power_off(t, second)
    finally:
        for m in both:
            m.end()
    unload_all(t, (0, 1))


main(test)
