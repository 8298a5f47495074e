# SPDX-License-Identifier: GPL-2.0
"""The list of tests: selftests/GROUP/tests, or the group's Makefile.

Each line of a "tests" file: WHERE NODES SECONDS PROGRAM [ARGUMENT...]
  host     on this machine
  node     inside node 0
  cluster  on this machine, with nodes to reach through "on" and "cluster"
  manual   not part of a check; listed so that nothing is forgotten
Flags after the first word: +ept, inside the emulated Intel host of check-ept
as well; +idle, waits most of its time, so that it runs beside all others;
+bench, not in a check but in "make bench", and its output is shown;
+named, only when its group or itself is asked for; +planted, only in
check-debug, the kernel's reports are what it wants, and its nodes end with it.
"""
import os
import shlex
import subprocess

from .config import TREE

FLAGS = ('ept', 'idle', 'bench', 'named', 'planted')
DEBUG_NODES = {'kasan': 2, 'kcsan': 1}
SELFTESTS = os.path.join(TREE, 'selftests')


class Test:
    """One program to run."""

    def __init__(self, group, where, nodes, bound, argv):
        self.group, self.nodes, self.bound, self.argv = group, nodes, bound, argv
        self.where, *flags = where.split('+')
        self.ept, self.idle, self.bench, self.named, self.planted = (flag in flags for flag in FLAGS)
        if self.where not in ('host', 'node', 'cluster', 'manual') or set(flags) - set(FLAGS):
            raise ValueError(where)
        self.name = group + '/' + ' '.join(argv)
        self.directory = os.path.join(SELFTESTS, group)

    def file_name(self):
        """A name for its log."""
        return ''.join(c if c.isalnum() or c in '-_.' else '_' for c in self.name)


def _parse(group, path):
    with open(path) as f:
        for number, text in enumerate(f, 1):
            words = shlex.split(text, comments=True)
            if not words:
                continue
            try:
                where, nodes, bound, *argv = words
                if not argv:
                    raise ValueError
                yield Test(group, where, int(nodes) if nodes != '-' else 0, float(bound), argv)
            except ValueError:
                raise SystemExit(f'{path}:{number}: want WHERE NODES SECONDS PROGRAM') from None


def _programs(group):
    """What the group's Makefile says there is to run."""
    if not os.path.exists(os.path.join(SELFTESTS, group, 'Makefile')):
        return []
    return subprocess.run(['make', '-s', '--no-print-directory', '-C', os.path.join(SELFTESTS, group), 'list'],
                          capture_output=True, text=True, check=False).stdout.split()


def _timeout(group):
    try:
        with open(os.path.join(SELFTESTS, group, 'settings')) as f:
            return float(dict(line.strip().split('=', 1) for line in f if '=' in line)['timeout'])
    except (OSError, KeyError):
        return 300.0


def _group(group):
    path = os.path.join(SELFTESTS, group, 'tests')
    programs = _programs(group)
    if not os.path.exists(path):
        return [Test(group, 'host', 0, _timeout(group), [p]) for p in programs]
    listed = list(_parse(group, path))
    known = {word.removeprefix('./').removesuffix('.sh').removesuffix('.py') for t in listed for word in t.argv}
    for program in programs:
        if program.removeprefix('./').removesuffix('.sh').removesuffix('.py') not in known:
            listed.append(Test(group, 'host', 0, 1, ['this program is in no line of "tests":', program]))
    return listed


def groups():
    """Names of all groups."""
    return sorted(g for g in os.listdir(SELFTESTS) if os.path.isdir(os.path.join(SELFTESTS, g)))


def find(wanted, bench=False, debug=None):
    """All tests, or those of the groups, or group/program, that are wanted; or what suits a debug kernel.

    A debug kernel gets guests, and clusters of more than DEBUG_NODES, only if they are asked for: they are slow
    there, and tests within one kernel have as many nodes. KCSAN needs two CPUs in a node to see a race, so its
    nodes are as much as this machine can bear one by one. LookupError names what is wanted and is not there.
    """
    found = [test for group in groups() for test in _group(group) if debug or not test.planted]
    if debug:
        found = [t for t in found if t.where != 'host'
                 and (wanted or t.nodes <= DEBUG_NODES[debug] and t.group != 'guest')]
    if bench:
        found = [t for t in found if t.bench]
    if not wanted:
        return [t for t in found if t.where != 'manual' and not t.named and t.bench == bench]
    chosen = {name: [t for t in found if _is_meant(t, name, bench)] for name in wanted}
    unmet = [name for name, tests in chosen.items() if not tests]
    if unmet:
        raise LookupError(f'no such test{" here" if bench or debug else ""}: {", ".join(unmet)} (--list shows all)')
    return [t for t in found if any(t in tests for tests in chosen.values())]


def _is_meant(test, name, bench):
    return test.name == name or test.where != 'manual' and test.bench == bench and name in (test.group, test.name.split(' ')[0])
