# SPDX-License-Identifier: GPL-2.0
"""What a program that prints TAP says about itself."""
import re

_LINE = re.compile(r'^(not )?ok\b\s*(\d+)?\s*-?\s*(.*)$')
_PLAN = re.compile(r'^1\.\.(\d+)\s*(#\s*SKIP\s*(.*))?', re.I)
_SKIP = re.compile(r'#\s*SKIP\b', re.I)


class Tap:
    """Counts of one program, fed by whole lines."""

    def __init__(self):
        self.passed = self.skipped = 0
        self.failures = []
        self.skips = []
        self.plan = None

    def seen(self):
        """Number of results."""
        return self.passed + self.skipped + len(self.failures)

    def line(self, text):
        """One line of output; True where it is a result that failed."""
        if text.startswith('Bail out!'):
            self.failures.append(text)
            return True
        plan = _PLAN.match(text)
        if plan:
            self._planned(plan, text)
            return False
        result = _LINE.match(text)
        if not result:
            return False
        return self._result(bool(result.group(1)), text)

    def _planned(self, plan, text):
        self.plan = int(plan.group(1))
        if self.plan == 0:
            self.skipped += 1
            self.skips.append(text)

    def _result(self, failed, text):
        if failed:
            self.failures.append(text)
        elif _SKIP.search(text):
            self.skipped += 1
            self.skips.append(text)
        else:
            self.passed += 1
        return failed

    def end(self, status, bound=None):
        """The program is over: status, or None when its bound passed."""
        seen = self.seen()
        if status is None:
            self.failures.append(f'still running after {bound:g} s: killed')
        elif status and not self.failures:
            self.failures.append(f'ended with status {status} and named no failure')
        if status is None:
            return
        if self.plan is None:
            self.failures.append('printed no plan (1..N)')
        elif self.plan and self.plan != seen:
            self.failures.append(f'planned {self.plan} results, gave {seen}')
