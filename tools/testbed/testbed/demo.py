# SPDX-License-Identifier: GPL-2.0
"""The demonstration: what a newcomer should see, in order."""
import json
import os
import re
import sys
import threading
import time

from . import config
from .agent import Lost, Timeout
from .cluster import Cluster

BOLD, DIM, RED, PLAIN = ('\033[1m', '\033[2m', '\033[31m', '\033[0m') if sys.stdout.isatty() else ('',) * 4
GUEST_BOOT = {'busybox': 900, 'elastic': 900, 'pool': 900, 'debian': 3000}
GUEST_END = {'busybox': 120, 'elastic': 120, 'pool': 120, 'debian': 900}
# vCPUs and MiB a node: systemd starts hundreds of processes, which is work enough for two
GUEST_SIZE = {'busybox': (2, 512), 'elastic': (1, 256), 'pool': (1, 96), 'debian': (1, 384)}


ESCAPES = re.compile(r'\x1b(\[[0-9;?]*[a-zA-Z]|c)|[\x00-\x08\x0b-\x1f]')


class Failed(Exception):
    """The demonstration cannot go on."""


class Stage:
    """The screen: headings with the time, and lines with who says them."""

    def __init__(self):
        self.start = time.monotonic()
        self.lock = threading.Lock()

    def heading(self, text):
        """A step of the demonstration."""
        with self.lock:
            print(f'\n{BOLD}[{time.monotonic() - self.start:4.0f} s] {text}{PLAIN}', flush=True)

    def lines(self, who, text):
        """What somebody printed."""
        with self.lock:
            for row in text.rstrip().splitlines():
                print(f'{DIM}{who:>6} |{PLAIN} {row.rstrip()}', flush=True)


class Follower(threading.Thread):
    """Shows a growing file until told to stop."""

    def __init__(self, stage, who, path, done=0):
        super().__init__(daemon=True)
        self.stage, self.who, self.path, self.done = stage, who, path, done
        self.over = threading.Event()
        self.start()

    def run(self):
        """Looks several times a second; only for the eye, nothing waits for it."""
        rest = b''
        while True:
            last = self.over.wait(0.2)
            if os.path.exists(self.path):
                with open(self.path, 'rb') as f:
                    f.seek(self.done)
                    data = f.read()
                self.done += len(data)
                *rows, rest = (rest + data).split(b'\n')
                if last:
                    rows.append(rest)
                rows = [ESCAPES.sub('', r.decode('utf-8', 'replace')).rstrip() for r in rows]
                self.stage.lines(self.who, '\n'.join(r for r in rows if r))
            if last:
                return

    def stop(self):
        """Shows what is left and ends."""
        self.over.set()
        self.join(2)


class Demo:
    """One run."""

    def __init__(self, args, cluster, stage):
        self.args, self.cluster, self.stage = args, cluster, stage
        self.vcpus = args.nodes * args.cpus
        self.memory = args.nodes * args.memory
        self.packed = not args.plain and args.guest != 'debian'

    def must(self, node, script, bound=60, quiet=False, who=None):
        """Runs a script on a node; its output is shown; it must succeed."""
        status, text = self.cluster.nodes[node].sh(script, bound)
        if not quiet or status:
            self.stage.lines(who or f'node{node}', text)
        if status:
            raise Failed(f'node {node}: "{script}" ended with status {status}')
        return text

    def in_guest(self, script, bound=120):
        """A script in the guest, shown."""
        quoted = "'" + script.replace("'", "'\\''") + "'"
        return self.must(0, f'guest run -t {bound} demo sh -c {quoted}', bound + 10, who='guest')

    def boot_nodes(self):
        """The hosts."""
        self.stage.heading(f'Booting {len(self.cluster.nodes)} hosts, each with its own stock Debian kernel')
        self.cluster.boot()
        for node in self.cluster.nodes:
            self.must(node.index, 'echo "$(hostname): Linux $(uname -r), $(nproc) CPU, '
                      '$(free -m | awk \'/Mem/{print $2}\') MiB, $(ls /dev/kvm)"')

    def load_modules(self):
        """modprobe."""
        self.stage.heading('modprobe dvmm on every host')
        for node in self.cluster.nodes:
            self.must(node.index, 'modprobe dvmm && lsmod | grep ^dvmm && ls -l /dev/dvmm')

    def start_guest(self):
        """The same QEMU command on every host."""
        extra = self.guest_options()
        if self.args.plain:
            self.stage.heading(f'Starting one guest with {self.vcpus} vCPUs on one host, without dvmm')
            self.must(0, f'guest start -c {self.vcpus} -m {self.memory} {extra}')
        else:
            self.stage.heading(f'Starting one guest: {self.vcpus} vCPUs and {self.memory} MiB, '
                               f'{self.args.cpus} vCPUs and {self.args.memory} MiB on each host')
            key, option = ("-k 'start = packed'", '-a') if self.packed else ('', '')
            self.must(0, f'machine-file -n {self.args.nodes} -c {self.args.cpus} -m {self.args.memory} {key} '
                      '-K /log/machine.key > /log/machine && cat /log/machine')
            for node in self.cluster.nodes:
                self.must(node.index, f'guest start -c {self.vcpus} -m {self.memory} -M /log/machine {option} {extra}')
        self.must(0, 'tail -n 1 /log/guest-demo.node0.qemu')

    def guest_options(self):
        """Options of the guest command: what to boot, and its name."""
        if self.args.guest == 'debian':
            return "-d /log/debian.img -i /images/debian.initrd -k 'root=/dev/vda rw' demo"
        return '-k loglevel=6 demo'

    def wait_for_guest(self):
        """Its console runs over the screen until its agent answers."""
        self.stage.heading('The guest boots')
        console = Follower(self.stage, 'guest', os.path.join(self.cluster.directory, 'guest-demo.node0.console'))
        begin = time.monotonic()
        try:
            bound = GUEST_BOOT[self.args.guest]
            self.must(0, f'guest up -t {bound} demo', bound + 30)
            if self.args.guest == 'debian':
                self.must(0, 'until grep -q login: /log/guest-demo.node0.console; do usleep 200000; done', bound)
        finally:
            console.stop()
        self.stage.heading(f'The guest is up after {time.monotonic() - begin:.0f} s')

    def spread(self):
        """Each vCPU goes where its memory is."""
        self.stage.heading('Its vCPUs have all begun on the first host; now they move to the hosts of their memory')
        vcpus = [{'cpu-index': node.index * self.args.cpus + i, 'node': f'node{node.index}'}
                 for node in self.cluster.nodes for i in range(self.args.cpus)]
        command = json.dumps({'execute': 'dvmm-move', 'arguments': {'vcpus': vcpus}})
        text = self.must(0, f"guest qmp demo '{command}'")
        if '"pause-us"' not in text:
            raise Failed(f'the vCPUs do not move: {text.strip()}')

    def look_around(self):
        """The guest's own view."""
        self.stage.heading('What it sees')
        self.in_guest('uname -sr; lscpu | grep -E "^CPU\\(s\\)|On-line|Model name|Hypervisor|NUMA"')
        self.in_guest('numactl --hardware 2>/dev/null || grep . /sys/devices/system/node/node*/cpulist')
        self.in_guest('grep -E "^(processor|apicid)" /proc/cpuinfo | paste - - 2>/dev/null || '
                      'grep -E "^processor" /proc/cpuinfo')
        self.in_guest('cat /sys/devices/system/clocksource/clocksource0/current_clocksource')
        text = self.in_guest('nproc')
        if int(text.split()[-1]) != self.vcpus:
            raise Failed(f'the guest has {text.strip()} CPUs, not {self.vcpus}')

    def work(self):
        """A job with a checked result on all CPUs."""
        self.stage.heading('A parallel job on all vCPUs, with its result checked')
        self.in_guest('work 2000000', 600)

    def contributions(self):
        """What each node gave."""
        self.stage.heading('What each host contributed')
        rows = [['host', 'vCPUs', 'CPU time', 'faults', 'messages sent', 'bytes sent']]
        for node in self.cluster.nodes if not self.args.plain else self.cluster.nodes[:1]:
            rows.append([f'node{node.index}'] + self.contribution(node))
        widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
        for row in rows:
            self.stage.lines('', '  '.join(cell.rjust(w) for cell, w in zip(row, widths)))

    def contribution(self, node):
        """vCPUs, CPU seconds, faults, messages and bytes of a node."""
        text = self.must(node.index, 'guest vcpus demo', quiet=True)
        seconds = [float(row.split()[2]) for row in text.splitlines()]
        cells = [str(len(seconds)), f'{sum(seconds):.1f} s', '-', '-', '-']
        if self.args.plain:
            return cells
        status, text = node.sh('dvmm status --json', 20)
        if status:
            self.stage.lines(f'node{node.index}', text)
            return cells
        return [str(len(self.places()[node.index])), cells[1]] + counters(json.loads(text))

    def places(self):
        """The vCPUs that each node runs now, as its QEMU tells it."""
        text = self.must(0, f"guest qmp demo '{json.dumps({'execute': 'query-dvmm'})}'", quiet=True)
        row = next(json.loads(line) for line in text.splitlines() if '"nodes"' in line)
        return [node['vcpus'] for node in row['return']['nodes']]

    def leave(self):
        """Power off; nothing stays behind."""
        self.stage.heading('The guest powers off; the modules are unloaded')
        bound = GUEST_END[self.args.guest]
        self.cluster.nodes[0].sh(f'guest run -t {bound} demo systemctl poweroff' if self.args.guest == 'debian'
                                 else 'guest run -t 5 demo poweroff -f', bound + 10)
        there = [node for node in self.cluster.nodes if node.alive()]
        for node in there[:1] if self.args.plain else there:
            self.must(node.index, f'guest wait -t {bound} demo && echo "QEMU ended with status 0"', bound + 10)
        for node in there:
            self.must(node.index, 'sh /dvmm/tools/testbed/node-bin/tidy && ! grep ^dvmm /proc/modules && '
                      'echo "no dvmm module left"')

    def run(self):
        """All of it."""
        self.boot_nodes()
        if not self.args.plain:
            self.load_modules()
        self.start_guest()
        self.wait_for_guest()
        if self.packed:
            self.spread()
        self.look_around()
        self.work()
        self.contributions()
        self.leave()
        reports = self.cluster.reports()
        if reports:
            raise Failed('kernel log: ' + '; '.join(f'node {n}: {line}' for n, line in reports))


def counters(status):
    """Faults, messages and MB that a node has sent, from `dvmm status --json`."""
    stats = status['machines'][0]['stats']
    faults = sum(stats[f'faults_{kind}'] for kind in ('read', 'write', 'upgrade'))
    return [str(faults), str(stats['messages_sent']), f'{stats["bytes_sent"] / 1e6:.0f} MB']


def show(args, demo=Demo):
    """Runs the demonstration; the exit status."""
    config.end_on_signals()
    cpus, memory = GUEST_SIZE[args.guest]
    args.cpus, args.memory = args.cpus or cpus, args.memory or memory
    stage = Stage()
    conf = config.Config(1536 + args.memory, pool=args.guest == 'pool')
    logs = config.new_log_directory('demo')
    print(f'{conf.describe()}\nlogs: {logs}')
    if args.guest == 'debian':
        config.copy_sparse(os.path.join(conf.images, 'debian.img'), os.path.join(logs, 'debian.img'))
    with Cluster(1 if args.plain else args.nodes, conf, logs) as cluster:
        try:
            demo(args, cluster, stage).run()
        except (Failed, Lost, Timeout) as e:
            stage.heading(f'{RED}The demonstration failed: {e}')
            print(f'consoles and logs: {logs}', flush=True)
            return 1
        except KeyboardInterrupt:
            return 130
    stage.heading('Done. Logs: ' + logs)
    if args.guest == 'debian':
        os.unlink(os.path.join(logs, 'debian.img'))
    return 0
