"""
L{twisted_mail_server.protocols.smtp.extensions.dsn}
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from tests.support.smtp import SmtpCase
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import MailOptions, Notify, Recipient, RecipientOptions, Returned
from twisted_mail_server.model.errors import SyntaxProblem
from twisted_mail_server.protocols.smtp.events import MailAsked, RecipientAsked
from twisted_mail_server.protocols.smtp.extensions.dsn import (
    EXTENSION,
    encode_xtext,
    parse_envid,
    parse_notify,
    parse_orcpt,
    parse_ret,
    write_mail,
    write_recipient,
)
from twisted_mail_server.protocols.smtp.grammar import decode_xtext
from twisted_mail_server.protocols.smtp.vocabulary import Offers, OutgoingMail

ANA = Address("ana", "example.org")


class ParameterTests(SynchronousTestCase):
    """
    Each parameter alone.
    """

    def refuses(self, parse: Callable[[str | None], object], *values: str | None) -> None:
        """
        None of them is one.
        """
        for value in values:
            self.assertRaises(SyntaxProblem, parse, value)

    def test_ret(self) -> None:
        """
        FULL or HDRS, in any case.
        """
        self.assertEqual([Returned.FULL, Returned.HEADERS], [parse_ret("full"), parse_ret("HDRS")])
        self.refuses(parse_ret, None, "", "HEADERS", "FULL,HDRS")

    def test_envid(self) -> None:
        """
        Up to 100 characters of xtext that hides no controls.
        """
        self.assertEqual("QQ314159", parse_envid("QQ314159"))
        self.assertEqual("a+b=c d", parse_envid("a+2Bb+3Dc+20d"))
        self.assertEqual("x" * 100, parse_envid("x" * 100))
        self.refuses(parse_envid, None, "x" * 101, "+0D+0A", "+", "+2b", "ü", "a=b", "+FF")

    def test_notify(self) -> None:
        """
        NEVER alone, or some of the three, in any case and order.
        """
        self.assertEqual(frozenset(), parse_notify("never"))
        self.assertEqual({Notify.SUCCESS}, parse_notify("Success"))
        self.assertEqual(set(Notify), parse_notify("delay,FAILURE,success,delay"))
        self.refuses(parse_notify, None, "", "NEVER,SUCCESS", "SUCCESS,", ",SUCCESS", "SUCCESS, DELAY", "ALWAYS")

    def test_orcpt(self) -> None:
        """
        A type and an address as xtext; the type stays as it is written.
        """
        self.assertEqual("rfc822;Bob@Example.COM", parse_orcpt("rfc822;Bob@Example.COM"))
        self.assertEqual("RFC822;George+Jones=x@Tax", parse_orcpt("RFC822;George+2BJones+3Dx@Tax"))
        self.assertEqual("x400;/G=Ann/;/C=DE/", parse_orcpt("x400;/G+3DAnn/;/C+3DDE/"))
        self.assertEqual("utf-8;zoë@example.org", parse_orcpt("rfc822;zo+C3+AB@example.org"))
        longest = "rfc822;" + "x" * 493
        self.assertEqual(longest, parse_orcpt(longest))
        self.refuses(
            parse_orcpt,
            None,
            "",
            "bob@example.com",
            "rfc822;",
            ";a",
            longest + "x",
            "a b;c",
            "rfc822;a+0Ab",
            "rfc822;zo+C3b",
            "rfc822;a+C2+80b",
            "rfc822;ü",
        )

    def test_orcpt_in_utf8(self) -> None:
        """
        The type utf-8 has its own way to write what an esmtp-value cannot hold (RFC 6533 section 3).
        """
        for written, meant in (
            ("utf-8;jürgen@example.org", "utf-8;jürgen@example.org"),
            (r"UTF-8;j\x{FC}rgen@example.org", "UTF-8;jürgen@example.org"),
            (r"utf-8;\x{7528}\x{6237}\x{1f600}@example.org", "utf-8;用户😀@example.org"),
            (r"utf-8;a\x{2B}b\x{3D}c\x{20}d\x{5C}e@x", "utf-8;a+b=c d\\e@x"),
        ):
            self.assertEqual(meant, parse_orcpt(written))
        self.refuses(
            parse_orcpt,
            r"utf-8;a\b@x",
            r"utf-8;a+b@x",
            r"utf-8;a+2Bb@x",
            r"utf-8;\x{0A}@x",
            r"utf-8;\x{D800}@x",
            r"utf-8;\x{110000}@x",
            r"utf-8;\x{FFFFFF}@x",
            r"utf-8;\x{2028}@x",
            r"utf-8;\x{A}@x",
            r"utf-8;\x{1234567}@x",
            r"utf-8;\x{GG}@x",
        )

    def test_xtext(self) -> None:
        """
        What is written is read as the same.
        """
        plain = "".join(map(chr, range(0x20, 0x7F)))
        self.assertEqual(plain, decode_xtext(encode_xtext(plain)))
        self.assertEqual("a+2Bb+3Dc+20", encode_xtext("a+b=c "))


class ServerTests(SmtpCase, SynchronousTestCase):
    """
    In a conversation.
    """

    def test_options(self) -> None:
        """
        What was asked for goes with the message and with each recipient.
        """
        driver = self.plays("""
            C: EHLO me
            S: 250-*
            S: 250 ...
            C: MAIL FROM:<ana@example.org> RET=HDRS ENVID=QQ+2B1
            S: 250 ...
            C: RCPT TO:<ana@example.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Ana@example.org
            S: 250 ...
            C: RCPT TO:<ana@example.org> notify=never
            S: 250 ...
            C: RCPT TO:<ana@example.org>
            S: 250 ...
        """)
        wishes = RecipientOptions(frozenset({Notify.SUCCESS, Notify.DELAY}), "rfc822;Ana@example.org")
        self.assertEqual(
            [
                MailAsked(ANA, MailOptions(returned=Returned.HEADERS, envid="QQ+1")),
                RecipientAsked(ANA, wishes),
                RecipientAsked(ANA, RecipientOptions(frozenset())),
                RecipientAsked(ANA),
            ],
            driver.events,
        )

    def test_refused(self) -> None:
        """
        What is malformed, twice there, or in the wrong command is refused (section 5.1).
        """
        self.plays("""
            C: EHLO me
            S: 250-*
            S: 250 ...
            C: MAIL FROM:<> RET=ALL
            S: 501 5.5.4 ...
            C: MAIL FROM:<> RET=FULL RET=FULL
            S: 501 5.5.2 ...
            C: MAIL FROM:<> NOTIFY=NEVER
            S: 555 5.5.4 ...
            C: MAIL FROM:<> RET=FULL
            S: 250 ...
            C: RCPT TO:<ana@example.org> NOTIFY=NEVER,DELAY
            S: 501 5.5.4 ...
            C: RCPT TO:<ana@example.org> ORCPT=ana
            S: 501 5.5.4 ...
            C: RCPT TO:<ana@example.org> ORCPT=rfc822;a+0D+0A
            S: 501 5.5.4 ...
            C: RCPT TO:<ana@example.org> ENVID=x
            S: 555 5.5.4 ...
            C: RCPT TO:<ana@example.org>
            S: 250 ...
        """)


class ClientTests(SynchronousTestCase):
    """
    What goes on to the next server (section 5.2.1).
    """

    def mail(self, options: MailOptions) -> OutgoingMail:
        """
        A message.
        """
        return OutgoingMail(sender=ANA, recipients=[], options=options, size=5, is_eight_bit=False)

    def test_mail(self) -> None:
        """
        RET and ENVID go on as they came, and are not invented.
        """
        for options, words in (
            (MailOptions(), ""),
            (MailOptions(returned=Returned.FULL), "RET=FULL"),
            (MailOptions(returned=Returned.HEADERS, envid="a b"), "RET=HDRS ENVID=a+20b"),
        ):
            self.assertEqual(words, write_mail(Offers(), self.mail(options)))

    def test_recipient(self) -> None:
        """
        So do NOTIFY and ORCPT; behind an alias, the address that was named is told.
        """
        named = Address("team", "example.org")
        for recipient, words in (
            (Recipient(ANA), ""),
            (Recipient(ANA, options=RecipientOptions(frozenset())), "NOTIFY=NEVER"),
            (
                Recipient(ANA, options=RecipientOptions(frozenset(Notify), "rfc822;A+b@x")),
                "NOTIFY=DELAY,FAILURE,SUCCESS ORCPT=rfc822;A+2Bb@x",
            ),
            (Recipient(ANA, named=named), "ORCPT=rfc822;team@example.org"),
            (Recipient(ANA, named=Address("tëam", "example.org")), r"ORCPT=utf-8;t\x{EB}am@example.org"),
            (
                Recipient(ANA, named=named, options=RecipientOptions(orcpt="utf-8;用 \\户@x")),
                r"ORCPT=utf-8;\x{7528}\x{20}\x{5C}\x{6237}@x",
            ),
        ):
            written = write_recipient(Offers(), self.mail(MailOptions()), recipient)
            self.assertEqual(words, written)
            if recipient.options.orcpt:
                self.assertEqual(recipient.options.orcpt, parse_orcpt(written.rpartition("ORCPT=")[2]))

    def test_offered(self) -> None:
        """
        A server that offers it reports from then on.
        """
        offers = Offers()
        assert EXTENSION.usage is not None
        EXTENSION.usage.learn(offers, "")
        self.assertTrue(offers.takes_over_reports)
