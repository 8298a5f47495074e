#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Addresses of a machine file that are names: all that a name stands for is tried, and loopback is named."""
import re
import time

from guestlib import PATIENCE, Machine, load, main, must, on, unload_all

ADDRESS = ('10.77.0.1', '10.77.0.2')
SIXTH = '2001:db8:77::1'        # of node 0, in the eyes of node 1 only


class Named(Machine):
    """Two hosts that call each other by name."""

    def __init__(self):
        super().__init__([0, 1], cpus=1, memory=64, transport='tcp', name='n', keys=('timeout = 30',))

    def write_file(self):
        """Names for numbers."""
        super().write_file()
        must(0, f'sed -i "s/{ADDRESS[0]}/node0/; s/{ADDRESS[1]}/node1/" {self.file}')

    def joined(self, bound):
        """Both nodes see a link that is up."""
        uuid = re.search(r'uuid = (\S+)', must(0, f'cat {self.file}')).group(1)
        return all(on(node, f'for i in $(seq {bound * 5}); do grep -q "state: up" /sys/kernel/debug/dvmm/{uuid}.{node}/links '
                      '2> /dev/null && exit 0; usleep 200000; done; exit 1', bound + 60)[0] == 0 for node in (0, 1))

    def start_all(self):
        """Both, the waiting one first."""
        self.write_file()
        self.start_node(0)
        self.start_node(1)


def say(node, *lines):
    """A host's idea of who is where."""
    must(node, 'test -e /tmp/hosts || cp /etc/hosts /tmp/hosts; echo "hosts: files" > /etc/nsswitch.conf; '
         'echo multi on > /etc/host.conf; '
         f"printf '%s\\n' {' '.join(repr(line) for line in ('127.0.0.1 localhost',) + lines)} > /etc/hosts")


def loopback(t):
    """As Debian's installer writes it: a host's own name is 127.0.1.1."""
    m = Named()
    say(0, '127.0.1.1 node0', f'{ADDRESS[1]} node1')
    say(1, f'{ADDRESS[0]} node0', '127.0.1.1 node1')
    try:
        m.start_all()
        begin = time.monotonic()
        status, _ = m.ended(0, 40 * PATIENCE)
        text = m.said(0).replace('\n', ' ')
        t.ok(status == 1 and "'node0' is 127.0.1.1 here" in text and "'node1' is on another one" in text,
             'a node whose name is loopback is told so', f'status {status}\n{text}')
        t.diag(f'{time.monotonic() - begin:.0f} s: {text}')
    finally:
        m.end()


def several(t, what, first, second):
    """What node 1 thinks of node 0; the right address is one of two."""
    m = Named()
    say(0, f'{ADDRESS[0]} node0', f'{ADDRESS[1]} node1')
    say(1, f'{first} node0', f'{second} node0', f'{ADDRESS[1]} node1')
    try:
        m.start_all()
        t.ok(m.joined(30 * PATIENCE), what, f'{m.said(0)}\n{m.said(1)}')
    finally:
        m.end()


def test(t):
    """On two hosts."""
    load([0, 1])
    try:
        loopback(t)
        several(t, 'an IPv6 address at which nobody is', SIXTH, ADDRESS[0])
        several(t, 'an IPv4 address at which nobody listens', ADDRESS[1], ADDRESS[0])
    finally:
        for node in (0, 1):
            on(node, 'cp /tmp/hosts /etc/hosts; rm -f /tmp/hosts')
    unload_all(t, (0, 1), 'afterwards ')


main(test)
