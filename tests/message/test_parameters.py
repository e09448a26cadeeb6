"""
L{twisted_mail_server.message.parameters} and L{twisted_mail_server.message.comments}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.message.comments import comment_end, without_comments
from twisted_mail_server.message.parameters import (
    parameter,
    parse_disposition,
    parse_languages,
    parse_parameters,
    parse_token,
    parse_type,
)
from twisted_mail_server.model.limits import MIME_COMMENTS, MIME_PARAMETERS


class CommentTests(SynchronousTestCase):
    def test_without(self) -> None:
        """
        A comment is a space; inside quotes there is none.
        """
        for value, expected in {
            b"a": b"a",
            b"a(b)c": b"a c",
            b"(a(b)c)d": b" d",
            b"(a\\)b)c": b" c",
            b'"(a)" (b)': b'"(a)"  ',
            b'"a\\"(" (b)': b'"a\\"("  ',
            b'(5" wide) a="b"': b'  a="b"',
            b"a\\(b(c)": b"a\\(b ",
            b"a(b": b"a ",
            b"a)(b)\\": b"a) \\",
            b'"open (': b'"open (',
        }.items():
            self.assertEqual(expected, without_comments(value), value)

    def test_end(self) -> None:
        """
        A comment ends with its own parenthesis, or with the value.
        """
        self.assertEqual([4, 3, 4], [comment_end(value, 1) for value in (b"x(a)()", b"x()", b"x(a(")])

    def test_bounded(self) -> None:
        """
        Nothing is looked at behind very many comments.
        """
        self.assertEqual(2 * MIME_COMMENTS, len(without_comments(b"a(b)" * 2 * MIME_COMMENTS)))


class TypeTests(SynchronousTestCase):
    def test_types(self) -> None:
        """
        Type, subtype and parameters come as they were written.
        """
        for value, expected in {
            b" Text/Plain; Charset=UTF-8": (b"Text", b"Plain", ((b"Charset", b"UTF-8"),)),
            b"text/plain": (b"text", b"plain", ()),
            b"(a) text (b) / (c) plain (d) ; (e) a (f) = (g) b (h)": (b"text", b"plain", ((b"a", b"b"),)),
            b'a/b;\r\n c="d\r\n e\\"f"\r': (b"a", b"b", ((b"c", b'd e"f'),)),
            b"a/b garbage; c=d": (b"a", b"b", ((b"c", b"d"),)),
        }.items():
            self.assertEqual(expected, parse_type(value), value)

    def test_no_types(self) -> None:
        """
        Where type or subtype is missing there is none (RFC 2045 section 5.2).
        """
        for value in (
            b"",
            b"text",
            b"text; charset=a",
            b"/plain",
            b"text/",
            b"text/;a=b",
            b"(text/plain)",
            b'"text"/plain',
        ):
            self.assertIsNone(parse_type(value), value)

    def test_disposition(self) -> None:
        """
        A disposition is one word with parameters.
        """
        self.assertEqual((b"attachment", ((b"filename", b"a b"),)), parse_disposition(b' attachment; filename="a b"'))
        self.assertEqual((b"inline", ()), parse_disposition(b"inline\r"))
        self.assertIsNone(parse_disposition(b"; filename=a"))

    def test_token(self) -> None:
        """
        An encoding is one word and nothing else.
        """
        self.assertEqual([b"7bit", b"base64"], [parse_token(value) for value in (b" 7bit (really)\r", b"base64")])
        for value in (b"", b"7 bit", b'"7bit"', b"7bit; a"):
            self.assertIsNone(parse_token(value), value)

    def test_languages(self) -> None:
        """
        Languages come in their order.
        """
        self.assertEqual((b"de", b"en-GB"), parse_languages(b" de (German), en-GB ,"))
        self.assertEqual((), parse_languages(b""))


class ParameterTests(SynchronousTestCase):
    def reads(self, value: bytes, *expected: tuple[bytes, bytes]) -> None:
        """
        That value gives those parameters.
        """
        self.assertEqual(expected, parse_parameters(value), value)

    def test_values(self) -> None:
        """
        Values stand in quotes, or go on to a space or semicolon.
        """
        self.reads(b';a=b;c="d;e";f=', (b"a", b"b"), (b"c", b"d;e"), (b"f", b""))
        self.reads(b"; boundary=----=_Part/1?; x=a,b@c d", (b"boundary", b"----=_Part/1?"), (b"x", b"a,b@c"))
        self.reads(b';a="";b="\\\\\\"";c="open', (b"a", b""), (b"b", b'\\"'), (b"c", b"open"))

    def test_garbage(self) -> None:
        """
        What is no parameter is passed over.
        """
        self.reads(b";;a;=b; =c;d=e;f g=h; i=j", (b"d", b"e"), (b"i", b"j"))

    def test_continuations(self) -> None:
        """
        Continuations are joined, in whatever order they come, behind the rest.
        """
        self.reads(b";a*1=c;x=y;a*0=b;a*2=d", (b"x", b"y"), (b"a", b"bcd"))
        self.reads(b";title*0*=us-ascii'en'a%20;title*1*=%2A;title*2=\"b%c\"", (b"title*", b"us-ascii'en'a%20%2Ab%25c"))
        self.reads(b";a*0=x;a*1*=%20", (b"a*", b"''x%20"))
        self.reads(b";a*=utf-8''b", (b"a*", b"utf-8''b"))

    def test_broken_continuations(self) -> None:
        """
        A set with a missing or doubled number stays as it is, and so does a
        name that only looks like one of a set.
        """
        self.reads(b";a*0=b;a*2=c", (b"a*0", b"b"), (b"a*2", b"c"))
        self.reads(b";a*0=b;a*0=c", (b"a*0", b"b"), (b"a*0", b"c"))
        self.reads(b";a*00=b;a*x=c;*=d", (b"a*00", b"b"), (b"a*x", b"c"), (b"*", b"d"))

    def test_by_name(self) -> None:
        """
        The first of a name counts, in any case of letters.
        """
        self.assertEqual(b"1", parameter(((b"a", b"0"), (b"B", b"1"), (b"b", b"2")), b"b"))
        self.assertIsNone(parameter((), b"b"))

    def test_bounded(self) -> None:
        """
        Nobody's parameters are read without end.
        """
        self.assertEqual(MIME_PARAMETERS, len(parse_parameters(b";a=b" * 2 * MIME_PARAMETERS)))
