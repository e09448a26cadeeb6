"""
MULTIAPPEND (RFC 3502).
"""

from __future__ import annotations

from tests.support.drive import now
from tests.support.imap import NOW, ImapTestCase
from twisted_mail_server.model import limits
from twisted_mail_server.model.changes import MessageRow


class MultiAppendTests(ImapTestCase):
    """
    Several messages by one APPEND.
    """

    message_size = 1000

    def stored(self) -> list[tuple[int, int, bytes]]:
        """
        Flags, date and octets of what is in INBOX.
        """
        view = now(self.mail.select("INBOX", claim_recent=False))
        uids = list(view.snapshot.uids)
        rows: list[MessageRow] = now(view.fetch(uids))
        return [(row.mask, row.internal_date, now(now(view.open_content(row.uid)).read())) for row in rows]

    def test_example(self) -> None:
        """
        Each has flags and date of its own; all their UIDs are told.
        """
        self.plays(r"""
            C: A003 APPEND INBOX (\Seen) {6}
            S: + Go ahead.
            C: a: 1
            C:  (\Flagged) " 7-Feb-1994 22:43:04 -0800" {6}
            S: + Go ahead.
            C: a: 2
            C:  {6+}
            C: a: 3
            C:
            S: A003 OK [APPENDUID 1700000000 1:3] Appended.
            C: A004 APPEND bogusname (\Flagged) {329}
            S: A004 NO [TRYCREATE] ...
        """)
        self.assertEqual([(1, NOW, b"a: 1\r\n"), (4, 760_689_784, b"a: 2\r\n"), (0, NOW, b"a: 3\r\n")], self.stored())

    def test_cancelled(self) -> None:
        """
        An empty message cancels it, whatever came before; so does whatever is wrong with a later one.
        """
        self.plays(r"""
            C: a APPEND INBOX {6+}
            C: a: 1
            C:  {0}
            S: a NO An empty message is none.
            C: b APPEND INBOX {6+}
            C: a: 1
            C:  (\Seen) {1001}
            S: b NO [TOOBIG] ...
            C: c APPEND INBOX {6+}
            C: a: 1
            C:  (\Recent) {6}
            S: c BAD ...
            C: d APPEND INBOX {6+}
            C: a: 1
            C:  INBOX {6+}
            C: a: 2
            C:
            S: d BAD ...
            C: e APPEND INBOX {6+}
            C: a: 1
            C: {6}
            S: e BAD ...
            C: f APPEND INBOX {6+}
            C: a: 1
            C:  {0+}
            C:
            S: f NO An empty message is none.
            C: g NOOP
            S: g OK ...
        """)
        self.assertEqual([], self.stored())

    def test_nul(self) -> None:
        """
        NUL in a later one refuses all, and the next command is read.
        """
        line = self.line()
        line.receive(b"a APPEND INBOX {6+}\r\na: 1\r\n {6+}\r\na: \0\r\n {6+}\r\na: 3\r\n\r\nb NOOP\r\n")
        self.assertEqual(b"a BAD A message holds no NUL here.\r\nb OK Nothing done.\r\n", line.take())
        self.assertEqual([], self.stored())

    def test_too_many(self) -> None:
        """
        There is a limit to their number.
        """
        line = self.line()
        message = b" {6+}\r\na: 1\r\n"
        line.receive(b"a APPEND INBOX" + message * (limits.APPEND_MESSAGES + 1) + b"\r\n")
        self.assertIn(b"a NO [LIMIT] ", line.take())
        line.receive(b"b APPEND INBOX" + message * limits.APPEND_MESSAGES + b"\r\n")
        self.assertIn(b"b OK [APPENDUID 1700000000 1:%d]" % limits.APPEND_MESSAGES, line.take())

    def test_large_and_unasked(self) -> None:
        """
        Under LITERAL- (RFC 7888 section 5) each literal counts, the later ones too.
        """
        self.settings = self.make_settings(unasked_literal=100)
        line = self.line()
        line.receive(b"a APPEND INBOX {6+}\r\na: 1\r\n {101+}\r\n" + b"x" * 101 + b"\r\nb NOOP\r\n")
        self.assertEqual(
            b"a NO [TOOBIG] A literal that nobody asked for has at most 100 octets.\r\nb OK Nothing done.\r\n",
            line.take(),
        )
        line.receive(b"c APPEND INBOX {6+}\r\na: 1\r\n {101}\r\n" + b"x" * 101 + b"\r\n")
        self.assertIn(b"c OK", line.take())

    def test_cut(self) -> None:
        """
        However it is cut, the same messages come out.
        """
        said = b"a APPEND INBOX (\\Seen) {6+}\r\na: 1\r\n () {6+}\r\na: 2\r\n\r\n"
        for cut in range(len(said)):
            line = self.connect()
            line.receive(b"x LOGIN fred secret\r\n")
            line.take()
            line.receive(said[:cut])
            line.receive(said[cut:])
            self.assertIn(b"a OK [APPENDUID", line.take(), cut)
        stored = self.stored()
        self.assertEqual(2 * len(said), len(stored))
        self.assertEqual({(1, NOW, b"a: 1\r\n"), (0, NOW, b"a: 2\r\n")}, set(stored))
