#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Who becomes a node of a machine over TCP: only who has its key; and strangers are neither told anything nor in the way."""
import re
import time

from guestlib import PATIENCE, Failed, Machine, load, main, must, on, unload_all

STRANGER = '/dvmm/selftests/guest/stranger'
PORT = 7400
HELLO = 56              # bytes of the first thing that a node says
HELLO_MAGIC = b'dvmmlink'.hex()
SILENT = 70             # callers who say nothing; more than are served at once
TAKEN = '00000000'      # status in an answer to a hello: come in


class Joining(Machine):
    """Two nodes in one kernel, over TCP; the guest is of no interest."""

    def __init__(self, *keys):
        super().__init__([0, 0], cpus=1, memory=64, transport='tcp', name='j', port=PORT, keys=('timeout = 300',) + keys)
        self.said_file = None

    def uuid(self):
        """As it is in the file, and as it goes over a wire."""
        return re.search(r'uuid = (\S+)', must(0, f'cat {self.file}')).group(1)

    def place(self, node):
        """Node 1 may have a file of its own."""
        return f'-M {self.said_file if node and self.said_file else self.file} -N node{node}'

    def listens(self):
        """Node 0 waits for callers."""
        must(0, f'for i in $(seq {300 * PATIENCE}); do netstat -ltn | grep -q :{PORT} && exit 0; usleep 100000; done; '
             f'cat {self.log(0, "qemu")}; exit 1', 40 * PATIENCE)

    def joins(self, bound=60):
        """Seconds until the nodes are connected, or None."""
        begin = time.monotonic()
        status, _ = on(0, f'for i in $(seq {bound * 10}); do n=$(cat /sys/kernel/debug/dvmm/{self.uuid()}.[01]/links '
                       "2> /dev/null | grep -c 'state: up'); test $n = 2 && exit 0; usleep 100000; done; exit 1", bound + 60)
        return None if status else time.monotonic() - begin

    def over(self):
        """Both QEMUs are gone."""
        self.end()
        must(0, f'for i in $(seq 100); do ls /sys/kernel/debug/dvmm | grep -q {self.uuid()} || exit 0; usleep 100000; done; '
             'exit 1')


def background(script, ready, name):
    """A command that goes on, once it has said that it is ready."""
    must(0, f'{script} > /tmp/{name}.out 2>&1 & echo $! > /tmp/{name}.pid; for i in $(seq 100); do '
         f'grep -q {ready} /tmp/{name}.out && exit 0; usleep 100000; done; cat /tmp/{name}.out; exit 1')


def kill(name):
    """Its end."""
    must(0, f'kill $(cat /tmp/{name}.pid)')


def hexadecimal(file):
    """A node's file."""
    return must(0, f'od -An -v -tx1 {file} | tr -d " \\n"').strip()


def recorded(m):
    """A join as somebody on the network sees it: all of it, and what the first caller said."""
    m.write_file()
    background(f'{STRANGER} record {PORT} /tmp/record', 'listening', 'record')
    m.start_node(0)
    m.start_node(1)
    seconds = m.joins()
    if seconds is None:
        raise Failed(f'the nodes do not find each other\n{m.said(0)}\n{m.said(1)}')
    tls = must(0, 'cat /proc/net/tls_stat 2> /dev/null || true')
    kill('record')
    m.over()
    return hexadecimal('/tmp/record'), tls


def asked(m, what, bytes_=0):
    """What node 0, which waits alone, answers to this."""
    return must(0, f'{STRANGER} say {PORT} {what} {bytes_}').strip()


def alone(m):
    """Node 0 waits for node 1."""
    m.start_node(0)
    m.listens()


def without_security(t):
    """security = none: the tests' own test, and what was true of every machine without a key."""
    m = Joining('security = none')
    try:
        text, _ = recorded(m)
        t.ok(HELLO_MAGIC in text and m.uuid().replace('-', '') in text, 'none: nodes join, and tell their UUID to all')
        must(0, f'mv /tmp/record.first /tmp/hello')
        alone(m)
        answer = asked(m, '/tmp/hello', HELLO)
        t.ok(answer[24:32] == TAKEN, 'none: a stranger with a copied hello is a node', answer)
        answer = asked(m, '/tmp/hello', HELLO)
        t.ok(answer[24:32] not in ('', TAKEN) and not answer[32:].strip('0'),
             'none: who is refused is told neither UUID nor digest', answer)
    finally:
        m.over()


def keyless(t):
    """What is wrong with a key file is told by name."""
    m = Joining()
    for what, command, words in (
            ('no key file', 'rm {}', "cannot read key file '{}'"),
            ('a key file that others can read', 'chmod 640 {}', "key file '{}' is open to others than its owner"),
            ('a key that is too short', 'echo 1234 > {}', "'{}' does not hold 64 hexadecimal digits"),
            ('no TLS over loop', "sed -i 's/^security.*//; s/^uuid/security = tls\\nuuid/; s/^transport.*/transport = loop/' "
             '/log/j.machine', "'security = tls' is not possible with transport loop, but none")):
        try:
            m.write_file()
            must(0, command.format(m.key))
            m.start_node(0)
            status, _ = m.ended(0, 30 * PATIENCE)
            text = m.said(0)
            t.ok(status == 1 and words.format(m.key) in text, f'{what}: refused', f'status {status}\n{text}')
        finally:
            m.over()


def strangers(t, m):
    """Nobody who comes to a node that waits gets in or learns anything."""
    secrets = (HELLO_MAGIC, m.uuid().replace('-', ''))
    answer = asked(m, '/tmp/hello', HELLO)
    t.ok(answer == '', 'a copied hello: nothing is answered', answer)
    for what, bytes_ in (('a replay of a whole join', 0), ('its first 5 bytes', 5), ('its first 100', 100),
                         ('all but its end', 330)):
        answer = asked(m, '/tmp/record.first', bytes_)
        t.ok(not any(s in answer for s in secrets), f'{what}: nothing of the machine is told', answer)
    must(0, f'machine-file -K /log/wrong.key > /tmp/unused; sed s,{m.key},/log/wrong.key, {m.file} > /log/wrong.machine')
    m.said_file = '/log/wrong.machine'
    m.start_node(1)
    status, _ = m.ended(1, 60 * PATIENCE)
    text = m.said(1)
    t.ok(status == 1 and "no TLS with node 'node0' by the key in '/log/wrong.key'" in text,
         'a node with another key is refused', f'status {status}\n{text}')
    m.said_file = None


def with_key(t):
    """The default."""
    m = Joining()
    try:
        text, tls = recorded(m)
        t.ok(re.search(r'^TlsCurrTxSw\s+8$', tls, re.M) and re.search(r'^TlsCurrRxSw\s+8$', tls, re.M),
             'unless told otherwise all lanes are TLS sockets of the kernel', tls)
        t.ok(len(text) > 2000 and HELLO_MAGIC not in text and m.uuid().replace('-', '') not in text,
             'neither hello nor UUID are to be seen')
        alone(m)
        background(f'{STRANGER} silent {PORT} {SILENT}', 'connected', 'silent')
        strangers(t, m)
        m.start_node(1)
        seconds = m.joins(60 * PATIENCE)
        t.ok(seconds is not None, f'after them, and {SILENT} who say nothing, the node that has the key joins',
             f'{m.said(0)}\n{m.said(1)}')
        t.diag(f'{seconds} s')
        t.diag(m.said(0))
        kill('silent')
    finally:
        m.over()


def test(t):
    """In one kernel."""
    load([0])
    without_security(t)
    keyless(t)
    with_key(t)
    unload_all(t, [0], 'afterwards ')


main(test)
