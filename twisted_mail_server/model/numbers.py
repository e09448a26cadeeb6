"""
Sequence sets, UID sets and their packed form (RFC 3501 section 9, RFC 4315).
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from attrs import frozen

from . import limits
from .errors import SyntaxProblem, TooLong

#: Largest number of RFC 3501: C{nz-number} is a non-zero unsigned 32-bit integer.
MAX_NUMBER = 0xFFFFFFFF

# sequence-set = (seq-number / seq-range) *("," sequence-set)
# seq-range = seq-number ":" seq-number ; seq-number = nz-number / "*"
_RANGE = re.compile(rb"(?P<low>[1-9][0-9]{0,9}|\*)(?::(?P<high>[1-9][0-9]{0,9}|\*))?")


@frozen
class SequenceSet:
    """
    Ranges of sequence numbers or UIDs as a client wrote them; C{None} stands for C{*}.
    """

    ranges: tuple[tuple[int | None, int | None], ...]

    @classmethod
    def parse(cls, text: bytes) -> SequenceSet:
        """
        Read C{sequence-set}.

        @raise SyntaxProblem: it is none.
        @raise TooLong: it has more ranges than L{limits.SEQUENCE_RANGES}.
        """
        pieces = text.split(b",")
        if len(pieces) > limits.SEQUENCE_RANGES:
            raise TooLong(f"A set has at most {limits.SEQUENCE_RANGES} ranges.")
        return cls(tuple(map(_parse_range, pieces)))

    def bounded(self, highest: int) -> list[tuple[int, int]]:
        """
        The ranges in ascending order, disjoint, with C{*} as C{highest} (RFC 3501 section 9, C{seq-range}).
        """
        spans = sorted(
            (min(a, b), max(a, b))
            for a, b in (
                (highest if low is None else low, highest if high is None else high) for low, high in self.ranges
            )
        )
        merged: list[tuple[int, int]] = []
        for low, high in spans:
            if merged and low <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], high))
            else:
                merged.append((low, high))
        return merged

    def select_uids(self, uids: Sequence[int]) -> list[int]:
        """
        Which of the ascending C{uids} are meant; what is not there is silently left out (RFC 3501 section 6.4.8).
        """
        if not uids:
            return []
        chosen: list[int] = []
        for low, high in self.bounded(uids[-1]):
            chosen.extend(uids[bisect_left(uids, low) : bisect_right(uids, high)])
        return chosen

    def select_positions(self, count: int) -> list[int]:
        """
        Which positions, counted from 0, are meant in a mailbox of C{count} messages.

        @raise SyntaxProblem: a number is beyond the last message.
        """
        chosen: list[int] = []
        for low, high in self.select_ranges(count):
            chosen.extend(range(low - 1, high))
        return chosen

    def select_ranges(self, count: int) -> list[tuple[int, int]]:
        """
        Which sequence numbers are meant in a mailbox of C{count} messages: ascending ranges.

        @raise SyntaxProblem: a number is beyond the last message.
        """
        ranges = self.bounded(count)
        if not all(1 <= low <= high <= count for low, high in ranges):
            raise SyntaxProblem("There is no message of that number.")
        return ranges


def _parse_range(piece: bytes) -> tuple[int | None, int | None]:
    found = _RANGE.fullmatch(piece)
    if found is None:
        raise SyntaxProblem("Not a sequence set.")
    low = _number(found["low"])
    return low, low if found["high"] is None else _number(found["high"])


def _number(text: bytes) -> int | None:
    if text == b"*":
        return None
    value = int(text)
    if value > MAX_NUMBER:
        raise SyntaxProblem("A number has at most 32 bits.")
    return value


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """
    Ascending numbers as inclusive ranges.
    """
    found: list[tuple[int, int]] = []
    start = end = -2
    for number in numbers:
        if number == end + 1:
            end = number
            continue
        if start >= 0:
            found.append((start, end))
        start = end = number
    if start >= 0:
        found.append((start, end))
    return found


def format_set(numbers: Iterable[int]) -> bytes:
    """
    Write ascending numbers as a C{sequence-set}: C{1:3,5}.
    """
    return format_ranges(runs(numbers))


def format_ranges(ranges: Iterable[tuple[int, int]]) -> bytes:
    """
    Write inclusive ranges as a C{sequence-set}.
    """
    return b",".join([b"%d" % low if low == high else b"%d:%d" % (low, high) for low, high in ranges])


def pack(numbers: Iterable[int]) -> bytes:
    """
    Ascending numbers in the packed form of the change log: little-endian 32-bit pairs (first, last).
    """
    packed = array("I")
    for low, high in runs(numbers):
        packed.append(low)
        packed.append(high)
    return packed.tobytes()


def unpack(packed: bytes) -> list[int]:
    """
    What L{pack} packed.
    """
    pairs = array("I")
    pairs.frombytes(packed)
    numbers: list[int] = []
    for position in range(0, len(pairs), 2):
        numbers.extend(range(pairs[position], pairs[position + 1] + 1))
    return numbers
