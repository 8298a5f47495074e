#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""The runner itself: faults that it must report, planted in real nodes."""
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '../../tools/testbed'))
sys.dont_write_bytecode = True
from testbed import config  # noqa: E402
from testbed.runner import Runner, Totals  # noqa: E402
from testbed.tests import Test  # noqa: E402

FAKE = '''#!/bin/sh
echo 1..1
%s
echo ok 1
'''
WARN = 'echo "<4>WARNING: CPU: 0 PID: 1 at planted.c:1" > /dev/kmsg; sleep 0.2'
PLANTED = [
    ('a good test passes', 'true', 30, 0, ''),
    ('a report in the kernel log', WARN, 30, 1, 'planted.c'),
    ('a test that hangs', 'sleep 100', 2, 1, 'still running after 2 s'),
    ('a node that panics', 'echo c > /proc/sysrq-trigger; sleep 60', 60, 1, 'node 0'),
    ('a good test passes again', 'true', 30, 0, ''),
]


def main():
    """Runs the planted tests and looks at what the runner says."""
    work = tempfile.mkdtemp()
    said = []
    totals = Totals(work, said.append)
    runner = Runner(totals, lambda: config.Config(512, share=work), 1)
    print('TAP version 13')
    print(f'1..{len(PLANTED)}')
    bad = 0
    for number, (name, body, bound, failures, words) in enumerate(PLANTED, 1):
        path = os.path.join(work, 'planted')
        with open(path, 'w') as f:
            f.write(FAKE % body)
        os.chmod(path, 0o755)
        before, heard = totals.failed, len(said)
        test = Test('testbed', 'node', 1, bound, ['../../../share/planted'])
        runner.run(test)
        news = '\n'.join(said[heard:])
        good = (totals.failed > before) == bool(failures) and words in news
        bad += not good
        if not good:
            print('# ' + news.replace('\n', '\n# '))
        print(f'{"ok" if good else "not ok"} {number} - {name}')
    runner.close()
    shutil.rmtree(work)
    return 1 if bad else 0


sys.exit(main())
