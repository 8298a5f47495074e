#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A guest on two hosts by create, push, up, console and down, from a third one that is no node."""
import re
import subprocess
import time

from desk import Desk, load, main, must, on, unload

DISK = '/log/up.raw'
FAR_DISK = '/log/up2.raw'
BOOTS = re.compile('Kernel command line|Key type|guest: ')


def create(desk):
    """A machine whose kernel is there already; what the commands said."""
    words = must(0, 'guest words').strip()
    must(0, f'rm -f {DISK}* {FAR_DISK}*; dd if=/dev/urandom of={DISK} bs=64k count=64 2> /dev/null')
    must(1, f'dd if=/dev/urandom of={FAR_DISK} bs=64k count=64 2> /dev/null')
    return [desk.dvmm('create', 'big', *(word for i in range(2) for word in (
        '--node', f'node{i}=10.77.0.{i + 1},cpus=1,memory=96M,ssh={i}')), '--kernel', '/images/vmlinuz',
        '--disk', DISK, '--disk2', f'node1:{FAR_DISK}', '--initrd', '/images/guest.cpio', '--machine', 'q35,smm=off,hpet=off', '--append',
        f'console=ttyS0 loglevel=6 panic=-1 tsc=reliable net.ifnames=0 {words}'),
            desk.packed('big'), desk.dvmm('push', 'big')]


def booting(desk, bound):
    """Until its kernel has begun, as seen by dvmm console on the boot host; what comes between two calls is not seen."""
    seen, end = '', time.monotonic() + bound
    while not BOOTS.search(seen) and time.monotonic() < end:
        seen += desk.dvmm('console', 'big', '-t', '2')[1]
    return seen


def both_up(t, desk):
    """What up shows and what there is then."""
    begin = time.monotonic()
    status, text = desk.dvmm('up', 'big')
    t.diag(text)
    t.ok(status == 0 and re.search(r'big: node1 started\n', text) and
         'running after' in text and '2 vCPUs, 192 MiB' in text,
         f'up: a guest on two hosts, {time.monotonic() - begin:.0f} s', text)
    t.ok(desk.runs(0) and desk.runs(1), 'each host has its QEMU')
    for node in range(2):
        status, text = desk.there(node, 'status', 'big')
        t.ok(status == 0 and f'node node{node} ({node} of 2)' in text, f'host {node}: its node is ready', (status, text))
    status, text = desk.there(1, 'wait', 'big', '-t', '10')
    t.ok(status == 0, 'the satellite knows that it is', (status, text))
    status, text = on(1, f"qmp {desk.dir}/run/big/node1/qmp '{{\"execute\": \"query-dvmm\"}}'")
    t.ok(status == 0 and '"running": true' in text and '"name": "node1"' in text, 'and has a monitor', (status, text))


def sums(*paths, node=0):
    """Of files on a host."""
    return [line.split()[0] for line in must(node, f'sha256sum {" ".join(paths)}').splitlines()]


def strangers(t):
    """What serves the disk, started once more beside it for another image: it has no client yet."""
    words = must(1, "tr '\\0' ' ' < /proc/$(pidof qemu-nbd)/cmdline")
    words = re.sub(r'^\S+', 'qemu-nbd', words.replace('--port=8401', '--port=8499').replace(FAR_DISK, '/tmp/other.raw'))
    keys = re.search('endpoint=client,username=[^, ]+,dir=([^, ]+)', must(0, "tr '\\0' ' ' < /proc/$(pidof qemu-system-x86_64)/cmdline")).group(1)
    must(1, f'truncate -s 1M /tmp/other.raw; {words} --fork --persistent --pid-file=/tmp/other.pid')
    must(0, 'mkdir -p /tmp/wrong; echo "dvmm:$(head -c 32 /dev/urandom | sha256sum | cut -c 1-64)" > /tmp/wrong/keys.psk')
    image = 'driver=nbd,host=10.77.0.2,port=8499,export=disk2'
    for who, key, good in (('without a key', '', False), ('with another key', '/tmp/wrong', False), ('with the machine\'s key', keys, True)):
        said = on(0, f'timeout 20 qemu-img info --object tls-creds-psk,id=k,endpoint=client,username=dvmm,dir={key or keys} '
                  f'--image-opts {image}{",tls-creds=k" if key else ""} 2>&1')
        t.ok((said[0] == 0 and 'virtual size: 1 MiB' in said[1]) == good, f'a client {who} {"gets it" if good else "is refused"}', said)
        t.diag(said[1])
    must(1, 'kill $(cat /tmp/other.pid)')


def no_disk(t, desk):
    """What the other host is to serve is not there: its node, and the machine, say why they end."""
    must(1, f'mv {FAR_DISK} {FAR_DISK}.kept')
    status, text = desk.dvmm('up', 'big')
    t.ok(status != 0 and 'node1: disk2 cannot be served: ' in text and FAR_DISK in text, 'a disk that is missing on another host is named',
         (status, text))
    desk.dvmm('down', 'big', '--force')
    gone(desk, 1)
    t.ok(not desk.runs(0) and not desk.runs(1), 'nothing runs then')
    must(1, f'mv {FAR_DISK}.kept {FAR_DISK}')


def far_disk(t, desk):
    """A disk that is on the other host."""
    command = '{"execute": "human-monitor-command", "arguments": {"command-line": "qemu-io disk1 \\"write -P 7 4096 4096\\""}}'
    text = must(0, f"qmp {desk.dir}/run/big/node0/qmp '{command}'")
    got = must(1, f'dd if={FAR_DISK} bs=4096 skip=1 count=1 2> /dev/null | tr -d "\\007" | wc -c')
    t.ok(int(got) == 0, 'what is written to a disk of another host is there', f'{got} {text}')
    status, text = desk.dvmm('remove', 'big', 'node1')
    t.ok(status == 1 and "disk2: it is on that node's host" in text, 'so that host stays', (status, text))
    stranger = on(0, 'timeout 20 qemu-img info nbd://10.77.0.2:8401/disk2 2>&1')
    t.ok(stranger[0] != 0 and 'file format' not in stranger[1], 'nobody else gets it', stranger)
    strangers(t)


def saved(t, desk):
    """A checkpoint, and the same guest from it."""
    status, text = desk.dvmm('checkpoint', 'big', f'{desk.dir}/one')
    t.diag(text)
    disk, copy = sums(DISK, f'{desk.dir}/one/disk')
    t.ok(disk == copy, 'its disk is in it', (disk, copy))
    far = sums(FAR_DISK, node=1)
    t.ok(far == sums(f'{desk.dir}/one/disk2'), 'and that of the other host', far)
    t.ok(status == 0 and 'stood still for' in text and on(0, f'test -s {desk.dir}/one/manifest.json')[0] == 0,
         'checkpoint: on the boot host, asked from a third one', text)
    desk.dvmm('down', 'big', '--force')
    gone(desk, 1)
    must(0, f'dd if=/dev/zero of={DISK} bs=64k count=1 conv=notrunc 2> /dev/null')
    changed = sums(DISK)
    t.ok(on(1, 'pidof qemu-nbd')[0] != 0, 'nobody serves its disk any more')
    status, text = desk.dvmm('up', 'big', '--from', f'{desk.dir}/one')
    t.ok(status != 0 and f"node1:{FAR_DISK}: disks are put back on the boot node's host only" in text, 'up --from: it says where',
         (status, text))
    subprocess.run(['sed', '-i', 's/= node1:/= /', f'{desk.dir}/etc/big.conf'], check=True)
    desk.dvmm('push', 'big')
    before = desk.there(0, 'status', 'big')[0]
    status, text = desk.dvmm('up', 'big', '--from', f'{desk.dir}/one')
    t.diag(text)
    t.ok(before != 0 and status == 0 and 'running after' in text, 'up --from: it runs again', text)
    t.ok(sums(DISK, f'{DISK}.before', FAR_DISK) == [disk, *changed, *far], 'with the disks that it had',
         sums(DISK, f'{DISK}.before', FAR_DISK))
    state = must(0, f"qmp {desk.dir}/run/big/node0/qmp '{{\"execute\": \"query-status\"}}'")
    t.ok('"status": "running"' in state, 'and goes on', state)


def comes_and_goes(t, desk):
    """A host that joins a guest that runs, gets its part, gives it back and leaves; asked from the desk."""
    path = f'{desk.dir}/etc/big.conf'
    subprocess.run(['sed', '-i', '/^.node node1]/a joins = later', path], check=True)
    status, text = desk.dvmm('push', 'big')
    t.ok(status == 0, 'push', text)
    status, text = desk.dvmm('up', 'big')
    t.ok(status == 0 and not desk.runs(1), 'up: one host begins', text)
    booting(desk, 90)
    for words, want in (
            (('add', 'big', 'node1'), r'big: node1 has joined'), (('nodes', 'big'), r'node1 member\n'),
            (('spread', 'big'), r'1 moved'), (('rehome', 'big', 'node0', 'node1', 'node1'), r'96 MiB have another home'),
            (('nodes', 'big'), r'node1 member, vCPUs 1\n'), (('evacuate', 'big', 'node1'), r'96 MiB have another home'),
            (('spread', 'big'), r'1 moved'), (('remove', 'big', 'node1'), r'big: node1 has left'),
            (('nodes', 'big'), r'node0 member, vCPUs 0,1\nnode1 absent\n')):
        begin = time.monotonic()
        status, text = desk.dvmm(*words)
        t.ok(status == 0 and re.search(want, text), f'{" ".join(words)}, {time.monotonic() - begin:.1f} s', (status, text))
    gone(desk, 1)
    state = must(0, f"qmp {desk.dir}/run/big/node0/qmp '{{\"execute\": \"query-status\"}}'")
    t.ok(not desk.runs(1) and '"status": "running"' in state, 'the guest runs on, its QEMU there has ended', state)
    desk.dvmm('down', 'big', '--force')


def gone(desk, node):
    """Waits until that node's QEMU is."""
    for _ in range(50):
        if not desk.runs(node):
            break
        time.sleep(0.2)


def test(t):
    """Everything."""
    desk = Desk()
    load(range(2))
    status = create(desk)
    t.ok(not any(s for s, _ in status), 'create and push', status)
    no_disk(t, desk)
    both_up(t, desk)
    seen = booting(desk, 90)
    t.ok(BOOTS.search(seen), 'console: the guest boots', seen)
    far_disk(t, desk)
    saved(t, desk)
    answers = [desk.dvmm(verb, 'big') for verb in ('pause', 'resume', 'reset')]
    t.ok(all(s == 0 for s, _ in answers), 'pause, resume and reset', answers)
    status, text = desk.dvmm('down', 'big', '-t', '2')
    t.ok(status == 7 and 'has not powered off within 2 s: ' in text, 'a guest that has no button is named: 7', (status, text))
    status, text = desk.dvmm('down', 'big', '--force')
    t.ok(status == 0 and not desk.runs(0), 'down --force ends it', (status, text))
    status, text = desk.dvmm('down', 'big')
    t.ok(status == 0, 'then it is down', (status, text))
    gone(desk, 1)
    status, text = desk.there(1, 'wait', 'big')
    t.ok(not desk.runs(1) and status == 1 and 'it has ended' in text, 'and so is its satellite', (status, text))
    comes_and_goes(t, desk)
    must(0, f"sed -i 's/^timeout.*//; s/^uuid/timeout = 3\\nuuid/' {desk.dir}/etc/big.conf")
    status, text = desk.dvmm('up', 'big')
    t.ok(status == 1 and 'node0: its file or key is another one: dvmm push big' in text and not desk.runs(0),
         'files that differ: nothing is started', (status, text))
    for node in range(2):
        t.ok(unload(node)[0] == 0, f'the modules of host {node} unload')


main(test)
