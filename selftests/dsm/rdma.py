#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Shared memory over RDMA (soft RoCE): workloads between two node VMs and within one, then
what a machine may lose there, the device itself among it.

usage: rdma.py [litmus]		litmus: that, and nothing else
"""
import subprocess
import sys
import time

from aftermath import at_work, clean, paths, stops
from vmlib import ROCE, Machine, load, main, must, no_roce, on, soft_roce

NODES = 2
CACHE = ('--cache', str(100 * 4096))
WORK = (
    ('zero', 2, ()),
    ('upgrade', 2, ()),
    ('counters', 4, ()),
    ('prodcons', 4, ()),
    ('fork', 4, ()),
    ('io', 4, ()),
    ('pressure', 4, CACHE),
)
LOST = ['node 0 lost its link to node 1: ', 'node 1 lost its link to node 0: ']


def cluster(*words):
    """A verb of the testbed."""
    subprocess.run(['cluster', *words], check=True, timeout=120)


def sound(t, workload, seconds, options, hosts):
    """All nodes find what they should."""
    m = Machine(NODES, workload, ('--seconds', str(seconds), *options), bound=120, rdma=True, hosts=hosts)
    statuses = m.wait()
    where = 'two VMs' if len(set(hosts)) > 1 else 'one kernel'
    t.ok(not any(statuses) and not m.bad(), f'{workload}: {where} agree over RDMA', f'{statuses}\n{m.text()}')
    for note in m.notes():
        t.diag(note)


def loses(t, what, action, reasons, nodes=range(NODES)):
    """The machine loses something while it works."""
    m = Machine(NODES, 'counters', ('--seconds', '60', *CACHE), rdma=True)
    at_work(m)
    used = paths(0)
    t.ok(used == {'into-frame'}, f'{what}: until then pages went straight into frames', used)
    began = time.monotonic()
    action()
    for node in nodes:
        stops(t, m, node, began, reasons, what)
    m.wait()


def remove_address():
    """The address goes by which the peer knows node 1, and its GID with it."""
    must(1, f'ip addr del {ROCE}2/24 dev to0')


def remove_device():
    """The device of node 1 goes; whoever uses it has to let it go."""
    status, text = no_roce(1)
    if status:
        raise ValueError(f'the device stays: {text}')


def remove_driver():
    """The same by its driver."""
    status, text = on(0, 'rmmod rdma_rxe', 20)
    if status:
        raise ValueError(f'the driver stays: {text}')


def small_packets(t, node):
    """The ends of a cable do not agree on how long a packet may be."""
    must(node, f'ip link set to{1 - node} mtu 1500')
    m = Machine(NODES, 'counters', ('--seconds', '4', *CACHE), rdma=True)
    statuses = m.wait()
    fine = not any(statuses) and not m.bad()
    told = all(p.find('^not ok.* stopped: node . lost its link') for p in m.processes)
    t.ok(fine or told, f'node {node} allows small packets only: unharmed, or stopped with the reason', m.text())
    t.diag('unharmed' if fine else m.bad())
    must(node, f'ip link set to{1 - node} mtu 9000')


def all_of_it(t):
    """What is in every check."""
    for workload, seconds, options in WORK:
        sound(t, workload, seconds, options, [0, 1])
    for workload in ('counters', 'pressure'):
        sound(t, workload, 4, CACHE, [0, 0])
    for node in range(NODES):
        small_packets(t, node)
    loses(t, 'killed process', lambda: must(1, 'busybox killall -KILL dvmm-node'), ['node 1 left the machine'], [0])
    loses(t, 'cut cable', lambda: cluster('cut', '0', '1'), LOST)
    cluster('mend', '0', '1')
    loses(t, 'removed address', remove_address, LOST)
    soft_roce(range(NODES))
    loses(t, 'removed device', remove_device, ['the RDMA device was removed', *LOST])
    soft_roce(range(NODES))
    loses(t, 'removed driver', remove_driver, ['the RDMA device was removed', *LOST])


def test(t):
    """Everything, or the shapes of memory that two CPUs see, which take a minute and a half."""
    soft_roce(range(NODES))
    load(range(NODES))
    if 'litmus' in sys.argv:
        sound(t, 'litmus', 15, (), [0, 1])
    else:
        all_of_it(t)
    for node in range(NODES):
        clean(t, node, 'rdma')
        no_roce(node)


main(test)
