#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""What a page costs between node VMs over TCP."""
from vmlib import Machine, load, main

NODES = 4


def test(t):
    """Nothing passes or fails by its time."""
    load(range(NODES))
    m = Machine(NODES, 'bench', ('--bytes', str(1024 * 4096)), bound=280)
    statuses = m.wait()
    for note in m.notes():
        print('# ' + note)
    t.ok(not any(statuses) and not m.bad(), f'{NODES} node VMs over TCP: measured', f'statuses {statuses}\n{m.text()}')


main(test)
