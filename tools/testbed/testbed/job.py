# SPDX-License-Identifier: GPL-2.0
"""Demonstrations whose guest has a job all the while."""
from .demo import Demo, Failed

# one process, which prints a result on the console for every two million numbers
JOB = 'setsid sh -c "work 2000000 10000 /tmp/enough; echo the job ends with status \\$?" > /dev/console 2>&1 < /dev/null & true'
ENDED = 'the job ends with status '


class JobDemo(Demo):
    """A guest whose results are read from its console."""

    def console(self):
        """The file of what the guest prints."""
        raise NotImplementedError

    def printed(self):
        """What it has printed so far; no result may be wrong."""
        with open(self.console(), encoding='utf-8', errors='replace') as f:
            text = f.read()
        if 'WRONG' in text or 'Kernel panic' in text:
            raise Failed('a result is wrong, or the guest has died')
        return text

    def check_end(self):
        """The job has ended as it was told to."""
        if f'{ENDED}0' not in self.printed():
            raise Failed('the job has failed')
