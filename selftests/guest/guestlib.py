# SPDX-License-Identifier: GPL-2.0
"""Guests over the nodes of a kept cluster ($DVMM_CLUSTER), and TAP about them."""
import json
import os
import re
import shlex
import subprocess
import sys
import threading
import time
import traceback

PROGRAMS = '/dvmm/selftests/guest/programs.cpio'
INITRD = '/tmp/guest.initrd'
ROCE = '10.78.0.'
# Around a QEMU whose host's TSC then seems to run at another speed
FASTER_TSC = 'env LD_PRELOAD=/dvmm/selftests/guest/faster_tsc.so'
HZ = 250        # of Debian's kernels
# What the package dvmm-guest puts on the kernel line: CPU 0 alone has the clock tick while others work.
TICKLESS = 'nohz_full=1-N rcu_nocbs=1-N'
# as many times as long as usual for everything: a debug kernel
PATIENCE = int(os.environ.get('DVMM_PATIENCE') or 1)


class Tap:
    """Results on standard output; what a reader wants to know beside them. For several threads."""

    def __init__(self):
        self.count = self.failed = 0
        self.lock = threading.Lock()
        self.start = time.monotonic()
        print('TAP version 13', flush=True)

    def ok(self, good, name, detail=''):
        """One result; the detail is shown where it is bad."""
        with self.lock:
            self.count += 1
            self.failed += not good
            print(f'{"" if good else "not "}ok {self.count} - {name}', flush=True)
        if not good:
            self.diag(detail)
        return good

    def skip(self, name, why):
        """A result that cannot be had here."""
        self.count += 1
        print(f'ok {self.count} - {name} # SKIP {why}', flush=True)

    def diag(self, text):
        """Lines for the reader, with the time since the start."""
        for line in str(text).rstrip().splitlines():
            print(f'# {time.monotonic() - self.start:5.0f} s  {line}', flush=True)

    def end(self):
        """The plan; the status for sys.exit()."""
        print(f'1..{self.count}', flush=True)
        return 1 if self.failed else 0


class Failed(Exception):
    """What has to be there for the rest of a test is not there."""


def on(node, script, bound=60):
    """A shell script on a node of the cluster: (status, output)."""
    done = subprocess.run(['on', '-t', str(bound), str(node), 'sh', '-c', script], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=bound + 30, check=False)
    return done.returncode, done.stdout.decode('utf-8', 'replace')


def must(node, script, bound=60):
    """The output of a script that has to succeed."""
    status, text = on(node, script, bound)
    if status:
        raise Failed(f'node {node}: status {status} of: {script}\n{text}')
    return text


def load(nodes):
    """The module on every host."""
    for node in nodes:
        must(node, 'modprobe dvmm')


def unload(node):
    """Takes the modules out; what is left of them, in words."""
    return on(node, 'for i in 1 2 3 4 5 6 7 8 9 10; do '
              'm=$(awk \'$1 ~ /^dvmm/ {print $1}\' /proc/modules); test -n "$m" || exit 0; '
              'rmmod $m 2>/dev/null; usleep 100000; done; grep ^dvmm /proc/modules; exit 1')


def unload_all(t, nodes, when=''):
    """Whether the modules of all these go."""
    for node in nodes:
        status, text = unload(node)
        t.ok(status == 0, f'{when}the modules of host {node} unload', text)


def soft_roce(nodes):
    """An RDMA device at each end of the cable between nodes 0 and 1; RoCE wants addresses of a common subnet."""
    for node in nodes:
        must(node, f'ip addr add {ROCE}{node + 1}/24 dev to{1 - node} 2> /dev/null; modprobe rdma_rxe && '
             f'{{ rdma link | grep -q dvmm-rxe || rdma link add dvmm-rxe type rxe netdev to{1 - node}; }}')


def no_roce(node):
    """Takes the device away; status and what was said."""
    return on(node, f'DVMM_PATIENCE={PATIENCE} roce-off dvmm-rxe; s=$?; ip addr del {ROCE}{node + 1}/24 dev to{1 - node} 2> /dev/null; exit $s')


class Machine:
    """One guest. hosts[i] is the cluster's node that runs dvmm node i.

    Its kernel boots on one CPU and its init brings up the others, or all are there at once.
    There are that many founders; the other nodes join later.
    """

    def __init__(self, hosts, cpus=2, memory=256, transport=None, name='m', port=7400, keys=(), guest=(), at_once=False,
                 founders=None):
        self.hosts, self.cpus, self.memory, self.name = hosts, cpus, memory, name
        self.founders = founders or len(hosts)
        self.at_once = at_once
        self.one_kernel = len(set(hosts)) == 1
        self.transport = transport or ('loop' if self.one_kernel else 'tcp')
        self.port, self.keys, self.guest = port, keys, guest
        self.total, self.megabytes = len(hosts) * cpus, len(hosts) * memory
        self.file, self.key = f'/log/{name}.machine', f'/log/{name}.key'
        self.slow = None

    def seconds(self, ours):
        """So many seconds of our time, as the guest counts them."""
        self.slow = self.slow or self.dilation()
        return ours / self.slow

    def scale(self):
        """Seconds of ours in one of the guest's."""
        return 1 / self.seconds(1)

    def dilation(self):
        """How much slower than ours the guest's time passes: in emulated nodes it is told so."""
        here, there = time.monotonic(), self.uptime()
        time.sleep(4)
        return max(1.0, (time.monotonic() - here) / max(0.001, self.uptime() - there))

    def uptime(self):
        """The guest's clock, in its seconds; /proc/uptime counts hundredths only."""
        return int(self.must("sed -n 's/^now at \\([0-9]*\\) nsecs/\\1/p' /proc/timer_list")) / 1e9

    def local(self, node):
        """The guest's CPUs that belong to a dvmm node."""
        return list(range(node * self.cpus, (node + 1) * self.cpus))

    def all(self):
        """The CPUs as taskset wants them."""
        return f'0-{self.total - 1}'

    def far(self):
        """A CPU of the last node."""
        return self.total - 1

    def interleaved(self):
        """All CPUs, neighbours on different nodes."""
        return [node * self.cpus + i for i in range(self.cpus) for node in range(len(self.hosts))]

    def process(self, node):
        """The name of a node's QEMU for the command "guest"."""
        return f'{self.name}{node}'

    def log(self, node, kind):
        """A node's log file of its QEMU: console or qemu."""
        return f'/log/guest-{self.process(node)}.node{self.hosts[node]}.{kind}'

    def write_file(self):
        """The machine file, where every host finds it."""
        extra = ''.join(f'{option} {shlex.quote(line)} ' for option, lines in (('-k', self.keys), ('-g', self.guest))
                        for line in lines)
        must(self.hosts[0], f'machine-file -n {len(self.hosts)} -c {self.cpus} -m {self.memory} -t {self.transport} '
             f'-p {self.port} {"-o" if self.one_kernel else ""} {extra} -l {self.founders} -K {self.key} > {self.file}')

    def start_node(self, node, words='', arguments='', around=''):
        """QEMU of one node; a command around it."""
        must(self.hosts[node], f'rm -rf /run/guest/{self.process(node)}; '
             f'test -e {INITRD} || cat /images/guest.cpio {PROGRAMS} > {INITRD}; '
             f'{around} guest start -c {self.total} -m {self.megabytes} -i {INITRD} {self.place(node)} '
             f'-k {shlex.quote(words)} {self.process(node)} {arguments}')

    def place(self, node):
        """Which node of which machine a QEMU is."""
        return f'-M {self.file} -N node{node} {"-a" if self.at_once else ""}'

    def start(self, words='', arguments=''):
        """QEMU of all nodes, the same command line for each."""
        self.write_file()
        for node in reversed(range(self.founders)):
            self.start_node(node, words, arguments)

    def await_state(self, node, state, bound=120):
        """Until the boot node says so; its last word about the node."""
        end = time.monotonic() + bound * PATIENCE
        while True:
            info = self.nodes()[node]
            if info['state'] == state or 'refusal' in info or time.monotonic() > end:
                return info
            time.sleep(0.1)

    def rehome(self, old, new):
        """All memory that has its home at a node gets another: what dvmm says."""
        return on(self.hosts[old], f'dvmm rehome {self.file} node{old} node{new} --here', 300 * PATIENCE)

    def remove(self, node):
        """Asks a node to leave: the whole answer."""
        command = json.dumps({'execute': 'dvmm-remove', 'arguments': {'node': f'node{node}'}})
        return must(self.hosts[0], f'guest qmp {self.process(0)} {shlex.quote(command)} 2>&1 || true')

    def up(self, bound=300):
        """Waits until the guest answers; seconds."""
        begin = time.monotonic()
        status, text = on(self.hosts[0], f'guest up -t {bound} {self.process(0)}', bound + 30)
        if status:
            raise Failed(f'the guest does not come up: {text}\n{self.tail()}')
        return time.monotonic() - begin

    def tail(self):
        """The last words of all concerned."""
        text = on(self.hosts[0], f'tail -n 5 {self.log(0, "console")}')[1]
        for node, host in enumerate(self.hosts):
            text += on(host, f'echo "QEMU of node {node}:"; tail -n 2 {self.log(node, "qemu")}')[1]
        return text

    def run(self, script, bound=60, cpus='0'):
        """A shell script in the guest, on CPU 0 for its speed: (status, output)."""
        return on(self.hosts[0], f'guest run -t {bound} {self.process(0)} taskset -c {cpus} sh -c {shlex.quote(script)}',
                  bound + 10)

    def must(self, script, bound=60, cpus='0'):
        """The output of a script in the guest that has to succeed."""
        status, text = self.run(script, bound, cpus)
        if status:
            raise Failed(f'guest: status {status} of: {script}\n{text}\n{self.panic()}')
        return text

    def panic(self):
        """What its kernel has died of, if it has: it may have booted again since."""
        return on(self.hosts[0], f'grep -A 2 -E "Oops|Kernel panic" {self.log(0, "console")} | head -n 9')[1]

    def qmp(self, *commands):
        """Answers of QMP commands of the boot node."""
        return must(self.hosts[0], f'guest qmp {self.process(0)} ' + ' '.join(shlex.quote(c) for c in commands))

    def nodes(self, seen_by=0):
        """The nodes as query-dvmm tells of them, of the boot node or another."""
        text = must(self.hosts[seen_by], f"guest qmp {self.process(seen_by)} '{{\"execute\": \"query-dvmm\"}}'")
        return next(json.loads(line) for line in text.splitlines() if '"nodes"' in line)['return']['nodes']

    def ask_to_move(self, *pairs):
        """Asks for moves of vCPUs, (vCPU, node's name) each: the whole answer."""
        vcpus = [{'cpu-index': cpu, 'node': name} for cpu, name in pairs]
        command = json.dumps({'execute': 'dvmm-move', 'arguments': {'vcpus': vcpus}})
        return must(self.hosts[0], f'guest qmp {self.process(0)} {shlex.quote(command)} 2>&1 || true')

    def move(self, *pairs):
        """Moves vCPUs: how many had been elsewhere, and the pause in ms."""
        text = self.ask_to_move(*pairs)
        for line in text.splitlines():
            if '"pause-us"' in line:
                moved = json.loads(line)['return']
                return moved['vcpus'], moved['pause-us'] / 1000
        raise Failed(f'no move: {text}')

    def spread(self):
        """Each vCPU to the node of its memory: as move()."""
        return self.move(*((cpu, f'node{node}') for node in range(len(self.hosts)) for cpu in self.local(node)))

    def kill(self, node):
        """SIGKILL for a node's QEMU."""
        must(self.hosts[node], f'guest kill {self.process(node)}')

    def ended(self, node, bound):
        """Exit status of a node's QEMU (124: still runs) and how long it took to come."""
        begin = time.monotonic()
        status, text = on(self.hosts[node], f'guest wait -t {bound} {self.process(node)}; echo "status $?"', bound + 10)
        found = re.search(r'status (\d+)\s*$', text)
        if status or not found or 'still runs' in text:
            return 124, time.monotonic() - begin
        return int(found.group(1)), time.monotonic() - begin

    def said(self, node):
        """What a node's QEMU has printed, without its command line."""
        return on(self.hosts[node], f'sed 1d {self.log(node, "qemu")}')[1]

    def stats(self, node, file='stats'):
        """Counters of a node, from debugfs."""
        uuid = re.search(r'uuid = (\S+)', must(self.hosts[0], f'cat {self.file}')).group(1)
        text = must(self.hosts[node], f'cat /sys/kernel/debug/dvmm/{uuid}.{node}/{file}')
        return dict(re.findall(r'^(\w+): (.*)$', text, re.M))

    def end(self):
        """Ends what still runs, however it may be."""
        for node, host in enumerate(self.hosts):
            try:
                on(host, f'guest kill {self.process(node)} 2>/dev/null; rm -rf /run/guest/{self.process(node)}')
            except (Failed, subprocess.SubprocessError):
                pass


class Uneven(Machine):
    """Nodes with different numbers of vCPUs, and of MiB where they are given."""

    def __init__(self, hosts, counts, sizes=None, **more):
        super().__init__(hosts, cpus=1, **more)
        self.counts, self.sizes = counts, sizes or [self.memory] * len(hosts)
        self.total, self.megabytes = sum(counts), sum(self.sizes)

    def local(self, node):
        """The guest's CPUs that belong to a dvmm node."""
        first = sum(self.counts[:node])
        return list(range(first, first + self.counts[node]))

    def interleaved(self):
        """A CPU of each node, and the last one."""
        return [self.local(node)[0] for node in range(len(self.hosts))] + [self.far()] * (self.counts[-1] > 1)

    def write_file(self):
        """As always, then each node's own numbers."""
        super().write_file()
        counts, sizes = (' '.join(map(str, numbers)) for numbers in (self.counts, self.sizes))
        must(self.hosts[0], f"awk -v counts='{counts}' -v sizes='{sizes}' 'BEGIN {{split(counts, c); split(sizes, m)}} "
             f"/^cpus/ {{$3 = c[++n]}} /^memory/ {{$3 = m[n]}} 1' {self.file} > {self.file}.new && mv {self.file}.new {self.file}")


class Celled(Machine):
    """Cells with sections of their own, (node, vCPUs, MiB) each, named c0, c1 and so on."""

    def __init__(self, hosts, cells, **more):
        super().__init__(hosts, cpus=1, **more)
        self.cells = cells
        self.total, self.megabytes = (sum(cell[i] for cell in cells) for i in (1, 2))

    def write_file(self):
        """As always, but that its nodes have what the cells say."""
        super().write_file()
        text = ''.join(f'\n[cell c{i}]\nnode = node{node}\ncpus = {cpus}\nmemory = {size}{"M" * (size > 0)}\n'
                       for i, (node, cpus, size) in enumerate(self.cells))
        must(self.hosts[0], f"sed -i '/^cpus/d; /^memory/d' {self.file} && echo {shlex.quote(text)} >> {self.file}")


class Plain(Machine):
    """A guest on host 0 by the same QEMU and with the same kernel line, without dvmm."""

    def __init__(self, cpus, memory, at_once=False):
        super().__init__([0], cpus=cpus, memory=memory, name='p', at_once=at_once)

    def place(self, node):
        """Of no machine."""
        return ''

    def start(self, words='', arguments=''):
        """One QEMU; and the guest gets the clock that dvmm's guests have.

        Without an invariant TSC, which emulated hosts do not offer, each CPU would count its loops for many ticks of slow
        time when it comes up: some ten seconds a CPU.
        """
        said = ' '.join(w for w in must(0, 'guest words').split() if w != 'maxcpus=1')
        khz = re.search(r'tsc_early_khz=(\d+)', said)
        loops = f'lpj={int(khz.group(1)) * 1000 // HZ}' if khz else ''
        late = '' if self.at_once else 'maxcpus=1'
        self.start_node(0, f'{said} {loops} no-kvmclock {late} {words}', arguments)


def main(test):
    """Runs a test's function with a Tap and ends the process."""
    if 'DVMM_CLUSTER' not in os.environ:
        sys.exit('no $DVMM_CLUSTER: run this with tools/testbed/check guest, or on a kept cluster')
    tap = Tap()
    try:
        test(tap)
    except Failed as e:
        tap.ok(False, 'the test could go on to its end', e)
    except (subprocess.SubprocessError, OSError, ValueError, AttributeError, IndexError, KeyError):
        tap.ok(False, 'the test could go on to its end', traceback.format_exc())
    sys.exit(tap.end())
