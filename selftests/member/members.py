#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Five corosyncs and five dvmmds: hosts that come, go, are cut off and come back.

members.py [EVENTS [SEED]]
"""
import os
import random
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.dont_write_bytecode = True
import pool as pools  # noqa: E402
from pool import PATIENCE, Tap, wait_until  # noqa: E402

HERE = pools.HERE
MACHINE = '''[machine]
name = {0}
uuid = 00000000-0000-4000-8000-{1:012d}
transport = tcp
security = none
[node h1]
address = 10.99.0.1
cpus = 1
memory = 64M
[node h2]
address = 10.99.0.2
cpus = 1
memory = 64M
'''


def machine_file(pool, number):
    """Path of a machine's file."""
    path = os.path.join(pool.directory, f'm{number}.conf')
    with open(path, 'w') as f:
        f.write(MACHINE.format(f'm{number}', number))
    return path


def names(answer, what='machines'):
    """Names in an answer."""
    return sorted(one['name'] for one in answer[what])


def all_alike(pool, hosts=None):
    """Wait until all decide and are equal; one of the answers."""
    return wait_until(lambda: pool.open_alike(hosts), PATIENCE, 'the hosts do not agree')


def closed(host):
    """Wait until the host decides nothing; why."""
    return wait_until(lambda: host.ask(do='hosts').get('closed'), PATIENCE, 'the host still decides')


def test_pool(pool):
    """What a healthy pool does."""
    one, two = pool.hosts[:2]
    answer = wait_until(lambda: pool.open_alike() and len(one.ask(do='hosts')['hosts']) == 5 and one.ask(do='hosts'),
                        PATIENCE, 'no pool')
    Tap.result(names(answer, 'hosts') == ['h1', 'h2', 'h3', 'h4', 'h5']
               and {h['state'] for h in answer['hosts']} == {'present'}
               and {h['cpus'] for h in answer['hosts']} == {os.cpu_count()}, 'five hosts have found each other')
    status, out, _ = two.dvmm('hosts')
    Tap.result(status == 0 and out.count('present') == 5 and out.startswith('HOST'), 'dvmm hosts lists them')
    Tap.says(two.decide('define', machine_file(pool, 1)), 0, 'dvmm define m1')
    all_alike(pool)
    Tap.result(all(names(h.ask(do='machines')) == ['m1'] for h in pool.hosts), 'all have the machine')
    Tap.says(one.decide('define', machine_file(pool, 1)), 1, 'm1: a machine of that name is defined: dvmm undefine m1')
    Tap.says(one.decide('undefine', 'm2'), 1, 'm2: there is no such machine in the pool: dvmm machines')
    other = machine_file(pool, 1).replace('m1.conf', 'copy.conf')
    with open(other, 'w') as f:
        f.write(MACHINE.format('copy', 1))
    Tap.says(one.decide('define', other), 1, 'copy: m1 has the same UUID')


def stutter(process, end):
    """It mostly stands still, so that its answers take long."""
    while not end.is_set():
        process.send_signal(signal.SIGSTOP)
        time.sleep(.1)
        process.send_signal(signal.SIGCONT)
        time.sleep(.02)


def trips(host):
    """What it has told of its round trips to the others."""
    return next((h['round_trips'] for h in host.ask(do='hosts').get('hosts', []) if h['name'] == host.name), {})


def is_far(far):
    """Whether h2 is, and no other."""
    return len(far) == 4 and far['h2'] > 4 * max(us for name, us in far.items() if name != 'h2')


def shown_trips(host):
    """As dvmm hosts prints them."""
    return {line.split()[0]: line.split()[6] for line in host.dvmm('hosts')[1].split('\n')[1:6] if line}


def test_trips(pool):
    """One host is far from the others."""
    one, two, three = pool.hosts[:3]
    end = threading.Event()
    wait_until(lambda: all(len(trips(h)) == 4 for h in pool.hosts), PATIENCE, f'not all are measured: {trips(one)}')
    thread = threading.Thread(target=stutter, args=(two.corosync, end))
    thread.start()
    try:
        wait_until(lambda: is_far(trips(one)), PATIENCE, 'h2 is not far')
    finally:
        end.set()
        thread.join()
    far = trips(one)
    Tap.result(2000 < far['h2'] < 200000, f'microseconds to a host that answers after some tens of milliseconds: {far}')
    all_alike(pool)
    wait_until(lambda: shown_trips(one) == {name: str(us) for name, us in {'h1': '-', **trips(one)}.items()}, PATIENCE,
               f'shown: {shown_trips(one)}')
    Tap.result(True, f'dvmm hosts shows them: {shown_trips(one)}')
    cells = [{'node': node, 'cpus': 1, 'memory': 1 << 20} for node in 'xyz']
    three.ask(do='define', machine={'name': 'near', 'uuid': 'near', 'text': '', 'cells': cells})
    three.ask(do='start', name='near')
    machine = next(m for m in all_alike(pool)['machines'] if m['name'] == 'near')
    hosts = [cell['host'] for cell in machine['cells']]
    Tap.result(hosts[0] == 1 and 2 not in hosts, f'of hosts that have as much room the near ones are taken: {hosts}')
    wait_until(lambda: 'error' not in three.ask(do='undefine', name='near'), PATIENCE, 'it still runs')


def test_door(pool):
    """What is said at the socket."""
    one = pool.hosts[0]
    Tap.result('is nothing that dvmmd does' in one.ask(do='dance').get('error', ''), 'an unknown request is refused')
    Tap.result('is nothing that dvmmd does' in one.ask(do='ended', name='m1').get('error', ''),
               "nobody speaks in a host's place")
    if not os.environ.get('DVMM_POOL_ROOT'):
        print('# a stranger takes a second user: run as root')
        return
    os.chmod(pool.directory, 0o755)
    done = subprocess.run(one.inside('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', pools.DVMM,
                                     'undefine', 'm1', '--state', one.directory),
                          capture_output=True, text=True, check=False)
    Tap.says((done.returncode, done.stdout, done.stderr), 4, 'only root changes the pool: run as root')


def test_stray(pool):
    """What is no message of a dvmmd."""
    one, two = pool.hosts[:2]
    subprocess.run(two.inside(os.path.join(HERE, 'stray'), 'hello', '[1, 2]', '{"dvmm": 99, "kind": "open"}', '{"dvmm',
                              '{"dvmm": 2, "kind": "define", "machine": {"name": "../x"}}', 'big',
                              '{"dvmm": 2, "kind": "host", "host": 7}', '{"dvmm": 2}',
                              '{"dvmm": 2, "kind": "state", "view": "x", "state": {}}'), check=True)
    all_alike(pool)
    log = one.log()
    Tap.result('host 2 sends what is no message' in log and 'host 2 speaks version 99' in log,
               'what is no message, or of another version, is named')
    Tap.result(names(one.ask(do='machines')) == ['m1'] and all(h.daemon.poll() is None for h in pool.hosts),
               'and changes nothing')


def ends_with(host, status, text):
    """Whether its dvmmd ends like this; it has none then."""
    try:
        good = host.daemon.wait(PATIENCE) == status and text in host.log()
    except subprocess.TimeoutExpired:
        good = False
    host.daemon_kill()
    return good


def test_misfit(pool):
    """A dvmmd that cannot be one of these."""
    others, last = pool.hosts[:4], pool.hosts[4]
    last.daemon_kill()
    last.daemon_start('--name', 'h 5')
    Tap.result(ends_with(last, 2, "'h 5' cannot be a host's name"), 'one with a name that its pool would refuse does not begin')
    stray = subprocess.Popen(others[0].inside(os.path.join(HERE, 'stray'), '--again', '{"dvmm": 99, "kind": "hello"}'))
    last.daemon_start()
    Tap.result(ends_with(last, 3, 'host 1 speaks version 99'), 'one that begins among others of another version ends')
    stray.kill()
    stray.wait()
    wait_until(lambda: pool.open_alike(others), PATIENCE, 'the others do not decide')
    last.daemon_start()
    Tap.result(names(all_alike(pool)) == ['m1'], 'those that were there go on, and it with them when it has theirs')


def test_minority(pool):
    """A host alone, and what happens to its state."""
    one, last = pool.hosts[0], pool.hosts[4]
    pool.side(last, 1)
    wait_until(lambda: 'quorate' in closed(last), PATIENCE, 'no word of quorum')
    Tap.says(last.dvmm('define', machine_file(pool, 2)), 3, 'the pool decides nothing: it is not quorate')
    wait_until(lambda: pool.open_alike(pool.hosts[:4]), PATIENCE, 'the majority does not decide')
    Tap.says(one.decide('undefine', 'm1'), 0, 'the others decide: dvmm undefine m1')
    Tap.says(one.decide('define', machine_file(pool, 3)), 0, 'dvmm define m3')
    Tap.result(names(last.ask(do='machines')) == ['m1'], 'the one that is cut off still has the old state')
    wait_until(lambda: 'away' in str(one.ask(do='hosts')), PATIENCE, 'not away')
    pool.side(last, 0)
    Tap.result(names(all_alike(pool)) == ['m3'], 'when it is back it has that of the others')


def test_ends(pool):
    """Daemons and corosyncs that end."""
    one, two = pool.hosts[:2]
    two.daemon_kill()
    wait_until(lambda: 'silent' in str(one.ask(do='hosts')), PATIENCE, 'not silent')
    Tap.result(True, 'a host without a dvmmd is silent')
    Tap.says(two.dvmm('machines'), 3, 'dvmmd does not run on this host: systemctl start dvmmd')
    two.daemon_start()
    all_alike(pool)
    two.corosync_kill()
    wait_until(lambda: 'start corosync' in closed(two), PATIENCE, 'not named')
    Tap.result(True, f'a host without corosync decides nothing: {closed(two)}')
    two.corosync_start()
    Tap.result(names(all_alike(pool)) == ['m3'], 'both are found again')
    for host in pool.hosts:
        host.daemon_kill()
    for host in pool.hosts:
        host.daemon_start()
    Tap.result(names(all_alike(pool)) == ['m3'], 'the end of all dvmmds loses nothing')


def test_store(pool):
    """A daemon that cannot begin says why."""
    one, two = pool.hosts[:2]
    first = one.daemon
    one.daemon_start()
    Tap.result(one.daemon.wait(PATIENCE) == 1 and 'a dvmmd runs already: systemctl status dvmmd' in one.log(),
               'a second dvmmd is refused')
    one.daemon = first
    store = os.path.join(two.directory, 'pool.json')
    for text, why in ('{"dvmm', 'it is damaged'), ('{"state": {"machines": {"x": 1}, "hosts": {}}}', "no pool's state"):
        two.daemon_kill()
        with open(store, 'w') as f:
            f.write(text)
        two.daemon_start()
        Tap.result(two.daemon.wait(PATIENCE) == 1 and why in two.log().split('\n')[-2] and 'move' in two.log(),
                   f'a store is not used: {two.log().splitlines()[-1]}')
    os.unlink(store)
    two.daemon_start()
    Tap.result(names(all_alike(pool)) == ['m3'], 'without one it takes the state of the others')


class Churn:
    """Events in any order, and what must never be seen."""

    def __init__(self, pool, seed):
        self.pool, self.random = pool, random.Random(seed)
        self.digests, self.wrong, self.asked, self.done = {}, [], 0, 0

    def look(self):
        """Those who decide and are as far as each other are equal."""
        for host in self.pool.hosts:
            answer = host.ask(do='machines') if host.daemon else {}
            if answer.get('closed') == '':
                key = answer['term'], answer['sequence']
                if self.digests.setdefault(key, answer['digest']) != answer['digest']:
                    self.wrong.append(f'term and sequence {key} have two states')

    def ask(self):
        """Something for the pool to decide."""
        host, number = self.random.choice(self.pool.hosts), self.random.randrange(6)
        self.asked += 1
        if self.random.random() < .5:
            machine = {'name': f'm{number}', 'uuid': str(number), 'text': '',
                       'cells': [{'node': 'a', 'cpus': 1, 'memory': 1 << 20}]}
            answer = host.ask(do='define', machine=machine)
        else:
            answer = host.ask(do='undefine', name=f'm{number}')
        self.done += 'v' in answer and 'error' not in answer

    def event(self):
        """Something happens."""
        host, what = self.random.choice(self.pool.hosts), self.random.randrange(8)
        if what < 3:
            for one in self.pool.hosts:
                self.pool.side(one, self.random.randrange(2))
        elif what == 3:
            for one in self.pool.hosts:
                self.pool.side(one, 0)
        elif not host.corosync:
            host.boot()
        elif not host.daemon:
            host.daemon_start()
        elif what < 6:
            host.daemon_kill()
        else:
            host.kill()

    def let_be(self):
        """Mostly not long enough for a view to be opened."""
        end = time.monotonic() + 4
        if self.random.random() > .2:
            time.sleep(self.random.random())
        else:
            while time.monotonic() < end and not any(h.ask(do='machines').get('closed') == '' for h in self.pool.hosts):
                time.sleep(0.05)

    def heal(self):
        """All run and reach each other."""
        for host in self.pool.hosts:
            self.pool.side(host, 0)
            if not host.corosync:
                host.boot()
            elif not host.daemon:
                host.daemon_start()

    def run(self, events):
        """All of it; what they agree on in the end."""
        for _ in range(events):
            self.event()
            self.let_be()
            for _ in range(3):
                self.ask()
            self.look()
        self.heal()
        return all_alike(self.pool)


def test_churn(pool, events, seed):
    """Chance."""
    churn = Churn(pool, seed)
    try:
        term = churn.run(events)['term']
    except TimeoutError as error:
        churn.wrong.append(str(error))
        term = 0
    Tap.result(not churn.wrong,
               f'{events} joins, ends, cuts and merges (seed {seed}): {churn.done} of {churn.asked} requests decided, '
               f'term {term}: {", ".join(churn.wrong) or "all replicas are equal"}')
    Tap.says(pool.hosts[2].decide('define', machine_file(pool, 9)), 0, 'and decide again')


def main():
    """Everything."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time()) % 100000
    if not pools.corosync():
        print('1..0 # SKIP there is no corosync: tools/testbed/setup packages')
        return 0
    if not os.getuid():
        os.environ['DVMM_POOL_ROOT'] = '1'
    pools.enter_namespaces()
    pool = pools.Pool(5)
    try:
        pool.boot()
        for test in (test_pool, test_trips, test_door, test_stray, test_misfit, test_minority, test_ends, test_store):
            test(pool)
        test_churn(pool, events, seed)
    except TimeoutError as error:
        Tap.result(False, str(error))
    finally:
        if Tap.failed:
            for host in pool.hosts:
                print(f'# {host.name}: ' + '\n# '.join(host.log().split('\n')[-12:]))
        pool.close()
    print(f'1..{Tap.count}')
    return 1 if Tap.failed else 0


if __name__ == '__main__':
    sys.exit(main())
