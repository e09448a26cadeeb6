"""
L{twisted_mail_server.message.addresslists}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.message.addresslists import (
    Effort,
    Entry,
    GroupEnd,
    GroupStart,
    Mailbox,
    parse_address_list,
)


def _m(name: bytes | None, local: bytes | None, domain: bytes | None, route: bytes | None = None) -> Mailbox:
    return Mailbox(name, route, local, domain)


class ParseTests(SynchronousTestCase):
    def reads(self, table: dict[bytes, list[Entry]]) -> None:
        """
        Each value gives the entries beside it, folded or not.
        """
        for value, expected in table.items():
            self.assertEqual(expected, parse_address_list(value), value)
            self.assertEqual(expected, parse_address_list(b"\r\n " + value + b"\r"), value)

    def test_usual(self) -> None:
        """
        The usual forms of a mailbox.
        """
        self.reads(
            {
                b"a@b": [_m(None, b"a", b"b")],
                b"<a@b>": [_m(None, b"a", b"b")],
                b"A B <a@b>": [_m(b"A B", b"a", b"b")],
                b"John X. Doe <a.b@c.d>": [_m(b"John X. Doe", b"a.b", b"c.d")],
                b'"A, B" <a@b>, c@d': [_m(b"A, B", b"a", b"b"), _m(None, b"c", b"d")],
                b'"" <a@b>': [_m(None, b"a", b"b")],
                b"a@b (A B)": [_m(b"A B", b"a", b"b")],
                b"a@b ( )": [_m(None, b"a", b"b")],
                b"=?utf-8?Q?a_b?= <a@b>": [_m(b"=?utf-8?Q?a_b?=", b"a", b"b")],
            }
        )

    def test_unusual(self) -> None:
        """
        Quoting, comments, literals, and room where nobody leaves any.
        """
        self.reads(
            {
                b'"A \\"B\\" C" <a@b>': [_m(b'A "B" C', b"a", b"b")],
                b'"a\r\n b" <a@b>': [_m(b"a b", b"a", b"b")],
                b'A "B C" D  E <a@b>': [_m(b"A B C D E", b"a", b"b")],
                b'"a b"@c': [_m(None, b"a b", b"c")],
                b'"a"."b"@c': [_m(None, b"a.b", b"c")],
                b'""@c': [_m(None, b"", b"c")],
                b"a@[192.0.2.1]": [_m(None, b"a", b"[192.0.2.1]")],
                b"<a@[IPv6:2001:db8::1]>": [_m(None, b"a", b"[IPv6:2001:db8::1]")],
                b"a . b @ c . d": [_m(None, b"a.b", b"c.d")],
                b"(v) a@b (x (y) \\) z)": [_m(b"x (y) ) z", b"a", b"b")],
                b"(v) a@b, (w) c@d": [_m(None, b"a", b"b"), _m(None, b"c", b"d")],
                b"(x) A (y) <(z) a (v) @ (w) b> (u)": [_m(b"A", b"a", b"b")],
                b"a@b (open (": [_m(b"open (", b"a", b"b")],
                b"a(x)b@c": [_m(b"a", b"b", b"c")],
            }
        )

    def test_route(self) -> None:
        """
        An obsolete source route is kept apart (RFC 5322 section 4.4).
        """
        self.reads(
            {
                b"<@x:a@b>": [_m(None, b"a", b"b", b"@x")],
                b"A <@x,@y.z , ,@v:a@b>": [_m(b"A", b"a", b"b", b"@x,@y.z,@v")],
                b"<@x,@y a@b>, c@d": [_m(None, b"a", b"b", b"@x,@y"), _m(None, b"c", b"d")],
            }
        )

    def test_groups(self) -> None:
        """
        A group begins and ends; one that is never closed ends with the list.
        """
        start, end = GroupStart(b"A B"), GroupEnd()
        self.reads(
            {
                b"A B:;": [start, end],
                b"A B: a@b, c@d;, e@f": [start, _m(None, b"a", b"b"), _m(None, b"c", b"d"), end, _m(None, b"e", b"f")],
                b"a@b, A B:;": [_m(None, b"a", b"b"), start, end],
                b'"A B" (c): a@b': [start, _m(None, b"a", b"b"), end],
                b"A B: C: a@b;;": [start, _m(None, b"a", b"b"), end],
                b":a@b;": [GroupStart(b""), _m(None, b"a", b"b"), end],
                b"a@b; c@d": [_m(None, b"a", b"b"), _m(None, b"c", b"d")],
            }
        )

    def test_missing(self) -> None:
        """
        What is missing is C{None}.
        """
        self.reads(
            {
                b"a": [_m(None, b"a", None)],
                b"A <>": [_m(b"A", None, None)],
                b"<a>": [_m(None, b"a", None)],
                b"@b": [_m(None, None, b"b")],
                b"a@": [_m(None, b"a", None)],
                b"<@b>": [_m(None, None, None, b"@b")],
            }
        )

    def test_garbage(self) -> None:
        """
        What cannot be an address costs no more than itself.
        """
        self.reads(
            {
                b"A <a@b, c@d": [_m(b"A", b"a", b"b"), _m(None, b"c", b"d")],
                b"A <a@b> B, c@d": [_m(b"A", b"a", b"b"), _m(None, b"c", b"d")],
                b"<a@b> <c@d>": [_m(None, b"a", b"b")],
                b"A B a@b": [_m(b"A B", b"a", b"b")],
                b"a@b c": [_m(None, b"a", b"b")],
                b"a@b@c, d@e": [_m(None, b"a", b"b"), _m(None, b"d", b"e")],
                b'"open <a@b>, c@d': [_m(None, b"open <a@b>, c@d", None)],
                b">,)\\]a@b": [_m(None, b"a", b"b")],
                b"[x": [_m(None, b"x", None)],
                b"": [],
                b" ,, , ": [],
                b">": [],
                b"(only a comment)": [],
            }
        )

    def test_bounds(self) -> None:
        """
        A list ends when there is enough of it, in either way of reading.
        """
        self.assertEqual(3, len(parse_address_list(b"a@b," * 10, 3)))
        self.assertEqual(3, len(parse_address_list(b"a@[b]," * 10, 3)))
        effort = Effort(20)
        self.assertEqual(5, len(parse_address_list(b"a@[b]," * 10, 10, effort)))
        self.assertEqual((0, []), (effort.tokens, parse_address_list(b"a@[b]", 10, effort)))
