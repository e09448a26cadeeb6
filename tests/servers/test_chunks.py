"""
L{twisted_mail_server.servers.smtp}: content that comes in chunks, and what time it may take.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.support.smtp import ServerCase
from twisted_mail_server.model import limits
from twisted_mail_server.model.envelopes import MailOptions, Notify, RecipientOptions, Returned
from twisted_mail_server.model.errors import DiskFull, TemporaryFailure
from twisted_mail_server.servers.base import Ending

HELLO = b"EHLO me\r\n"
MAIL = b"MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\n"
SPOILED = b"DATA\r\na\nb\r\n.\r\n"


def codes(output: bytes) -> str:
    """
    The codes of the replies.
    """
    return " ".join(line[:3].decode() for line in output.splitlines() if line[3:4] != b"-")


class ChunkTests(ServerCase, SynchronousTestCase):
    """
    BDAT (RFC 3030) between transport and intake.
    """

    def test_message(self) -> None:
        """
        Chunks go to the intake as they come; it promises with the last.
        """
        _, transport = self.connect()
        transport.deliver(HELLO + MAIL)
        transport.take()
        transport.deliver(b"BDAT 5\r\na\r\nb")
        self.assertEqual([b"a\r\nb"], self.intake.transactions[0].content)
        transport.deliver(b"\rBDAT 2 LAST\r\n\nc")
        self.assertEqual("250 250", codes(transport.take()))
        self.assertEqual([("a@example.net", ["b@example.org"], b"a\r\nb\r\nc\r\n")], self.intake.taken)

    def test_refused(self) -> None:
        """
        Refused at first, while it comes, or at the end: the transaction is abandoned once, and after RSET another may follow.
        """
        for step in ("DATA", "content", "finish"):
            self.intake.transactions.clear()
            self.intake.told = {step: DiskFull("No room.")}
            _, transport = self.connect()
            transport.deliver(HELLO + MAIL)
            transport.take()
            transport.deliver(b"BDAT 3\r\na\r\nBDAT 3 LAST\r\nb\r\n")
            self.assertEqual("250 452" if step == "finish" else "452 452", codes(transport.take()))
            self.assertEqual(["abandoned"], [one.fate for one in self.intake.transactions])
            self.intake.told = {}
            transport.deliver(b"RSET\r\n" + MAIL + b"BDAT 3 LAST\r\na\r\n")
            self.assertEqual("250 250 250 250", codes(transport.take()))

    def test_reset(self) -> None:
        """
        RSET between chunks abandons; after a refused chunk there is nothing left to abandon.
        """
        for chunk in (b"a\r\n", b"a\nb"):
            self.intake.transactions.clear()
            _, transport = self.connect()
            transport.deliver(HELLO + MAIL + b"BDAT 3\r\n" + chunk)
            transport.take()
            transport.deliver(b"RSET\r\nNOOP\r\n")
            self.assertEqual("250 250", codes(transport.take()))
            self.assertEqual(["abandoned"], [one.fate for one in self.intake.transactions])

    def test_lost(self) -> None:
        """
        A connection lost between chunks abandons.
        """
        _, transport = self.connect()
        transport.deliver(HELLO + MAIL + b"BDAT 3\r\na\r\n")
        transport.lose()
        self.assertEqual(["abandoned"], [one.fate for one in self.intake.transactions])

    def test_waiting(self) -> None:
        """
        A promise that takes its time is answered when it is made.
        """
        self.intake.told = {"finish": Deferred()}
        _, transport = self.connect()
        transport.deliver(HELLO + MAIL + b"BDAT 3 LAST\r\na\r\nNOOP\r\n")
        transport.take()
        self.assertEqual(b"", transport.take())
        self.intake.told["finish"].errback(TemporaryFailure("Try later."))
        self.assertEqual("451 250", codes(transport.take()))

    def test_drained(self) -> None:
        """
        A server that stops waits for the chunks of a message under way.
        """
        session, transport = self.connect()
        transport.deliver(HELLO + MAIL + b"BDAT 3\r\na\r\n")
        transport.take()
        session.drain()
        self.assertEqual(b"", transport.take())
        transport.deliver(b"BDAT 3 LAST\r\nb\r\n")
        self.assertEqual(("250 421", Ending.DRAINED), (codes(transport.take()), session.ending))
        self.assertEqual(1, len(self.intake.taken))

    def test_options(self) -> None:
        """
        What the extensions read goes to the intake.
        """
        _, transport = self.connect()
        transport.deliver(
            HELLO
            + "MAIL FROM:<ü@example.net> SMTPUTF8 RET=FULL ENVID=x\r\nRCPT TO:<b@example.org> NOTIFY=DELAY\r\n".encode()
        )
        (transaction,) = self.intake.transactions
        self.assertEqual(MailOptions(is_utf8=True, returned=Returned.FULL, envid="x"), transaction.options)
        self.assertEqual([RecipientOptions(frozenset({Notify.DELAY}))], transaction.wishes)
        self.assertEqual("UTF8SMTP", transaction.origin.protocol)


class TimeTests(ServerCase, SynchronousTestCase):
    """
    How long content may take, and that the time ends with it.
    """

    def test_one_octet_a_minute(self) -> None:
        """
        Chunks may come slowly, but not for ever.
        """
        _, transport = self.connect()
        transport.deliver(HELLO + MAIL)
        transport.take()
        for _ in range(limits.SMTP_DATA_TOTAL // 60):
            transport.deliver(b"BDAT 1\r\nx")
            self.clock.advance(60)
        self.assertTrue(transport.take().endswith(b"421 4.4.2 mail.example.org waited too long.\r\n"))

    def test_over(self) -> None:
        """
        After RSET, or with the next transaction, the session has its time again.
        """
        for content in (b"BDAT 1\r\nxRSET\r\n", b"BDAT 3\r\na\nbRSET\r\n", SPOILED + MAIL, b"BDAT 3 LAST\r\na\r\n"):
            session, transport = self.connect()
            transport.deliver(HELLO + MAIL + content)
            for _ in range(limits.SMTP_DATA_TOTAL // 60 + 1):
                self.clock.advance(60)
                transport.deliver(b"NOOP\r\n")
            self.assertIsNone(session.ending, content)
            transport.lose()
