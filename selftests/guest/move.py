#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""vCPUs of a guest move between its hosts: who is where, what is refused, and work that goes on meanwhile."""
import base64
import contextlib
import json
import re
import statistics
import struct
import threading

import benchjobs
import checks
from guestlib import TICKLESS, Failed, Machine, load, main, must, unload_all

VCPU = 1
IDLE_MOVES = 20         # ends where it began
DISK = '-drive if=none,id=disk,format=raw,file=/tmp/first.img,cache=unsafe -device virtio-blk-pci,drive=disk'
# a vCPU and a node, or several, and what has to be said about them
REFUSED = [
    ([(9, 'node1')], 'there is no vCPU 9'),
    ([(VCPU, 'nodeX')], "there is no node 'nodeX'"),
    ([(0, 'node1')], 'vCPU 0 gets the legacy interrupts'),
    ([(VCPU, 'node0'), (VCPU, 'node1')], f'vCPU {VCPU} is named twice'),
]


def places(m):
    """Which vCPUs each node has, by query-dvmm."""
    return [n['vcpus'] for n in m.nodes()]


class Restless(threading.Thread):
    """Moves a vCPU to and fro until it is stopped."""

    def __init__(self, m):
        super().__init__(daemon=True)
        self.m, self.pauses, self.error = m, [], None
        self.enough = threading.Event()

    def run(self):
        try:
            while not self.enough.is_set():
                for name in ('node0', 'node1'):
                    self.pauses.append(self.m.move((VCPU, name))[1])
        except Failed as e:
            self.error = e

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.enough.set()
        self.join(120)


def under_moves(t, m, what, check):
    """A check while vCPU 1 moves."""
    with Restless(m) as moves:
        check(t, m)
    t.ok(not moves.error and len(moves.pauses) >= 4, f'the vCPU moved all the while: {what}',
         f'{len(moves.pauses)} moves; {moves.error}')
    t.diag(f'{what}: {len(moves.pauses)} moves, pause {statistics.median(moves.pauses or [0]):.0f} ms in the median, '
           f'{max(moves.pauses or [0]):.0f} ms at most')
    checks.nmi(t, m)


def packed(t, m):
    """All vCPUs on the boot node: the boot shares nothing."""
    t.ok(places(m) == [[0, 1], []], 'a packed machine starts with all vCPUs on the boot node', places(m))
    checks.cpus_online(t, m)
    checks.numa(t, m)
    moved = int(m.stats(0)['faults_read']) + int(m.stats(1)['faults_read'])
    t.ok(moved < 100, 'no page was read from another node while it booted', moved)


@contextlib.contextmanager
def busy(m):
    """vCPU 1 is not idle meanwhile."""
    m.must('setsid sh -c "while :; do :; done" > /dev/null 2>&1 < /dev/null & echo $! > /tmp/spinner', 240, str(VCPU))
    yield
    m.must('kill -9 $(cat /tmp/spinner)')


def memory_of(t, m):
    """Memory is read as the vCPU sees it that runs elsewhere: the top of its stack has the name of its program."""
    top = int(m.must("sed -n 's/^.*-\\([0-9a-f]*\\) .*stack]$/\\1/p' /proc/$(cat /tmp/spinner)/maps"), 16)
    m.qmp(json.dumps({'execute': 'memsave', 'arguments': {
        'val': top - 16, 'size': 16, 'filename': '/log/memory', 'cpu-index': VCPU}}))
    data = base64.b64decode(must(m.hosts[0], 'base64 /log/memory; rm /log/memory'))
    t.ok(re.search(rb'\w\0{9}$', data), 'memsave reads what the vCPU would', data)


def spread(t, m):
    """And then each is where its memory is."""
    n, ms = m.spread()
    t.ok(n == 1 and places(m) == [[0], [1]], 'a vCPU moves to its memory', places(m))
    t.diag(f'pause {ms:.0f} ms')
    n, ms = m.move((VCPU, 'node1'))
    t.ok((n, ms) == (0, 0), 'a vCPU that is there already does not move', (n, ms))
    with busy(m):
        before = checks.vcpu_seconds(m, 1)
        must(m.hosts[0], 'sleep 2')
        t.ok(checks.vcpu_seconds(m, 1) - before > 0.2, 'it works there')
        memory_of(t, m)


def price(t, m):
    """The pause of an idle vCPU's move beside a small ping of the same time; the design's goal is ten of them."""
    ping = benchjobs.Ping(size=56)
    pauses = [m.move((VCPU, f'node{i % 2}'))[1] for i in range(IDLE_MOVES)]
    pause, small = statistics.median(pauses), ping.median()
    t.ok(small, 'a ping is answered meanwhile')
    t.diag(f'{IDLE_MOVES} moves of an idle vCPU: pause {pause:.1f} ms in the median, {min(pauses):.1f} at least, {max(pauses):.1f} at most; '
           f'small ping {small:.2f} ms: {pause / small:.1f} of them')


def kicks(t, m):
    """The disk is read by the CPU of the other node, which waits for none of its kicks."""
    before = m.nodes()[1]
    checks.disk_sum(m, VCPU, 2)
    after = m.nodes()[1]
    kicked, answered = (after[key] - before[key] for key in ('kicks', 'accesses-answered'))
    t.ok(kicked >= 2 and answered < kicked, 'kicks of a disk by another node are not waited for',
         f'{kicked} kicks, {answered} accesses answered')
    t.diag(f'2 MiB of a disk read: {kicked} kicks, {answered} accesses answered')


def refused(t, m):
    """What cannot be is said, and nothing moves."""
    before = places(m)
    for pairs, want in REFUSED:
        text = m.ask_to_move(*pairs)
        t.ok(want in text and places(m) == before, f'refused: {want}', text)


def registers_of(m):
    """What the boot node's monitor shows of every vCPU, without where it is."""
    command = {'execute': 'human-monitor-command', 'arguments': {'command-line': 'info registers -a'}}
    text = m.qmp(json.dumps(command))
    return re.sub(r' on node \w+', '', text), re.findall(r'on node (\w+)', text)


def dumped(m):
    """RIP of each vCPU in a dump: of its NT_PRSTATUS, 32 + 4 + 76 bytes and 16 registers behind the beginning."""
    m.qmp(json.dumps({'execute': 'dump-guest-memory', 'arguments': {
        'paging': False, 'protocol': 'file:/log/dump', 'begin': 0, 'length': 4096}}))
    data = base64.b64decode(must(m.hosts[0], 'base64 /log/dump; rm /log/dump'))
    note = struct.pack('<III', 5, 336, 1) + b'CORE\0\0\0\0'
    return [struct.unpack_from('<Q', data, found.end() + 240)[0] for found in re.finditer(re.escape(note), data)]


def registers(t, m):
    """A vCPU's registers are told wherever it is, and are the same after a move."""
    with busy(m):
        m.qmp('{"execute": "stop"}')
        away, nodes = registers_of(m)
        rips = dumped(m)
        m.move((VCPU, 'node0'))
        here, none = registers_of(m)
        m.qmp('{"execute": "cont"}')
    t.ok(nodes == ['node1'] and not none, 'the monitor says which vCPU is elsewhere', f'{nodes} {none}')
    t.ok(away == here, 'all registers of a vCPU are the same before and after a move', f'{away}\n{here}')
    t.ok(rips == [int(rip, 16) for rip in re.findall(r'RIP=(\w+)', away)], 'a dump has the registers of all vCPUs', f'{rips} {away}')
    t.ok('HLT=0' in here[here.index('CPU#1'):], 'one at work is not shown as halted', here)
    bases = set(re.findall(r'GS =\w+ (\w+)', here))
    t.ok(len(bases) == m.total, 'and each vCPU has its own', bases)


def paused(t, m):
    """A machine that stands still stays so."""
    m.qmp('{"execute": "stop"}')
    m.move((VCPU, 'node0'))
    text = m.qmp('{"execute": "query-status"}')
    t.ok('"paused"' in text and places(m) == [[0, 1], []], 'a paused machine moves a vCPU and stays paused', text)
    m.qmp('{"execute": "cont"}')
    t.ok(m.must('echo alive', cpus=str(VCPU)).strip() == 'alive', 'the vCPU goes on where it is now')


def offline(t, m):
    """A CPU that is off moves too, and is started elsewhere."""
    cpu = f'{checks.SYS_CPU}/cpu{VCPU}/online'
    m.must(f'echo 0 > {cpu}', 120)
    m.move((VCPU, 'node1'))
    text = m.must(f'echo 1 > {cpu} && cat {checks.SYS_CPU}/online', 120)
    t.ok(text.strip() == '0-1', 'a CPU that was off when it moved comes online', text)


def quiet(t, m):
    """The guest's kernel has noticed nothing."""
    text = m.run("dmesg | grep -iE 'stall|lockup|hung|warp|unstable|Call Trace' | grep -v 'NMI backtrace'")[1]
    t.ok(not re.search(r'stall|lockup|hung|warp|unstable', text), "the guest's kernel has no complaint", text)


def all_of_it(t, m):
    """One boot."""
    must(m.hosts[0], 'truncate -s 64M /tmp/first.img')
    m.start(f'loglevel=5 {TICKLESS}', '-action reboot=reset ' + DISK)
    t.diag(f'up after {m.up():.0f} s with all CPUs')
    packed(t, m)
    spread(t, m)
    price(t, m)
    kicks(t, m)
    refused(t, m)
    registers(t, m)
    under_moves(t, m, 'litmus', lambda t, m: checks.litmus(t, m, 10))
    under_moves(t, m, 'clocks', checks.warps)
    under_moves(t, m, 'a disk', lambda t, m: checks.disk_write(t, m))
    paused(t, m)
    offline(t, m)
    quiet(t, m)
    if checks.reboot(t, m):
        checks.cpus_online(t, m)
    checks.power_off(t, m)


def test(t):
    """With one vCPU of each node."""
    m = Machine([0, 1], cpus=1, keys=['start = packed'], at_once=True)
    load({0, 1})
    try:
        all_of_it(t, m)
    finally:
        m.end()
    unload_all(t, (0, 1))


main(test)
