"""
Clients that keep a session busy and bring no mail.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.smtp import ServerCase
from twisted_mail_server.model import limits
from twisted_mail_server.servers.base import Ending

BUSY = (b"NOOP\r\n", b"RSET\r\n", b"VRFY ana\r\n", b"HELP\r\n", b"EHLO me\r\n", b"HELO me\r\n")
TRANSACTION = b"MAIL FROM:<a@example.net>\r\nRSET\r\n"


class FloodTests(ServerCase, SynchronousTestCase):
    """
    NOOP and its like, without end.
    """

    def test_bounded(self) -> None:
        """
        Only so many commands are answered in a row that bring nothing forward, whichever they are.
        """
        for commands in ((one,) for one in BUSY):
            session, transport = self.connect()
            transport.take()
            transport.deliver(b"".join(commands) * (limits.IDLE_COMMANDS + 5))
            replies = [line for line in transport.take().splitlines() if line[3:4] == b" "]
            self.assertEqual(limits.IDLE_COMMANDS + 1, len(replies))
            self.assertEqual(b"421 4.7.0 Too many commands that bring no mail.", replies[-1])
            self.assertEqual((Ending.EXPELLED, True), (session.ending, transport.disconnecting))
        session, transport = self.connect()
        transport.deliver(b"".join(BUSY) * limits.IDLE_COMMANDS)
        self.assertEqual(Ending.EXPELLED, session.ending)

    def test_working_client(self) -> None:
        """
        A client that sends mail between them is no flood.
        """
        session, transport = self.connect()
        transport.deliver(b"EHLO me\r\n")
        for _ in range(10):
            transport.deliver(b"NOOP\r\n" * (limits.IDLE_COMMANDS - 10) + TRANSACTION)
        self.assertIsNone(session.ending)

    def test_empty_transactions(self) -> None:
        """
        Transactions that come to nothing are bounded, too.
        """
        _, transport = self.connect()
        transport.deliver(b"EHLO me\r\n" + TRANSACTION * (limits.TRANSACTIONS_PER_SESSION + 1))
        self.assertTrue(transport.take().endswith(b"421 4.7.0 Enough for one connection; please connect again.\r\n"))

    def test_unwanted_chunks(self) -> None:
        """
        Of chunks that nobody asked for only so much is swallowed.
        """
        for size in (limits.SMTP_SKIPPED + 1, 10**19):
            session, transport = self.connect()
            transport.take()
            transport.deliver(b"BDAT %d\r\n" % size)
            for _ in range(limits.SMTP_SKIPPED // limits.MIB):
                transport.deliver(b"x" * limits.MIB)
            self.assertEqual((b"", 0), (transport.take(), session.unread()))
            transport.deliver(b"x" * limits.MIB)
            self.assertEqual(b"421 4.7.0 Too much that is not wanted.\r\n", transport.take())
            self.assertEqual((Ending.EXPELLED, True), (session.ending, transport.disconnecting))
