# SPDX-License-Identifier: GPL-2.0
"""The demonstration of hosts that join and leave under a guest that works."""
import json
import os
import time

from .demo import Failed, Follower
from .job import ENDED, JOB, JobDemo

BOUND = 300


class Elastic(JobDemo):
    """One host first, then three, then two."""

    def qmp(self, command, **arguments):
        """Asks the boot node's QEMU; the text of its answer."""
        text = json.dumps({'execute': command, 'arguments': arguments} if arguments else {'execute': command})
        return self.must(0, f"guest qmp demo '{text}' 2>&1", quiet=True)

    def state(self, node):
        """Whether that one takes part, as the boot node tells it."""
        row = next(json.loads(line) for line in self.qmp('query-dvmm').splitlines() if '"nodes"' in line)
        return row['return']['nodes'][node]['state']

    def await_state(self, node, state, bound=120):
        """Until it is so."""
        end = time.monotonic() + bound
        while self.state(node) != state:
            if time.monotonic() > end:
                raise Failed(f'node{node} is {self.state(node)}, not {state}')
            time.sleep(0.1)

    def start_node(self, node):
        """QEMU of one node, the same command for each."""
        self.must(node, f'guest start -c {self.vcpus} -m {self.memory} -M /log/machine -a {self.guest_options()}')

    def start_guest(self):
        """On the first host alone."""
        self.stage.heading(f'Starting a guest that has {self.vcpus} vCPUs and {self.memory} MiB on one host; two more may join')
        self.must(0, f'machine-file -n {self.args.nodes} -c {self.args.cpus} -m {self.args.memory} -k "start = packed" -l 1 '
                  '-K /log/machine.key > /log/machine && cat /log/machine')
        self.start_node(0)

    def move_vcpus(self, node, to):
        """Those of its cell."""
        vcpus = [{'cpu-index': node * self.args.cpus + i, 'node': f'node{to}'} for i in range(self.args.cpus)]
        text = self.qmp('dvmm-move', vcpus=vcpus)
        if '"pause-us"' not in text:
            raise Failed(f'the vCPUs do not move: {text.strip()}')
        pause = next(json.loads(line) for line in text.splitlines() if '"pause-us"' in line)['return']['pause-us']
        self.stage.lines('node0', f'{self.args.cpus} vCPUs go on at node{to}; the guest stood still for {pause / 1000:.0f} ms')

    def join(self, node):
        """A host comes, and gets its part."""
        self.stage.heading(f'Host {node} joins, and gets its vCPUs and its memory')
        self.start_node(node)
        self.await_state(node, 'member')
        self.move_vcpus(node, node)
        self.must(0, f'dvmm rehome /log/machine node0 node{node} node{node} --here', 300)

    def depart(self, node):
        """A host gives back what it has, leaves, and is switched off."""
        self.stage.heading(f'Host {node} gives back its vCPUs and memory and leaves')
        self.move_vcpus(node, 0)
        self.must(node, f'dvmm rehome /log/machine node{node} node0 --here', 300)
        self.qmp('dvmm-remove', node=f'node{node}')
        self.await_state(node, 'absent')
        self.must(node, 'guest wait -t 30 demo; tail -n 1 /log/guest-demo.$(hostname).qemu')
        self.stage.heading(f'Host {node} is switched off')
        self.cluster.nodes[node].kill()

    def progress(self):
        """What each host has given so far, as the hosts see it."""
        for node in self.cluster.nodes:
            if node.alive() and self.state(node.index) == 'member':
                rows = self.must(node.index, 'guest vcpus demo', quiet=True).splitlines()
                self.stage.lines(f'node{node.index}', f'{sum(float(row.split()[2]) for row in rows):.1f} s of CPU time so far')

    def console(self):
        """The file of what the guest prints."""
        return os.path.join(self.cluster.directory, 'guest-demo.node0.console')

    def await_print(self, text, count=1):
        """Until that is there so many times."""
        end = time.monotonic() + BOUND
        while self.printed().count(text) < count:
            if text != ENDED and ENDED in self.printed():
                raise Failed('the job has ended before it was told to')
            if time.monotonic() > end:
                raise Failed(f'the guest has not printed "{text}" within {BOUND} s')
            time.sleep(0.2)

    def results(self):
        """So many of them are right."""
        return self.printed().count(': correct')

    def end_job(self):
        """It has worked on all the while."""
        self.stage.heading('The job works on')
        self.await_print(': correct', self.results() + 2)
        self.progress()
        self.stage.heading('It is told to end')
        self.in_guest('touch /tmp/enough', BOUND)
        self.await_print(ENDED)
        self.check_end()

    def run(self):
        """All of it."""
        self.boot_nodes()
        self.load_modules()
        self.start_guest()
        self.wait_for_guest()
        self.look_around()
        self.stage.heading('A parallel job on all vCPUs, with its results checked, runs all the while')
        self.in_guest(JOB)
        console = Follower(self.stage, 'guest', self.console(), os.path.getsize(self.console()))
        try:
            self.await_print(': correct')
            for node in range(1, self.args.nodes):
                self.join(node)
                self.progress()
                self.await_print(': correct', self.results() + 2)
            self.depart(self.args.nodes - 1)
            self.end_job()
        finally:
            console.stop()
        self.stage.heading(f'{self.results()} results, all right')
        self.leave()
