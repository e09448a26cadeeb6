"""
L{twisted_mail_server.protocols.smtp.grammar}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model import limits
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.errors import SyntaxProblem
from twisted_mail_server.protocols.smtp.grammar import (
    decode_xtext,
    decode_xtext_utf8,
    parse_forward_path,
    parse_reverse_path,
    split_parameters,
    split_path,
)


class PathTests(SynchronousTestCase):
    """
    Paths (RFC 5321 section 4.1.2).
    """

    def test_split(self) -> None:
        """
        The mailbox is what stands in the brackets without its source route; spaces outside do not matter.
        """
        cases = [
            ("FROM:<>", "", ""),
            ("from:<a@b.example>", "a@b.example", ""),
            ("FROM: <a@b.example> ", "a@b.example", ""),
            ("FROM:<a@b.example> SIZE=1  BODY=7BIT ", "a@b.example", "SIZE=1  BODY=7BIT"),
            ("FROM:<@c.example:a@b.example>", "a@b.example", ""),
            ("FROM:<@c.example,@[IPv6:::1]:a@b.example>", "a@b.example", ""),
            ('FROM:<"a b> c\\""@b.example> X=>', '"a b> c\\""@b.example', "X=>"),
            ("FROM:<a@[192.0.2.1]>", "a@[192.0.2.1]", ""),
            ("FROM:<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]", ""),
            ("FROM:<postmaster>", "postmaster", ""),
        ]
        for argument, mailbox, parameters in cases:
            self.assertEqual((mailbox, parameters), split_path(argument, "FROM:"))

    def test_no_path(self) -> None:
        """
        Without keyword, without brackets, with something stuck to them, with spaces inside.
        """
        for argument in (
            "",
            "FROM",
            "FROM:",
            "TO:<a@b>",
            "FROM:a@b",
            "FROM:<a@b",
            "FROM:a@b>",
            "FROM:<a@b>X=1",
            "FROM:<a b@c>",
        ):
            with self.assertRaises(SyntaxProblem):
                split_path(argument, "FROM:")

    def test_read(self) -> None:
        """
        A sender may be nobody, a recipient the postmaster.
        """
        self.assertIsNone(parse_reverse_path(""))
        self.assertEqual(Address("a", "b.example"), parse_reverse_path("a@B.example"))
        self.assertEqual(Address("postmaster", ""), parse_forward_path("POSTMASTER"))
        self.assertEqual(Address("a b", "b.example"), parse_forward_path('"a b"@b.example'))
        for mailbox in ("a", "a@", "@b", "a@b@c", "a..b@c.example", "a@-b.example", "a@[300.0.0.1]", '"a@b.example'):
            with self.assertRaises(SyntaxProblem):
                parse_reverse_path(mailbox)
        self.assertRaises(SyntaxProblem, parse_forward_path, "")
        self.assertRaises(SyntaxProblem, parse_forward_path, "a@" + "b." * limits.PATH + "example")


class ParameterTests(SynchronousTestCase):
    """
    Parameters (RFC 5321 section 4.1.2), and xtext (RFC 3461 section 4).
    """

    def test_split(self) -> None:
        """
        Keywords in upper case, with a value or without.
        """
        self.assertEqual({}, split_parameters(""))
        self.assertEqual({"A": None, "B-2": "c:<>", "3": "x"}, split_parameters("a  b-2=c:<> 3=x"))
        for text in ("=", "a=", "-a", "a=b=c", "a a", "A=1 a=2", "a=\x7f", "ä"):
            with self.assertRaises(SyntaxProblem):
                split_parameters(text)

    def test_xtext(self) -> None:
        """
        Plus and two upper-case digits stand for an octet; control characters stay out.
        """
        self.assertEqual(["", "a+b=c", "<>"], [decode_xtext(text) for text in ("", "a+2Bb+3Dc", "<>")])
        for text in ("+", "+2b", "a=b", "+0A", "+E9", "a b", "ä"):
            with self.assertRaises(SyntaxProblem):
                decode_xtext(text)


class XtextTests(SynchronousTestCase):
    """
    xtext (RFC 3461 section 4).
    """

    def test_read(self) -> None:
        """
        Hexadecimal pairs stand for octets: those of ASCII, or of UTF-8 where that is allowed.
        """
        self.assertEqual("a+b=c", decode_xtext("a+2Bb+3Dc"))
        self.assertEqual("gr\xfc", decode_xtext_utf8("gr+C3+BC"))

    def test_refused(self) -> None:
        """
        What is no xtext, or hides controls, other characters than are allowed, or no characters at all, is refused.
        """
        for wrong in ("a b", "a=b", "+2b", "+0A", "gr+C3+BC", "+FF"):
            self.assertRaises(SyntaxProblem, decode_xtext, wrong)
        for wrong in ("+FF", "+0D", "\xfc"):
            self.assertRaises(SyntaxProblem, decode_xtext_utf8, wrong)
