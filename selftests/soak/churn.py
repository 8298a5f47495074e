#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A guest whose hosts join, leave, are switched off at any moment and come back, and which is saved and goes on on the hosts that
are left, all by chance; its job checks itself all the while, and its disk is always that of its memory.

usage: churn.py; $DVMM_SOAK_MINUTES (10), $DVMM_SOAK_SEED
"""
import collections
import concurrent.futures
import os
import random
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', 'tools'))
from desk import PATIENCE, Desk, load, main, must, on, unload  # noqa: E402
from guestlib import Failed  # noqa: E402

HOSTS = 3
MINUTES = float(os.environ.get('DVMM_SOAK_MINUTES') or 10)
SEED = int(os.environ.get('DVMM_SOAK_SEED') or random.randrange(1 << 30))
PLACE = '/log/churn'            # that all hosts see, and that no host takes along
SAVED = f'{PLACE}/saved'
CONSOLE = f'{PLACE}/console'
AGENT = '/tmp/agent.big'
ARGS = (f'-chardev file,id=log,path={CONSOLE},append=on -device isa-serial,chardev=log '
        f'-device virtio-serial-pci,max_ports=4 -chardev socket,id=agent,path={AGENT},server=on,wait=off '
        '-device virtserialport,chardev=agent,name=dvmm.agent')

# It needs no other process, and finds in each round what it has written in the one before.
JOB = r"""i=0; echo 0 > /tmp/done
while read n < /tmp/done && test "$n" = $i; do
	i=$((i + 1)); echo $i > /tmp/done
done
echo "WRONG: $n is not $i" > /dev/console
"""
MARK = 'echo {} > /tmp/mark; dd if=/tmp/mark of=/dev/vda bs=512 count=1 conv=sync oflag=direct 2> /dev/null'
MARKS = 'cat /tmp/mark; dd if=/dev/vda bs=512 count=1 iflag=direct 2> /dev/null | head -n 1'



class Churn:
    """The machine, its hosts, and what has happened so far."""

    def __init__(self, t, chance):
        self.t, self.chance, self.desk = t, chance, Desk()
        self.power = set(range(HOSTS))
        self.where = list(range(HOSTS))     # hosts of nodes
        self.members = {0}
        self.kept = 0                       # the mark in the last checkpoint
        self.marks = 0
        self.counts = collections.Counter()
        self.text = ''

    # ---- asking

    def dvmm(self, *words):
        """The command, which has to succeed."""
        begin = time.monotonic()
        status, text = self.desk.dvmm(*words, bound=300 * PATIENCE)
        self.t.diag(f'{time.monotonic() - begin:.1f} s: dvmm {" ".join(words)}: {text.strip().splitlines()[-1:]}')
        if status:
            raise Failed(f'dvmm {" ".join(words)}: status {status}\n{text}')
        return text

    def inside(self, script, bound=300):
        """A script in the guest."""
        quoted = script.replace("'", "'\\''")
        return must(self.where[0], f"agentctl -w {bound * PATIENCE} -t {bound * PATIENCE} {AGENT} sh -c '{quoted}'",
                    (bound + 20) * PATIENCE)

    def count(self):
        """How far the job is."""
        return int(self.inside('until read n < /tmp/done; do :; done; echo $n'))

    def printed(self):
        """What the guest has said."""
        text = must(min(self.power), f'cat {CONSOLE}')
        if 'WRONG' in text or 'Kernel panic' in text or 'BUG:' in text:
            raise Failed(f'the guest: {text[-600:]}')
        return text

    def goes_on(self, what):
        """The job has counted on, and found all that it had written."""
        before, end = self.count(), time.monotonic() + 120 * PATIENCE
        now = self.count()
        while now == before and time.monotonic() < end:
            now = self.count()
        self.printed()
        self.t.ok(now > before, f'{what}: the job goes on, {now}', before)

    # ---- the machine

    def make(self):
        """Its file, and the job."""
        must(0, f'rm -rf {PLACE}; mkdir {PLACE}; dd if=/dev/zero of={PLACE}/disk.raw bs=64k count=16 2> /dev/null')
        words = must(0, 'guest words').strip()
        self.dvmm('create', 'big', *(word for i in range(HOSTS) for word in (
            '--node', f'node{i}=10.77.0.{i + 1},cpus=1,memory=64M,ssh={i}')), '--kernel', '/images/vmlinuz',
                  '--initrd', '/images/guest.cpio', '--disk', f'{PLACE}/disk.raw', '--machine', 'q35,smm=off,hpet=off', '--args', ARGS,
                  '--append', f'console=ttyS1 loglevel=6 panic=-1 tsc=reliable net.ifnames=0 {words}')
        with open(f'{self.desk.dir}/etc/big.conf', encoding='ascii') as f:
            self.text = re.sub(r'^(\[node node[12]\]\n)', r'\1joins = later\n', f.read().replace('uuid =', 'start = packed\nuuid ='),
                               flags=re.M)

    def put(self):
        """Its nodes are on these hosts now; those that have power are told."""
        def section(match):
            host = self.where[int(match.group(1))]
            text = re.sub(r'^address = .*', f'address = 10.77.0.{host + 1}', match.group(0), flags=re.M)
            return re.sub(r'^ssh = .*', f'ssh = {host}', text, flags=re.M)
        with open(f'{self.desk.dir}/etc/big.conf', 'w', encoding='ascii') as f:
            f.write(re.sub(r'\[node node(\d)\]\n(?:[a-z]+ = .*\n)+', section, self.text))
        status, text = self.desk.dvmm('push', 'big')
        if status and len(self.power) == HOSTS or text.count('has it') != len(self.power):
            raise Failed(f'push: {status} {text}')

    def begin(self):
        """A new guest, and its job."""
        self.put()
        self.dvmm('up', 'big')
        self.inside('true')
        self.inside(f"cat > /tmp/job << 'END'\n{JOB}END\nsetsid taskset -c {HOSTS - 1} sh /tmp/job > /dev/null 2>&1 < /dev/null & true")

    # ---- what may happen

    def join(self):
        """A host gets its part."""
        node = self.chance.choice([n for n in range(HOSTS) if n not in self.members and self.where[n] in self.power])
        self.dvmm('add', 'big', f'node{node}')
        self.members.add(node)
        self.dvmm('spread', 'big')
        self.dvmm('rehome', 'big', 'node0', f'node{node}', f'node{node}')

    def leave(self):
        """A host gives back what it has."""
        node = self.chance.choice(sorted(self.members - {0}))
        self.dvmm('remove', 'big', f'node{node}')
        self.members.discard(node)

    def save(self):
        """A checkpoint in the place of the one before."""
        self.mark()
        mark = self.marks
        self.dvmm('checkpoint', 'big', SAVED, '--replace')
        self.kept = mark
        self.mark()

    def mark(self):
        """The same in memory and on the disk, other than before."""
        self.marks += 1
        self.inside(MARK.format(self.marks))

    def rest(self):
        """The guest stands still for a moment."""
        self.dvmm('pause', 'big')
        time.sleep(self.chance.random() * 2)
        self.dvmm('resume', 'big')

    def switch_on(self):
        """A host comes back, and knows nothing any more."""
        host = self.chance.choice(sorted(set(range(HOSTS)) - self.power))
        subprocess.run(['cluster', 'restart', str(host)], check=True, stdout=subprocess.DEVNULL)
        self.power.add(host)
        load([host])
        self.desk.dvmm('push', 'big')

    def switch_off(self):
        """A host is lost, while something is done or while nothing is."""
        host = self.chance.choice(sorted(self.power))
        act = self.chance.choice([None, None, *(act for act in (self.join, self.leave, self.save) if self.may(act))])
        what = f'host {host} is switched off' + (f' during {act.__name__}' if act else '')
        before = set(self.members)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            job = pool.submit(act) if act else None
            time.sleep(self.chance.random() * (20 if act else 1))
            subprocess.run(['cluster', 'kill', str(host)], check=True, stdout=subprocess.DEVNULL)
            self.power.discard(host)
            try:
                if job:
                    job.result()
            except (Failed, subprocess.TimeoutExpired) as error:
                self.t.diag(f'{act.__name__} has failed, as it may: {str(error).splitlines()[-1]}')
        node = self.where.index(host)
        self.after(what, host, node in before and node in self.members)

    def after(self, what, host, had):
        """A machine that has lost something ends everywhere, and is begun again; another one goes on."""
        node = self.where.index(host)
        fate = self.fate(node)
        self.t.ok(fate and not (had and fate == 'goes on'), f'{what}: the machine {fate}', sorted(self.members))
        if fate == 'goes on':
            self.members.discard(node)
            self.goes_on(what)
            return
        self.members = {0}
        self.recover()

    def fate(self, node):
        """What becomes of the machine."""
        end = time.monotonic() + 90 * PATIENCE
        while time.monotonic() < end:
            if not any(self.desk.runs(host) for host in self.power):
                return 'ends'
            if node and self.desk.dvmm('nodes', 'big')[1].find(f'node{node} absent') >= 0:
                return 'goes on'
            time.sleep(1)
        return None

    def recover(self):
        """From the last checkpoint, on hosts that are left."""
        left = sorted(self.power)
        self.chance.shuffle(left)
        self.where = left + sorted(set(range(HOSTS)) - self.power)
        self.put()
        self.dvmm('up', 'big', '--from', SAVED, *(['--replace'] if self.counts['switch_off'] else []))
        self.goes_on(f'from the last checkpoint, on host {self.where[0]}')
        marks = self.inside(MARKS).split()
        self.t.ok(int(marks[0]) >= self.kept, f'nothing that was saved is lost: {self.kept}', marks)
        self.t.ok(len(set(marks)) == 1 and len(marks) == 2, f'its disk is of the same moment as its memory: {marks}', self.marks)

    def may(self, act):
        """Whether that can happen now."""
        return {'join': any(n not in self.members and self.where[n] in self.power for n in range(HOSTS)),
                'leave': len(self.members) > 1,
                'switch_on': len(self.power) < HOSTS,
                'switch_off': self.kept and len(self.power) > 1}.get(act.__name__, True)

    def step(self):
        """One of them."""
        acts = [self.join] * 3 + [self.leave] * 2 + [self.save] * 2 + [self.rest] + [self.switch_on] * 3 + [self.switch_off] * 2
        act = self.chance.choice([act for act in acts if self.may(act)])
        self.t.diag(f'{act.__name__}: hosts {sorted(self.power)}, nodes {sorted(self.members)} on {self.where}')
        act()
        self.counts[act.__name__] += 1
        if act.__name__ != 'switch_off':
            self.goes_on(act.__name__)


def test(t):
    """Until the time is over."""
    t.diag(f'seed {SEED}, {MINUTES:g} minutes')
    churn = Churn(t, random.Random(SEED))
    load(range(HOSTS))
    churn.make()
    churn.begin()
    end = time.monotonic() + 60 * MINUTES
    while time.monotonic() < end:
        churn.step()
    t.ok(churn.counts['switch_off'], ', '.join(f'{n} {what}' for what, n in sorted(churn.counts.items())))
    churn.dvmm('down', 'big', '--force')
    for host in sorted(churn.power):
        t.ok(unload(host)[0] == 0, f'the modules of host {host} unload')
    must(min(churn.power), f'rm -r {PLACE}')


main(test)
