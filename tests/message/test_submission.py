"""
L{twisted_mail_server.message.submission}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.messages import awkward_messages
from twisted_mail_server.message.headers import split
from twisted_mail_server.message.submission import Findings, examine, mend

DATE = b"Mon, 2 Feb 2026 10:00:00 +0000"
ID = b"<1@example.org>"


class ExamineTests(SynchronousTestCase):
    def test_complete(self) -> None:
        """
        A header with all it needs is complete.
        """
        found = examine(b"date: x\r\nFrom: a@b\r\nMESSAGE-ID: <x>\r\n\r\n")
        self.assertEqual((Findings(False, False, False, ()), True), (found, found.is_complete))

    def test_lacking(self) -> None:
        """
        What is missing is named, and blind copies are found.
        """
        block = b"To: a@b\r\nBcc: c@d,\r\n e@f\r\nresent-bcc:\r\nX: Date: no\r\n\r\n"
        found = examine(block)
        self.assertEqual(Findings(True, True, True, ((9, 26), (26, 39))), found)
        self.assertFalse(found.is_complete)
        self.assertEqual(
            [b"Bcc: c@d,\r\n e@f\r\n", b"resent-bcc:\r\n"], [block[slice(*place)] for place in found.blind]
        )


class MendTests(SynchronousTestCase):
    def mends(self, expected: bytes, block: bytes) -> None:
        """
        That block becomes that one.
        """
        self.assertEqual(expected, mend(block, date=DATE, message_id=ID))

    def test_adds(self) -> None:
        """
        What is missing goes in front.
        """
        both = b"Date: " + DATE + b"\r\nMessage-ID: " + ID + b"\r\n"
        self.mends(both + b"From: a@b\r\n\r\n", b"From: a@b\r\n\r\n")
        self.mends(b"Message-ID: " + ID + b"\r\nDate: x\r\n\r\n", b"Date: x\r\n\r\n")
        self.mends(b"Date: " + DATE + b"\r\nMessage-ID: x\r\n\r\n", b"Message-ID: x\r\n\r\n")
        self.mends(both + b"\r\n", b"\r\n")
        self.mends(both, b"")

    def test_removes(self) -> None:
        """
        Blind copies go, folds and all; the rest stays byte for byte.
        """
        rest = b"Date: x\r\nX-Odd :\t  y \r\n\tz\r\nMessage-ID: x\r\nno field\r\n\r\n"
        self.mends(rest, b"bCC: a@b,\r\n\tc@d\r\n" + rest[:9] + b"Resent-Bcc: e@f\r\nBcc :\r\n" + rest[9:])

    def test_no_header(self) -> None:
        """
        A text that has no header does not become part of one.
        """
        added = b"Date: " + DATE + b"\r\nMessage-ID: " + ID + b"\r\n"
        self.mends(added + b"\r\nHello, world.\r\nBye: now\r\n", b"Hello, world.\r\nBye: now\r\n")
        # Nor does it lend its fields to the header that it gets: both are missing there.
        for field in (b"Date: x\r\n", b"Message-ID: x\r\n"):
            self.mends(added + b"\r\nHello\r\n" + field, b"Hello\r\n" + field)

    def test_idempotent(self) -> None:
        """
        What was mended once is complete, and is not changed again.
        """
        for name, message in awkward_messages(50, 9):
            block, _ = split(message)
            mended = mend(block, date=DATE, message_id=ID)
            self.assertTrue(examine(mended).is_complete, name)
            self.assertEqual(mended, mend(mended, date=DATE, message_id=ID), name)
