"""
Comments in structured fields (RFC 5322 section 3.2.2): where they end, and the
field without them.
"""

from __future__ import annotations

import re

from ..model.limits import MIME_COMMENTS

#: What may stand outside a comment, quoted strings taken whole.
_OUTSIDE = re.compile(rb"(?:[^(\"\\]++|\\.|\"(?:[^\"\\]++|\\.)*+(?:\"|\\?\Z))*+", re.DOTALL)

_MARKS = re.compile(rb"\\.|[()]", re.DOTALL)


def comment_end(value: bytes, start: int) -> int:
    """
    Where the comment that begins at C{start} is over.

    Comments nest; one that is never closed goes on to the end.
    """
    depth = 0
    for mark in _MARKS.finditer(value, start):
        if mark[0] == b"(":
            depth += 1
        elif mark[0] == b")":
            depth -= 1
            if depth == 0:
                return mark.end()
    return len(value)


def without_comments(value: bytes) -> bytes:
    """
    The value with each comment outside quoted strings made one space; behind
    L{MIME_COMMENTS} comments nothing more is looked at.
    """
    if b"(" not in value:
        return value
    kept: list[bytes] = []
    place = 0
    while place < len(value) and len(kept) < 2 * MIME_COMMENTS:
        found = _OUTSIDE.match(value, place)
        end = found.end() if found else place
        if value.startswith(b"(", end):
            kept += value[place:end], b" "
            place = comment_end(value, end)
        else:
            kept.append(value[place : end + 1])
            place = end + 1
    return b"".join(kept)
