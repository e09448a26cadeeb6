"""
Small commands that are meant to cost much: literals, sequence sets, nesting, patterns, partial lines.
"""

from __future__ import annotations

from tests.support.drive import now
from tests.support.imap import ImapTestCase
from twisted_mail_server.model import limits


class BombTests(ImapTestCase):
    """
    Each is refused, or costs little.
    """

    def refuses(self, command: bytes) -> bytes:
        """
        What is said to one command.
        """
        line = self.line()
        line.receive(command)
        said = line.take()
        line.receive(b"ok NOOP\r\n")
        self.assertIn(b"ok OK", line.take())
        return said

    def setUp(self) -> None:
        """
        Some messages.
        """
        super().setUp()
        self.add(*[b"Subject: x\n\ny\n"] * 3)
        self.line().receive(b"x SELECT INBOX\r\n")
        self.line().take()

    def test_announced_literals(self) -> None:
        """
        A literal is never bigger than its bound, whatever number is written; nothing is set aside for it.
        """
        for size in (limits.IMAP_LITERALS + 1, 2**31, 2**32, 2**63, 10**18):
            self.assertIn(b"a BAD [LIMIT]", self.refuses(b"a SEARCH SUBJECT {%d}\r\n" % size))
            self.assertIn(b"a NO [TOOBIG]", self.refuses(b"a APPEND INBOX {%d}\r\n" % max(size, 100_001)))

    def test_sequence_sets(self) -> None:
        """
        Many ranges are too many; huge ranges cost what the mailbox holds.
        """
        self.assertIn(b"a BAD [LIMIT]", self.refuses(b"a UID FETCH " + b"1:*," * 10_000 + b"1 UID\r\n"))
        said = self.refuses(b"a UID FETCH 1:4294967295,1:4294967295 UID\r\n")
        self.assertEqual(3, said.count(b" FETCH ("))
        said = self.refuses(b"a UID FETCH " + b"1:*," * 9_999 + b"1 UID\r\n")
        self.assertEqual(3, said.count(b" FETCH ("))

    def test_nesting(self) -> None:
        """
        Parentheses and NOTs nest to a bound.
        """
        for command in (b"a SEARCH " + b"(" * 60_000, b"a SEARCH " + b"NOT " * 16_000 + b"ALL"):
            self.assertIn(b"a BAD", self.refuses(command + b"\r\n"))

    def test_patterns(self) -> None:
        """
        No pattern makes LIST slow: a name is gone through once.
        """
        for number in range(50):
            now(self.mail.create_mailbox("a" * 900 + str(number)))
        self.assertIn(b"a OK", self.refuses(b'a LIST "" "' + b"*a" * 400 + b'b"\r\n'))
        self.assertIn(b"a OK", self.refuses(b'a LIST "" "' + b"%a" * 400 + b'*b"\r\n'))

    def test_quotes(self) -> None:
        """
        A quoted string that never ends is refused at once.
        """
        self.assertIn(b"a BAD", self.refuses(b'a SEARCH SUBJECT "' + b"\\\\" * 30_000 + b"\r\n"))

    def test_numbers(self) -> None:
        """
        A number of many digits is no number.
        """
        self.assertIn(b"a BAD", self.refuses(b"a SEARCH LARGER " + b"9" * 60_000 + b"\r\n"))
        self.assertIn(b"a BAD", self.refuses(b"a FETCH " + b"9" * 60_000 + b" UID\r\n"))

    def test_drip(self) -> None:
        """
        A line that never ends is kept to a bound, and thrown away beyond it.
        """
        line = self.line()
        for _ in range(300):
            line.receive(b"x" * 1000)
            self.assertTrue(line.conversation.session.incoming.size <= limits.IMAP_COMMAND_LINE + 2000)
        line.receive(b"\r\nok NOOP\r\n")
        self.assertIn(b"ok OK", line.take())


class NameTests(ImapTestCase):
    """
    Mailbox names that are meant to be paths.
    """

    def test_traversal(self) -> None:
        """
        A name with dots is only a name; one with a NUL, an empty level or a line end is none.
        """
        self.plays("""
            C: a CREATE ../../etc/passwd
            S: a OK Created.
            C: b STATUS ../../etc/passwd (MESSAGES)
            S: * STATUS ../../etc/passwd (MESSAGES 0)
            S: b OK ...
            C: c CREATE /etc/passwd
            S: c NO [CANNOT] ...
            C: d CREATE &AAA-
            S: d NO [CANNOT] ...
            C: e CREATE a&AA0ACg-b
            S: e NO [CANNOT] ...
        """)

    def test_response_splitting(self) -> None:
        """
        Whatever a client sends, it comes back in one piece: as a quoted string or a literal, or not at all.
        """
        line = self.line()
        line.receive(b"a CREATE {10+}\r\nx\r\nb OK yy\r\n")
        self.assertNotIn(b"\r\nb OK", b"\r\n" + line.take())
        line.receive(b'c CREATE "x \\" y"\r\nd LIST "" x*\r\n')
        self.assertIn(b'"x \\" y"\r\n', line.take())
