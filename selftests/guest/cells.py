#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Cells of the guest, and what nodes lend: memory alone, vCPUs alone, neither yet, or several cells.

usage: cells.py one | three | sections      four nodes of one kernel, three hosts, or more cells than hosts
"""
import sys

import checks
from guestlib import Celled, Uneven, load, main, must, on, unload_all

SYS_NODE = '/sys/devices/system/node'
CPUS = [2, 0, 1, 0]
MEMORY = [256, 128, 0, 0]

# Of two hosts: two cells each, one with memory alone.
CELLS = [(0, 1, 128), (0, 1, 64), (1, 1, 128), (1, 0, 64)]

# Linux numbers NUMA nodes by its tables, where CPUs come first: node1's memory is the last one's.
LENT = 2

# Some of a NUMA node's memory is filled on one CPU and read on another; then it goes.
FILL = """cg=/tmp/cg; mkdir -p $cg; grep -q " $cg " /proc/mounts || mount -t cgroup2 none $cg
echo +cpuset > $cg/cgroup.subtree_control; mkdir -p $cg/there; echo {node} > $cg/there/cpuset.mems
sh -c 'echo $$ > /tmp/cg/there/cgroup.procs; taskset -c {writer} head -c {size} /dev/urandom > /tmp/filled'
for cpu in {writer} {reader}; do taskset -c $cpu md5sum < /tmp/filled; done
cat {sys}/node{node}/numastat; rm /tmp/filled; rmdir $cg/there"""


def seen(t, m):
    """NUMA nodes as the file has them."""
    text = m.must(f'cat {SYS_NODE}/has_cpu {SYS_NODE}/has_memory {SYS_NODE}/node1/cpulist {SYS_NODE}/node2/cpulist')
    t.ok(text.splitlines() == ['0-1', '0,2', '2', ''], 'one NUMA node has a CPU and no memory, one memory and no CPU', text)
    status, text = on(m.hosts[0], f'dvmm topology {m.file}')
    t.ok(status == 0 and 'memory 256-384 MiB, NUMA node 1' in text, 'so says dvmm', text)


def used(t, m):
    """Memory of the node without vCPUs is written and read by others' CPUs."""
    before = int(m.stats(1)['messages_received'])
    text = m.must(FILL.format(node=LENT, size=16 << 20, writer=2, reader=0, sys=SYS_NODE), 240)
    sums = [line.split()[0] for line in text.splitlines()[:2]]
    t.ok(len(sums[0]) == 32 and sums[0] == sums[1], 'a file in its memory is the same to CPU 2 and CPU 0', text)
    asked = int(m.stats(1)['messages_received']) - before
    t.ok(asked > 1000, f'for which its home was asked, {asked} messages', text)


def moved(t, m):
    """vCPUs go to hosts that had none, and one goes from a host that then has none."""
    places = [(2, 'node1'), (1, f'node{len(m.hosts) - 1}')]
    n, ms = m.move(*places)
    t.ok(n == 2, f'a vCPU goes to a host without memory, one to a host without vCPUs: {ms:.0f} ms', n)
    checks.parallel(t, m, 1000000)
    checks.nmi(t, m)


def rehomed(t, m):
    """Memory's home moves to a host that has none of its own, and back."""
    for old, new in ((1, 2), (2, 1)):
        status, text = on(m.hosts[old], f'dvmm rehome {m.file} node{old} node{new} node1 --here', 300)
        t.ok(status == 0 and '128 MiB have another home' in text, f'memory of node 1 goes from node {old} to node {new}', text)
    checks.parallel(t, m, 1000000)


def refused(t, m):
    """A boot node lends what it has."""
    m.counts[0], m.total = 0, m.total - 2
    m.write_file()
    m.start_node(0)
    status, _ = m.ended(0, 60)
    t.ok(status == 1 and 'the boot node has vCPUs and memory' in m.said(0), 'a boot node without vCPUs is refused', (status, m.said(0)))


def sections_seen(t, m):
    """A NUMA node each, all as far from each other."""
    text = m.must(f'cat {SYS_NODE}/has_cpu {SYS_NODE}/has_memory {SYS_NODE}/node?/cpulist {SYS_NODE}/node?/distance')
    far = [' '.join('10' if i == j else '40' for j in range(4)) for i in range(4)]
    t.ok(text.splitlines() == ['0-2', '0-3', '0', '1', '2', ''] + far, 'each cell is a NUMA node, as far from each other', text)
    sizes = [int(line.split()[3]) // 1024 for line in m.must(f'grep MemTotal {SYS_NODE}/node?/meminfo').splitlines()]
    t.ok(all(size - 48 < got <= size for got, size in zip(sizes, [128, 64, 128, 64])), 'with its memory', sizes)


def cell_goes(t, m, cell, old, new):
    """Its vCPU and its memory go to another host; the guest's view stays, and is true."""
    n, ms = m.move((cell, f'node{new}'))
    t.ok(n == 1, f'the vCPU of cell {cell} goes from node {old} to node {new}: {ms:.0f} ms', n)
    status, text = on(m.hosts[old], f'dvmm rehome {m.file} node{old} node{new} c{cell} --here', 300)
    t.ok(status == 0 and f'{CELLS[cell][2]} MiB have another home' in text, 'and all its memory', text)
    t.ok(cell in m.nodes()[new]['vcpus'], 'so says QEMU', m.nodes())


def one_cell_used(t, m, cell):
    """A file in its memory, by a program of its CPU; the messages that went to the other host meanwhile.

    Linux chooses at random where its image lies: in a cell of 64 MiB it leaves 24.
    """
    node = CELLS[cell][0]
    before = int(m.stats(1 - node)['messages_received'])
    text = m.must(FILL.format(node=cell, size=4 << 20, writer=cell, reader=cell, sys=SYS_NODE), 240)
    sums = [line.split()[0] for line in text.splitlines()[:2]]
    asked = int(m.stats(1 - node)['messages_received']) - before
    t.ok(len(sums[0]) == 32 and sums[0] == sums[1], f'4 MiB of cell {cell} are what its CPU wrote', text)
    return asked


def test_sections(t):
    """More cells than hosts."""
    m = Celled([0, 1], CELLS, name='c')
    load(set(m.hosts))
    try:
        m.start(arguments='-action reboot=reset')
        t.diag(f'guest up after {m.up(600):.0f} s')
        checks.cpus_online(t, m)
        sections_seen(t, m)
        away = one_cell_used(t, m, 1)
        cell_goes(t, m, 1, 0, 1)
        sections_seen(t, m)
        checks.parallel(t, m, 1000000)
        home = one_cell_used(t, m, 1)
        t.diag(f'messages to the other host: {away} before, {home} after')
        checks.nmi(t, m)
        cell_goes(t, m, 1, 1, 0)
        checks.reboot(t, m)
        sections_seen(t, m)
        checks.power_off(t, m)
    finally:
        m.end()
    unload_all(t, sorted(set(m.hosts)))


def test(t):
    """One life, with a reboot."""
    hosts = {'one': [0, 0, 0, 0], 'three': [0, 1, 2]}[sys.argv[1]]
    m = Uneven(hosts, CPUS[:len(hosts)], MEMORY[:len(hosts)], name='c')
    load(set(m.hosts))
    try:
        m.start(arguments='-action reboot=reset')
        t.diag(f'guest up after {m.up(600):.0f} s')
        for check in (checks.cpus_online, seen, used, moved, rehomed, checks.reboot, seen, used):
            check(t, m)
        checks.power_off(t, m)
        refused(t, m)
    finally:
        m.end()
    unload_all(t, sorted(set(m.hosts)))


if sys.argv[1:] not in (['one'], ['three'], ['sections']):
    sys.exit('usage: cells.py one|three|sections')
main(test_sections if sys.argv[1] == 'sections' else test)
