#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A guest of two hosts and forks of it, twin on two hosts and lone on one, side by side: its job ends right in all of them.

usage: forked.py [since] [twin] [lone]
	since  they are forks of an increment
"""
import os
import subprocess
import sys
import time

from desk import PATIENCE, Desk, load, main, must, on, unload

SHARED = '/log/forked'
STEPS = 100000
FORKS = [word for word in sys.argv[1:] if word != 'since'] or ['twin', 'lone']
SINCE = 'since' in sys.argv
NAMES = ['big', *FORKS]


def job():
    """What the guest's job comes to."""
    total = 0
    for i in range(STEPS):
        total = (total * 31 + i) % 1000003
    return str(total)


def inside(name, script, bound=120):
    """A shell script in a machine's guest."""
    return must(0, f"agentctl -w {bound * PATIENCE} -t {bound * PATIENCE} /tmp/agent.{name} sh -c '{script}'", (bound + 10) * PATIENCE)


def create(desk):
    """The first, with a way to speak to its guest."""
    must(0, f'rm -rf {SHARED}; mkdir {SHARED}; dd if=/dev/zero of={SHARED}/disk.raw bs=64k count=64 2> /dev/null')
    args = ('-device virtio-serial-pci,max_ports=4 -chardev socket,id=agent,path=/tmp/agent.big,server=on,wait=off '
            '-device virtserialport,chardev=agent,name=dvmm.agent')
    words = must(0, 'guest words').strip()
    return [desk.dvmm('create', 'big', *(word for i in range(2) for word in (
        '--node', f'node{i}=10.77.0.{i + 1},cpus=1,memory=96M,ssh={i}')), '--kernel', '/images/vmlinuz',
        '--disk', f'{SHARED}/disk.raw', '--initrd', '/images/guest.cpio', '--machine', 'q35,smm=off,hpet=off', '--args', args,
        '--append', f'console=ttyS0 loglevel=6 panic=-1 tsc=reliable net.ifnames=0 {words}'), desk.dvmm('push', 'big')]


def increment(t, desk):
    """What has changed since the first checkpoint, which goes."""
    status, text = desk.dvmm('checkpoint', 'big', f'{SHARED}/two', '--since', f'{SHARED}/one')
    t.diag(text + must(0, f'cd {SHARED}; ls -ls one two'))
    whole, own = (int(must(0, f'cd {SHARED}; find {names} -type f -exec du -k {{}} + | awk "{{n += \\$1}} END {{print n}}"'))
                  for names in ('one', 'two/*.1'))
    t.ok(status == 0 and own < whole / 2, f'an increment of {own} KiB, of {whole}', text)
    must(0, f'cd {SHARED}; rm -r one; mv two one')


def fork(t, desk):
    """Both, made where the checkpoint is."""
    status, text = desk.there(0, 'fork', 'big', f'{SHARED}/one', *FORKS)
    t.ok(status == 0 and f'{FORKS[-1]}: a fork of big' in text and 'vmgenid' not in text and 'look at its args' in text, 'fork', text)
    for name in FORKS:
        for kind in ('conf', 'key'):
            text = must(0, f'cat {desk.dir}/etc/{name}.{kind}').replace('/tmp/agent.big', f'/tmp/agent.{name}')
            if name == 'lone':
                text = text.replace('10.77.0.2\n', '10.77.0.1\n').replace('port = 740', 'port = 741', 1).replace('ssh = 1', 'ssh = 0')
            path = f'{desk.dir}/etc/{name}.{kind}'
            with open(path, 'w', encoding='ascii', opener=lambda p, flags: os.open(p, flags, 0o600)) as out:
                out.write(text)
        status, text = desk.dvmm('push', name)
        t.ok(status == 0, f'{name}: push', text)
        status, text = desk.dvmm('up', name, '--from', f'{SHARED}/{name}')
        t.diag(text)
        t.ok(status == 0 and 'running after' in text, f'{name}: up --from', text)


def goes_on(t, name):
    """The job, the memory, and what the guest knows of what has happened."""
    text = inside(name, 'for i in $(seq 900); do test -s /tmp/sum && break; usleep 100000; done; cat /tmp/sum', 300).strip()
    t.ok(text == job(), f'{name}: the job ends right', f'{text}, not {job()}')
    t.ok('OK' in inside(name, 'md5sum -c /tmp/md5'), f'{name}: a file is as it was')
    times = inside(name, 'dmesg | grep -c "crng reseeded due to virtual machine fork"; true').strip()
    t.ok(times == ('0' if name == 'big' else '1'), f'{name}: the guest is told of it if it is a fork', times)


def disks(t):
    """Each has its own, with what was on the first's when it was saved."""
    for name in NAMES:
        inside(name, f'echo {name} | dd of=/dev/vda bs=512 seek=2 conv=fsync 2> /dev/null')
    for name in NAMES:
        text = inside(name, 'echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/vda bs=512 count=3 2> /dev/null | tr -d "\\0"')
        t.ok(text.split() == ['before', name], f'{name}: the disk is its own', text)
    text = must(0, f"dd if={SHARED}/one/disk{'.0' if SINCE else ''} bs=512 count=3 2> /dev/null | tr -d '\\0'")
    t.ok(text.split() == ['before'], 'the checkpoint is as it was', text)


def test(t):
    """Everything."""
    desk = Desk()
    load(range(2))
    try:
        status = create(desk)
        t.ok(not any(s for s, _ in status), 'create and push', status)
        status, text = desk.dvmm('up', 'big')
        t.ok(status == 0, 'up', text)
        inside('big', 'echo before | dd of=/dev/vda bs=512 conv=fsync 2> /dev/null', 300)
        script = f'i=0; s=0; while test $i -lt {STEPS}; do s=$(((s * 31 + i) % 1000003)); i=$((i + 1)); done; echo $s > /tmp/sum'
        inside('big', 'dd if=/dev/urandom of=/tmp/file bs=64k count=16 2> /dev/null; md5sum /tmp/file > /tmp/md5; setsid taskset -c 1 '
               f'sh -c "{script.replace("$", chr(92) + "$")}" > /dev/null 2>&1 < /dev/null &')
        status, text = desk.dvmm('checkpoint', 'big', f'{SHARED}/one')
        t.diag(text)
        t.ok(status == 0, 'checkpoint', text)
        if SINCE:
            increment(t, desk)
        begin = time.monotonic()
        fork(t, desk)
        t.diag(f'{FORKS} run after {time.monotonic() - begin:.1f} s')
        uuids = {line for line in must(0, "dvmm list | sed 's/.* //'").split()}
        t.ok(len(uuids) == len(NAMES), f'{NAMES} run', uuids)
        for name in NAMES:
            goes_on(t, name)
        disks(t)
        t.ok(len({inside(name, 'head -c 16 /dev/urandom | md5sum') for name in NAMES}) == len(NAMES), 'their random numbers differ')
    finally:
        for name in NAMES:
            desk.dvmm('down', name, '--force')
        subprocess.run(['rm', '-rf', desk.dir], check=False)
    time.sleep(2)
    must(0, f'rm -r {SHARED}')
    for node in range(2):
        t.ok(unload(node)[0] == 0, f'the modules of host {node} unload')


main(test)
