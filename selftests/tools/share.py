#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A region that two machines on two hosts share, with its doorbell: clients and guests, strangers, and a host that is lost."""
import re
import shlex
import subprocess
import threading
import time

from desk import PATIENCE, Desk, load, main, must, on, unload

CLIENT = '/dvmm/selftests/tools/ivshmem'
LATE = '/dvmm/selftests/tools/ivshmem_late'
LIBRARIES = 'LD_LIBRARY_PATH=/qemu/lib'     # of QEMU, among them GnuTLS
RING_SECONDS = 90
SWAPS = 30
FAR = 64                                    # the first client of the second node


def until(node, script, bound=30):
    """Until a script succeeds on a node; whether it did, and its last words."""
    text = on(node, f'for i in $(seq {bound * PATIENCE * 10}); do t=$({script} 2>&1) && echo "$t" && exit 0; usleep 100000; done; '
              'echo "$t"; exit 1', (bound + 20) * PATIENCE)
    return text[0] == 0, text[1]


class Sharer:
    """dvmm share of a node, in the foreground of a shell that keeps what it says."""

    def __init__(self, desk, node, name):
        self.node, self.out = node, f'/tmp/share-{name}-{time.monotonic_ns()}'
        words = f'{LIBRARIES} dvmm share {name} {" ".join(desk.places)}'
        must(node, f'setsid sh -c "{words} > {self.out} 2>&1; echo status \\$? >> {self.out}" > /log/none 2>&1 < /dev/zero &')

    def says(self, text, bound=30):
        """Waits for that."""
        return until(self.node, f'grep -m 1 -F {shlex.quote(text)} {self.out} || {{ cat {self.out}; false; }}', bound)

    def text(self):
        """All that it has said."""
        return must(self.node, f'cat {self.out}')


class Client:
    """A client of the region on a host, that lives until it is ended."""

    def __init__(self, desk, node, name):
        self.node, self.path = node, f'/tmp/client-{name}'
        must(node, f'rm -f {self.path}.*; mkfifo {self.path}.in; setsid sh -c "exec {CLIENT} {desk.dir}/run/pool/node{node}/ivshmem '
             f'<> {self.path}.in > {self.path}.out 2>&1" > /log/none 2>&1 < /dev/zero & echo $! > {self.path}.pid')

    def says(self, line, bound=20, times=1):
        """Waits for a line, as many times; whether it came, and all lines."""
        return until(self.node, f'cat {self.path}.out; test $(grep -cx "{line}" {self.path}.out) -ge {times}', bound)

    def does(self, line):
        """Has it do that: what it has said since."""
        before = len(must(self.node, f'cat {self.path}.out'))
        must(self.node, f'echo {line} > {self.path}.in')
        good, text = until(self.node, f'tail -c +{before + 1} {self.path}.out; tail -c +{before + 1} {self.path}.out | grep -qx "did {line}"')
        return text if good else f'nothing: {text}'

    def end(self):
        """As a crash would."""
        must(self.node, f'kill -9 $(cat {self.path}.pid)')


class Guest:
    """A machine of its own on one host, which has the region as a device."""

    def __init__(self, desk, node, name=None):
        self.desk, self.node, self.name = desk, node, name or f'm{node}'
        self.bars = None
        self.start()

    def region(self):
        """What it gets the region by: of dvmm create, and of QEMU."""
        return ['--share', 'pool'], ''

    def words(self, *nodes):
        """Of dvmm create; what it needs is there."""
        must(self.node, 'mkdir -p /tmp/extra; cp $(find /lib/modules -name dvmm-doorbell.ko) /tmp/extra/doorbell.ko; cd /tmp/extra; '
             '{ cat /images/guest.cpio; echo doorbell.ko | cpio -o -H newc; } > /tmp/share.initrd 2> /tmp/cpio.out')
        words, device = self.region()
        args = (f'{device} -device virtio-serial-pci,max_ports=4 -chardev socket,id=agent,path=/tmp/agent.{self.name},server=on,wait=off '
                '-device virtserialport,chardev=agent,name=dvmm.agent')
        return ['create', self.name, *(word for node in nodes for word in (
            '--node', f'node{node}=10.77.0.{node + 1},cpus=1,memory=96M,port=7600,ssh={node}')), '--kernel', '/images/vmlinuz',
                '--initrd', '/tmp/share.initrd', '--machine', 'q35,smm=off,hpet=off', *words, '--args', args, '--append',
                f'console=ttyS0 loglevel=5 panic=-1 tsc=reliable net.ifnames=0 {must(self.node, "guest words").strip()}']

    def start(self):
        """By the commands of its host."""
        self.must_there(*map(shlex.quote, self.words(self.node)))
        self.must_there('run', self.name, '--detach')

    def must_there(self, *words):
        """The command on its host."""
        status, text = self.desk.there(self.node, *words)
        if status:
            raise ValueError(f'{words}: {text}')

    def run(self, script, bound=60):
        """A shell script in the guest."""
        status, text = on(self.node, f'agentctl -w {bound * PATIENCE} -t {bound * PATIENCE} /tmp/agent.{self.name} sh -c {shlex.quote(script)}',
                          (bound + 20) * PATIENCE)
        if status:
            said = on(self.node, f'tail -n 5 {self.desk.dir}/run/{self.name}/node{self.node}/log; dmesg | tail -n 5')[1]
            raise ValueError(f'{self.name}: status {status} of {script}: {text}; its node says: {said}')
        return text

    def up(self):
        """Waits for it, and for the device to be enabled, and finds its BARs."""
        self.run('insmod /doorbell.ko', 200)
        text = self.run('cat $(dirname $(grep -l 0x1110 /sys/bus/pci/devices/*/device))/resource')
        self.bars = [int(line.split()[0], 16) for line in text.splitlines()]

    def read(self, offset):
        """A word of the region."""
        return int(self.run(f'devmem {self.bars[2] + offset:#x} 32'), 16)

    def write(self, offset, value):
        """Another one."""
        self.run(f'devmem {self.bars[2] + offset:#x} 32 {value:#x}')

    def ring(self, peer):
        """By its Doorbell register."""
        self.run(f'devmem {self.bars[0] + 12:#x} 32 {peer << 16:#x}')

    def rung(self, at_least):
        """How often it was interrupted, once it was that often."""
        return int(self.run(f'for i in $(seq 200); do n=$(cat /sys/module/dvmm_doorbell/parameters/rung); test $n -ge {at_least} && break; '
                            'done; echo $n'))


class Pair(Guest):
    """One of both hosts, which begins on the first."""

    def __init__(self, desk):
        super().__init__(desk, 0, 'pair')
        self.enough = threading.Event()
        self.moves = 0

    def start(self):
        """By the commands of the desk."""
        said = [self.desk.dvmm(*self.words(0, 1)), self.desk.packed(self.name), self.desk.dvmm('push', self.name),
                self.desk.dvmm('up', self.name)]
        if any(status for status, _ in said):
            raise ValueError(said)

    def restless(self):
        """Its second vCPU moves to and fro."""
        while not self.enough.is_set():
            for verb in ('spread', 'pack'):
                self.moves += '1 moved' in self.desk.dvmm(verb, self.name)[1]

    def end(self):
        """Without ado, on both hosts: the next guest has its port."""
        self.desk.dvmm('down', self.name, '--force')
        until(1, '! pidof qemu-system-x86_64', 30)


def moving(t, desk, near):
    """A client rings, again and again, while the vCPU that hears it moves."""
    pair = Pair(desk)
    mover = threading.Thread(target=pair.restless, daemon=True)
    try:
        good, text = near.says('peer 1', 60)
        t.ok(good, 'a guest of both hosts is a peer', text)
        pair.up()
        pair.run("echo 2 > /proc/irq/$(sed -n 's/^ *\\([0-9]*\\):.*doorbell$/\\1/p' /proc/interrupts)/smp_affinity")
        mover.start()
        rings, heard, end = 0, 0, time.monotonic() + RING_SECONDS
        while rings == heard and time.monotonic() < end:
            near.does('ring 1 1')
            rings += 1
            heard = pair.rung(rings)
        pair.enough.set()
        mover.join(120)
        t.ok(heard == rings and pair.moves >= 4, 'each of its rings is heard while vCPUs move', f'{heard} of {rings}, {pair.moves} moves')
        t.diag(f'{rings} rings, {pair.moves} moves')
    finally:
        pair.enough.set()
        pair.end()
    good, text = near.says('gone 1', 60)
    t.ok(good, 'and is none when it has ended', text)


class Late(Guest):
    """One whose server is slow to give it its own doorbell."""

    def __init__(self, desk):
        self.path = f'{desk.dir}/late'
        must(0, f'mkfifo {self.path}.in; setsid sh -c "exec {LATE} {self.path} {FAR + 1} <> {self.path}.in > {self.path}.out 2>&1" '
             '> /log/none 2>&1 < /dev/zero &')
        super().__init__(desk, 0, 'late')

    def region(self):
        """Not of a machine of its own."""
        return [], f'-chardev socket,id=late,path={self.path} -device ivshmem-doorbell,vectors=1,chardev=late'

    def told(self, line='ring'):
        """Its doorbell, once, and a ring; or what else the server does."""
        must(0, f'echo {line} > {self.path}.in')

    def swaps(self, peer):
        """Peers come by a number, one after the other: how often the last one but one was rung."""
        for _ in range(SWAPS):
            self.told(f'swap {peer}')
        self.ring(peer)
        self.told(f'swap {peer}')
        good, text = until(0, f'grep -c . {self.path}.out | grep -qx {SWAPS} && tail -n 1 {self.path}.out')
        return text.strip() if good else f'nothing: {text}'


def late(t, desk):
    """A guest starts, and takes the device, before the server has given it its own doorbell."""
    guest = Late(desk)
    guest.must_there('wait', 'late')
    guest.up()
    t.ok('on' in guest.run('echo on'), 'a guest runs that has no doorbell of its own yet')
    for times in (1, 2):
        guest.told()
        got = guest.rung(times)
        t.ok(got == times, f'it is told, and rung: {times}', got)
    text = guest.swaps(FAR + 2)
    t.ok(text == f'peer {FAR + 2} was rung 1 times', f'{SWAPS} peers come by one number: the last one is rung', text)
    guest.told()
    got = guest.rung(3)
    t.ok(got == 3, 'and the guest is', got)
    desk.there(0, 'down', 'late', '--force')


def strangers(t, desk):
    """Who has another key, none, another machine or another file is refused while a node waits, and told why."""
    first = Sharer(desk, 0, 'other')
    etc = f'{desk.dir}/etc'
    right = must(1, f'cat {etc}/other.conf')
    must(1, f'umask 077; tr 0-9 1-90 < {etc}/other.key > {etc}/wrong.key')
    for what, change, at_home, away in (
            ('another key', ('uuid', 'key = wrong.key\nuuid'), 'no TLS by the key: An illegal parameter', "no TLS with node 'node0'"),
            ('no key', ('uuid', 'security = none\nuuid'), 'no TLS by the key: An unexpected TLS packet', "node 'node0' hung up"),
            ('another machine', ('uuid = ........', 'key = other.key\nuuid = 12345678'), 'a machine with another UUID',
             "node 'node0' refused: a machine with another UUID"),
            ('another file', ('uuid', 'key = other.key\nstall = 7\nuuid'), 'its machine file is another',
             "node 'node0' refused: its machine file is another one: dvmm push")):
        must(1, f'printf %s {shlex.quote(re.sub(*change, right, count=1))} > {etc}/stranger.conf')
        status, text = on(1, f'{LIBRARIES} dvmm share stranger {" ".join(desk.places)}', 60)
        t.ok(status == 1 and away in text, f'a stranger with {what}: it is told', (status, text))
        good, text = first.says(f'a caller from 10.77.0.2 is refused: {at_home}')
        t.ok(good, f'a stranger with {what}: it is refused, by its address', text)
        t.diag(text)
    t.ok('status' not in first.text(), 'the node waits on', first.text())
    return first


def clients(t, near, far):
    """Two clients: memory and doorbells both ways."""
    for client, number, other in ((near, 0, FAR), (far, FAR, 0)):
        good, text = client.says(f'id {number}')
        t.ok(good and client.says('memory 2097152')[0], f'client {number} has the region', text)
        good, text = client.says(f'peer {other}')
        t.ok(good, f'and knows of {other}', text)
    near.does('write 8192 hello')
    text = far.does('read 8192')
    t.ok('hello\n' in text, 'what one host writes the other reads', text)
    far.does('write 8192 world')
    text = near.does('read 8192')
    t.ok('world\n' in text, 'and the other way', text)
    near.does(f'ring {FAR} 5')
    good, text = far.says('rung 5')
    t.ok(good, 'five rings come as five', text)
    far.does('ring 0 1000')
    good, text = near.says('rung 1000')
    t.ok(good, 'a thousand come as a thousand, the other way', text)


def third(t, desk, near, far, number):
    """A client that joins and is killed."""
    client = Client(desk, 0, 'third')
    for what, other in (('its own host', near), ('the other host', far)):
        good, text = other.says(f'peer {number}')
        t.ok(good, f'a third client is told to {what}', text)
    far.does(f'ring {number} 1')
    good, text = client.says('rung 1')
    t.ok(good, 'and is rung from there', text)
    client.end()
    for what, other in (('its own host', near), ('the other host', far)):
        good, text = other.says(f'gone {number}')
        t.ok(good, f'that it is gone is told to {what}', text)


def guests(t, first, second, near, far):
    """What they see of each other and of clients."""
    first.up()
    second.up()
    near.does('write 0 ABCD')
    got = [guest.read(0) for guest in (first, second)]
    t.ok(got == [0x44434241] * 2, 'both guests see what a client wrote', [hex(word) for word in got])
    first.write(4096, 0x12345678)
    got = second.read(4096)
    t.ok(got == 0x12345678, 'one guest sees what the other wrote', hex(got))
    second.write(4096, 0x45464748)
    text = near.does('read 4096')
    t.ok('HGFE\n' in text, 'and a client does', text)
    second.ring(0)
    good, text = near.says('rung 1001')
    t.ok(good, "a guest rings the other host's client", text)
    first.ring(FAR)
    good, text = far.says('rung 6')
    t.ok(good, 'so does the other guest', text)
    far.does('ring 1 1')
    got = first.rung(1)
    t.ok(got == 1, 'a client interrupts the guest of the other host, once', got)
    first.ring(FAR + 1)
    got = second.rung(1)
    t.ok(got == 1, 'a guest interrupts the other one', got)
    first.ring(FAR + 1)
    got = second.rung(2)
    t.ok(got == 2, 'and again', got)


def lost(t, sharer, near, far, guest):
    """The other host is switched off, with a page that nobody else has."""
    far.does('write 12288 far')
    subprocess.run(['cluster', 'kill', '1'], check=True, timeout=30)
    begin = time.monotonic()
    good, text = sharer.says('status 1', 20)
    t.ok(good and re.search(r'^dvmm: node0: .*node ?.?1', sharer.text(), re.M), 'a host is lost: the other one says so: 1', sharer.text())
    t.diag(f'{time.monotonic() - begin:.1f} s: {sharer.text()}')
    good, text = near.says('closed')
    t.ok(good, 'its client sees the end', text)
    text = on(0, f'agentctl -w 10 -t 10 /tmp/agent.{guest.name} devmem {guest.bars[2] + 12288:#x} 32')[1]
    t.ok('0x' not in text, 'what was only there its guest does not read', text)
    t.ok('on' in guest.run('echo on'), 'and goes on', text)


def ends(t, desk, sharers):
    """One is told to."""
    status, text = desk.there(1, 'down', 'other')
    t.ok(status == 0 and sharers[1].says('status 0')[0], 'down ends one of them', (status, text, sharers[1].text()))
    good, text = sharers[0].says('status 1')
    t.ok(good and "node 'node1' was told to end" in sharers[0].text(), 'and the other one says why', sharers[0].text())


def share_both(t, desk, name, first=None):
    """Both nodes, ready."""
    sharers = [first or Sharer(desk, 0, name), Sharer(desk, 1, name)]
    for sharer in sharers:
        good, text = sharer.says('shares 2 MiB: ')
        t.ok(good, f'host {sharer.node} shares the region', text)
    return sharers


def create(t, desk):
    """A region for guests and clients, and one for strangers, which is short of time."""
    for name, port in (('pool', 7400), ('other', 7500)):
        status = [desk.dvmm('create', name, '--node', f'node0=10.77.0.1,port={port},cpus=0,memory=2M,ssh=0',
                            '--node', f'node1=10.77.0.2,port={port},cpus=0,ssh=1'), desk.dvmm('push', name)]
        t.ok(not any(s for s, _ in status), f'{name}: create and push', status)


def test(t):
    """Everything. Guests boot while strangers try."""
    desk = Desk()
    load(range(2))
    create(t, desk)
    try:
        sharers = share_both(t, desk, 'pool')
        near, far = Client(desk, 0, 'near'), Client(desk, 1, 'far')
        clients(t, near, far)
        late(t, desk)
        moving(t, desk, near)
        pair = [Guest(desk, node) for node in range(2)]
        for number, times in ((1, 2), (FAR + 1, 1)):
            good, text = near.says(f'peer {number}', 60, times)
            t.ok(good, f'guest {number} is a peer', text)
        third(t, desk, near, far, 2)
        ends(t, desk, share_both(t, desk, 'other', strangers(t, desk)))
        guests(t, *pair, near, far)
        lost(t, sharers[0], near, far, pair[0])
    finally:
        on(0, 'kill -9 $(pidof ivshmem ivshmem_late qemu-system-x86_64)')
    subprocess.run(['cluster', 'restart', '1'], check=True, timeout=120)
    t.ok(unload(0)[0] == 0, 'the modules of host 0 unload')


main(test)
