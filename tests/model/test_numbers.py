"""
L{twisted_mail_server.model.numbers}
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import SyntaxProblem, TooLong
from twisted_mail_server.model.numbers import SequenceSet, format_set, pack, runs, unpack


class SequenceSetTests(SynchronousTestCase):
    """
    Sequence sets (RFC 3501 section 9).
    """

    def test_uids(self) -> None:
        """
        UIDs that are not there are left out; C{*} is the highest; ranges go either way.
        """
        uids = [2, 4, 6, 9]
        for text, wanted in {
            b"1:*": [2, 4, 6, 9],
            b"*": [9],
            b"4": [4],
            b"5": [],
            b"6:2": [2, 4, 6],
            b"*:7": [9],
            b"100:*": [9],
            b"9,2,2:4": [2, 4, 9],
            b"4294967295": [],
        }.items():
            self.assertEqual(wanted, SequenceSet.parse(text).select_uids(uids), text)

    def test_uids_of_nothing(self) -> None:
        """
        An empty mailbox has no UIDs, whatever is asked.
        """
        self.assertEqual([], SequenceSet.parse(b"1:*").select_uids([]))

    def test_positions(self) -> None:
        """
        Sequence numbers become positions from 0, each once, in order.
        """
        for text, wanted in {b"1:3": [0, 1, 2], b"*": [4], b"3:*,2,2": [1, 2, 3, 4], b"5:4": [3, 4]}.items():
            self.assertEqual(wanted, SequenceSet.parse(text).select_positions(5), text)

    def test_no_such_position(self) -> None:
        """
        A number beyond the last message is an error, and so is C{*} in an empty mailbox.
        """
        self.assertRaises(SyntaxProblem, SequenceSet.parse(b"2:6").select_positions, 5)
        self.assertRaises(SyntaxProblem, SequenceSet.parse(b"*").select_positions, 0)

    def test_malformed(self) -> None:
        """
        What is not a set is refused.
        """
        for text in (b"", b"0", b"1:", b":1", b"a", b"1,,2", b"-1", b"1:2:3", b"4294967296", b"01", b"1 2", b"**"):
            with self.assertRaises(SyntaxProblem):
                SequenceSet.parse(text)

    def test_too_many_ranges(self) -> None:
        """
        A set has a bounded number of ranges.
        """
        self.assertRaises(TooLong, SequenceSet.parse, b",".join([b"1"] * (limits.SEQUENCE_RANGES + 1)))

    def test_huge_range(self) -> None:
        """
        A range over all 32-bit numbers costs nothing.
        """
        self.assertEqual([7], SequenceSet.parse(b"1:4294967295,2:4294967294").select_uids([7]))


class RunsTests(SynchronousTestCase):
    """
    Numbers as ranges.
    """

    def test_runs(self) -> None:
        """
        Neighbours form a range.
        """
        self.assertEqual([(1, 3), (5, 5)], runs([1, 2, 3, 5]))
        self.assertEqual([], runs([]))
        self.assertEqual([(0, 0)], runs([0]))

    def test_format(self) -> None:
        """
        A set is written as short as it can be.
        """
        self.assertEqual(b"1:3,5,7:8", format_set([1, 2, 3, 5, 7, 8]))
        self.assertEqual(b"", format_set([]))

    @settings(derandomize=True, max_examples=100, deadline=None, database=None)
    @given(st.sets(st.integers(1, 0xFFFFFFFF) | st.integers(1, 50)))
    def test_there_and_back(self, numbers: set[int]) -> None:
        """
        What is packed or written is read again.
        """
        ordered = sorted(numbers)
        self.assertEqual(ordered, unpack(pack(ordered)))
        if ordered:
            self.assertEqual(ordered, SequenceSet.parse(format_set(ordered)).select_uids(ordered))
