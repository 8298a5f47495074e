#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Hosts that are lost are fenced by a program, once and only where the pool decides, and machines go on after it.

fence.py [TEST...]: only those
"""
import glob
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.dont_write_bytecode = True
import machines  # noqa: E402
import pool as pools  # noqa: E402
from pool import PATIENCE, Tap, wait_until  # noqa: E402

PROGRAM = os.path.join(pools.HERE, 'fake-fence')
BOUND = 3


class FencePool(machines.MachinePool):
    """Hosts that can switch each other off, but for those in "without"."""
    without, bound = (), PATIENCE

    def environment(self, host):
        return {**super().environment(host), 'DVMM_FAKE': self.fake, 'DVMM_AT': host.name}

    def options(self, host):
        more = [] if host.name in self.without else ['--fence', PROGRAM, '--fence-timeout', str(self.bound)]
        return super().options(host) + more

    def host_is_off(self, host):
        super().host_is_off(host)
        for pid, at in programs():
            if at == host.name:
                os.kill(pid, signal.SIGKILL)

    def plan(self, host, *words):
        """What becomes of the next ones that are run for that host."""
        for path in glob.glob(os.path.join(self.fake, 'off.*')):
            os.unlink(path)
        with open(os.path.join(self.fake, f'plan.{host.name}'), 'w') as f:
            f.write(''.join(f'{word}\n' for word in words))

    def is_off(self, host):
        """Ends those that wait, well."""
        with open(os.path.join(self.fake, f'off.{host.name}'), 'w'):
            pass

    def begun(self, host):
        """By whom programs were run for it, in order."""
        return [line.split()[-1] for line in self.journal() if line.startswith(f'fence {host.name} ')]

    def wait_begun(self, host, *whom):
        """Until so many were run."""
        wait_until(lambda: len(self.begun(host)) >= len(whom), PATIENCE,
                   f'it is not run by {[one.name for one in whom]}, one after the other')

    def alone(self, host):
        """Whether there is one program, and it is that host's."""
        return [at for _, at in programs()] == [host.name]

    def whole(self):
        """All are back, web-1 runs on h1 and h2 with a checkpoint to go on from, and nothing was fenced yet."""
        for host in self.hosts:
            self.side(host, 0)
            if not host.corosync:
                host.boot()
        wait_until(lambda: self.open_alike() and len(self.hosts[0].ask(do='hosts')['hosts']) == self.size, PATIENCE, 'no pool')
        self.hosts[2].decide('stop', 'web-1')
        self.wait_state('web-1', 'stopped', self.hosts[2])
        self.hosts[2].decide('start', 'web-1', '--restart', '/shared/checkpoint')
        machine = self.wait_state('web-1', 'running', self.hosts[2])
        assert [c['host'] for c in machine['cells']] == [1, 2]
        os.unlink(os.path.join(self.fake, 'journal'))

    def goes_on(self, text):
        """The machine does, and no part of it has run twice."""
        machine = self.wait_state('web-1', 'running', self.hosts[2])
        self.wait_lines(('resume', 1))
        Tap.result(machine['restarts'] == 1 and self.count('run web-1') == 2 and not self.count('TWICE'), text)

    def lost_alone(self, host, asked):
        """Until nothing of web-1 is left but a node on that host."""
        def look():
            machine = self.machine('web-1', asked)
            states = {c['host']: c['state'] for c in machine.get('cells', [])}
            return states.pop(host.number, '') == 'lost' and set(states.values()) == {'ended'} and machine
        return wait_until(look, PATIENCE, 'it is not lost alone')


def programs():
    """Those that run, with the host that runs them."""
    found = []
    for path in glob.glob('/proc/[0-9]*/cmdline'):
        try:
            with open(path, 'rb') as f, open(os.path.dirname(path) + '/environ', 'rb') as e:
                if f.read().split(b'\0')[1:2] == [PROGRAM.encode()]:
                    found.append((int(path.split('/')[2]), e.read().split(b'DVMM_AT=')[1].split(b'\0')[0].decode()))
        except (OSError, IndexError):
            pass
    return found


def test_words(pool):
    """What is no program is refused."""
    for words, why in ((['--fence', '/nowhere'], '--fence /nowhere: name a program by its whole path'),
                       (['--fence', 'sh'], '--fence sh: name a program by its whole path'),
                       (['--fence-timeout', '0'], '--fence-timeout: give the program a second at least')):
        done = subprocess.run([pools.DVMMD, '--state', pool.directory, *words], capture_output=True, text=True, check=False,
                              timeout=PATIENCE)
        Tap.says((done.returncode, done.stdout, done.stderr), 2, why)


def test_agent(pool):
    """The example gives an agent its words, and no list of processes a password."""
    program, directory = os.path.join(pools.TREE, 'debian/fence-agent'), os.path.join(pool.directory, 'agent')
    words, agent = os.path.join(directory, 'h2'), os.path.join(directory, 'fence_fake')
    os.mkdir(directory)
    with open(agent, 'w', opener=lambda path, flags: os.open(path, flags, 0o755)) as f:
        f.write('#!/bin/sh\ntest $# = 0 && cat > "$0.words"\nexit 7\n')

    def run(text, mode, *args):
        with open(words, 'w') as f:
            f.write(text)
        os.chmod(words, mode)
        done = subprocess.run([program, *args], capture_output=True, text=True, check=False, env={
            'DVMM_FENCE': directory, 'PATH': f'{directory}:{os.environ["PATH"]}'})
        return done.returncode, done.stdout, done.stderr

    fine = 'agent=fence_fake\nip=192.0.2.101\npassword=secret\n'
    for case, why in (((fine, 0o600, 'h2'), 'usage: fence-agent HOST ADDRESS'),
                      ((fine, 0o600, 'h3', '10.99.0.3'), 'h3: write into it which agent fences h3'),
                      ((fine, 0o640, 'h2', '10.99.0.2'), 'h2: it has a password in it: chown root, chmod 600'),
                      (('agent=fence_no\n', 0o600, 'h2', '10.99.0.2'), 'agent=fence_no: name one of the package fence-agents'),
                      (('ip=192.0.2.101\n', 0o600, 'h2', '10.99.0.2'), 'agent=: name one of the package fence-agents')):
        Tap.says(run(*case), 2, why)
    Tap.result(run(fine, 0o600, 'h2', '10.99.0.2') == (7, '', ''), 'its end is that of the agent')
    with open(f'{agent}.words') as f:
        Tap.result(f.read() == 'action=off\nip=192.0.2.101\npassword=secret\n', 'which has read what to do')


def test_yes(pool):
    """It says that the host is off."""
    one, two = pool.hosts[:2]
    pool.plan(two, 'wait')
    two.kill()
    pool.lost_alone(two, one)
    pool.wait_begun(two, one)
    Tap.result(pool.journal().count('fence h2 10.99.0.2 by h1') == 1 and pool.alone(one),
               'the first host runs it, with name and address')
    Tap.says(one.decide('start', 'web-1'), 1, 'web-1: it may still run on h2')
    Tap.result(pool.machine('web-1')['state'] == 'failed' and not pool.count('run'), 'nothing goes on before it has ended')
    pool.is_off(two)
    pool.goes_on('then the machine goes on from its checkpoint by itself')
    Tap.result(pool.begun(two) == ['h1'] and not programs(), 'it was run once')


def test_no(pool):
    """It fails twice."""
    one, two = pool.hosts[:2]
    pool.plan(two, 'no', 'no', 'wait')
    two.kill()
    pool.wait_begun(two, one, one)
    told = wait_until(lambda: 'try 2' in pool.machine('web-1')['reason'] and pool.machine('web-1'), PATIENCE, 'not told')
    Tap.result(told['reason'] == f'host h2 is out of reach; h2 is not fenced: try 2 of {PROGRAM}: exit status 3'
               and told['state'] == 'failed', f'failed: {told["reason"]}')
    pool.wait_begun(two, one, one, one)
    pool.lost_alone(two, one)
    out = pool.hosts[3].dvmm('hosts')[1]
    Tap.result(f'\n  not fenced: try 2 of {PROGRAM}: exit status 3\n' in out and not pool.count('run'),
               'dvmm hosts says so on any host, and nothing goes on')
    Tap.result('h2 is not fenced: try 1' in one.log() and 'exit status 3: again in 2 s' in one.log(), 'the log does')
    pool.is_off(two)
    pool.goes_on('the third time it goes on')
    Tap.result('not fenced' not in one.dvmm('hosts')[1] + one.dvmm('machines')[1], 'and nothing is told any more')


def restart(pool, host):
    """Its dvmmd with other words."""
    host.daemon_kill()
    host.daemon_start()
    wait_until(lambda: pool.open_alike([h for h in pool.hosts if h.corosync]), PATIENCE, 'no pool')


def test_hang(pool):
    """It does not end."""
    one, two = pool.hosts[:2]
    pool.bound = BOUND
    restart(pool, one)
    pool.plan(two, 'wait', 'yes')
    two.kill()
    pool.wait_begun(two, one, one)
    pool.goes_on('one that hangs is ended, and run again')
    Tap.result(f'try 1 of {PROGRAM}: not done in {BOUND} s' in one.log() and not programs(), 'it has so many seconds')
    pool.bound = PATIENCE
    restart(pool, one)


def test_without(pool):
    """The first host has none any more."""
    one, two, three = pool.hosts[:3]
    pool.plan(two, 'wait', 'wait', 'wait', 'wait')
    two.kill()
    pool.lost_alone(two, one)
    pool.wait_begun(two, one)
    pool.without = ('h1',)
    restart(pool, one)
    wait_until(lambda: pool.alone(three), PATIENCE, 'not h3 alone fences')
    Tap.result(one.daemon.poll() is None and pool.begun(two).count('h1') == 1, 'a host that has no program leaves it to the next')
    pool.is_off(two)
    pool.goes_on('which does it')
    pool.without = ()
    restart(pool, one)


def test_back(pool):
    """The host comes back meanwhile."""
    one, two = pool.hosts[:2]
    pool.plan(two, 'wait')
    pool.side(two, 1)
    pool.lost_alone(two, one)
    pool.wait_begun(two, one)
    pool.side(two, 0)
    wait_until(lambda: not programs(), PATIENCE / 3, 'it is still fenced')
    Tap.result(pool.count('off') == 0, 'for a host that is back the program is ended')
    pool.goes_on('which has told that its node has ended')
    Tap.result('h2 is fenced' not in one.log().split('h2 is away')[-1], 'nobody calls it fenced')


def test_renumbered(pool):
    """The host is back by another id: one of its name is in the pool."""
    one, two, five = pool.hosts[0], pool.hosts[1], pool.hosts[4]
    pool.plan(two, 'wait', 'wait', 'wait', 'wait')
    two.kill()
    pool.lost_alone(two, one)
    pool.wait_begun(two, one)
    five.name = 'h2'
    restart(pool, five)
    wait_until(lambda: not programs(), PATIENCE / 3, 'it is still fenced')
    Tap.result('h2 is away' not in one.log().rsplit('open: term', 1)[1], 'for a host whose name is in the pool it is not run')
    Tap.says(one.dvmm('fenced', 'h2'), 0, '')
    pool.goes_on('who says that it was off is believed')
    five.name = 'h5'
    restart(pool, five)


def test_next(pool):
    """The host that fences is itself cut off, comes back, and dies."""
    one, two, three = pool.hosts[:3]
    pool.plan(two, 'wait', 'wait', 'wait', 'wait')
    two.kill()
    pool.lost_alone(two, one)
    pool.wait_begun(two, one)
    pool.side(one, 1)
    pool.wait_begun(two, one, three)
    wait_until(lambda: pool.alone(three), PATIENCE, 'not h3 alone fences')
    Tap.result(True, 'the next one does it when the first is cut off, whose program is ended')
    pool.side(one, 0)
    pool.wait_begun(two, one, three, one)
    wait_until(lambda: pool.alone(one), PATIENCE, 'not h1 alone fences')
    Tap.result(True, 'and the first again when it is back')
    one.kill()
    pool.wait_begun(two, one, three, one, three)
    wait_until(lambda: pool.alone(three), PATIENCE, 'not h3 alone fences')
    pool.is_off(two)
    pool.goes_on('and the next one when the first dies')
    Tap.result(pool.begun(two) == ['h1', 'h3', 'h1', 'h3'] and not pool.begun(one), 'a host that has lost no node is left alone')


def test_minority(pool):
    """Two of five, one of them with a node of the machine, take nobody for lost."""
    one, two, three = pool.hosts[:3]
    pool.plan(one, 'wait')
    pool.plan(two, 'wait')
    for host in pool.hosts[2:]:
        pool.plan(host)
    for host in (one, two):
        pool.side(host, 1)
    wait_until(lambda: pool.begun(one) and pool.begun(two), PATIENCE, 'nobody is fenced')
    wait_until(lambda: pool.count('end web-1') == 2, PATIENCE, 'they still run')
    Tap.result({*pool.begun(one), *pool.begun(two)} == {'h3'} and pool.count('fence') == 2,
               'both are fenced by the first of those who decide, and fence nobody')
    pool.is_off(one)
    pool.is_off(two)
    pool.goes_on('the machine goes on with those who decide')


def main():
    """Everything."""
    if not pools.corosync():
        print('1..0 # SKIP there is no corosync: tools/testbed/setup packages')
        return 0
    tests = {test.__name__.removeprefix('test_'): test for test in
             (test_words, test_agent, test_yes, test_no, test_hang, test_without, test_back, test_renumbered, test_next, test_minority)}
    wanted = sys.argv[1:] or list(tests)
    pools.enter_namespaces()
    pool = FencePool(5)
    try:
        pool.boot()
        wait_until(lambda: pool.open_alike() and len(pool.hosts[0].ask(do='hosts')['hosts']) == 5, PATIENCE, 'no pool')
        pool.define('web-1', 1)
        for name in wanted:
            pool.whole()
            tests[name](pool)
    except TimeoutError as error:
        Tap.result(False, str(error))
    finally:
        if Tap.failed:
            print('# ' + '\n# '.join(pool.journal()))
            for host in pool.hosts:
                print(f'# {host.name}: ' + '\n# '.join(host.log().split('\n')[-25:]))
        pool.close()
    print(f'1..{Tap.count}')
    return 1 if Tap.failed else 0


if __name__ == '__main__':
    sys.exit(main())
