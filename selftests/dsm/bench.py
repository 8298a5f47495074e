#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""What a page costs between node VMs.

usage: bench.py [rdma]	four VMs over TCP; or two over RDMA (soft RoCE), beside the same two over TCP
"""
import sys

from vmlib import Machine, load, main, no_roce, soft_roce


def measure(t, nodes, rdma, workload='bench', options=()):
    """Nothing passes or fails by its time."""
    where = ' '.join((f'{nodes} node VMs over {"RDMA" if rdma else "TCP"}', *options))
    m = Machine(nodes, workload, ('--bytes', str(1024 * 4096), *options), bound=280, rdma=rdma)
    statuses = m.wait()
    print(f'# {where}:')
    for note in m.notes():
        print('# ' + note)
    t.ok(not any(statuses) and not m.bad(), f'{where}: measured', f'statuses {statuses}\n{m.text()}')


def test(t):
    """One cluster."""
    if 'rdma' not in sys.argv:
        load(range(4))
        measure(t, 4, False)
        measure(t, 2, False, 'stream', ('--prefetch',))
        return
    load(range(2))
    soft_roce(range(2))
    measure(t, 2, False)
    measure(t, 2, True)
    measure(t, 2, True, 'stream', ('--prefetch',))
    for node in range(2):
        no_roce(node)


main(test)
