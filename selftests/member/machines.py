#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Machines of a pool: placed, started, ended, lost, begun again; dvmm and systemd only look like them.

machines.py [EVENTS [SEED]]
"""
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.dont_write_bytecode = True
import members  # noqa: E402
import pool as pools  # noqa: E402
from pool import PATIENCE, Tap, wait_until  # noqa: E402

HERE = pools.HERE
SILENCE = 7             # seconds, longer than a dvmmd waits for an answer of systemd's
MACHINE = '''[machine]
name = {0}
uuid = 00000000-0000-4000-8000-{1:012d}
transport = tcp
security = tls
key = /nowhere
[node h1]
address = 192.0.2.1
cpus = {2}
memory = 64M
[node h2]
address = 192.0.2.2
cpus = 1
memory = 64M
'''


class MachinePool(pools.Pool):
    """A pool with a systemd on each host."""

    def __init__(self, size, quorum=''):
        super().__init__(size, quorum)
        self.fake = os.path.join(self.directory, 'fake')
        os.mkdir(self.fake)
        self.authkey = os.path.join(self.directory, 'authkey')
        with open(self.authkey, 'wb') as f:
            f.write(bytes(range(128)))
        self.systemds = {}

    def environment(self, host):
        return {'DBUS_SYSTEM_BUS_ADDRESS': f'unix:path={host.directory}/bus'}

    def options(self, host):
        return ['--dvmm', os.path.join(HERE, 'fake-dvmm'), '--authkey', self.authkey, '--patience', '2']

    def host_is_on(self, host):
        bus = os.path.join(host.directory, 'bus')
        if os.path.exists(bus):
            os.unlink(bus)
        self.systemds[host] = subprocess.Popen(host.inside(os.path.join(HERE, 'systemd'), bus),
                                               env={**os.environ, 'DVMM_FAKE': self.fake})
        wait_until(lambda: os.path.exists(bus), PATIENCE, 'no systemd')

    def host_is_off(self, host):
        if host in self.systemds:
            systemd = self.systemds.pop(host)
            systemd.send_signal(signal.SIGKILL)
            systemd.wait()

    def systemd_is_silent(self, host, silent):
        """It runs, and answers nobody."""
        self.systemds[host].send_signal(signal.SIGSTOP if silent else signal.SIGCONT)

    def journal(self):
        """What the nodes have done, a line each."""
        try:
            with open(os.path.join(self.fake, 'journal')) as f:
                return f.read().split('\n')[:-1]
        except FileNotFoundError:
            return []

    def count(self, text):
        """Lines that begin with it."""
        return sum(line.startswith(text) for line in self.journal())

    def wait_lines(self, *wanted):
        """Until so many lines begin with each; a node that was started may not have come to it yet."""
        wait_until(lambda: all(self.count(text) >= n for text, n in wanted), PATIENCE, f'not done: {wanted}')

    def define(self, name, number, cpus=1):
        """A machine of two nodes."""
        path = os.path.join(self.directory, f'{name}.conf')
        with open(path, 'w') as f:
            f.write(MACHINE.format(name, number, cpus))
        return self.hosts[0].decide('define', path)

    def machine(self, name, host=None):
        """What the pool knows of it."""
        answer = (host or self.hosts[0]).ask(do='machines')
        return next((m for m in answer.get('machines', []) if m['name'] == name), {})

    def wait_state(self, name, state, host=None):
        """Until it has that state, with what is known of it."""
        def look():
            machine = self.machine(name, host)
            return machine.get('state') == state and machine
        return wait_until(look, PATIENCE, f'{name} does not become {state}: {self.machine(name, host)}')


def all_ended(machine):
    """Whether no node of it may run."""
    return all(cell['state'] == 'ended' for cell in machine['cells'])


def test_start(pool):
    """From nothing to a machine."""
    one, two = pool.hosts[:2]
    wait_until(lambda: pool.open_alike() and len(one.ask(do='hosts')['hosts']) == pool.size, PATIENCE, 'no pool')
    Tap.says(pool.define('web-1', 1), 0, 'dvmm define web-1')
    Tap.says(one.decide('start', 'nobody'), 1, 'nobody: there is no such machine in the pool: dvmm machines')
    Tap.says(two.decide('start', 'web-1'), 0, 'dvmm start web-1')
    machine = pool.wait_state('web-1', 'running')
    Tap.result([(c['node'], c['host']) for c in machine['cells']] == [('h1', 1), ('h2', 2)],
               'each node runs on the host of its name')
    pool.wait_lines(('run web-1 h1', 1), ('run web-1 h2', 1))
    lines = [line.split() for line in pool.journal()]
    Tap.result(sorted((w[1], w[2], w[3]) for w in lines) == [('web-1', 'h1', '10.99.0.1'), ('web-1', 'h2', '10.99.0.2')],
               'with the address of that host')
    keys = {open(w[4]).read() for w in lines}
    Tap.result(len({w[4] for w in lines}) == 2 and len(keys) == 1 and re.fullmatch('[0-9a-f]{64}', keys.pop()),
               'and a key that both have')
    status, out, _ = one.dvmm('machines')
    Tap.result(status == 0 and out.startswith('web-1: running\n  h1: 1 CPUs, 64 MiB, running on h1\n'),
               'dvmm machines shows it')


def test_refusals(pool):
    """What is not done, and why."""
    one = pool.hosts[0]
    Tap.says(one.decide('start', 'web-1'), 1, 'web-1: it is running on h1: dvmm stop web-1')
    Tap.says(one.decide('undefine', 'web-1'), 1, 'web-1: it is running on h1: dvmm stop web-1')
    Tap.says(pool.define('big', 2, 64), 0, 'dvmm define big')
    Tap.says(one.decide('start', 'big'), 1, 'big: no host has room for node h1: 64 CPUs and 64 MiB are wanted')
    Tap.says(one.decide('fenced', 'h2'), 1, 'h2: the host is in the pool: only one that is away can be fenced')
    Tap.says(one.decide('fenced', 'h9'), 1, 'h9: there is no such host: dvmm hosts')
    Tap.says(one.decide('stop', 'big'), 1, 'big: it does not run')


def test_daemon(pool):
    """The end of a daemon is not that of a guest."""
    one = pool.hosts[0]
    runs = pool.count('run')
    one.daemon_kill()
    wait_until(lambda: 'silent' in str(pool.hosts[1].ask(do='hosts')), PATIENCE, 'not silent')
    one.daemon_start()
    wait_until(pool.open_alike, PATIENCE, 'no pool')
    machine = pool.machine('web-1')
    Tap.result(machine['state'] == 'running' and pool.count('run') == runs and not pool.count('end'),
               'a dvmmd that begins again finds its nodes')


def test_silence(pool):
    """A systemd that does not answer for a while says nothing of its units."""
    one, two = pool.hosts[:2]
    runs, ends = pool.count('run'), pool.count('end')
    pool.systemd_is_silent(two, True)
    time.sleep(SILENCE)
    pool.systemd_is_silent(two, False)
    time.sleep(2)
    state = pool.machine('web-1')['state']
    Tap.result((state, pool.count('run'), pool.count('end')) == ('running', runs, ends),
               f'systemd was silent for {SILENCE} s: {state}')
    two.daemon_kill()
    pool.systemd_is_silent(two, True)
    two.daemon_start()
    wait_until(pool.open_alike, PATIENCE, 'no pool')
    wait_until(lambda: 'systemd does not answer' in two.log(), PATIENCE, 'it answers')
    state = pool.machine('web-1')['state']
    Tap.result((state, pool.count('run')) == ('running', runs), f'and when a dvmmd began: {state}')
    Tap.says(one.decide('stop', 'web-1'), 0, 'dvmm stop web-1')
    pool.systemd_is_silent(two, False)
    Tap.result(all_ended(pool.wait_state('web-1', 'stopped')), 'it finds what runs once systemd answers, and ends it')
    one.decide('start', 'web-1')
    pool.wait_state('web-1', 'running')
    pool.systemd_is_silent(two, True)
    one.decide('stop', 'web-1')
    time.sleep(SILENCE)
    pool.systemd_is_silent(two, False)
    Tap.result(all_ended(pool.wait_state('web-1', 'stopped')), 'an end that systemd has not heard is asked for again')
    one.decide('start', 'web-1')
    pool.wait_state('web-1', 'running')


def begin_anew(pool, host):
    """Its dvmmd begins while systemd is silent."""
    host.daemon_kill()
    pool.systemd_is_silent(host, True)
    host.daemon_start()
    wait_until(pool.open_alike, PATIENCE, 'no pool')


def test_begin(pool):
    """A dvmmd that begins starts nothing before it knows what runs."""
    one, two = pool.hosts[:2]
    one.decide('stop', 'web-1')
    pool.wait_state('web-1', 'stopped')
    runs, ends = pool.count('run web-1 h2'), pool.count('end')
    one.decide('start', 'web-1')
    pool.wait_lines(('run web-1 h2', runs + 1))
    begin_anew(pool, two)
    time.sleep(2)
    pool.systemd_is_silent(two, False)
    pool.wait_state('web-1', 'running')
    Tap.result((pool.count('run web-1 h2'), pool.count('end')) == (runs + 1, ends), 'a node that was about to be ready is found, not begun')
    one.decide('stop', 'web-1')
    pool.wait_state('web-1', 'stopped')
    begin_anew(pool, two)
    one.decide('start', 'web-1')
    time.sleep(SILENCE)
    pool.systemd_is_silent(two, False)
    pool.wait_state('web-1', 'running')
    one.decide('stop', 'web-1')
    pool.wait_state('web-1', 'stopped')
    Tap.says(one.decide('start', 'web-1'), 0, 'one that was begun meanwhile')
    pool.wait_state('web-1', 'running')
    Tap.result(pool.count('run web-1 h2') == runs + 3, 'is one, and begins again when it has ended')


def test_no_bus(pool):
    """A dvmmd that begins where systemd runs and its bus does not."""
    one, two = pool.hosts[:2]
    one.decide('stop', 'web-1')
    pool.wait_state('web-1', 'stopped')
    runs, ends, bus = pool.count('run web-1 h2'), pool.count('end'), os.path.join(two.directory, 'bus')
    one.decide('start', 'web-1')
    pool.wait_lines(('run web-1 h2', runs + 1))
    two.daemon_kill()
    os.rename(bus, bus + '.away')
    two.run('mount -t tmpfs run /run')
    two.run('mkdir -p /run/systemd/system')
    two.daemon_start()
    wait_until(pool.open_alike, PATIENCE, 'no pool')
    time.sleep(2)
    os.rename(bus + '.away', bus)
    pool.wait_state('web-1', 'running')
    two.run('umount --lazy /run')
    Tap.result((pool.count('run web-1 h2'), pool.count('end')) == (runs + 1, ends), 'what runs is not taken for ended while the bus is away')


def test_late(pool):
    """A dvmmd that begins cut off, and learns only after its patience what runs."""
    one, two = pool.hosts[:2]
    ends = pool.count('end web-1 h2')
    two.daemon_kill()
    pool.systemd_is_silent(two, True)
    pool.side(two, 1)
    two.daemon_start()
    time.sleep(4)
    pool.systemd_is_silent(two, False)
    pool.wait_lines(('end web-1 h2', ends + 1))
    Tap.result(True, 'a host that is cut off as its dvmmd begins ends what it finds')
    pool.side(two, 0)
    wait_until(lambda: all_ended(pool.machine('web-1')), PATIENCE, 'its end is not told')
    one.decide('start', 'web-1')
    pool.wait_state('web-1', 'running')


def test_end(pool):
    """Nodes that end."""
    one, ends = pool.hosts[0], pool.count('end web-1 h1')
    with open(os.path.join(pool.fake, 'crash.web-1.h2'), 'w'):
        pass
    machine = pool.wait_state('web-1', 'failed')
    Tap.result('dvmm-web\\x2d1-h2.service has failed: exit-code' in machine['reason'], f'failed: {machine["reason"]}')
    wait_until(lambda: all_ended(pool.machine('web-1')), PATIENCE, 'a node is left')
    Tap.result(pool.count('end web-1 h1') == ends + 1, 'its other node was ended')
    Tap.says(one.decide('start', 'web-1'), 0, 'it can be started again')
    pool.wait_state('web-1', 'running')
    Tap.says(one.decide('stop', 'web-1'), 0, 'and stopped')
    Tap.result(all_ended(pool.wait_state('web-1', 'stopped')), 'and then both nodes have ended')


def test_death(pool):
    """A host that is gone."""
    one, two = pool.hosts[:2]
    one.decide('start', 'web-1')
    pool.wait_state('web-1', 'running')
    two.kill()
    machine = pool.wait_state('web-1', 'failed')
    Tap.result(machine['reason'] == 'host h2 is out of reach', f'failed: {machine["reason"]}')
    wait_until(lambda: pool.machine('web-1')['cells'][0]['state'] == 'ended', PATIENCE, 'h1 is left')
    Tap.says(one.decide('start', 'web-1'), 1, 'web-1: it may still run on h2, which is out of reach: when that host is '
             'surely off, dvmm fenced h2')
    Tap.says(one.decide('fenced', 'h2'), 0, 'dvmm fenced h2')
    Tap.says(one.decide('start', 'web-1', '--every', '60'), 2, '--every: name where the checkpoints are to be')
    Tap.says(one.decide('start', 'web-1', '--restart', '/shared/checkpoint', '--every', '60'), 0, 'then it is started elsewhere')
    machine = pool.wait_state('web-1', 'running')
    pool.wait_lines(('run web-1 h1 --keep', 1))
    Tap.result(pool.count('run web-1 h1 --keep /shared/checkpoint --every 60') == 1
               and not pool.count('resume'), 'its boot node makes a checkpoint every minute')
    Tap.result(2 not in [c['host'] for c in machine['cells']], 'on hosts that are there')


def test_restart(pool):
    """A machine that goes on by itself."""
    one = pool.hosts[0]
    machine = pool.machine('web-1')
    run = machine['run']
    lost = pool.hosts[machine['cells'][1]['host'] - 1]
    lost.kill()
    pool.wait_state('web-1', 'failed')
    wait_until(lambda: pool.machine('web-1')['cells'][0]['state'] == 'ended', PATIENCE, 'h1 is left')
    Tap.result(pool.machine('web-1')['state'] == 'failed', 'not before the lost host is fenced')
    Tap.says(one.decide('fenced', lost.name), 0, f'dvmm fenced {lost.name}')
    machine = pool.wait_state('web-1', 'running')
    pool.wait_lines(('run web-1 h1 --from', 1), ('resume', 1))
    Tap.result(machine['run'] == run + 1 and pool.count('run web-1 h1 --from /shared/checkpoint') == 1
               and not pool.count('run web-1 h2 --from'), 'then it goes on from its checkpoint by itself')
    Tap.result(pool.count('run web-1 h1 --from /shared/checkpoint --replace --keep /shared/checkpoint --every 60') == 1
               and pool.count('spread web-1 --here') == 1 and pool.count('resume web-1 --here') == 1,
               'in place of what an earlier one left; its vCPUs are spread, it is resumed, and saved again every minute')
    for host in (lost, pool.hosts[1]):
        host.boot()
    wait_until(pool.open_alike, PATIENCE, 'no pool')
    Tap.says(one.decide('stop', 'web-1'), 0, 'dvmm stop web-1')
    pool.wait_state('web-1', 'stopped')


def test_cut(pool):
    """A host that is cut off ends what it runs, and says so when it is back."""
    one, two, three = pool.hosts[:3]
    three.decide('start', 'web-1')
    pool.wait_state('web-1', 'running')
    pool.side(two, 1)
    pool.wait_state('web-1', 'failed')
    ends = pool.count('end web-1 h2')
    wait_until(lambda: pool.count('end web-1 h2') > ends, PATIENCE, 'it still runs')
    Tap.result(True, 'a host that is cut off ends its nodes')
    wait_until(lambda: pool.machine('web-1')['cells'][0]['state'] == 'ended', PATIENCE, 'h1 is left')
    Tap.says(one.decide('start', 'web-1'), 1, 'web-1: it may still run on h2')
    pool.side(two, 0)
    wait_until(lambda: all_ended(pool.machine('web-1')), PATIENCE, 'its end is not told')
    Tap.says(one.decide('start', 'web-1'), 0, 'when it is back nobody has to fence it')
    pool.wait_state('web-1', 'running')
    Tap.result(not pool.count('TWICE'), 'no node has run twice')


def test_alone(pool):
    """Each host is alone for too long, as behind a switch that begins anew: that is a fault."""
    one = pool.hosts[0]
    one.decide('stop', 'web-1')
    pool.wait_state('web-1', 'stopped')
    one.decide('start', 'web-1', '--restart', '/shared/checkpoint')
    run = pool.wait_state('web-1', 'running')['run']
    ends = pool.count('end web-1')
    for host in pool.hosts:
        host.link(False)
    wait_until(lambda: pool.count('end web-1') == ends + 2, PATIENCE, 'it still runs')
    for host in pool.hosts:
        host.link(True)
    wait_until(pool.open_alike, PATIENCE, 'no pool')
    wait_until(lambda: pool.machine('web-1').get('run', run) != run, PATIENCE, 'it does not begin again')
    machine = pool.wait_state('web-1', 'running')
    Tap.result(machine['run'] == run + 1, 'what each host has ended for itself goes on from its checkpoint')
    one.decide('stop', 'web-1')
    pool.wait_state('web-1', 'stopped')


def test_room(pool):
    """A machine that has to begin again waits for a host with room."""
    one, five = pool.hosts[0], pool.hosts[4]
    five.kill()
    cpus = len(os.sched_getaffinity(0))
    wait_until(lambda: pool.open_alike(pool.hosts[:4]), PATIENCE, 'no pool')
    for number, first in enumerate((cpus, cpus, cpus - 1)):
        pool.define(f'wide{number}', 10 + number, first)
        Tap.says(one.decide('start', f'wide{number}', '--restart', '/shared/checkpoint'), 0, f'dvmm start wide{number}')
        pool.wait_state(f'wide{number}', 'running')
    pool.hosts[3].kill()
    lost = next(f'wide{n}' for n in range(3) if any(c['host'] == 4 for c in pool.machine(f'wide{n}')['cells']))
    pool.wait_state(lost, 'failed')
    wait_until(lambda: all(c['state'] in ('lost', 'ended') for c in pool.machine(lost)['cells']), PATIENCE, 'a node is left')
    one.decide('fenced', 'h4')
    wait_until(lambda: 'no host has room' in pool.machine(lost)['reason'], PATIENCE, f'there is room: {pool.machine(lost)}')
    Tap.result(True, f'{lost}: {pool.machine(lost)["reason"]}')
    five.boot()
    Tap.result(pool.wait_state(lost, 'running')['restarts'] == 1, 'it begins when a host has come that has room')


class MachineChurn(members.Churn):
    """Hosts that come and go under machines that are started and stopped."""

    def ask(self):
        """Who says that a host is off knows it."""
        host, name = self.random.choice(self.pool.hosts), f'm{self.random.randrange(3)}'
        off = [h for h in self.pool.hosts if not h.corosync]
        self.asked += 1
        what = self.random.randrange(4)
        if off and what == 0:
            answer = host.ask(do='fenced', name=self.random.choice(off).name)
        elif what == 1:
            answer = host.ask(do='stop', name=name)
        else:
            answer = host.ask(do='start', name=name, restart='/shared/checkpoint')
        self.done += 'v' in answer and 'error' not in answer


def runs(pool, name):
    """Started unless it runs already."""
    pool.hosts[0].ask(do='start', name=name, restart='/shared/checkpoint')
    return pool.machine(name).get('state') == 'running'


def test_churn(events, seed):
    """Chance; afterwards each machine can run, whatever has become of it."""
    pool = MachinePool(5)
    try:
        pool.boot()
        wait_until(lambda: pool.open_alike() and len(pool.hosts[0].ask(do='hosts')['hosts']) == 5, PATIENCE, 'no pool')
        for number in range(3):
            pool.define(f'm{number}', number + 1)
        churn = MachineChurn(pool, seed)
        term = churn.run(events)['term']
        for number in range(3):
            wait_until(lambda name=f'm{number}': runs(pool, name), PATIENCE, f'm{number} does not run')
        Tap.result(not churn.wrong and not pool.count('TWICE') and pool.count('run') > events / 20,
                   f'{events} joins, ends, cuts and merges (seed {seed}): {churn.done} of {churn.asked} requests decided, '
                   f'term {term}, {pool.count("run")} nodes ran, {pool.count("TWICE")} twice: '
                   f'{", ".join(churn.wrong) or "all replicas are equal"}')
    except TimeoutError as error:
        Tap.result(False, str(error))
    finally:
        if Tap.failed:
            print('# ' + '\n# '.join(pool.journal()[-200:]))
            for host in pool.hosts:
                print(f'# {host.name}: ' + '\n# '.join(host.log().split('\n')[-40:]))
        pool.close()


def test_pair():
    """Two hosts without a third vote."""
    pool = MachinePool(2, 'two_node: 1')
    one = pool.hosts[0]
    try:
        pool.boot()
        wait_until(lambda: pool.open_alike() and len(one.ask(do='hosts')['hosts']) == 2, PATIENCE, 'no pool')
        pool.define('web-1', 1)
        Tap.says(one.decide('start', 'web-1', '--restart', '/c'), 1,
                 'two hosts without a third vote restart nothing by themselves')
        Tap.says(one.decide('start', 'web-1'), 0, 'dvmm start web-1')
        pool.wait_state('web-1', 'running')
        pool.hosts[1].kill()
        wait_until(lambda: 'nothing alone' in one.ask(do='hosts').get('closed', ''), PATIENCE, 'it decides alone')
        Tap.says(one.dvmm('start', 'web-1'), 3, 'one of two hosts decides nothing alone')
    finally:
        pool.close()


def test_all():
    """Five hosts."""
    pool = MachinePool(5)
    try:
        pool.boot()
        for test in (test_start, test_refusals, test_daemon, test_silence, test_begin, test_no_bus, test_late, test_end, test_death, test_restart, test_cut,
                     test_alone, test_room):
            test(pool)
    except TimeoutError as error:
        Tap.result(False, str(error))
    finally:
        if Tap.failed:
            print('# ' + '\n# '.join(pool.journal()))
            for host in pool.hosts:
                print(f'# {host.name}: ' + '\n# '.join(host.log().split('\n')[-25:]))
        pool.close()


def main():
    """Everything."""
    if not pools.corosync():
        print('1..0 # SKIP there is no corosync: tools/testbed/setup packages')
        return 0
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time()) % 100000
    pools.enter_namespaces()
    test_churn(events, seed)
    test_all()
    try:
        test_pair()
    except TimeoutError as error:
        Tap.result(False, str(error))
    print(f'1..{Tap.count}')
    return 1 if Tap.failed else 0


if __name__ == '__main__':
    sys.exit(main())
