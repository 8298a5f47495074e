# SPDX-License-Identifier: GPL-2.0
"""The demonstration of a pool: a machine that is started by name, and goes on from its checkpoint when a host is lost."""
import json
import os
import re
import shutil
import time

from .demo import Failed, Follower
from .job import ENDED, JOB, JobDemo

COROSYNC = '''totem {{
  version: 2
  cluster_name: dvmm
  # knet's timers, which know no slow host, would take a third of one that is emulated
  transport: udpu
  # emulated hosts stand still for longer than real ones
  token: {token}
}}
quorum {{
  provider: corosync_votequorum
  expected_votes: {nodes}
}}
logging {{
  to_stderr: no
  to_syslog: no
  to_logfile: yes
  logfile: /log/corosync.{name}
}}
nodelist {{
{list}}}
'''
NODE = '  node {{\n    nodeid: {id}\n    name: node{index}\n    ring0_addr: 10.77.0.{id}\n  }}\n'
TOKEN_MS = 8000

MACHINE = '''[machine]
name = big
uuid = {uuid}
transport = tcp
start = packed
{nodes}
[guest]
machine = q35,smm=off,hpet=off
kernel = /images/vmlinuz
initrd = /images/guest.cpio
append = console=ttyS1 loglevel=6 panic=-1 tsc=reliable net.ifnames=0 {words} nohz_full=1-{last} rcu_nocbs=1-{last}
args = {args}
'''
CELL = '\n[node node{index}]\naddress = 10.77.0.{id}\nport = 7400\ncpus = {cpus}\nmemory = {memory}M\n'
ARGS = ('-chardev file,id=log,path=/log/guest.console,append=on -device isa-serial,chardev=log '
        '-device virtio-serial-pci,max_ports=4 -chardev socket,id=agent,path=/run/agent.big,server=on,wait=off '
        '-device virtserialport,chardev=agent,name=dvmm.agent')

FILE = '/run/dvmm/pool/big.conf'
SHARED = 'shared'  # in the directory that all hosts have as /log
EVERY = 120  # seconds between checkpoints
CELLS = 2
BOUND = 400


class Pool(JobDemo):
    """Three hosts with corosync, systemd and dvmmd; a machine on two of them; one of these is switched off."""

    def __init__(self, args, cluster, stage):
        super().__init__(args, cluster, stage)
        self.vcpus, self.memory = CELLS * args.cpus, CELLS * args.memory
        self.before = 0

    # ---- the pool

    def start_pool(self):
        """corosync, and dvmmd as a unit of systemd, on each host."""
        self.stage.heading('systemctl start corosync dvmmd on every host: they find each other')
        self.must(0, 'corosync-keygen -l -s 128 -k /log/authkey', quiet=True)
        nodes = self.cluster.nodes
        for node in nodes:
            text = COROSYNC.format(token=TOKEN_MS, nodes=len(nodes), name=f'node{node.index}',
                                   list=''.join(NODE.format(id=n.index + 1, index=n.index) for n in nodes))
            self.write(f'corosync.conf.{node.index}', text)
            self.must(node.index, f'cp /log/corosync.conf.{node.index} /etc/corosync/corosync.conf; '
                      'cp /log/authkey /etc/corosync/authkey; chmod 400 /etc/corosync/authkey; systemctl --version | head -n 1')
        for node in nodes:
            self.must(node.index, 'systemctl start corosync dvmmd', BOUND)
        os.unlink(os.path.join(self.cluster.directory, 'authkey'))
        self.until(lambda: self.hosts().count('present') == len(nodes), f'{len(nodes)} hosts are in the pool')
        self.must(0, 'corosync-quorumtool -s | grep -E "Quorate|Expected|Quorum:"; dvmm hosts')

    def write(self, name, text):
        """A file in /log."""
        with open(os.path.join(self.cluster.directory, name), 'w', encoding='ascii') as f:
            f.write(text)

    def there(self):
        """The first host that has power."""
        return next(node.index for node in self.cluster.nodes if node.alive())

    def ask(self, what):
        """What that host's dvmmd tells; {} if it does not just now."""
        status, text = self.cluster.nodes[self.there()].sh(f'dvmm {what} --json', BOUND)
        return json.loads(text) if not status else {}

    def hosts(self):
        """Their states, by node."""
        answer = self.ask('hosts')
        known = {host['name']: host['state'] for host in answer.get('hosts', [])}
        return [] if answer.get('closed', 'x') else [known.get(f'node{node.index}') for node in self.cluster.nodes]

    def machine(self):
        """All that the pool knows of it."""
        return next(iter(self.ask('machines').get('machines', [])), {'state': '?', 'cells': []})

    def until(self, what, text, bound=BOUND):
        """The first true value; asked a few times a second."""
        end = time.monotonic() + bound
        while True:
            value = what()
            if value:
                return value
            if time.monotonic() > end:
                raise Failed(f'not within {bound} s: {text}')
            time.sleep(0.3)

    def await_state(self, state, bound=BOUND):
        """Until the machine is so."""
        def look():
            machine = self.machine()
            if machine['state'] == 'failed' and state != 'failed':
                raise Failed(f'the machine has failed: {machine["reason"]}')
            return machine['state'] == state
        self.until(look, f'the machine is {state}', bound)

    # ---- the machine

    def boot_host(self):
        """Where its boot node runs."""
        return int(self.machine()['cells'][0]['host_name'].removeprefix('node'))

    def in_guest(self, script, bound=120):
        """A script in the guest, shown."""
        quoted = "'" + script.replace("'", "'\\''") + "'"
        return self.must(self.boot_host(), f'agentctl -w {bound} -t {bound} /run/agent.big sh -c {quoted}', bound + 10, who='guest')

    def start_machine(self):
        """By name, from a host that runs none of it."""
        self.stage.heading(f'A machine of {CELLS} hosts is defined, and started by its name')
        words = self.must(0, 'guest words', quiet=True).replace('maxcpus=1', '').strip()
        uuid = self.must(0, 'cat /proc/sys/kernel/random/uuid', quiet=True).strip()
        cells = ''.join(CELL.format(index=i, id=i + 1, cpus=self.args.cpus, memory=self.args.memory) for i in range(CELLS))
        self.write('big.conf', MACHINE.format(uuid=uuid, nodes=cells, words=words, args=ARGS, last=self.vcpus - 1))
        last = self.cluster.nodes[-1].index
        os.mkdir(os.path.join(self.cluster.directory, SHARED))
        self.must(last, f'dvmm define /log/big.conf && dvmm start big --restart /log/{SHARED}/big --every {EVERY} && dvmm machines')
        self.await_state('running')
        self.must(last, 'dvmm machines')
        self.must(self.boot_host(), "systemctl list-units 'dvmm-*' --no-legend --plain")

    def wait_for_guest(self):
        """Its console runs over the screen until its agent answers."""
        self.stage.heading('The guest boots')
        begin = time.monotonic()
        console = Follower(self.stage, 'guest', self.console())
        try:
            self.until(lambda: self.answers() and self.machine()['state'] == 'running', 'the guest answers', 900)
        finally:
            console.stop()
        self.stage.heading(f'The guest is up after {time.monotonic() - begin:.0f} s; its vCPUs move to the hosts of their memory')
        self.until(self.spreads, 'its vCPUs move')
        self.in_guest('nproc; cat /proc/sys/kernel/random/boot_id', BOUND)

    def spreads(self):
        """Its vCPUs go where their memory is; not while it is being saved."""
        status, text = self.cluster.nodes[self.boot_host()].sh(f'dvmm spread {FILE}', BOUND)
        self.stage.lines(f'node{self.boot_host()}', text)
        return status == 0

    def answers(self):
        """Whether the guest does."""
        if self.machine()['state'] == 'failed':
            raise Failed(f'the machine has failed: {self.machine()["reason"]}')
        return self.cluster.nodes[self.boot_host()].sh('agentctl -w 5 -t 10 /run/agent.big true', 30)[0] == 0

    def console(self):
        """The file of what the guest prints, wherever it runs."""
        return os.path.join(self.cluster.directory, 'guest.console')

    def rounds(self):
        """Numbers of the results that it has printed."""
        return [int(n) for n in re.findall(r'round (\d+): .*: correct', self.printed())]

    def await_rounds(self, count):
        """So many more than now."""
        so_far = len(self.rounds())
        self.until(lambda: len(self.rounds()) >= so_far + count, f'{count} more results')

    def saved(self):
        """The number of the last checkpoint; 0 if there is none."""
        link = os.path.join(self.cluster.directory, SHARED, 'big')
        return int(os.readlink(link).rsplit('.', 1)[1]) if os.path.islink(link) else 0

    def await_checkpoint(self):
        """One that was begun after now."""
        self.stage.heading(f'The boot node makes a checkpoint every {EVERY} s; the next one has the job in it')
        shared = os.path.join(self.cluster.directory, SHARED)
        self.until(lambda: not any(name.endswith('.part') for name in os.listdir(shared)), 'none is being made')
        before = self.saved()
        self.until(lambda: self.saved() > before, 'the next checkpoint')
        self.must(self.boot_host(), f'cd /log/{SHARED}; ls -l | grep -v total; ls -ls big/ | grep -v total')

    def lose_host(self):
        """The one with the boot node, at once."""
        lost = self.boot_host()
        self.before = self.rounds()[-1]
        self.stage.heading(f'Host {lost}, which runs the boot node, is switched off')
        self.cluster.nodes[lost].kill()
        begin = time.monotonic()
        self.await_state('failed')
        self.must(self.there(), 'dvmm hosts; dvmm machines')
        self.stage.heading(f'After {time.monotonic() - begin:.0f} s the pool has seen it; who has switched it off says so')
        self.must(self.there(), f'dvmm fenced node{lost}')
        self.until(lambda: self.machine()['state'] == 'running', 'it runs again')
        self.stage.heading(f'After {time.monotonic() - begin:.0f} s the machine goes on from its last checkpoint')
        self.must(self.there(), 'dvmm machines')

    def goes_on(self):
        """Not from its beginning, and not from where it was."""
        so_far = len(self.rounds())
        self.await_rounds(2)
        first = self.rounds()[so_far]
        self.stage.heading(f'Before the host was lost it had printed round {self.before}; it has gone on with round {first}')
        if not 1 < first <= self.before + 1:
            raise Failed('that is no round of the checkpoint')

    def end_job(self):
        """It ends right."""
        self.stage.heading('The job is told to end')
        self.in_guest('cat /proc/sys/kernel/random/boot_id; touch /tmp/enough', BOUND)
        self.until(lambda: ENDED in self.printed(), 'the job ends')
        self.check_end()

    def run(self):
        """All of it."""
        self.boot_nodes()
        self.load_modules()
        self.start_pool()
        self.start_machine()
        self.wait_for_guest()
        self.in_guest(JOB, BOUND)
        console = Follower(self.stage, 'guest', self.console(), os.path.getsize(self.console()))
        try:
            self.await_rounds(2)
            self.await_checkpoint()
            self.await_rounds(1)
            self.lose_host()
            self.goes_on()
            self.end_job()
        finally:
            console.stop()
        self.leave()

    def leave(self):
        """Stopped by name; nothing stays behind."""
        self.stage.heading(f'{len(self.rounds())} results, all right. The machine is stopped by its name; the modules are unloaded')
        self.must(self.there(), 'dvmm stop big')
        self.await_state('stopped')
        for node in self.cluster.nodes:
            if node.alive():
                self.must(node.index, 'systemctl stop dvmmd corosync; for n in $(seq 50); do modules=$(awk \'/^dvmm/ {print $1}\' '
                          '/proc/modules); test -n "$modules" || break; rmmod $modules 2> /dev/null; usleep 100000; done; '
                          '! grep ^dvmm /proc/modules && echo "no dvmm module left"')
        shutil.rmtree(os.path.join(self.cluster.directory, SHARED))
        reports = self.cluster.reports()
        if reports:
            raise Failed('kernel log: ' + '; '.join(f'node {n}: {line}' for n, line in reports))
