#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Plants bugs in copies of the daemon, one at a time; the runs of chance, or the test that is named, have to fail on each.

The list is in the file "mutants":

    bug what is wrong
    file replica.c
    test fence.py yes
    - text that stands exactly once in the file
    + what stands there instead

planted.py [N...]: only the Nth.
planted.py texts: whether each could be planted, which is soon known.
"""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
RUNS = '1500'


def bugs():
    """Each of the list."""
    with open(os.path.join(HERE, 'mutants')) as f:
        for text in f.read().split('\n\n'):
            lines = [line for line in text.split('\n') if line and not line.startswith('#')]
            if lines:
                yield {'what': lines[0].removeprefix('bug '), 'file': lines[1].removeprefix('file '),
                       'test': lines[2].removeprefix('test ').split() if lines[2].startswith('test ') else ['replicas', RUNS],
                       'old': '\n'.join(line[2:] for line in lines if line.startswith('- ')),
                       'new': '\n'.join(line[2:] for line in lines if line.startswith('+ '))}


def place(tree, bug):
    """The file of a bug, its text, and why the bug cannot be planted in it, or ''."""
    path = os.path.join(tree, 'tools/dvmmd', bug['file'])
    with open(path) as f:
        text = f.read()
    times = text.count(bug['old'])
    return path, text, '' if times == 1 else f'its text stands {times} times in {bug["file"]}'


def build(tree, bug):
    """The test with the bug in it; what is wrong with that, or ''."""
    path, text, wrong = place(tree, bug)
    if wrong:
        return wrong
    with open(path, 'w') as f:
        f.write(text.replace(bug['old'], bug['new']))
    target = ['selftests/member', 'replicas'] if bug['test'][0] == 'replicas' else ['tools/dvmmd', 'dvmmd']
    done = subprocess.run(['make', '-s', '-C', os.path.join(tree, target[0]), target[1]],
                          capture_output=True, text=True, check=False)
    with open(path, 'w') as f:
        f.write(text)
    return done.stderr.strip().split('\n')[-1] if done.returncode else ''


def finds(tree, test):
    """What the test says of it; '' if nothing."""
    done = subprocess.run([os.path.join(tree, 'selftests/member', test[0]), *test[1:]], capture_output=True, text=True,
                          check=False)
    if done.returncode < 0:
        return f'signal {-done.returncode}'
    lines = [line for line in done.stdout.split('\n') if line.startswith(('# seed', 'not ok'))]
    return lines[0] if done.returncode and lines else ''


def copy():
    """What is built, elsewhere."""
    tree = tempfile.mkdtemp(prefix='dvmm-planted-')
    for part in ('tools/dvmmd', 'tools/dvmm', 'selftests/member', 'selftests/engine'):
        shutil.copytree(os.path.join(TOP, part), os.path.join(tree, part), ignore=shutil.ignore_patterns('*.o', 'replicas'))
    shutil.copy(os.path.join(TOP, 'selftests/lib.mk'), os.path.join(tree, 'selftests'))
    return tree


def texts():
    """Whether all can be planted."""
    wrong = [f'{bug["what"]}: {why}' for bug in bugs() for why in [place(TOP, bug)[2]] if why]
    print(f'{"not " if wrong else ""}ok 1 - each planted bug has its place: {wrong}\n1..1')
    return 1 if wrong else 0


def main():
    """All of them."""
    if sys.argv[1:] == ['texts']:
        return texts()
    wanted = [(n, bug) for n, bug in enumerate(bugs(), 1) if len(sys.argv) < 2 or str(n) in sys.argv[1:]]
    failed = 0
    tree = copy()
    for number, bug in wanted:
        wrong = build(tree, bug)
        found = '' if wrong else finds(tree, bug["test"])
        failed += not found
        print(f'{"" if found else "not "}ok {number} - {bug["what"]}: {found or wrong or "not found"}', flush=True)
    shutil.rmtree(tree)
    print(f'1..{len(wanted)}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
