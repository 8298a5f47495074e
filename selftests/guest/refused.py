#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""What QEMU refuses to start with: each is told by its name, with the remedy, and nothing is left behind."""
import json
import re
import shlex
import time

from guestlib import FASTER_TSC, Machine, load, main, must, on, unload, unload_all

# each by its own name, and before anything is opened
OPTIONS = {
    '-s': '-s', '-gdb tcp::1234': '-gdb', '-incoming defer': '-incoming', '-loadvm one': '-loadvm',
    '-mem-path /tmp': '-mem-path', '-mem-prealloc': '-mem-prealloc', '-overcommit mem-lock=on': '-overcommit mem-lock=',
    '-machine smm=on': '-machine smm=on', '-machine hpet=on': '-machine hpet=on', '-machine vmport=on': '-machine vmport=on',
}
# Its cell is the machine's only one
CELL = '{}$a [cell c0]\\nnode = {}\\ncpus = 2\\nmemory = 256M'
NUMA = '-object {},id=a,size=128M -object {},id=b,size=128M -numa node,memdev=a,cpus=0 -numa node,memdev=b,cpus=1'
ALONE = (
    # what is done wrong, words of the machine file to change (sed), changes of the machine, arguments, what is said
    ('a node that is not in the file', '', {'node': 'nobody'}, '', "there is no node 'nobody' (but node0, node1)"),
    ('vCPUs that do not add up', '', {}, '-smp 3', 'have 2 vCPUs in all, but -smp says 3'),
    ('memory that does not add up', '', {}, '-m 512', 'MiB in all, but -m says 512'),
    ('a machine that is no PC', '$a [guest]\\nmachine = microvm', {}, '', 'needs a machine type of the pc or q35 family'),
    ('what only the command dvmm knows', '$a [guest]\\ndisk = /disk.img', {}, '', "[guest]: unknown key 'disk'"),
    ('a machine type that nobody knows', '$a [guest]\\nmachine = q36', {}, '', 'unsupported machine type: "q36"'),
    ('an unknown key', 's/^cpus/cqus/', {}, '', "[node node0]: unknown key 'cqus'"),
    ('a key without a number', 's/^cpus = 1/cpus = many/', {}, '', "'cpus = many' is not a number"),
    ('a transport that nobody knows', 's/^transport = .*/transport = pigeon/', {}, '',
     "transport 'pigeon' is not one of tcp, rdma, loop"),
    ('neither on nor off', 's/^uuid/prefetch = perhaps\\nuuid/', {}, '', "'prefetch' expects 'on' or 'off'"),
    ('a name for a UUID', 's/^uuid = .*/uuid = demo/', {}, '', 'uuidgen makes one'),
    ('a limit that is none', 's/^cpus/cache = 0\\ncpus/', {}, '', "[node node0]: 'cache = 0' is no limit"),
    ('vCPUs of a node beside cells', CELL.format('', 'node0'), {}, '', "[node node0]: 'cpus' and 'memory' are said by the sections"),
    ('a cell of no node', CELL.format('s/^cpus.*//; s/^memory.*//; ', 'nobody'), {}, '', "[cell c0]: there is no node 'nobody'"),
    ('a first cell elsewhere', CELL.format('s/^cpus.*//; s/^memory.*//; ', 'node1'), {}, '', '[cell c0]: the boot node has vCPUs and memory: the first cell'),
    ('no section for the machine', 's/^.machine.$/[engine]/', {}, '', 'there is no section [machine]'),
    ('two nodes at one address', 's/^port = .*/port = 7400/', {}, '', 'have the same address and port'),
    ('an interrupt controller in the kernel', '', {}, '-machine kernel-irqchip=on', 'dvmm=on needs kernel-irqchip=split'),
    ("KVM's Xen interface", '', {'node': 'node0,xen-version=0x4000a'}, '', 'dvmm: xen-version= is not possible'),
    ('energy counters', '', {'node': 'node0,rapl=on'}, '', 'dvmm: rapl=on is not possible'),
    ('a second accelerator', '', {'machine': False}, '-accel kvm,dvmm=on,dvmm-machine={file},dvmm-node=node1',
     'dvmm: the accelerator in use is not the one with dvmm=on'),
    ('a socket on two nodes', '', {}, '-smp 2,sockets=1,cores=2', "a socket of 2 vCPUs would lie on nodes 'node0' and"),
    ("a host's NVMe drive, before the accelerator is there", '', {}, '-drive if=none,file=nvme://0000:00:1f.0/1',
     'a device of this host that QEMU drives (nvme://) is not possible'),
    # who has understood that it is a satellite does not look for the boot node's disk
    ('a satellite without its peer, dvmm=true', 's/^timeout.*/timeout = 2/', {'node': 'node1,dvmm=true'},
     '-drive if=none,file=/nonexistent', "did not answer within 2 seconds"),
    ('a satellite and firmware in a flash device', 's/^timeout.*/timeout = 2/', {'node': 'node1'}, '-machine pflash0=pf',
     'did not answer within 2 seconds'),
    ('Hyper-V enlightenments', '', {'both': True}, '-cpu host,hv-relaxed=on,hv-vpindex=on,hv-tlbflush=on,hv-ipi=on',
     'paravirtualized TLB flush (hv-tlbflush), paravirtualized IPI (hv-ipi)'),
    ('a scaled TSC', '', {'both': True}, '-cpu host,tsc-frequency=1000000000', 'tsc-frequency= of 1000000 kHz is not possible'),
    ('one region twice', '', {'both': True}, NUMA.format('memory-backend-dvmm,region=0', 'memory-backend-dvmm,region=0'),
     'region=0: another memory-backend-dvmm has it already'),
    ('a NUMA node of private memory', '', {'both': True}, '-machine pc-q35-5.0 -numa node,mem=128,cpus=0 '
     '-numa node,mem=128,cpus=1', 'NUMA node 0: guest memory must be a memory-backend-dvmm'),
    ('a region filled beforehand', '', {'both': True},
     NUMA.format('memory-backend-dvmm,region=0', 'memory-backend-dvmm,prealloc=on,region=1'),
     'memory-backend-dvmm: prealloc=on is not possible'),
    ('firmware that the guest may write', '', {'both': True}, '-drive if=pflash,driver=null-co,size=256k',
     'firmware that the guest may write is not possible'),
    ('an assigned device of the host', '', {'both': True}, '-device vfio-pci,host=00:1f.0',
     'no device of this host can be assigned'),
)


class Wrong(Machine):
    """A machine of two nodes with something wrong about it."""

    def __init__(self, edit='', node=None, both=False, machine=True):
        super().__init__([0, 0], cpus=1, memory=128, transport='tcp', name='r', keys=('timeout = 20',))
        self.edit, self.node, self.both, self.machine = edit, node, both, machine

    def write_file(self):
        """As always, and then spoilt."""
        super().write_file()
        must(0, f"sed -i '{self.edit}' {self.file}")

    def place(self, node):
        """Which node it says it is."""
        return f'-M {self.file} -N {self.node or f"node{node}"}' if self.machine else ''

    def refused(self, t, what, arguments, words):
        """Node 0 ends with an error that has these words."""
        try:
            self.write_file()
            if self.both:
                self.start_node(1)
            self.start_node(0, '', arguments.replace('{file}', self.file))
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
    Wrong().refused(t, 'no module, and another accelerator', '-accel tcg', 'The kernel module is not loaded')
    load([0])


def without_nested_paging(t):
    """KVM as it was loaded would not see what other nodes write into page tables."""
    must(0, 'rmmod kvm_amd && modprobe kvm_amd npt=0')
    try:
        Wrong().refused(t, 'no nested paging', '', 'load kvm_amd with npt=1')
    finally:
        must(0, 'rmmod kvm_amd && modprobe kvm_amd')


def options(t):
    """Options that cannot mean anything good, one after the other."""
    m = Wrong()
    m.write_file()
    text = must(0, f'for o in {" ".join(shlex.quote(o) for o in OPTIONS)}; do timeout 10 qemu-system-x86_64 -accel '
                f'kvm,dvmm=on,dvmm-machine={m.file},dvmm-node=node0 -display none $o; echo; echo "status $?"; '
                'done 2>&1', 150)
    for (option, name), said in zip(OPTIONS.items(), text.split('status ')):
        t.ok(f'dvmm: {name} is not possible: ' in said, f'{option}: refused', said)


def port_in_use(t):
    """Somebody else listens at the node's address."""
    must(0, 'busybox nc -ll -p 7400 -e true > /tmp/nc.log 2>&1 & echo $! > /tmp/nc; for i in $(seq 50); do '
         'netstat -ltn | grep -q :7400 && exit 0; usleep 100000; done; cat /tmp/nc.log; exit 1')
    Wrong().refused(t, 'a port in use', '', 'cannot listen on 127.0.0.1 port 7400: Address already in use')
    on(0, 'kill $(cat /tmp/nc)')


def differs(t, what, arguments, *words, around=''):
    """What differs between nodes is named, by either of them."""
    m = Wrong()
    try:
        m.write_file()
        m.start_node(1, around=around)
        m.start_node(0, '', arguments)
        statuses = [m.ended(node, 60)[0] for node in (0, 1)]
        said = m.said(0) + m.said(1)
        t.ok(statuses == [1, 1] and all(word in said for word in words), f'{what} that only one node has is named',
             f'{statuses}\n{said}')
        t.diag(said.strip())
    finally:
        m.end()


def from_the_file(t):
    """No node is told anything of the guest but the machine file, and what the file says is the guest."""
    m = Wrong('s/^cpus = 1/cpus = 2/; $a [guest]\\nmachine = pc\\ncpu = qemu64\\nsmp = sockets=2,threads=2')
    try:
        m.start(arguments='-S')
        cpus = m.qmp('{"execute": "query-cpus-fast"}')
        kind = m.qmp(*(f'{{"execute": "qom-get", "arguments": {{"path": "/machine{path}", "property": "type"}}}}'
                       for path in ('', '/unattached/device[0]')))
        props = re.findall(r'"props": \{([^}]*)\}', cpus)
        places = {tuple(re.search(f'"{key}": (\\d+)', p).group(1) for key in ('socket-id', 'core-id', 'thread-id')) for p in props}
        t.ok(places == {(socket, '0', thread) for socket in '01' for thread in '01'} and 'qemu64-x86_64-cpu' in kind and
             'pc-i440fx' in kind and m.nodes()[1]['state'] == 'member', 'the machine file says what the guest is', (cpus, kind))
    finally:
        m.end()


def daemons(t):
    """In the background, the first QEMU returns when all nodes are there; they end together."""
    m = Wrong()
    m.write_file()
    status, text = on(0, f'for n in 1 0; do timeout 60 qemu-system-x86_64 -accel kvm,dvmm=on,dvmm-machine={m.file},dvmm-node=node$n '
                      '-display none -nodefaults -S -daemonize -pidfile /run/daemon$n & pids="$pids $!"; done; '
                      'for pid in $pids; do wait $pid || exit 1; done; '
                      'first=$(cat /run/daemon0) other=$(cat /run/daemon1); test -d /proc/$first -a -d /proc/$other || exit 2; '
                      'kill $first; for i in $(seq 300); do test -d /proc/$first -o -d /proc/$other || exit 0; usleep 100000; done; '
                      'exit 3', 120)
    t.ok(status == 0, 'nodes in the background, by their command line alone', f'status {status}: {text}')


def uneven(t):
    """Nodes of 1 and 3 vCPUs: no socket of the guest lies on two nodes."""
    m = Wrong('/node1/,$ s/^cpus = 1/cpus = 3/')
    try:
        m.start(arguments='-S')
        props = re.findall(r'"props": \{([^}]*)\}', m.qmp('{"execute": "query-cpus-fast"}'))
        places = {tuple(re.search(f'"{key}": (\\d+)', p).group(1) for key in ('socket-id', 'node-id')) for p in props}
        t.ok(len(props) == 4 and len(places) == len({socket for socket, _ in places}) and {n for _, n in places} == {'0', '1'},
             'nodes of unequal size share no socket', props)
    finally:
        m.end()


MONITOR = (
    # a command of the monitor, what it says; for vCPU 1
    ('info registers', 'CPU#1 on node node1'),
    ('info registers -a', 'CPU#1 on node node1'),
    ('info lapic', 'LVT0'),
    ('info mem', 'PG disabled'),
    ('gdbserver', 'gdbserver is not possible'),
    ('loadvm one', 'loadvm is not possible'),
    ('savevm one', 'savevm is not possible'),
    ('migrate file:/tmp/state', 'vCPU 1 is on node'),
    ('device_del {cpu}', 'device_del of a vCPU is not possible'),
)


# what would act on one node alone
FOR_ALL = ('stop', 'cont', 'system_reset', 'system_powerdown', 'system_wakeup', 'inject-nmi', 'device_add', 'device_del', 'object-add',
           'migrate', 'memsave', 'pmemsave', 'dump-guest-memory', 'qom-set', 'hmp stop', 'hmp c', 'hmp nmi', 'hmp device_add pcnet',
           'hmp pmemsave 0 16 /tmp/no')
LOOKS = ('query-status', 'query-cpus-fast', 'qom-list-types', 'hmp info registers -a', 'hmp xp /1x 0', 'hmp help stop')


def said_to(node, m, word):
    """A node's answer to a command, for the human monitor behind 'hmp'."""
    human = {'execute': 'human-monitor-command', 'arguments': {'command-line': word[4:]}}
    command = human if word.startswith('hmp ') else {'execute': word}
    return on(0, f'guest qmp {m.process(node)} {shlex.quote(json.dumps(command))} 2>&1')[1]


def satellite(t, m):
    """What its monitor refuses, and what it still does."""
    for word in FOR_ALL:
        text = said_to(1, m, word)
        t.ok("is not possible on a satellite" in text and "the monitor of node 'node0'" in text, f'a satellite: {word}', text)
    for word in LOOKS:
        text = said_to(1, m, word)
        t.ok('"return"' in text and 'not possible' not in text, f'a satellite still answers: {word}', text)
    text = said_to(1, m, 'query-status') + said_to(0, m, 'query-status')
    t.ok(text.count('prelaunch') == 2, 'and nothing has happened', text)


def monitor(t):
    """What a running machine refuses."""
    m = Machine([0, 0], cpus=1, memory=128, transport='tcp', name='r')
    try:
        m.start(arguments='-S')
        cpus = m.qmp('{"execute": "query-cpus-fast"}')
        cpu = re.findall(r'"qom-path": "([^"]*)", "cpu-index": 1', cpus)
        for command, words in MONITOR:
            command = command.format(cpu=cpu[0])
            text = m.qmp(json.dumps({'execute': 'human-monitor-command', 'arguments': {'command-line': command, 'cpu-index': 1}}))
            t.ok(words in text, f'{command}: {words}', text)
        satellite(t, m)
    finally:
        m.end()


def test(t):
    """One after the other, on one host."""
    without_module(t)
    without_nested_paging(t)
    for what, edit, changes, arguments, words in ALONE:
        Wrong(edit, **changes).refused(t, what, arguments, words)
    options(t)
    port_in_use(t)
    differs(t, 'a CPU feature', '-cpu host,-ssse3', 'CPU features', 'ssse3')
    differs(t, 'a faster TSC', '', 'the TSC runs at', 'kHz there', around=FASTER_TSC)
    differs(t, 'a layout of memory', '-machine max-ram-below-4g=128M', '256 MiB below 4 GiB', '128 MiB below 4 GiB')
    from_the_file(t)
    daemons(t)
    uneven(t)
    monitor(t)
    begin = time.monotonic()
    unload_all(t, [0], 'afterwards ')
    t.diag(f'{time.monotonic() - begin:.1f} s')


main(test)
