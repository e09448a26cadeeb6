"""
Whatever messages are: an mbox gives them back; and whatever a file holds, the reader reads it.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.message.test_mboxes import DATE, FROM, read, write
from twisted_mail_server.message.mboxes import MboxMessage
from twisted_mail_server.model.errors import SyntaxProblem

QUICK = settings(derandomize=True, max_examples=300, deadline=None, database=None)

PARTS = st.sampled_from(
    [b"From ", b">", b"\n", b"\r\n", b"\r", b"a", b"From x Sun Sep 13 12:26:40 2020", b"A: b", b"\n\n"]
)
TEXT = st.lists(PARTS, max_size=12).map(b"".join)


class MboxTests(SynchronousTestCase):
    """
    C{mboxes}.
    """

    @QUICK
    @given(bodies=st.lists(TEXT, max_size=4), size=st.integers(1, 40))
    def test_round_trip(self, bodies: list[bytes], size: int) -> None:
        """
        Contents that end with a line come back octet for octet.
        """
        contents = [b"A: b\n\n" + body + b"\n" for body in bodies]
        expected = [(MboxMessage(DATE), content) for content in contents]
        self.assertEqual(expected, read(write(*((DATE, (), content) for content in contents), size=size)))

    @QUICK
    @given(text=TEXT, begins=st.booleans(), cut=st.integers(0, 60))
    def test_anything(self, text: bytes, begins: bool, cut: int) -> None:
        """
        Any file is read, the same however it is cut, or refused as no mbox.
        """
        file = FROM * begins + text
        try:
            whole = read(file)
        except SyntaxProblem:
            self.assertRaises(SyntaxProblem, read, file[:cut], file[cut:])
        else:
            self.assertEqual(whole, read(file[:cut], file[cut:]))
