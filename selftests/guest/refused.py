#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""What QEMU refuses to start with: each is told by its name, with the remedy, and nothing is left behind."""
import time

from guestlib import Machine, load, main, must, on, unload

ALONE = (
    # what is done wrong, words of the machine file to change (sed), changes of the machine, arguments, what is said
    ('a node that is not in the file', '', {'node': 'nobody'}, '', "there is no node 'nobody' (but node0, node1)"),
    ('vCPUs that do not add up', '', {'total': 3}, '', 'have 2 vCPUs in all, but -smp says 3'),
    ('memory that does not add up', 's/^memory = 128/memory = 64/', {}, '', 'MiB in all, but -m says 256'),
    ('an unknown key', 's/^cpus/cqus/', {}, '', "[node node0]: unknown key 'cqus'"),
    ('a key without a number', 's/^cpus = 1/cpus = many/', {}, '', "'cpus = many' is not a number"),
    ('a transport that nobody knows', 's/^transport = .*/transport = pigeon/', {}, '',
     "transport 'pigeon' is not one of tcp, rdma, loop"),
    ('neither on nor off', 's/^uuid/prefetch = perhaps\\nuuid/', {}, '', "'prefetch' expects 'on' or 'off'"),
    ('a name for a UUID', 's/^uuid = .*/uuid = demo/', {}, '', 'uuidgen makes one'),
    ('no section for the machine', 's/^.machine.$/[engine]/', {}, '', 'there is no section [machine]'),
    ('two nodes at one address', 's/^port = .*/port = 7400/', {}, '', 'have the same address and port'),
    ('an interrupt controller in the kernel', '', {}, '-machine kernel-irqchip=on', 'dvmm=on needs kernel-irqchip=split'),
    ('an assigned device of the host', '', {'both': True}, '-device vfio-pci,host=00:1f.0',
     'no device of this host can be assigned'),
)


class Wrong(Machine):
    """A machine of two nodes with something wrong about it."""

    def __init__(self, edit='', node=None, total=None, both=False):
        super().__init__([0, 0], cpus=1, memory=128, transport='tcp', name='r', keys=('timeout = 20',))
        self.edit, self.node, self.both = edit, node, both
        self.total = total or self.total

    def write_file(self):
        """As always, and then spoilt."""
        super().write_file()
        must(0, f"sed -i '{self.edit}' {self.file}")

    def place(self, node):
        """Which node it says it is."""
        return f'-M {self.file} -N {self.node or f"node{node}"}'

    def refused(self, t, what, arguments, words):
        """Node 0 ends with an error that has these words."""
        try:
            self.write_file()
            if self.both:
                self.start_node(1)
            self.start_node(0, '', arguments)
            status, seconds = self.ended(0, 40)
            text = self.said(0)
            t.ok(status == 1 and words in text.replace('\n', ' '), f'{what}: {words}', f'status {status}\n{text}')
            t.diag(f'{seconds:.1f} s: {text.strip()}')
        finally:
            self.end()


def without_module(t):
    """Nobody said modprobe dvmm."""
    t.ok(unload(0)[0] == 0, 'the module is not loaded')
    Wrong().refused(t, 'no module', '', 'The kernel module is not loaded: modprobe dvmm')
    load([0])


def port_in_use(t):
    """Somebody else listens at the node's address."""
    must(0, 'busybox nc -ll -p 7400 -e true > /tmp/nc.log 2>&1 & echo $! > /tmp/nc; for i in $(seq 50); do '
         'netstat -ltn | grep -q :7400 && exit 0; usleep 100000; done; cat /tmp/nc.log; exit 1')
    Wrong().refused(t, 'a port in use', '', 'cannot listen on 127.0.0.1 port 7400: Address already in use')
    on(0, 'kill $(cat /tmp/nc)')


def features(t):
    """A CPU feature that one host lacks is named, by either node."""
    m = Wrong()
    try:
        m.write_file()
        m.start_node(1, '', '-cpu host,-ssse3')
        m.start_node(0)
        statuses = [m.ended(node, 60)[0] for node in (0, 1)]
        said = m.said(0) + m.said(1)
        t.ok(statuses == [1, 1] and 'CPU features' in said and 'ssse3' in said,
             'a CPU feature that only one host has is named', f'{statuses}\n{said}')
        t.diag(said.strip())
    finally:
        m.end()


def test(t):
    """One after the other, on one host."""
    without_module(t)
    for what, edit, changes, arguments, words in ALONE:
        Wrong(edit, **changes).refused(t, what, arguments, words)
    port_in_use(t)
    features(t)
    begin = time.monotonic()
    status, text = unload(0)
    t.ok(status == 0, 'afterwards the modules unload', text)
    t.diag(f'{time.monotonic() - begin:.1f} s')


main(test)
