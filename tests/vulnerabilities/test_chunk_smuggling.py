"""
Commands smuggled in chunks: a server that reads as commands what a client sent as content, or as content what it sent as commands
(BDAT, RFC 3030).
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.smtp import ServerCase
from tests.support.transports import TlsClient
from twisted_mail_server.model.envelopes import Service
from twisted_mail_server.model.errors import DiskFull

OPENING = b"EHLO me\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\n"
SMUGGLED = b"RSET\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<b@example.org>\r\nBDAT 6 LAST\r\nevil\r\n"


class ChunkSmugglingTests(ServerCase, SynchronousTestCase):
    """
    What a chunk holds is content, and nothing else, whatever becomes of it.
    """

    def sends(self, before: bytes, chunk: bytes, *, last: bytes = b" LAST", after: bytes = b"NOOP\r\n") -> list[bytes]:
        """
        The codes that a chunk and what follows it bring, the same in pieces of every size.
        """
        outcomes = []
        whole = before + b"BDAT %d%s\r\n%s%s" % (len(chunk), last, chunk, after)
        for size in (1, 2, 3, 7, len(whole)):
            self.intake.transactions.clear()
            session, transport = self.connect()
            transport.take()
            for at in range(0, len(whole), size):
                transport.deliver(whole[at : at + size])
            self.assertEqual(0, session.unread())
            outcomes.append([line[:3] for line in transport.take().splitlines() if line[3:4] == b" "])
            self.assertNotIn("evil@example.net", [str(one.sender) for one in self.intake.transactions])
            transport.lose()
        self.assertEqual([outcomes[0]] * len(outcomes), outcomes)
        return outcomes[0]

    def test_taken(self) -> None:
        """
        Commands, and ends of content as DATA knows them, are text in a chunk.
        """
        content = b"visible\r\n.\r\n" + SMUGGLED
        self.assertEqual([b"250"] * 5, self.sends(OPENING, content))
        self.assertEqual([("a@example.net", ["b@example.org"], content)], self.intake.taken)

    def test_refused(self) -> None:
        """
        So they are in a chunk that is refused, for whatever reason.
        """
        for before, codes in (
            (b"", [b"503"]),
            (b"EHLO me\r\n", [b"250", b"503"]),
            (OPENING[:36], [b"250", b"250", b"503"]),
            (OPENING + b"BDAT 0 LAST\r\n", [b"250"] * 4 + [b"503"]),
            (OPENING + b"BDAT 1\r\n\nBDAT 1\r\nx", [b"250"] * 3 + [b"550"] * 3),
        ):
            self.assertEqual([*codes, b"250"], self.sends(before, SMUGGLED))
        self.intake.told = {"DATA": DiskFull("No room.")}
        self.assertEqual([b"250"] * 3 + [b"452", b"250"], self.sends(OPENING, SMUGGLED))
        self.intake.told = {"content": DiskFull("No room.")}
        self.assertEqual([b"250"] * 3 + [b"452", b"250"], self.sends(OPENING, SMUGGLED))

    def test_lone_line_ends(self) -> None:
        """
        What another server may take for the end of DATA is not taken here, even in a chunk, even cut by two.
        """
        for end in (b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r\n\n.\r\n", b"\r\r\n.\r\n"):
            self.assertEqual([b"250"] * 3 + [b"550", b"250"], self.sends(OPENING, b"visible" + end + b"text\r\n"))
            for cut in range(1, len(end)):
                first = b"visible" + end[:cut]
                codes = self.sends(OPENING + b"BDAT %d\r\n%s" % (len(first), first), end[cut:] + b"text\r\n")
                self.assertEqual(b"550", codes[-2])
                self.assertEqual([], self.intake.taken)

    def test_unknown_size(self) -> None:
        """
        After a size that cannot be read nothing is read any more.
        """
        for size in (b"", b" x", b" -5", b" 5 6", b" 5 LAST x", b" 0x5", b" 1" + b"0" * 30):
            session, transport = self.connect()
            transport.deliver(OPENING)
            transport.take()
            transport.deliver(b"BDAT" + size + b"\r\n" + SMUGGLED)
            self.assertEqual([b"501"], [line[:3] for line in transport.take().splitlines()])
            self.assertTrue(transport.disconnecting)
            self.assertEqual([], self.intake.taken)
            transport.lose()
            self.assertFalse(session.is_busy)

    def test_not_behind_starttls(self) -> None:
        """
        A chunk in clear behind STARTTLS neither survives the handshake nor swallows what comes after it.
        """
        for injected in (b"BDAT 1000 LAST\r\n", b"BDAT 1000 LAST\r\nevil\r\n", b"EHLO me\r\nBDAT 4\r\nev"):
            _, transport = self.connect()
            transport.deliver(b"EHLO me\r\nSTARTTLS\r\n" + injected)
            transport.take()
            client = TlsClient(transport)
            self.assertEqual(b"250 2.0.0 Ok.\r\n", client.talk(b"NOOP\r\n"))
            client.talk(OPENING)
            self.assertEqual(b"250 2.0.0 Queued", client.talk(b"BDAT 3 LAST\r\nx\r\n")[:16])
            self.assertEqual([("a@example.net", ["b@example.org"], b"x\r\n")], self.intake.taken)
            self.intake.transactions.clear()

    def test_no_starttls_between_chunks(self) -> None:
        """
        STARTTLS has no place between chunks, nor in one.
        """
        _, transport = self.connect()
        transport.deliver(OPENING + b"BDAT 10\r\nSTARTTLS\r\nSTARTTLS\r\n")
        self.assertEqual([b"250", b"503"], [line[:3] for line in transport.take().splitlines()[-2:]])


class SubmissionTests(ServerCase, SynchronousTestCase):
    """
    Where a login is needed.
    """

    service = Service.SUBMISSION

    def test_swallowed(self) -> None:
        """
        A chunk of a client that has not logged in is no commands either.
        """
        _, transport = self.connect()
        transport.deliver(b"EHLO me\r\n")
        transport.take()
        transport.deliver(b"BDAT %d LAST\r\n%sNOOP\r\n" % (len(SMUGGLED), SMUGGLED))
        self.assertEqual([b"530", b"250"], [line[:3] for line in transport.take().splitlines()])
        self.assertEqual([], self.intake.transactions)
