#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Two node VMs at work under conditions that hosts meet: bad cables, a pause, signals, a
full memory, an administrator who unloads modules.  The machine is unharmed, or it stops
everywhere with the true reason.
"""
import subprocess
import time

from aftermath import BOUND, at_work, clean, stops
from vmlib import Machine, load, main, must, on

NODES = 2
CACHE = ('--cache', str(100 * 4096))

# what the cable does to each packet, in either direction
CABLES = (
    'delay 20ms 10ms',
    'loss 2%',
    'duplicate 5%',
    'delay 5ms reorder 25% 50%',
)

LOST = ['node 0 lost its link to node 1: ', 'node 1 lost its link to node 0: ']


def cluster(*words):
    """A verb of the testbed."""
    subprocess.run(['cluster', *words], check=True, timeout=120)


def cable(node, words):
    """Sets or, without words, clears what a node's end of the cable does."""
    peer = 1 - node
    must(node, f'/usr/bin/tc qdisc del dev to{peer} root 2>/dev/null; '
         + (f'/usr/bin/tc qdisc add dev to{peer} root netem limit 10000 {words}' if words else 'true'))


def unharmed(t, what, action, workload='counters', seconds=8):
    """The workload meets something and ends well."""
    m = Machine(NODES, workload, ('--seconds', str(seconds), *CACHE), bound=120)
    at_work(m)
    note = action()
    statuses = m.wait()
    t.ok(not any(statuses) and not m.bad(), f'{what}: unharmed', f'{statuses}\n{m.text()}')
    if note:
        t.diag(note)


def bad_cables(t):
    """Packets come late, twice, in another order, or not."""
    for words in CABLES:
        for node in range(NODES):
            cable(node, words)
        m = Machine(NODES, 'counters', ('--seconds', '5', *CACHE), bound=120)
        statuses = m.wait()
        t.ok(not any(statuses) and not m.bad(), f'netem {words}: unharmed', f'{statuses}\n{m.text()}')
        shown = must(0, '/usr/bin/tc -s qdisc show dev to1')
        t.diag(' '.join(shown.split()))
        for node in range(NODES):
            cable(node, '')


def one_way(t, mute):
    """All that a node says is lost, while it hears everything."""
    what = f'node {mute} is not heard'
    m = Machine(NODES, 'counters', ('--seconds', '60', *CACHE))
    at_work(m)
    began = time.monotonic()
    cable(mute, 'loss 100%')
    for node in range(NODES):
        stops(t, m, node, began, LOST, what)
    cable(mute, '')
    m.wait()
    for node in range(NODES):
        clean(t, node, what)
    load(range(NODES))


def pause(seconds):
    """A host that stands still and goes on."""
    def act():
        cluster('pause', '1')
        time.sleep(seconds)     # the fault itself is so long
        cluster('resume', '1')
    return act


def long_pause(t):
    """Too long: the other one gives up, and so does the paused one when it wakes up."""
    what = 'a paused host'
    m = Machine(NODES, 'counters', ('--seconds', '60', *CACHE))
    at_work(m)
    began = time.monotonic()
    cluster('pause', '1')
    stops(t, m, 0, began, LOST, what)
    time.sleep(2)
    awake = time.monotonic()
    cluster('resume', '1')
    stops(t, m, 1, awake, LOST, f'{what}, resumed')
    m.wait()
    for node in range(NODES):
        clean(t, node, what)
    load(range(NODES))


def signals():
    """Stopped and continued, so that waits are interrupted."""
    for node in range(NODES):
        must(node, 'for i in $(seq 40); do busybox killall -STOP dvmm-node; busybox killall -CONT dvmm-node; '
             'usleep 20000; done')


def full_memory():
    """A process that takes all there is, until the kernel ends it; twice."""
    for _ in range(2):
        status = on(1, 'echo 1000 > /proc/self/oom_score_adj; dd if=/dev/zero of=/dev/null bs=1900M count=1', 60)[0]
        if status != 137:
            raise ValueError(f'the process that took all memory ended with {status}, not by the kernel')
    return must(1, 'dmesg | grep -c "Out of memory: Killed process"').strip() + ' processes killed for want of memory'


def unloading():
    """Every module, in use as it is."""
    for node in range(NODES):
        for module in ('dvmm', 'dvmm_tcp'):
            status, text = on(node, f'rmmod {module}')
            if not status:
                raise ValueError(f'{module} was unloaded while in use: {text}')


def test(t):
    """Everything."""
    t.diag(f'a link that is lost shows within {BOUND} s')
    load(range(NODES))
    bad_cables(t)
    unharmed(t, 'a host that stands still for a second', pause(1))
    unharmed(t, 'processes stopped and continued', signals)
    unharmed(t, 'rmmod while in use', unloading)
    unharmed(t, 'no memory left on a host', full_memory, 'pressure', 20)
    for mute in range(NODES):
        one_way(t, mute)
    long_pause(t)


main(test)
