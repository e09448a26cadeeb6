"""
Replies injected before STARTTLS, to be believed after it (the client's side of CVE-2011-0411, NO STARTTLS 2021).
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.smtp_client import HELLO, mail
from twisted_mail_server.model.accounts import PlainSecret
from twisted_mail_server.protocols.smtp.client import ClientSide, Wishes
from twisted_mail_server.protocols.smtp.client_events import HandshakeDue, SessionReady

INJECTED = b"250-evil\r\n250 AUTH PLAIN\r\n235 Welcome.\r\n250 ok\r\n"
OFFER = b"220 hi\r\n250-mx\r\n250-SIZE 1\r\n250 STARTTLS\r\n"


class InjectionTests(SynchronousTestCase):
    """
    An attacker in the middle puts replies behind the server's 220.
    """

    def start(self, **wishes: object) -> ClientSide:
        """
        A client that has asked for TLS.
        """
        smtp = ClientSide(Wishes(HELLO, "mx.example.net", wants_tls=True, **wishes))  # type: ignore[arg-type]
        for line in OFFER.splitlines(keepends=True):
            smtp.receive(line)
        self.assertTrue(smtp.take_output().endswith(b"STARTTLS\r\n"))
        return smtp

    def test_thrown_away(self) -> None:
        """
        They are not believed, in whatever pieces they come: before the handshake, during it, or half of one.
        """
        for cut in range(len(INJECTED) + 1):
            smtp = self.start()
            smtp.receive(b"220 Ready.\r\n" + INJECTED[:cut])
            smtp.receive(INJECTED[cut:])
            self.assertEqual(HandshakeDue(), smtp.next_event())
            self.assertIsNone(smtp.next_event())
            smtp.tls_started()
            self.assertEqual(b"EHLO client.example.org\r\n", smtp.take_output())
            self.assertEqual({}, smtp.offers.keywords)
            smtp.receive(b"250 mx\r\n")
            self.assertEqual(SessionReady(), smtp.next_event())
            self.assertEqual(1 + 1 + 1 + 1, smtp.replies)

    def test_no_password(self) -> None:
        """
        Nor do they get a password out of us in clear: the login follows the server's own EHLO under TLS.
        """
        smtp = self.start(secret=PlainSecret("ann", b"secret"))
        smtp.receive(b"220 Ready.\r\n" + INJECTED)
        self.assertEqual(b"", smtp.take_output())
        smtp.tls_started()
        smtp.receive(b"250-mx\r\n250 AUTH PLAIN\r\n")
        self.assertEqual(b"EHLO client.example.org\r\nAUTH PLAIN AGFubgBzZWNyZXQ=\r\n", smtp.take_output())

    def test_stripped_offer(self) -> None:
        """
        Where TLS is required, an offer that was taken away is no reason to go without.
        """
        smtp = ClientSide(Wishes(HELLO, "mx.example.net", wants_tls=True, needs_tls=True))
        smtp.receive(b"220 hi\r\n")
        smtp.receive(b"250-mx\r\n250 XXXXXXXX\r\n")
        self.assertTrue(smtp.is_over)
        self.assertEqual(b"EHLO client.example.org\r\n", smtp.take_output())

    def test_earlier_limits(self) -> None:
        """
        What was offered in clear counts for nothing: not even a SIZE that would turn mail away.
        """
        smtp = self.start()
        smtp.receive(b"220 Ready.\r\n")
        smtp.tls_started()
        smtp.receive(b"250 mx\r\n")
        smtp.take_output()
        smtp.begin(mail())
        self.assertEqual(b"MAIL FROM:<ann@example.org>\r\n", smtp.take_output())
