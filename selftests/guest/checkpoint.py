#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A guest of two hosts is saved to a file, loses a host, and goes on from the file: on two hosts, on one, and in a QEMU
without dvmm.

usage: checkpoint.py [fewer]	fewer: both nodes on one host, instead of the others
"""
import json
import sys
import time

import checks
from guestlib import PATIENCE, Failed, Machine, Plain, load, main, must, on, unload_all

STATE = '/log/checkpoint'
STEPS = 100000
# what the machine's vCPUs have not, so that their state fits
PLAIN_CPU = 'host,kvmclock=off,kvmclock-stable-bit=off,kvm-asyncpf=off,kvm-steal-time=off,kvm-pv-eoi=off,svm=off,invtsc=on'


def job():
    """What the guest's job comes to."""
    total = 0
    for i in range(STEPS):
        total = (total * 31 + i) % 1000003
    return total


def command(name, **arguments):
    """A QMP command as text."""
    return json.dumps({'execute': name, 'arguments': {key.replace('_', '-'): value for key, value in arguments.items()}})


def ask(m, name, **arguments):
    """Its answer, an error too."""
    text = on(m.hosts[0], f"guest qmp {m.process(0)} '{command(name, **arguments)}' 2>&1")[1]
    rows = [json.loads(line) for line in text.splitlines() if '"return"' in line or '"error"' in line]
    return rows[-1] if rows else {'error': {'desc': text}}


MAPPED = {'capabilities': [{'capability': 'mapped-ram', 'state': True}]}
AS_IT_WAS = {'capabilities': [{'capability': 'background-snapshot', 'state': True}, *MAPPED['capabilities']]}


def ended(m, name, good, bound=200):
    """A query's answer once its status is one of those that end."""
    end = time.monotonic() + bound * PATIENCE
    while time.monotonic() < end:
        answer = ask(m, name).get('return', {})
        if answer.get('status') in good:
            return answer
        time.sleep(0.2)
    raise Failed(f'{name}: {answer}')


def busy(m):
    """A job on the other node's CPU that checks itself, and a file in its memory."""
    script = f'i=0; s=0; while test $i -lt {STEPS}; do s=$(((s * 31 + i) % 1000003)); i=$((i + 1)); done; echo $s > /tmp/sum'
    m.must(f'dd if=/dev/urandom of=/tmp/file bs=64k count=16 2> /dev/null; md5sum /tmp/file > /tmp/md5; rm -f /tmp/sum; '
           f'setsid sh -c "{script.replace("$", chr(92) + "$")}" > /dev/null 2>&1 < /dev/null &', 240, str(m.far()))


def refused(t, m):
    """What would be saved wrong is not saved."""
    text = str(ask(m, 'migrate', uri=f'file:{STATE}.no'))
    t.ok('vCPU 1 is on node' in text, 'refused while a vCPU is elsewhere', text)
    m.move(*((cpu, 'node0') for cpu in range(m.total)))
    text = str(ask(m, 'migrate', uri=f'file:{STATE}.no'))
    t.ok('while it runs' in text, 'refused while the guest runs', text)
    m.spread()


def await_cut(m):
    """Until the guest may go on."""
    while True:
        answer = ask(m, 'query-migrate').get('return', {})
        if answer.get('status') in ('completed', 'failed', 'cancelled') or \
           any(answer.get('ram', {}).get(key) for key in ('normal', 'duplicate')):
            return answer
        time.sleep(0.1)


def save(t, m):
    """The whole guest into a file, as it is now; it goes on meanwhile, and changes all that is looked at later."""
    t.ok(m.run('test -e /tmp/sum')[0] == 1, 'its job has not ended when it is saved')
    m.qmp('{"execute": "stop"}')
    begin = time.monotonic()
    m.move(*((cpu, 'node0') for cpu in range(m.total)))
    packed = time.monotonic()
    m.qmp(command('migrate-set-capabilities', **AS_IT_WAS), command('migrate', uri=f'file:{STATE}'))
    await_cut(m)
    cut = time.monotonic()
    m.spread()
    before = checks.vcpu_seconds(m, 1)
    m.qmp('{"execute": "cont"}')
    ran = time.monotonic()
    while checks.vcpu_seconds(m, 1) < before + 0.1:
        time.sleep(0.1)
    meanwhile = ask(m, 'query-migrate').get('return', {}).get('status')
    t.ok(meanwhile == 'active', 'the guest goes on while it is saved', meanwhile)
    m.must('dd if=/dev/urandom of=/tmp/file bs=64k count=16 conv=notrunc 2> /dev/null; rm /tmp/md5; echo alive', 240, str(m.far()))
    answer = ended(m, 'query-migrate', ('completed', 'failed'))
    t.ok(answer['status'] == 'completed', 'the guest is saved', answer)
    size = int(must(m.hosts[0], f'du -k {STATE} | cut -f 1'))
    t.diag(f'packed after {packed - begin:.1f} s, kept as it was after {cut - packed:.1f}, spread after {ran - cut:.1f}; '
           f'{size} KiB written after {time.monotonic() - cut:.1f} s')


def killed(t, m):
    """Without a host there is no machine."""
    m.kill(len(m.hosts) - 1)
    t.ok(m.ended(0, 30)[0] == 1, 'a lost host ends it')
    m.end()


def start(m):
    """A machine that waits for its state."""
    m.start('loglevel=5', '-incoming defer')
    ended(m, 'query-status', ('inmigrate',))


def fill(m):
    """It gets it, and stands still."""
    m.qmp(command('migrate-set-capabilities', **MAPPED), command('migrate-incoming', uri=f'file:{STATE}'))
    ended(m, 'query-status', ('paused', 'postmigrate', 'internal-error'))


def not_yet(t, m, where):
    """A vCPU whose state has not come does not move: it would run without it."""
    text = m.ask_to_move((1, 'node1'))
    t.ok('is being loaded' in text, f'{where}: no vCPU moves before its state is there', text)


def goes_on(t, m, where, before):
    """The job ends right, and all else is as it was."""
    m.qmp('{"execute": "cont"}')
    now = m.uptime()
    t.ok(before <= now < before + m.seconds(60), f'{where}: the guest goes on from where it was saved', f'{before} s, then {now} s')
    text = m.must('for i in $(seq 600); do test -s /tmp/sum && break; usleep 100000; done; cat /tmp/sum', 300).strip()
    t.ok(text == str(job()), f'{where}: the job ends right', f'{text}, not {job()}')
    t.ok('OK' in m.must('md5sum -c /tmp/md5', 240), f'{where}: a file is as it was')
    checks.nmi(t, m)


def again(t, m, where, before):
    """On hosts of dvmm."""
    try:
        begin = time.monotonic()
        start(m)
        not_yet(t, m, where)
        fill(m)
        n, _ = m.spread()
        t.diag(f'{where}: loaded and spread after {time.monotonic() - begin:.1f} s')
        t.ok(n == m.total - m.cpus, f'{where}: its vCPUs move to their memory', n)
        goes_on(t, m, where, before)
        if not m.one_kernel:
            checks.warps(t, m)
        checks.power_off(t, m)
    finally:
        m.end()


class Single(Plain):
    """The guest of two nodes in a QEMU without dvmm."""

    def start(self, words='', arguments=''):
        """The same machine in memory of one host."""
        nodes = ' '.join(f'-object memory-backend-ram,id=dvmm-ram{n},size={self.memory // 2}M,x-use-canonical-path-for-ramblock-id=off '
                         f'-numa node,nodeid={n},memdev=dvmm-ram{n},cpus={n}' for n in range(2))
        super().start(words, f'-machine vmport=off -global ICH9-LPC.disable_s3=1 -smp 2,sockets=2 -cpu {PLAIN_CPU} '
                      f'{nodes} -numa dist,src=0,dst=1,val=40 {arguments}')


def single(t, before):
    """In a QEMU without dvmm."""
    m = Single(2, 256, at_once=True)
    try:
        start(m)
        fill(m)
        goes_on(t, m, 'one host without dvmm', before)
        checks.power_off(t, m)
    finally:
        m.end()


def machine(hosts, name):
    """One that may load a state."""
    return Machine(hosts, cpus=1, memory=128, keys=['start = packed'], at_once=True, name=name)


def test(t):
    """Save, lose, load."""
    m = machine([0, 1], 'm')
    load({0, 1})
    try:
        m.start('loglevel=5')
        t.diag(f'up after {m.up():.0f} s')
        m.spread()
        refused(t, m)
        busy(m)
        before = m.uptime()
        save(t, m)
        killed(t, m)
    finally:
        m.end()
    if 'fewer' in sys.argv:
        again(t, machine([0, 0], 'o'), 'both nodes on one host', before)
    else:
        again(t, machine([0, 1], 'n'), 'two hosts', before)
        single(t, before)
    must(0, f'rm {STATE}')
    unload_all(t, (0, 1))


main(test)
