#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Two nodes run tiny.S: what devices, clocks and the end of a machine do needs no kernel in the guest.

usage: tiny.py [PART...]	functions of this file; all
"""
import base64
import re
import sys
import time

from guestlib import Machine, load, main, must, on, unload_all

IMAGE = '/dvmm/selftests/guest/tiny.bin'


class Tiny(Machine):
    """Two nodes of one vCPU on one host."""

    def __init__(self, operation, keys=()):
        super().__init__([0, 0], cpus=1, memory=128, transport='tcp', name='t', keys=keys)
        self.operation = operation

    def image(self):
        """The image, told what to do."""
        must(0, f'cp {IMAGE} /tmp/tiny.bin && printf {self.operation} | dd of=/tmp/tiny.bin conv=notrunc 2> /dev/null; '
             'rm -f /tmp/tiny.said')

    def start(self, words='', arguments=''):
        """QEMU of both nodes with the image."""
        self.image()
        super().start(words, f'-bios /tmp/tiny.bin -debugcon file:/tmp/tiny.said {arguments}')

    def letters(self):
        """What the guest has said."""
        return on(0, 'cat /tmp/tiny.said 2> /dev/null')[1]

    def wait_for(self, what, question, bound=60):
        """Asks until the answer has it; the last answer."""
        end = time.monotonic() + bound
        while what not in (answer := question()) and time.monotonic() < end:
            time.sleep(0.5)
        return answer

    def status(self):
        """The run state of the boot node; as soon as it can be asked."""
        text = on(0, f"guest qmp {self.process(0)} '{{\"execute\": \"query-status\"}}'")[1]
        return ''.join(re.findall(r'"status": "([^"]*)"', text)[-1:])

    def errors(self):
        """The messages of both QEMUs."""
        return self.said(0) + self.said(1)


def panicked(t):
    """A satellite's CPU tells of a guest's panic: all end as QEMU's default has it."""
    m = Tiny('p')
    try:
        m.start(arguments='-device pvpanic')
        m.wait_for('BA', m.letters)
        begin = time.monotonic()
        ends = [m.ended(node, 90)[0] for node in (0, 1)]
        t.ok(ends == [0, 0] and time.monotonic() - begin < 30, "a panic of a satellite's CPU ends the machine in order",
             f'{ends} after {time.monotonic() - begin:.0f} s, guest {m.letters()}\n{m.errors()}')
    finally:
        m.end()


def stuck(t):
    """A satellite's CPU cannot go on; then a reset."""
    m = Tiny('i')
    try:
        m.start(arguments='-action reboot=reset')
        status = m.wait_for('internal-error', m.status)
        t.ok(status == 'internal-error', 'a satellite that stops by itself stops the machine', f'{status}\n{m.errors()}')
        t.ok("node 'node1' stopped by itself (internal-error)" in m.errors(), 'and is named', m.errors())
        m.qmp('{"execute": "system_reset"}')
        m.wait_for('prelaunch', m.status)
        m.qmp('{"execute": "cont"}')
        letters = m.wait_for('BABA', m.letters)
        t.ok(letters == 'BABA', 'a reset gets it going again', f'{letters}\n{m.errors()}')
    finally:
        m.end()


def clock(t):
    """The guest writes one CPU's TSC and resets."""
    m = Tiny('t')
    try:
        m.start(arguments='-action reboot=reset')
        letters = m.wait_for('BA=BA', m.letters)
        letters = m.wait_for('=', lambda: m.letters()[len('BA=BA'):]) and m.letters()
        t.ok(letters == 'BA=BA=', "after a reset the CPUs' TSCs agree whatever the guest made of them",
             f'{letters}\n{m.errors()}')
    finally:
        m.end()


def unanswered(t):
    """The boot node's QEMU does not answer, and is there."""
    m = Tiny('q', keys=('timeout = 15',))
    try:
        m.start()
        m.wait_for('BA', m.letters)
        must(0, f'kill -STOP $(cat /run/guest/{m.process(0)}/pid)')
        status, seconds = m.ended(1, 60)
        t.ok(status == 1 and "node 'node0' has not answered an access of vCPU 1 to port 0x80 for 15 s" in m.said(1),
             'an access without an answer ends the machine', f'status {status} after {seconds:.0f} s\n{m.said(1)}')
    finally:
        m.end()


def hypercall(t):
    """The guest uses what its CPUID does not offer: an IPI that would pass by dvmm."""
    m = Tiny('v')
    try:
        m.start()
        letters = m.wait_for('BAr', m.letters)
        t.ok(letters == 'BAr', 'a hypercall that CPUID does not offer is refused', f'{letters}\n{m.errors()}')
    finally:
        m.end()


def firmware(t):
    """A satellite's CPU needs descriptors that are in the firmware's ROM, and writes there."""
    m = Tiny('s')
    try:
        m.start()
        letters = m.wait_for('BAs', m.letters)
        t.ok(letters == 'BAs', "a satellite's CPU loads segments from the firmware, which stays as it is", f'{letters}\n{m.errors()}')
    finally:
        m.end()


ANSWERED, KICKS = 'accesses-answered', 'kicks'
WRITES, TURNS, READS = 4096, 16, 8   # of tiny.S
LETTER = 1
# a vCPU waits for its 65th write
WAITED = WRITES // 65 + LETTER


def counters(m):
    """What the boot node has counted of its satellite's accesses."""
    return {key: m.nodes()[1].get(key, 0) for key in (ANSWERED, KICKS)}


def written(t, m, want):
    """The serial port's bytes are those, in order."""
    data = base64.b64decode(must(0, f'base64 {m.log(0, "console")}'))
    t.ok(data == want, 'each byte has come, in order', f'{len(data)} bytes: {data[:64]} ... {data[-64:]}')


def serial(t):
    """A satellite's CPU writes to the serial port."""
    m = Tiny('w')
    try:
        m.start()
        letters = m.wait_for('BAw', m.letters)
        counted = counters(m)
        t.diag(f'{WRITES} bytes of a satellite: {counted}')
        t.ok(letters == 'BAw' and counted[ANSWERED] <= WAITED + 8, 'bytes to a serial port are not waited for one by one',
             f'{letters} {counted}\n{m.errors()}')
        written(t, m, bytes(i & 255 for i in range(WRITES)))
    finally:
        m.end()


def in_turns(t):
    """CPUs of both nodes write to it in turns, and read what the other one has written."""
    m = Tiny('o')
    try:
        m.start()
        letters = m.wait_for('BAo', m.letters)
        counted = counters(m)
        t.diag(f'{WRITES // 2} bytes of a satellite in {TURNS} turns, {READS * 3} to be read elsewhere: {counted}')
        t.ok(letters == 'BAo', "a CPU reads what another node's CPU has written before", f'{letters}\n{m.errors()}')
        written(t, m, bytes(i & 255 for i in range(WRITES)))
    finally:
        m.end()


def kicks(t):
    """A satellite's CPU kicks ioeventfds, which end before its next access."""
    m = Tiny('k')
    try:
        m.start(arguments='-device pci-testdev,addr=0x10')
        letters = m.wait_for('BAk', m.letters)
        counted = counters(m)
        t.diag(f'{WRITES + 60} kicks of a satellite: {counted}')
        t.ok(letters == 'BAk' and counted[ANSWERED] <= WAITED + 30, 'kicks are not waited for', f'{letters} {counted}\n{m.errors()}')
        total = LETTER * 2 + 4 + 2 + WRITES + 60 + 2 + 10 + 1
        t.ok(sum(counted.values()) == total, 'and each one has come', f'{counted}, not {total}')
    finally:
        m.end()


def midway(t, operation, what):
    """A CPU moves while it is in the midst of something: it waits for a page that CPU 0 writes to."""
    m = Tiny(operation)
    try:
        m.start()
        m.wait_for(f'BA{operation}', m.letters)
        for _ in range(10):
            m.move((1, 'node0'))
            m.move((1, 'node1'))
        m.move((1, 'node0'))
        letters = m.letters()
        more = m.wait_for(operation, lambda: m.letters()[len(letters):])
        t.ok(operation in more and 'x' not in letters + more, what, f'{letters} {more}\n{m.errors()}')
    finally:
        m.end()


def exceptions(t):
    """It delivers an exception, each with another error code, so that none is right because it was left there."""
    midway(t, 'e', 'the error code of an exception moves with its CPU')


def shadow(t):
    """An interrupt may come after the instruction behind STI, not before: STI and HLT would miss a wake-up."""
    midway(t, 'h', 'an interrupt that waits for the instruction behind STI does so when its CPU moves')


class Small(Tiny):
    """A satellite in a cgroup that holds less than the satellite's memory."""

    CGROUP = '/tmp/tiny-cgroup'

    def start_node(self, node, words='', arguments=''):
        """Only a satellite is in it."""
        enter = f'echo 0 > {self.CGROUP}/small/cgroup.procs;' if node else ''
        must(0, f'{enter} guest start -c {self.total} -m 256 {self.place(node)} {self.process(node)} {arguments}')


def confined(t):
    """A node's memory has to fit into its QEMU's cgroup; that is found out before the guest starts."""
    m = Small('m', keys=('timeout = 5',))
    try:
        must(0, f'mkdir -p {m.CGROUP} && mount -t cgroup2 none {m.CGROUP} && echo +memory > {m.CGROUP}/cgroup.subtree_control '
             f'&& mkdir {m.CGROUP}/small && echo 112M > {m.CGROUP}/small/memory.max')
        m.start()
        ends = [m.ended(node, 60)[0] for node in (1, 0)]
        t.ok(ends[0] == 1 and "cannot create the memory of node 'node1', 128 MiB" in m.said(1) and not m.letters(),
             'a node whose cgroup has no room for its memory is refused', f'{ends}, guest {m.letters()}\n{m.said(1)}')
        t.ok(ends[1] == 1 and "'node1' did not connect" in m.said(0), 'and who waits for it gives up by name', m.said(0))
    finally:
        m.end()
        on(0, f'rmdir {m.CGROUP}/small; umount {m.CGROUP}')


def lost(t):
    """A node is lost: who looks after the machine hears of it."""
    m = Tiny('n')
    try:
        m.start()
        m.wait_for('BA', m.letters)
        text = on(0, f'qmp -t 30 -e DVMM_STOPPED /run/guest/{m.process(0)}/qmp & sleep 3; guest kill {m.process(1)}; wait')[1]
        t.ok('"DVMM_STOPPED"' in text and '"node": "node1"' in text, 'a lost node is an event of QMP', f'{text}\n{m.said(0)}')
    finally:
        m.end()


def left_terminal(t):
    """A node is lost while its peer has a terminal."""
    m = Tiny('n')
    try:
        m.image()
        m.write_file()
        m.start_node(1, '', '-bios /tmp/tiny.bin')
        text = on(0, f'{{ while ! grep -qs BA /tmp/tiny.said; do usleep 200000; done; guest kill {m.process(1)}; }} '
                  f'2> /dev/null & timeout 100 /dvmm/selftests/guest/terminal qemu-system-x86_64 -accel kvm,dvmm=on,'
                  f'dvmm-machine={m.file},dvmm-node=node0 -nodefaults -nographic -serial mon:stdio '
                  '-bios /tmp/tiny.bin -debugcon file:/tmp/tiny.said', 120)[1]
        t.ok('stopped: node 1' in text and 'cooked' in text, 'and leaves the terminal as it was', text)
    finally:
        m.end()


PARTS = (panicked, stuck, clock, hypercall, firmware, serial, in_turns, kicks, exceptions, shadow, confined, unanswered, lost,
         left_terminal)


def test(t):
    """One after the other, on one host."""
    load([0])
    for part in PARTS:
        if part.__name__ in sys.argv[1:] or not sys.argv[1:]:
            part(t)
    unload_all(t, [0], 'afterwards ')


main(test)
