"""
SMTP smuggling: one server sees the end of a message where another does not (CVE-2023-51764 and its kin).

A message is smuggled in if part of what was sent as content is read as commands, or if content with line ends of doubtful
meaning is taken and passed on.
"""

from __future__ import annotations

from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from tests.support.smtp import ServerCase
from twisted_mail_server.model import limits

OPENING = b"EHLO me\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"
SMUGGLED = b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nsmuggled\r\n.\r\n"
#: All that some server somewhere took for the end of a line.
LINE_ENDS = (b"\n", b"\r", b"\r\r", b"\n\r", b"\r\r\n", b"\r\0\n", b"\0\r\n", b"\r\n")
DOTS = (b".", b"..", b" .", b".\0")


class SmugglingTests(ServerCase, SynchronousTestCase):
    """
    Ends of content that are none.
    """

    def send(self, data: bytes, size: int = 65536) -> list[bytes]:
        """
        The replies after DATA to what is sent in pieces.
        """
        session, transport = self.connect()
        transport.deliver(OPENING)
        transport.take()
        for at in range(0, len(data), size):
            transport.deliver(data[at : at + size])
        replies = transport.take().splitlines()
        transport.lose()
        self.assertFalse(session.is_busy)
        return replies

    def test_every_false_end(self) -> None:
        """
        No combination of line ends and dots but CRLF.CRLF ends content, and none with a lone CR or LF is taken.
        """
        for before, dot, after in product(LINE_ENDS, DOTS, LINE_ENDS):
            end = before + dot + after
            if b"\r\n.\r\n" in end:
                continue
            self.intake.transactions.clear()
            content = b"visible" + end + SMUGGLED
            (reply,) = self.send(content)
            is_clean = content.count(b"\r\n") == content.count(b"\r") == content.count(b"\n")
            self.assertEqual(b"250" if is_clean else b"550", reply[:3], end)
            self.assertEqual(int(is_clean), len(self.intake.taken), end)
            self.assertEqual(1, len(self.intake.transactions), end)

    def test_true_end_after_a_lone_cr(self) -> None:
        """
        A lone CR before a true end does not hide it: the message ends there, refused, and what follows is commands.
        """
        replies = self.send(b"visible\r\r\n.\r\n" + SMUGGLED)
        self.assertEqual([b"550", b"250", b"250", b"354", b"250"], [reply[:3] for reply in replies])

    def test_at_every_cut(self) -> None:
        """
        So it is however the octets come.
        """
        for end in (b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r\n\n.\r\n"):
            for size in (1, 2, 3, 5, 7):
                self.intake.transactions.clear()
                (reply,) = self.send(b"visible" + end + SMUGGLED, size)
                self.assertEqual((b"550 5.6.11", []), (reply[:10], self.intake.taken))

    def test_dot_at_the_border_of_a_read(self) -> None:
        """
        A dot that a read begins or ends with is one like any other.
        """
        for size in (100, 65536):
            for shift in range(-6, 7):
                self.intake.transactions.clear()
                content = b"x" * (size + shift) + b"\r\n..\r\ny\r\n.\r\n"
                (reply,) = self.send(content, size)
                self.assertEqual(b"250", reply[:3])
                self.assertEqual(b"x" * (size + shift) + b"\r\n.\r\ny\r\n", self.intake.taken[0][2])

    def test_line_longer_than_a_read(self) -> None:
        """
        A line that is longer than a read, or than a buffer elsewhere, is not broken, so no dot in it begins a line.
        """
        line = (b"x" * 997 + b".") * 200
        (reply,) = self.send(line + b"\r\n.\r\n", 998)
        self.assertEqual((b"250", line + b"\r\n"), (reply[:3], self.intake.taken[0][2]))

    def test_command_lines(self) -> None:
        """
        A lone LF or CR in a command does not make two of it.
        """
        for end in (b"\n", b"\r", b"\n\r", b"\r\0\n"):
            session, transport = self.connect()
            transport.take()
            transport.deliver(b"HELO me" + end + b"MAIL FROM:<a@example.net>\r\n")
            self.assertEqual(b"500 5.5.2", transport.take()[:9])
            self.assertEqual([], self.intake.transactions)
            transport.lose()
            self.assertTrue(session.is_lost)

    def test_endless_line(self) -> None:
        """
        A line of content without end is refused at its limit, and costs no memory.
        """
        session, transport = self.connect()
        transport.deliver(OPENING)
        transport.take()
        for _ in range(limits.TEXT_LINE // 65536 + 10):
            transport.deliver(b"x" * 65536)
            self.assertEqual(0, session.unread())
        self.assertEqual(["abandoned"], [transaction.fate for transaction in self.intake.transactions])
        transport.deliver(b"\r\n.\r\n")
        self.assertEqual(b"550 5.6.0", transport.take()[:9])
