#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""TAP accounting, kernel log scan and the agent's lines, without a node."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '../../tools/testbed'))
sys.dont_write_bytecode = True
from testbed import ept, klog, line, tests  # noqa: E402
from testbed.tap import Tap  # noqa: E402


def tap(text, status=0):
    """(passed, failed, skipped) of a program that says text."""
    t = Tap()
    for row in text.split('\n'):
        t.line(row)
    t.end(status, 5)
    return t.passed, len(t.failures), t.skipped


def serial(text):
    """(passed, failed) of what an emulated Intel host says over its serial line."""
    reader = ept.Reader(lambda _: None, 1)
    for row in text.split('\n'):
        reader.line(row)
    return reader.passed, reader.failed


def refused(names):
    """What is said of names of tests, or None."""
    try:
        tests.find(names)
    except LookupError as e:
        return str(e)
    return None


GOOD = '1..2\nok 1 - a\nok 2 - b'
CASES = [
    ('a test that does not exist is named, beside one that does',
     lambda: 'dsm/nothing, nowhere (' in refused(['dsm', 'dsm/nothing', 'nowhere'])),
    ('a group, a program, a program with its arguments', lambda: not refused(['engine', 'dsm/mem', 'dsm/vms.py 4 2'])),
    ('results are counted', lambda: tap(GOOD) == (2, 0, 0)),
    ('a plan at the end is as good', lambda: tap('ok 1\nok 2\n1..2') == (2, 0, 0)),
    ('a failure is counted', lambda: tap('1..2\nok 1\nnot ok 2 - x', 1) == (1, 1, 0)),
    ('a failure without a status is one', lambda: tap('1..1\nnot ok 1', 0) == (0, 1, 0)),
    ('a bad status without a failure is one', lambda: tap(GOOD, 1) == (2, 1, 0)),
    ('a missing result is a failure', lambda: tap('1..3\nok 1\nok 2')[1] == 1),
    ('silence is a failure', lambda: tap('')[1] == 1),
    ('a missing plan is a failure', lambda: tap('ok 1')[1] == 1),
    ('a program that hangs has failed', lambda: tap('1..1\nok 1', None)[1] == 1),
    ('bailing out is a failure', lambda: tap('1..2\nok 1\nBail out! no', 1)[1] >= 1),
    ('a skipped result', lambda: tap('1..2\nok 1\nok 2 # SKIP no rdma') == (1, 0, 1)),
    ('a skipped program', lambda: tap('1..0 # SKIP no rdma') == (0, 0, 1)),
    ('a sub-test does not count', lambda: tap('1..1\n    ok 1 - inner\nok 1') == (1, 0, 0)),
    ('any bytes survive an agent line', lambda: line.unescape(line.escape(bytes(range(256)))) == bytes(range(256))),
    ('a line has one end', lambda: line.make('run', '1', 'a b\n').count(b'\n') == 1),
]
HOST = '@@ vmx 1 ept Y\n'
RUN = '@@ begin dsm mem\n1..2\nok 1\nok 2\n'
CASES += [
    ('an Intel host: a good run', lambda: serial(HOST + RUN + '@@ end 0\ndvmm.run: status 0') == (2, 0)),
    ('an Intel host without EPT is a failure', lambda: serial('@@ vmx 1 ept N')[1] == 1),
    ('an Intel host: a killed program', lambda: serial(HOST + RUN + '@@ end 137') == (2, 1)),
    ('an Intel host: modules left', lambda: serial(HOST + RUN + '@@ left modules\n@@ end 0') == (2, 1)),
    ('an Intel host: a kernel warning', lambda: serial('@@ klog <4>WARNING: CPU: 0 PID: 1 at x.c:1') == (0, 1)),
    ('an Intel host: an ordinary message', lambda: serial('@@ klog <4>dvmm: node 1 lost') == (0, 0)),
]
REPORTS = [
    'WARNING: CPU: 0 PID: 5 at kernel/foo.c:3 bar+0x1/0x2',
    'BUG: unable to handle page fault for address: 0', 'kernel BUG at mm/foo.c:12!',
    'Oops: Oops: 0000 [#1] PREEMPT SMP', 'BUG: KASAN: slab-use-after-free in foo',
    'WARNING: possible circular locking dependency detected', 'INFO: task foo:12 blocked for more than 120 seconds.',
    'rcu: INFO: rcu_preempt detected stalls on CPUs', 'refcount_t: underflow; use-after-free.',
    'watchdog: BUG: soft lockup - CPU#0 stuck', 'UBSAN: array-index-out-of-bounds in x',
    'BUG: sleeping function called from invalid context', 'kmemleak: 3 new suspected memory leaks',
    'WARNING: suspicious RCU usage', 'list_add corruption. prev->next', 'general protection fault, probably',
]
for report in REPORTS:
    CASES.append((f'found in a kernel log: {report[:40]}', lambda r=report: len(klog.reports('x\n[ 1.0] ' + r)) == 1))
CASES.append(('an ordinary log is clean', lambda: not klog.reports('dvmm: node 1 lost: link reset\nloop: module loaded')))

print('TAP version 13')
print(f'1..{len(CASES)}')
FAILED = 0
for number, (name, works) in enumerate(CASES, 1):
    good = works()
    FAILED += not good
    print(f'{"ok" if good else "not ok"} {number} - {name}')
sys.exit(1 if FAILED else 0)
