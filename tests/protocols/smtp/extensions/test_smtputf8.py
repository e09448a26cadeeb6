"""
L{twisted_mail_server.protocols.smtp.extensions.smtputf8}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.smtp import SmtpCase
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import BodyKind, MailOptions, Recipient, RecipientOptions
from twisted_mail_server.protocols.smtp.events import MailAsked, RecipientAsked, Reset
from twisted_mail_server.protocols.smtp.extensions.smtputf8 import EXTENSION, NO_SUCH_RECIPIENT, NOT_THERE
from twisted_mail_server.protocols.smtp.registry import EXTENSIONS
from twisted_mail_server.protocols.smtp.vocabulary import Offers, OutgoingMail

UTF8 = MailOptions(is_utf8=True)


class ServerTests(SmtpCase, SynchronousTestCase):
    """
    Addresses in every script.
    """

    def test_addresses(self) -> None:
        """
        With the parameter, sender and recipients may be UTF-8, quoted too; their domains come as A-labels.
        """
        driver = self.plays("""
            C: EHLO me
            S: 250-*
            S: 250 ...
            C: MAIL FROM:<jürgen@bücher.example> SMTPUTF8 BODY=8BITMIME
            S: 250 2.1.0 ...
            C: RCPT TO:<用户@例子.广告>
            S: 250 2.1.5 ...
            C: RCPT TO:<@weg.exämple,@b.example:"ü ö"@example.org>
            S: 250 2.1.5 ...
            C: RCPT TO:<ana@example.org> ORCPT=utf-8;änä@example.org
            S: 250 2.1.5 ...
            C: RSET
            S: 250 ...
        """)
        self.assertEqual(
            [
                MailAsked(Address("jürgen", "xn--bcher-kva.example"), MailOptions(BodyKind.EIGHT_BIT, is_utf8=True)),
                RecipientAsked(Address("用户", "xn--fsqu00a.xn--4rr70v")),
                RecipientAsked(Address("ü ö", "example.org")),
                RecipientAsked(Address("ana", "example.org"), RecipientOptions(orcpt="utf-8;änä@example.org")),
                Reset(),
            ],
            driver.events,
        )

    def test_not_asked_for(self) -> None:
        """
        Without the parameter what is not ASCII is refused with X.6.7 (section 3.5), and one transaction does not inherit it.
        """
        self.plays("""
            C: EHLO me
            S: 250-*
            S: 250 ...
            C: MAIL FROM:<jürgen@example.org>
            S: 550 5.6.7 ...
            C: MAIL FROM:<a@bücher.example> BODY=8BITMIME
            S: 550 5.6.7 ...
            C: MAIL FROM:<a@example.org> smtputf8
            S: 250 ...
            C: RSET
            S: 250 ...
            C: MAIL FROM:<a@example.org>
            S: 250 ...
            C: RCPT TO:<jürgen@example.org>
            S: 553 5.6.7 ...
            C: RCPT TO:<ana@example.org> ORCPT=utf-8;änä@example.org
            S: 553 5.6.7 ...
            C: RCPT TO:<ana@xn--bcher-kva.example>
            S: 250 ...
        """)

    def test_refused(self) -> None:
        """
        The parameter has no value; what is no address in any script is none; other commands stay ASCII.
        """
        self.plays("""
            C: EHLO mé
            S: 500 5.5.2 ...
            C: EHLO me
            S: 250-*
            S: 250 ...
            C: MAIL FROM:<a@example.org> SMTPUTF8=yes
            S: 501 5.5.4 SMTPUTF8 has no value.
            C: MAIL FROM:<ü\u202ea@example.org> SMTPUTF8
            S: 501 5.1.7 ...
            C: MAIL FROM:<a@ü..example> SMTPUTF8
            S: 501 5.1.7 ...
            C: MAIL FROM:<a@example.org> SMTPUTF8 ENVID=ü
            S: 501 5.5.4 ...
            C: MAIL FROM:<a@example.org> SMTPUTF8 SIZE=٣
            S: 501 5.5.4 The value of SIZE is ASCII.
            C: MAIL FROM:<a@example.org> SMTPUTF8 BODY=8bıtmıme
            S: 501 5.5.4 The value of BODY is ASCII.
            C: MAIL FROM:<a@example.org> SMTPUTF8
            S: 250 ...
            C: RCPT TO:<ü\u00a0a@example.org>
            S: 501 5.5.2 ...
            C: NOOP ü
            S: 500 5.5.2 ...
            C: ÑOOP
            S: 500 5.5.2 ...
        """)

    def test_not_utf8(self) -> None:
        """
        Octets above 127 are well-formed UTF-8 (RFC 3629), and never controls.
        """
        driver = self.make()
        driver.receive(b"EHLO me\r\n")
        for octets in (b"\xff", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x80", b"\x80"):
            said = driver.receive(b"MAIL FROM:<a" + octets + b"@example.org> SMTPUTF8\r\n")
            self.assertEqual(b"501 5.5.2 That is not UTF-8 (RFC 3629).\r\n", said)
        for octets in (b"\xc3\xbc\0", b"\xc3\xbc\r", b"\xc3\xbc\n", b"\x7f\xc3\xbc"):
            self.assertEqual(b"500 5.5.2", driver.receive(b"MAIL FROM:<a" + octets + b"@b.c> SMTPUTF8\r\n")[:9])
        self.assertEqual([], driver.events)

    def test_length(self) -> None:
        """
        Lengths are counted in octets.
        """
        driver = self.make()
        driver.receive(b"EHLO me\r\n")
        for local, domain, code in (
            ("ü" * 32, "example.org", b"250"),
            ("ü" * 33, "example.org", b"501"),
            ("ü" * 32, ".".join(["例え"] * 28), b"501"),
        ):
            said = driver.receive(f"MAIL FROM:<{local}@{domain}> SMTPUTF8\r\nRSET\r\n".encode())
            self.assertEqual(code, said[:3])

    def test_with_8bitmime(self) -> None:
        """
        It is not offered alone (section 3.1, number 8).
        """
        keywords = [extension.keyword for extension in EXTENSIONS]
        self.assertIn("8BITMIME", keywords)
        self.assertIn("SMTPUTF8", keywords)


class ClientTests(SynchronousTestCase):
    """
    What may be sent where.
    """

    def mail(
        self, sender: str, recipient: str, *, is_eight_bit: bool = False, options: MailOptions = UTF8
    ) -> OutgoingMail:
        """
        A message for one.
        """
        recipients = [(0, Recipient(Address.parse(recipient)))]
        return OutgoingMail(
            sender=Address.parse(sender), recipients=recipients, options=options, size=5, is_eight_bit=is_eight_bit
        )

    def test_needed(self) -> None:
        """
        The parameter goes where an address or a header needs it, and only there (section 3.4).
        """
        assert EXTENSION.usage is not None and EXTENSION.usage.mail is not None
        offers = Offers({"SMTPUTF8": ""})
        plain, other = "a@b.example", "ü@b.example"
        for mail, expected in (
            (self.mail(plain, plain), ""),
            (self.mail(plain, "a@bücher.example"), ""),
            (self.mail(other, plain), "SMTPUTF8"),
            (self.mail(plain, other), "SMTPUTF8"),
            (self.mail(plain, plain, is_eight_bit=True), "SMTPUTF8"),
            (self.mail(plain, plain, is_eight_bit=True, options=MailOptions()), ""),
        ):
            self.assertEqual(expected, EXTENSION.usage.mail(offers, mail))

    def test_not_there(self) -> None:
        """
        A server that does not offer it gets neither such a message nor such a recipient (section 3.2).
        """
        usage = EXTENSION.usage
        assert usage is not None and usage.refuse_mail is not None and usage.refuse_recipient is not None
        plain, other = self.mail("a@b.example", "a@b.example"), self.mail("ü@b.example", "ü@b.example")
        without, with_it = Offers(), Offers({"SMTPUTF8": ""})
        self.assertEqual([None, NOT_THERE], [usage.refuse_mail(without, one) for one in (plain, other)])
        self.assertEqual([None, None], [usage.refuse_mail(with_it, one) for one in (plain, other)])
        recipients = [one.recipients[0][1] for one in (plain, other)]
        self.assertEqual([None, NO_SUCH_RECIPIENT], [usage.refuse_recipient(without, plain, one) for one in recipients])
        self.assertEqual([None, None], [usage.refuse_recipient(with_it, plain, one) for one in recipients])
