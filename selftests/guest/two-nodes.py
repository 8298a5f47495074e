#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""One guest with 2 vCPUs on each of two nodes: everything that one boot can show.

usage: two-nodes.py one|two [quick] [small] [rdma] [stock] [reboot]	both nodes in one kernel (loop), or each in its own (TCP);
							small: with 1 vCPU on each;
							stock: without the words of dvmm-guest;
							reboot: a second guest follows (move.py always has one)
"""
import sys

import checks
from guestlib import TICKLESS, Machine, load, main, must, no_roce, soft_roce, unload_all

WORDS = 'loglevel=5'
ARGUMENTS = ('-action reboot=reset '
             '-drive if=none,id=first,format=raw,file=/tmp/first.img,cache=unsafe '
             '-device virtio-blk-pci,drive=first '
             '-drive if=none,id=second,format=raw,file=/tmp/second.img,cache=unsafe '
             '-device virtio-blk-pci,drive=second,vectors=0 '
             '-chardev pipe,id=data,path=/tmp/m.pipe -device virtserialport,chardev=data,name=data')


def prepare(m):
    """Back-ends of the devices, on the boot node alone."""
    must(m.hosts[0], 'truncate -s 64M /tmp/first.img && truncate -s 16M /tmp/second.img && '
         'rm -f /tmp/m.pipe.* && mkfifo /tmp/m.pipe.in /tmp/m.pipe.out')


def sees(t, m):
    """What the guest finds."""
    checks.cpus_online(t, m)
    checks.cpus_came_later(t, m)
    checks.numa(t, m)
    checks.idles(t, m)
    checks.query(t, m)


def works(t, m):
    """Memory and interrupts under load."""
    checks.parallel(t, m)
    checks.signals(t, m)
    checks.reads_ahead(t, m)
    checks.litmus(t, m)
    checks.stays_home(t, m)
    checks.nmi(t, m)
    checks.hotplug(t, m)
    checks.stop_cont(t, m)


def devices(t, m):
    """Everything outside of memory belongs to the boot node."""
    checks.msi_affinity(t, m)
    checks.level_affinity(t, m)
    checks.serial_transfer(t, m)
    return checks.disk_write(t, m)


def after_reboot(t, m, want):
    """The same machine, a second guest."""
    checks.cpus_online(t, m)
    cpu = m.local(1)[-1]
    t.ok(checks.disk_sum(m, cpu) == want, f'the disk reads identical on CPU {cpu} after a reboot')
    checks.parallel(t, m, 1000000)


def quick(t, m):
    """That it works at all."""
    sees(t, m)
    checks.parallel(t, m)
    checks.litmus(t, m, 10)
    checks.nmi(t, m)
    checks.power_off(t, m)


def everything(t, m):
    """In the order of what one wants to know first."""
    sees(t, m)
    works(t, m)
    want = devices(t, m)
    checks.clock(t, m)     # late: the kernel takes its time to trust the TSC
    checks.faults(t, m, 'all')
    if 'reboot' not in sys.argv:
        checks.power_off(t, m)
    elif checks.reboot(t, m):
        after_reboot(t, m, want)
        checks.power_off(t, m)


def test(t):
    """One boot and what it can show."""
    hosts = [0, 1] if sys.argv[1:2] == ['two'] else [0, 0]
    rdma = 'rdma' in sys.argv
    m = Machine(hosts, cpus=1 if 'small' in sys.argv else 2, transport='rdma' if rdma else None)
    load(set(hosts))
    if rdma:
        soft_roce(set(hosts))
    prepare(m)
    try:
        m.start(WORDS if 'stock' in sys.argv else f'{WORDS} {TICKLESS}', ARGUMENTS)
        t.diag(f'guest up after {m.up(900):.0f} s')
        checks.faults(t, m, 'boot')
        (quick if 'quick' in sys.argv else everything)(t, m)
    finally:
        m.end()
    unload_all(t, sorted(set(hosts)))
    for host in set(hosts) if rdma else ():
        no_roce(host)


main(test)
