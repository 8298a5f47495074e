# SPDX-License-Identifier: GPL-2.0
"""The agent's lines; agent/line.h describes them."""
import re

_SPECIAL = re.compile(rb'[^!-$&-~]')
_ESCAPED = re.compile(rb'%([0-9a-fA-F]{2})')


def escape(data):
    """One word of a line from bytes or text."""
    if isinstance(data, str):
        data = data.encode('utf-8', 'surrogateescape')
    return _SPECIAL.sub(lambda m: b'%%%02x' % m.group()[0], data)


def unescape(word):
    """The bytes that a word stands for."""
    return _ESCAPED.sub(lambda m: bytes([int(m.group(1), 16)]), word)


def make(*words):
    """A whole line from words."""
    return b' '.join(escape(w) for w in words) + b'\n'
