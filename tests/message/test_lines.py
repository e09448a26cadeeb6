"""
L{twisted_mail_server.message.lines}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.messages import awkward_messages, odd_messages
from twisted_mail_server.message.lines import (
    Stuffing,
    Unstuffing,
    canonical,
    ending,
    find_bare,
    stuff,
    unstuff,
)


class DisciplineTests(SynchronousTestCase):
    def test_clean(self) -> None:
        """
        Lines that end with CRLF are clean; so is a last one without an end.
        """
        for data in (b"", b"a", b"a\r\nb\r\n", b"\r\n\r\n", b"\r\na"):
            self.assertEqual(-1, find_bare(data))
            self.assertIs(data, canonical(data))

    def test_bare(self) -> None:
        """
        The first CR or LF that stands alone is found, at either end too.
        """
        for data, place in (
            (b"\n", 0),
            (b"\r", 0),
            (b"a\r\n\nb", 3),
            (b"a\r\r\nb", 1),
            (b"a\n\r", 1),
            (b"a\r\nb\r", 4),
            (b"\r\n\r\r\n\n", 2),
        ):
            self.assertEqual(place, find_bare(data))

    def test_canonical(self) -> None:
        """
        Whatever ended a line, CRLF ends it afterwards.
        """
        self.assertEqual(b"a\r\nb\r\n\r\nc\r\nd", canonical(b"a\nb\r\r\nc\r\nd"))
        for _, message in odd_messages(50, 1):
            self.assertEqual(-1, find_bare(canonical(message)))

    def test_awkward_messages_are_clean(self) -> None:
        """
        What is made to travel by SMTP can travel.
        """
        for name, message in awkward_messages(50, 7):
            self.assertEqual(-1, find_bare(message), name)
            self.assertTrue(message.endswith(b"\r\n"), name)
            self.assertNotIn(b"\0", message, name)
            self.assertLessEqual(max(map(len, message.split(b"\r\n"))), 998, name)


class DotTests(SynchronousTestCase):
    def test_stuff(self) -> None:
        """
        A dot is doubled at the beginning of a line, and nowhere else.
        """
        self.assertEqual(b"..a.\r\n...\r\n\r\n..", stuff(b".a.\r\n..\r\n\r\n."))
        self.assertEqual(b"a\n.b\r.c", stuff(b"a\n.b\r.c"))

    def test_round_trip(self) -> None:
        """
        What was stuffed comes back, and never ends early.
        """
        for name, message in [*awkward_messages(50, 1), *odd_messages(50, 2)]:
            stuffed = stuff(message)
            self.assertEqual(message, unstuff(stuffed), name)
            self.assertNotIn(b"\r\n.\r\n", b"\r\n" + stuffed, name)

    def test_unstuff_lonely_dot(self) -> None:
        """
        One dot goes from each line that begins with one, doubled or not.
        """
        self.assertEqual(b"a\r\n.b\r\n", unstuff(b".a\r\n..b\r\n."))

    def test_every_cut(self) -> None:
        """
        Where a message is cut makes no difference.
        """
        message = b".\r\n..a\r\n\r\n.b\r.\n.c\r\n.\r"
        stuffed = stuff(message)
        for one in range(len(stuffed) + 1):
            for two in range(one, len(stuffed) + 1):
                stuffing, unstuffing = Stuffing(), Unstuffing()
                chunks = message[:one], message[one:two], message[two:]
                self.assertEqual(stuffed, b"".join(map(stuffing.add, chunks)))
                self.assertEqual(ending(message), stuffing.end())
                chunks = stuffed[:one], stuffed[one:two], stuffed[two:]
                self.assertEqual(message, b"".join(map(unstuffing.add, chunks)))

    def test_ending(self) -> None:
        """
        The dot that ends a message stands on a line of its own.
        """
        self.assertEqual(
            [b".\r\n", b".\r\n", b"\r\n.\r\n", b"\r\n.\r\n"], [ending(data) for data in (b"", b"a\r\n", b"a", b"a\n")]
        )
        for data in (b"", b"a\r\n", b"a", b"\r"):
            stuffing = Stuffing()
            stuffing.add(data)
            self.assertEqual(ending(data), stuffing.end())
