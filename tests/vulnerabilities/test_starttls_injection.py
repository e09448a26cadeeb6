"""
Commands injected before STARTTLS, to be obeyed after it (CVE-2011-0411).
"""

from __future__ import annotations

from base64 import b64encode

from twisted.trial.unittest import SynchronousTestCase

from tests.support.smtp import PASSWORD, ServerCase
from tests.support.transports import TlsClient


class SmtpTests(ServerCase, SynchronousTestCase):
    """
    An attacker in the middle puts commands behind the client's STARTTLS.
    """

    def test_thrown_away(self) -> None:
        """
        They are not obeyed: neither before the handshake nor after it, in whatever pieces they come.
        """
        injected = b"EHLO evil\r\nMAIL FROM:<evil@example.net>\r\n"
        for cut in range(len(b"STARTTLS\r\n"), len(b"STARTTLS\r\n" + injected) + 1):
            session, transport = self.connect()
            transport.deliver(b"EHLO me\r\n")
            transport.take()
            transport.deliver((b"STARTTLS\r\n" + injected)[:cut])
            self.assertEqual(0, session.unread())
            client = TlsClient(transport)
            self.assertEqual(b"220 2.0.0 Ready to start TLS.\r\n", transport.take())
            self.assertEqual(b"250 2.0.0 Ok.\r\n", client.talk(b"NOOP\r\n"))
            self.assertEqual(b"503 5.5.1 Say EHLO first.\r\n", client.talk(b"MAIL FROM:<a@example.net>\r\n"))
            self.assertEqual([], self.intake.transactions)

    def test_later_plaintext(self) -> None:
        """
        Plaintext that comes once the handshake is due breaks it; none of it is obeyed.
        """
        _, transport = self.connect()
        transport.deliver(b"EHLO me\r\nSTARTTLS\r\n")
        transport.take()
        transport.deliver(b"EHLO evil\r\nMAIL FROM:<evil@example.net>\r\n")
        self.assertNotIn(b"250", transport.take())
        self.assertEqual([], self.intake.transactions)

    def test_nothing_carried_over(self) -> None:
        """
        Neither a transaction nor a login exchange survives the upgrade.
        """
        _, transport = self.connect()
        transport.deliver(b"EHLO me\r\nMAIL FROM:<a@example.net>\r\n")
        transport.take()
        transport.deliver(b"STARTTLS\r\n")
        self.assertEqual(b"503 5.5.1", transport.take()[:9])
        transport.deliver(b"RSET\r\nSTARTTLS\r\n")
        transport.take()
        client = TlsClient(transport)
        self.assertEqual(b"503 5.5.1 Say EHLO first.\r\n", client.talk(b"RCPT TO:<b@example.org>\r\n"))
        login = b"AUTH PLAIN " + b64encode(b"\0someone\0" + PASSWORD) + b"\r\n"
        self.assertEqual(b"503 5.5.1 Say EHLO first.\r\n", client.talk(login))
        self.assertEqual([], self.authenticator.asked)
