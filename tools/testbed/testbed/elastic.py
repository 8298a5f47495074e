# SPDX-License-Identifier: GPL-2.0
"""The demonstration of hosts that join and leave under a guest that works."""
import json
import time

from .demo import Demo, Failed

JOB = ('rm -f /tmp/enough; echo start > /tmp/job; setsid sh -c "while test ! -e /tmp/enough; do work 1000000 > /tmp/last 2>&1; '
       'grep -q correct /tmp/last && echo right >> /tmp/job || cat /tmp/last >> /tmp/job; done; echo ended >> /tmp/job" '
       '> /dev/null 2>&1 < /dev/null & echo the job runs')
RIGHT = 'grep -c right /tmp/job; ! grep -v -e start -e right -e ended /tmp/job'


class Elastic(Demo):
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

    def progress(self, what):
        """How far the job is."""
        self.stage.lines('guest', f'results of the job so far, all right: {self.results()}, {what}')

    def results(self):
        """Those that are right; none may be wrong."""
        return int(self.must(0, f"guest run -t 60 demo sh -c '{RIGHT}'", 70, quiet=True).split()[0])

    def end_job(self):
        """It has worked on all the while."""
        self.stage.heading('The job is told to end')
        before = self.results()
        time.sleep(1)
        self.in_guest('touch /tmp/enough; until grep -q ended /tmp/job; do sleep 0.1; done; cat /tmp/last', 300)
        self.progress(f'{self.results() - before} of them on the hosts that are left')
        if self.results() <= before:
            raise Failed('the job has not worked on')

    def run(self):
        """All of it."""
        self.boot_nodes()
        self.load_modules()
        self.start_guest()
        self.wait_for_guest()
        self.stage.heading('A parallel job on all vCPUs, with its results checked, runs all the while')
        self.in_guest(JOB)
        for node in range(1, self.args.nodes):
            self.join(node)
            self.progress(f'{node + 1} hosts')
        self.look_around()
        self.depart(self.args.nodes - 1)
        self.end_job()
        self.leave()
