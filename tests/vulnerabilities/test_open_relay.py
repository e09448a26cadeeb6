"""
Open relay: mail from strangers to strangers, in every spelling that ever led a server to pass it on.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.drive import now
from tests.support.mailhouse import MailHouse
from tests.support.smtp import ServerCase
from twisted_mail_server.model.accounts import Alias
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import Service

VICTIM = "victim@outside.test"
#: Each would reach the victim if somebody read it wrongly, or obeyed what RFC 5321 no longer wants obeyed.
SPELLINGS = (
    f"<{VICTIM}>",
    f"<{VICTIM.upper()}>",
    f" <{VICTIM}>",
    # Source routes (RFC 5321 appendix C), through us, through others.
    f"<@mail.example.org:{VICTIM}>",
    f"<@example.org:{VICTIM}>",
    f"<@mail.example.org,@example.org:{VICTIM}>",
    f"<@[192.0.2.25]:{VICTIM}>",
    # The percent hack, and its neighbours.
    "<victim%outside.test@example.org>",
    "<victim%outside.test@mail.example.org>",
    "<victim%outside.test@[192.0.2.25]>",
    "<victim%outside.test>",
    "<victim%outside.test%example.org@example.org>",
    f'<"{VICTIM}"@example.org>',
    f'<"{VICTIM}"@mail.example.org>',
    f'<"{VICTIM}">',
    '<"victim%outside.test"@example.org>',
    f"<{VICTIM}@example.org>",
    f"<@{VICTIM}>",
    "<victim\\@outside.test@example.org>",
    '<"victim\\@outside.test"@example.org>',
    # Bang paths.
    "<outside.test!victim>",
    "<outside.test!victim@example.org>",
    "<example.org!outside.test!victim>",
    "<mail.example.org!victim@outside.test>",
    # Address literals, ours and others'.
    "<victim@[192.0.2.25]>",
    "<victim@[198.51.100.9]>",
    "<victim@[IPv6:2001:db8::25]>",
    "<victim@[127.0.0.1]>",
    "<victim@127.0.0.1>",
    # What ends or begins a name.
    "<victim@outside.test.>",
    "<victim@.outside.test>",
    "<ana@example.org.outside.test>",
    "<ana@outside.test.example.org>",
    "<ana@sub.example.org>",
    "<ana@xexample.org>",
    "<ana@example.org.>",
    "<ana@example.org@outside.test>",
    "<ana@example.org,victim@outside.test>",
    "<ana@example.org victim@outside.test>",
    "<ana@example.org><victim@outside.test>",
    "<ana@example.org;victim@outside.test>",
    "<ana@example.org:victim@outside.test>",
    "ana@example.org,<victim@outside.test>",
    # Nobody, and no domain.
    "<victim>",
    "<>",
    "<victim@>",
    "<@example.org>",
    "<@>",
    # Octets that end a string somewhere.
    "<ana@example.org\0@outside.test>",
    "<victim@outside.test\0@example.org>",
    "<victim@outside.test\0.example.org>",
    "<victim\0@example.org>",
    "<victim@outside.test\n@example.org>",
    "<victim@outside.test\r@example.org>",
    "<victim@outside.test\t@example.org>",
    "<victim@outside.test\u2028@example.org>",
    # Letters that look like ours, and dots that look like dots.
    "<ana@exаmple.org>",
    "<victim@outside。test>",
    "<victim@outside.test\uff20example.org>",
    "<victim\uff20outside.test@example.org>",
    # Comments and phrases of message headers.
    "<victim@outside.test(example.org)>",
    "Ana <victim@outside.test>",
    "(ana@example.org) <victim@outside.test>",
)
SENDERS = ("<>", "<evil@elsewhere.test>", "<ana@example.org>", "<victim@outside.test>", "<postmaster@example.org>")


class OpenRelayTests(ServerCase, SynchronousTestCase):
    """
    The whole way from the wire to the spool.
    """

    def setUp(self) -> None:
        """
        A house with one inhabitant, and her alias.
        """
        super().setUp()
        self.house = MailHouse()
        self.ana = self.house.add("ana@example.org")
        now(self.house.directory.set_alias(Alias(Address("team", "example.org"), (self.ana.address,))))

    def replies(self, service: Service, sender: str, recipient: str) -> list[bytes]:
        """
        What MAIL, RCPT and a message bring.
        """
        factory = self.make_factory(service=service, intake=self.house.intake, authenticator=None)
        self.factory = factory
        session, transport = self.connect()
        hello = b"LHLO" if service is Service.LMTP else b"EHLO"
        transport.deliver(hello + b" me\r\n")
        transport.take()
        replies = []
        for command in (f"MAIL FROM:{sender} SMTPUTF8", f"RCPT TO:{recipient}", "DATA"):
            transport.deliver(command.encode() + b"\r\n")
            replies.append(transport.take())
        transport.lose()
        self.assertFalse(session.is_busy)
        return replies

    def test_every_spelling(self) -> None:
        """
        No spelling of an address elsewhere is taken from a stranger, whatever the sender, by any service.
        """
        for service in (Service.MX, Service.LMTP, Service.SUBMISSION):
            for sender in SENDERS:
                for recipient in SPELLINGS:
                    mail, rcpt, data = self.replies(service, sender, recipient)
                    self.assertEqual(service is Service.SUBMISSION, mail.startswith(b"530"), mail)
                    self.assertEqual(b"5", rcpt[:1], (service, recipient, rcpt))
                    self.assertEqual(b"5", data[:1], (service, recipient, data))
        self.assertEqual([], now(self.house.spool.waiting()))

    def test_our_own(self) -> None:
        """
        The same door is open to mail for those who live here.
        """
        for recipient in (
            "<ana@example.org>",
            "<ANA@Example.ORG>",
            "<@elsewhere.test:ana@example.org>",
            "<team@example.org>",
        ):
            self.assertEqual([b"250", b"250", b"354"], [one[:3] for one in self.replies(Service.MX, "<>", recipient)])
