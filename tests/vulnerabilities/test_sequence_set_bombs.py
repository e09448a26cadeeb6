"""
Sequence-set bombs: C{1:4294967295}, ten thousand times, in every command that takes one.

Dovecot's and Cyrus's fixes for these came from imaptest and fuzzers; a set that is written out as a list of numbers is four billion
of them.  Here a set is ranges, merged when it is read, held against the messages that there are, and the number of ranges is bounded.
"""

from __future__ import annotations

import tracemalloc

from tests.support.imap import ImapTestCase
from twisted_mail_server.model import limits

ALL = b"1:4294967295"
COMMANDS = (
    b"FETCH %b UID",
    b"UID FETCH %b (FLAGS)",
    b"STORE %b +FLAGS (\\Seen)",
    b"UID STORE %b FLAGS.SILENT ()",
    b"COPY %b Sent",
    b"UID COPY %b Archive",
    b"UID MOVE %b Trash",
    b"SEARCH %b",
    b"SEARCH UID %b",
    b"UID SEARCH NOT UID %b OR %b UID %b",
    b"UID SEARCH RETURN (SAVE COUNT) %b",
    b"UID EXPUNGE %b",
    b"SORT (DATE) UTF-8 UID %b",
    b"UID THREAD REFERENCES UTF-8 UID %b",
    b"UID FETCH %b (FLAGS) (CHANGEDSINCE 1 VANISHED)",
)
RESYNC = b"SELECT INBOX (QRESYNC (1700000000 1 %b (%b %b)))"


class BombTests(ImapTestCase):
    """
    Three messages, and sets of billions.
    """

    def setUp(self) -> None:
        """
        QRESYNC is on.
        """
        super().setUp()
        self.add(*[b"Subject: x\n\ny\n"] * 3)
        line = self.line()
        line.receive(b"x ENABLE QRESYNC\r\nx SELECT INBOX\r\n")
        line.take()

    def say(self, command: bytes) -> tuple[bytes, int]:
        """
        What is said to a command, and the octets it takes at most.
        """
        line = self.line()
        tracemalloc.start()
        try:
            line.receive(b"a " + command + b"\r\n")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        said = line.take()
        self.assertEqual([], line.failures)
        self.assertIn(b"a ", said[-200:])
        return said, peak

    def test_huge(self) -> None:
        """
        The largest set there is costs what the mailbox holds.
        """
        for number, command in enumerate(COMMANDS):
            for text in (ALL, b"4294967295:1", b"*:1", b"1:*,*:1,4294967295:*", b",".join([ALL] * 500)):
                if number % 4 == 0:
                    self.add(b"Subject: x\n\ny\n")
                said, peak = self.say(command.replace(b"%b", text))
                self.assertRegex(said, rb"(?m)^a (OK|NO|BAD)", command)
                self.assertLess(len(said), 20_000)
                self.assertLess(peak, 2 * limits.MIB, command)

    def test_many_ranges(self) -> None:
        """
        Ranges that cannot be merged are counted; a set of more than may be is refused, one of as many is answered.
        """
        apart = b",".join(b"%d" % number for number in range(1, 2 * limits.SEQUENCE_RANGES, 2))
        too_many = b",".join(b"%d" % (number % 10) for number in range(1, limits.SEQUENCE_RANGES + 2))
        for command in COMMANDS[:8]:
            said, peak = self.say(command.replace(b"%b", too_many))
            self.assertIn(b"a BAD", said)
            self.assertLess(peak, 8 * limits.MIB)
            said, peak = self.say(command.replace(b"%b", apart[: limits.IMAP_COMMAND_LINE - 1000].rpartition(b",")[0]))
            self.assertLess(peak, 8 * limits.MIB)
            self.assertRegex(said, rb"(?m)^a (OK|NO|BAD)", command)

    def test_resync(self) -> None:
        """
        QRESYNC, whose lists of known UIDs and numbers are held against each other, is no exception.
        """
        for text in (ALL, b",".join([ALL] * 500), b",".join(b"%d" % number for number in range(1, 4000, 2))):
            said, peak = self.say(RESYNC % (text, text, text))
            self.assertRegex(said, rb"(?m)^a (OK|NO|BAD)")
            self.assertLess(len(said), 40_000)
            self.assertLess(peak, 4 * limits.MIB)

    def test_no_numbers(self) -> None:
        """
        Zero, what is beyond 32 bits, and what is no number are refused.
        """
        for text in (
            b"0",
            b"4294967296",
            b"1:4294967296",
            b"0:*",
            b"18446744073709551617",
            b"9" * 5000,
            b"1:",
            b":1",
            b"1::2",
        ):
            for command in COMMANDS[:8]:
                said, _ = self.say(command.replace(b"%b", text))
                self.assertIn(b"a BAD", said, (command, text))
            # Mistakes are forgiven to who is logged in and works.
            self.say(b"NOOP")
