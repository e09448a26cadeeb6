"""
IMAP commands injected before STARTTLS, to be obeyed after it (CVE-2011-0411 and its like).
"""

from __future__ import annotations

from tests.support.imap import ImapServerCase
from tests.support.transports import TlsClient
from twisted_mail_server.servers.base import TlsUse


class InjectionTests(ImapServerCase):
    """
    An attacker in the middle puts commands behind the client's STARTTLS.
    """

    def setUp(self) -> None:
        """
        A listener with STARTTLS.
        """
        super().setUp()
        self.factory = self.make_factory(tls_use=TlsUse.STARTTLS, allow_plaintext=False)

    def test_thrown_away(self) -> None:
        """
        They are neither obeyed nor answered, before the handshake or after it, in whatever pieces they come.
        """
        injected = b'evil1 ID ("name" "evil")\r\nevil2 LOGIN fred secret\r\nevil3 APPEND INBOX {5+}\r\n12'
        for cut in range(len(injected) + 1):
            session, transport = self.connect()
            transport.take()
            transport.deliver(b"a STARTTLS\r\n" + injected[:cut])
            self.assertEqual(0, session.unread())
            self.assertEqual(b"a OK Begin TLS now.\r\n", transport.take())
            client = TlsClient(transport)
            self.assertEqual(b"b OK Nothing done.\r\n", client.talk(b"b NOOP\r\n"))
            self.assertEqual({"client": ""}, session.facts())
            self.assertEqual([], self.passwords.logins)

    def test_login_before(self) -> None:
        """
        A client that tells its password together with STARTTLS is not logged in, and is told nothing of it.
        """
        _, transport = self.connect()
        transport.take()
        transport.deliver(b"a LOGIN fred secret\r\nb STARTTLS\r\nc LOGIN fred secret\r\n")
        self.assertEqual(b"a NO [PRIVACYREQUIRED] Not without TLS.\r\nb OK Begin TLS now.\r\n", transport.take())
        self.assertEqual([], self.passwords.logins)
