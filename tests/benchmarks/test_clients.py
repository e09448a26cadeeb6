"""
L{benchmarks.clients}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.clients import Answer


class AnswerTests(SynchronousTestCase):
    """
    What is counted in an answer.
    """

    def test_fetched(self) -> None:
        """
        FETCH responses count, however the answer was cut on its way; other lines do not.
        """
        text = b"* 1 FETCH (FLAGS ())\r\n* 3 EXISTS\r\n* 22 FETCH (FLAGS (\\Seen))\r\nzq1x OK FETCH (done)\r\n"
        for cut in range(len(text)):
            self.assertEqual(2, Answer([text[:cut], text[cut:]]).fetched)

    def test_found(self) -> None:
        """
        Numbers of a SEARCH response count; there may be none, or no response.
        """
        self.assertEqual(3, Answer([b"* SEARCH 1 5 900\r\nzq1x OK done in 3 seconds\r\n"]).found)
        self.assertEqual(0, Answer([b"* SEARCH\r\nzq1x OK 1 2 3\r\n"]).found)
        self.assertEqual(0, Answer([b"zq1x OK 1 2 3\r\n"]).found)

    def test_literals(self) -> None:
        """
        A literal is what its octets say, even if it looks like another.
        """
        answer = Answer([b"* 1 FETCH (BODY[] {8}\r\n{3}\r\nabc)\r\n* 2 FETCH (BODY[] {2}\r\nxy)\r\nzq1x OK\r\n"])
        self.assertEqual([b"{3}\r\nabc", b"xy"], list(answer.literals()))
