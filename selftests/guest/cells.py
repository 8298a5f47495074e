#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Nodes that lend memory alone, vCPUs alone, or neither yet: what the guest sees of them, and that all of it is used.

usage: cells.py one | three      four nodes of one kernel, or three hosts
"""
import sys

import checks
from guestlib import Uneven, load, main, must, on, unload_all

SYS_NODE = '/sys/devices/system/node'
CPUS = [2, 0, 1, 0]
MEMORY = [256, 128, 0, 0]

# Linux numbers NUMA nodes by its tables, where CPUs come first: node1's memory is the last one's.
LENT = 2

# 16 MiB of that NUMA node, filled on one CPU and read on another; then they go.
FILL = """cg=/tmp/cg; mkdir -p $cg; grep -q " $cg " /proc/mounts || mount -t cgroup2 none $cg
echo +cpuset > $cg/cgroup.subtree_control; mkdir -p $cg/there; echo {node} > $cg/there/cpuset.mems
sh -c 'echo $$ > /tmp/cg/there/cgroup.procs; taskset -c {writer} head -c 16777216 /dev/urandom > /tmp/filled'
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
    text = m.must(FILL.format(node=LENT, writer=2, reader=0, sys=SYS_NODE), 240)
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


if sys.argv[1:] not in (['one'], ['three']):
    sys.exit('usage: cells.py one|three')
main(test)
