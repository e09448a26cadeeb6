"""
APPEND (RFC 3501 section 6.3.11).
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from tests.support.drive import now
from tests.support.imap import NOW, ImapTestCase
from twisted_mail_server.interfaces import IAccountMail, IStagedContent
from twisted_mail_server.model.changes import MessageRow
from twisted_mail_server.model.errors import DiskFull


class AppendTests(ImapTestCase):
    """
    Messages from a client.
    """

    message_size = 1000

    def stored(self, mailbox: str = "INBOX") -> tuple[list[MessageRow], list[bytes]]:
        """
        The messages of a mailbox, and their octets.
        """
        view = now(self.mail.select(mailbox, claim_recent=False))
        uids = list(view.snapshot.uids)
        return now(view.fetch(uids)), [now(now(view.open_content(uid)).read()) for uid in uids]

    def test_all_forms(self) -> None:
        """
        Flags and date may be there or not; the literal may be waited for or not.
        """
        self.plays(r"""
            C: a APPEND INBOX {6}
            S: + Go ahead.
            C: a: 1
            C:
            S: a OK [APPENDUID 1700000000 1] Appended.
            C: b APPEND "INBOX" (\Seen $x) {6+}
            C: a: 2
            C:
            S: b OK [APPENDUID 1700000000 2] Appended.
            C: c APPEND {5+}
            C: INBOX () " 1-Jan-2020 00:00:00 +0000" {6+}
            C: a: 3
            C:
            S: c OK [APPENDUID 1700000000 3] Appended.
            C: d APPEND INBOX "01-Jan-2020 01:00:00 +0100" {6}
            S: + Go ahead.
            C: a: 4
            C:
            S: d OK [APPENDUID 1700000000 4] Appended.
        """)
        rows, contents = self.stored()
        self.assertEqual([b"a: %d\r\n" % number for number in (1, 2, 3, 4)], contents)
        self.assertEqual([NOW, NOW, 1_577_836_800, 1_577_836_800], [row.internal_date for row in rows])
        self.assertEqual([0, 0b100001, 0, 0], [row.mask for row in rows])

    def test_refused_before_it_comes(self) -> None:
        """
        A message too large, for a mailbox that is not there, or none at all, is refused before it is sent.
        """
        self.plays("""
            C: a APPEND INBOX {1001}
            S: a NO [TOOBIG] A message has at most 1000 octets.
            C: b APPEND Nowhere {10}
            S: b NO [TRYCREATE] ...
            C: c APPEND INBOX {0}
            S: c NO An empty message is none.
            C: d APPEND INBOX "yesterday" {10}
            S: d BAD ...
            C: e APPEND INBOX (\\Recent) {10}
            S: e BAD ...
            C: f APPEND INBOX
            S: f BAD ...
            C: g APPEND INBOX "message"
            S: g BAD ...
            C: h APPEND INBOX (\\Seen) x
            S: h BAD ...
            C: i APPEND INBOX ()
            S: i BAD ...
            C: j APPEND a//b {5}
            S: j NO [CANNOT] ...
            C: k APPEND {5}
            S: + Go ahead.
            C: INBOX
            S: k BAD ...
        """)
        self.assertEqual(([], []), self.stored())

    def test_refused_when_it_comes_anyway(self) -> None:
        """
        A refused message that comes unasked is thrown away, and the next command is read.
        """
        self.plays("""
            C: a APPEND Nowhere {8+}
            C: b NOOP
            C:
            S: a NO [TRYCREATE] ...
            C: c NOOP
            S: c OK ...
        """)
        line = self.line()
        line.receive(b"d APPEND INBOX {5000+}\r\n" + b"x" * 5000 + b"\r\ne NOOP\r\n")
        self.assertEqual(
            b"d NO [TOOBIG] A message has at most 1000 octets.\r\ne OK Nothing done.\r\n",
            line.take(),
        )

    def test_nul(self) -> None:
        """
        A message that holds NUL is refused whole (RFC 3501 section 4.3.1).
        """
        line = self.line()
        line.receive(b"a APPEND INBOX {10+}\r\n123\x005")
        self.assertEqual(b"", line.take())
        line.receive(b"67890\r\nb NOOP\r\n")
        self.assertEqual(b"a BAD A message holds no NUL here.\r\nb OK Nothing done.\r\n", line.take())
        self.assertEqual(([], []), self.stored())

    def test_more_behind(self) -> None:
        """
        Nothing may follow the message: it is refused whole.
        """
        self.plays("""
            C: a APPEND INBOX {6+}
            C: a: 1
            C:  x
            S: a BAD There is more than the command takes.
            C: b APPEND INBOX {6+}
            C: a: 1
            C:  x {3+}
            C: abc
            S: b BAD ...
            C: c APPEND INBOX {6+}
            C: a: 1
            C: {3}
            S: c BAD ...
        """)
        self.assertEqual(([], []), self.stored())

    def test_lost(self) -> None:
        """
        What was being received when the connection broke is let go.
        """
        discarded: list[bool] = []
        self.spy_on_staging(discarded=discarded)
        line = self.line()
        line.receive(b"a APPEND INBOX {10}\r\n12345")
        self.assertEqual([], discarded)
        line.lose()
        self.assertEqual([True], discarded)

    def test_full_disk(self) -> None:
        """
        A disk that fills up under way is NO, and the rest of the message is thrown away.
        """
        self.spy_on_staging(problem=DiskFull("The disk is full."))
        line = self.line()
        line.receive(b"a APPEND INBOX {10}\r\n12345")
        line.receive(b"67890\r\nb NOOP\r\n")
        self.assertEqual(b"+ Go ahead.\r\na NO [UNAVAILABLE] The disk is full.\r\nb OK Nothing done.\r\n", line.take())

    def test_slow_disk(self) -> None:
        """
        While the disk is behind, no more is taken.
        """
        line = self.line()
        self.spy_on_staging(waits=line.wait)
        line.receive(b"a APPEND INBOX {10}\r\n")
        line.receive(b"12345")
        line.receive(b"67890\r\n")
        self.assertEqual(b"+ Go ahead.\r\n", line.take())
        line.receive(b"")
        self.assertIn(b"a OK", line.take())
        self.assertEqual([b"1234567890"], self.stored()[1])

    def spy_on_staging(self, **facts: Any) -> None:
        """
        Have contents staged where the test can see.
        """
        self.line()
        session = self.line().conversation.session
        session.mail = Spied(self.mail, facts)  # type: ignore[assignment]


class Spied:
    """
    An account whose staging does what a test wants.
    """

    def __init__(self, mail: IAccountMail, facts: dict[str, Any]) -> None:
        self._mail = mail
        self._facts = facts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mail, name)

    def stage(self) -> SpiedContent:
        """
        Content that does.
        """
        return SpiedContent(self._mail.stage(), self._facts)


class SpiedContent:
    """
    Content that is slow, fails, or tells.
    """

    def __init__(self, content: IStagedContent, facts: dict[str, Any]) -> None:
        self._content = content
        self._facts = facts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    def write(self, data: bytes) -> Awaitable[None] | None:
        """
        Write, fail, or wait.
        """
        if "problem" in self._facts:
            raise self._facts["problem"]
        self._content.write(data)
        return self._facts["waits"]() if "waits" in self._facts else None

    async def discard(self) -> None:
        """
        Tell.
        """
        self._facts.get("discarded", []).append(True)
        await self._content.discard()
