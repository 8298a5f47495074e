#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A checkpoint in parts: each host of a guest writes what it has of its memory, and reads it again.

The boot host reaches the other one by host-ssh.  Directories are on both hosts' own disks, by the same name.

usage: parts.py [later]      the other host joins while the guest runs
"""
import subprocess
import sys
import time

from desk import PATIENCE, Desk, load, main, must, on, unload

DIR = '/tmp/parts'
SSH = '/dvmm/selftests/tools/host-ssh'
STEPS = 20000

LATER = sys.argv[1:] == ['later']

# Node, vCPUs, MiB
CELLS = [(0, 1, 96), (1, 1, 64), (1, 0, 32)]


def job():
    """What the guest's job comes to."""
    total = 0
    for i in range(STEPS):
        total = (total * 31 + i) % 1000003
    return str(total)


def inside(script, bound=120):
    """A shell script in the guest."""
    return must(0, f"agentctl -w {bound * PATIENCE} -t {bound * PATIENCE} /tmp/agent.big sh -c '{script}'", (bound + 10) * PATIENCE)


def there(desk, *words):
    """The command where the boot node is."""
    return on(0, ' '.join([f'DVMM_SSH={SSH} dvmm', *words, *desk.places]), 300 * PATIENCE)


def cells(desk):
    """The other host has two cells: as Desk.dvmm()."""
    text = ''.join(f'\n[cell c{i}]\nnode = node{node}\ncpus = {cpus}\nmemory = {size}M\n' for i, (node, cpus, size) in enumerate(CELLS))
    with open(f'{desk.dir}/etc/big.conf', encoding='utf-8') as f:
        kept = [line for line in f if not line.startswith(('cpus', 'memory'))]
    with open(f'{desk.dir}/etc/big.conf', 'w', encoding='utf-8') as f:
        f.write(''.join(kept).replace('[node node1]', '[node node1]\njoins = later' if LATER else '[node node1]') + text)
    return 0, text


def create(desk):
    """A guest of both hosts, with a way to speak to it."""
    for node in range(2):
        must(node, f'rm -rf {DIR}; mkdir {DIR}; {SSH} serve < /dev/null > /dev/null 2>&1 & echo $! > /tmp/ssh.pid')
    must(0, f'dd if=/dev/zero of={DIR}/disk.raw bs=64k count=64 2> /dev/null')
    args = ('-device virtio-serial-pci,max_ports=4 -chardev socket,id=agent,path=/tmp/agent.big,server=on,wait=off '
            '-device virtserialport,chardev=agent,name=dvmm.agent')
    words = must(0, 'guest words').strip()
    return [desk.dvmm('create', 'big', *(word for i in range(2) for word in (
        '--node', f'node{i}=10.77.0.{i + 1},cpus=1,memory=96M,ssh={i}')), '--kernel', '/images/vmlinuz',
        '--disk', f'{DIR}/disk.raw', '--initrd', '/images/guest.cpio', '--machine', 'q35,smm=off,hpet=off', '--args', args,
        '--append', f'console=ttyS0 loglevel=6 panic=-1 tsc=reliable net.ifnames=0 {words}'),
            desk.packed('big'), cells(desk), desk.dvmm('push', 'big')]


def begin_job():
    """Memory of both hosts, the disk, and something that goes on for a while on the other host's CPU."""
    inside('echo before | dd of=/dev/vda bs=512 conv=fsync 2> /dev/null', 300)
    script = f'i=0; s=0; while test $i -lt {STEPS}; do s=$(((s * 31 + i) % 1000003)); i=$((i + 1)); done; echo $s > /tmp/sum'
    inside('for c in 0 1; do taskset -c $c dd if=/dev/urandom of=/tmp/file$c bs=64k count=4 2> /dev/null; done; '
           'md5sum /tmp/file? > /tmp/md5; setsid taskset -c 1 '
           f'sh -c "{script.replace("$", chr(92) + "$")}" > /dev/null 2>&1 < /dev/null &')


def save(t, desk):
    """Twice, so that the second takes the place of the first, on both hosts."""
    must(0, f'mkdir {DIR}/cp.1')
    must(1, f'mkdir {DIR}/cp.1 {DIR}/cp.2; touch {DIR}/cp.1/memory.1')
    status, text = there(desk, 'checkpoint', 'big', f'{DIR}/cp', '--parts', '--replace')
    t.ok(status and f'{DIR}/cp.2: it is on this host already' in text, 'what another machine has there is in the way', text)
    must(1, f'rmdir {DIR}/cp.2')
    for number in (2, 3):
        status, text = there(desk, 'checkpoint', 'big', f'{DIR}/cp', '--parts', '--replace')
        t.diag(text)
        t.ok(status == 0 and 'stood still' in text, f'checkpoint {number} in parts', text)
        began = time.monotonic()
        inside('true')
        t.diag(f'the guest answers after {time.monotonic() - began:.1f} s')
    names = [must(node, f'ls {DIR}').split() for node in range(2)]
    t.ok(names == [['cp', 'cp.3', 'disk.raw'], ['cp.1', 'cp.3']], 'the one before has gone from both hosts, not what others have', names)
    names = [must(node, f'ls {DIR}/cp.3').split() for node in range(2)]
    t.ok(names[0] == ['disk', 'manifest.json', 'memory.0', 'state'] and names[1][1:] == ['memory.1', 'memory.2'],
         'each host has its own memory', names)
    for node in range(2):
        t.diag(must(node, f'du -k {DIR}/cp.3/*'))


def refused(t, desk):
    """What is not whole is named, on whichever host, and nothing begins."""
    part, file = f'{DIR}/cp.3/memory.2', f'{desk.dir}/etc/big.conf'
    for what, of, spoil, says in (
            ('a part that is missing', part, f'rm {part}', f'{part}: No such file'),
            ('a part that is damaged', part, f'printf x | dd of={part} bs=1 seek=5000000 conv=notrunc 2> /dev/null', f'{part}: it is damaged'),
            ('a part that is shorter', part, f'truncate -s 4096 {part}', f'{part}: its size'),
            ('a host with other cells', file, f'sed -i "/cell c2/,$ s/^node = node1/node = node0/" {file}', 'node1: its file or key is another one')):
        must(1, f'cp {of} {of}.kept; {spoil}')
        status, text = there(desk, 'up', 'big', '--from', f'{DIR}/cp')
        t.ok(status and says in text, f'{what} is named', text)
        t.ok(not desk.runs(0) and not desk.runs(1), f'{what}: nothing runs')
        must(1, f'mv {of}.kept {of}')
    status, text = there(desk, 'run', 'big', 'node0', '--from', f'{DIR}/cp', '--detach')
    t.ok(status and 'by dvmm up --from' in text and not desk.runs(0), 'dvmm run does not begin with parts', text)
    status, text = there(desk, 'fork', 'big', f'{DIR}/cp', 'twin')
    t.ok(status and 'without --parts' in text, 'no fork of parts', text)


def full(t, desk):
    """The other host has no room: there is the one before, and nothing of the next."""
    before = must(0, f'ls -lR {DIR}/cp.3')
    must(1, f'mv {DIR} {DIR}.kept; mkdir {DIR}; mount -t tmpfs -o size=1M parts {DIR}')
    status, text = there(desk, 'checkpoint', 'big', f'{DIR}/cp', '--parts', '--replace')
    t.ok(status and f'{DIR}/cp.4.part/memory.1: No space left' in text, 'a full disk of the other host is named', text)
    t.ok(not must(1, f'ls {DIR}').strip(), 'nothing of it is left there', must(1, f'ls {DIR}'))
    t.ok('cp.4' not in must(0, f'ls {DIR}') and before == must(0, f'ls -lR {DIR}/cp.3'), 'nor here, and the one before is as it was')
    must(1, f'umount {DIR}; rmdir {DIR}; mv {DIR}.kept {DIR}')
    t.ok('on' in inside('echo on'), 'the guest goes on')


def goes_on(t):
    """The job, memory of both hosts and the disk are those of one moment."""
    text = inside('for i in $(seq 900); do test -s /tmp/sum && break; usleep 100000; done; cat /tmp/sum', 300).strip()
    t.ok(text == job(), 'the job ends right', f'{text}, not {job()}')
    text = inside('md5sum -c /tmp/md5')
    t.ok(text.count('OK') == 2, 'files are as they were', text)
    text = inside('echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/vda bs=512 count=1 2> /dev/null | tr -d "\\0"')
    t.ok(text.split() == ['before'], 'and the disk is', text)


def founders(t, desk):
    """Both hosts are there from the start."""
    status, text = desk.dvmm('spread', 'big')
    t.ok(status == 0, 'the guest is up, and its vCPUs move to their memory', text)
    begin_job()
    save(t, desk)
    full(t, desk)
    desk.dvmm('down', 'big', '--force')
    refused(t, desk)


def joined(t, desk):
    """The other one has joined, and has a vCPU and the home of memory; the boot host keeps that all the same."""
    for words in (('add', 'big', 'node1'), ('spread', 'big'), ('rehome', 'big', 'node0', 'node1', 'c1')):
        status, text = desk.dvmm(*words)
        t.ok(status == 0, ' '.join(words), text)
    begin_job()
    status, text = there(desk, 'checkpoint', 'big', f'{DIR}/cp', '--parts')
    t.ok(status == 0, 'a checkpoint in parts', text)
    names = [must(node, f'ls {DIR}/cp {DIR}/cp.1 2> /dev/null || true').split() for node in range(2)]
    t.ok({'memory.0', 'memory.1', 'memory.2'} <= set(names[0]) and not names[1], 'the boot host has all of it', names)
    desk.dvmm('down', 'big', '--force')


def test(t):
    """Everything."""
    desk = Desk()
    load(range(2))
    try:
        status = create(desk)
        t.ok(not any(s for s, _ in status), 'create and push', status)
        status, text = desk.dvmm('up', 'big')
        t.ok(status == 0, 'up', text)
        inside('true', 300)
        (joined if LATER else founders)(t, desk)
        begin = time.monotonic()
        status, text = there(desk, 'up', 'big', '--from', f'{DIR}/cp', *(() if LATER else ('--replace',)))
        t.diag(text)
        t.ok(status == 0 and 'running after' in text, f'up --from: {time.monotonic() - begin:.0f} s', text)
        goes_on(t)
    finally:
        desk.dvmm('down', 'big', '--force')
        subprocess.run(['rm', '-rf', desk.dir], check=False)
        for node in range(2):
            on(node, f'kill $(cat /tmp/ssh.pid); rm -rf {DIR} /tmp/ssh.pid')
    for node in range(2):
        t.ok(unload(node)[0] == 0, f'the modules of host {node} unload')


if sys.argv[1:] and not LATER:
    sys.exit('usage: parts.py [later]')
main(test)
