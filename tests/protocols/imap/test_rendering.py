"""
L{twisted_mail_server.protocols.imap.rendering}
"""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from tests.support.imapvalues import Value, read_value
from tests.support.messages import awkward_messages, corpus_answers, corpus_messages, odd_messages
from twisted_mail_server.model.changes import Rendered
from twisted_mail_server.model.limits import ADDRESSES, MIME_NESTING
from twisted_mail_server.protocols.imap.rendering import (
    RENDERING_VERSION,
    bodies,
    bodystructures,
    envelopes,
    is_current,
    nstring,
    pack,
    render,
)

#: Where we differ from the reference on purpose; docs/quirks.md has the reasons at length.
QUIRKS = {
    (
        "msg_14.eml",
        "bodystructure",
    ): "RFC 2045 section 5.2: a broken Content-Type counts as text/plain; charset=us-ascii",
}


def render_lines(*lines: bytes) -> Rendered:
    """
    Render a message of those lines.
    """
    return render(b"\r\n".join([*lines, b""]))


class CorpusTests(SynchronousTestCase):
    def test_reference(self) -> None:
        """
        Every answer is the reference's, octet for octet, but for the quirks;
        and a quirk that is none any more must go from the table.
        """
        messages, answers = corpus_messages(), corpus_answers()
        self.assertEqual(48, len(messages))
        self.assertEqual(set(messages), set(answers))
        for name, message in messages.items():
            rendered = render(message)
            for what, answer in (("envelope", rendered.envelope), ("bodystructure", rendered.bodystructure)):
                if (name, what) in QUIRKS:
                    self.assertNotEqual(answers[name][what], answer, name)
                else:
                    self.assertEqual(answers[name][what], answer, name)

    def test_quirk(self) -> None:
        """
        The quirk is what it is said to be.
        """
        rendered = render(corpus_messages()["msg_14.eml"])
        self.assertEqual(
            b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 235 10 NIL NIL NIL NIL)', rendered.bodystructure
        )


class StringTests(SynchronousTestCase):
    def test_nstring(self) -> None:
        """
        What can be printed is quoted, everything else a literal without NUL.
        """
        for value, expected in {
            None: b"NIL",
            b"": b'""',
            b"NIL": b'"NIL"',
            b'a "b" \\c': b'"a \\"b\\" \\\\c"',
            b"a\r\nb": b"{4}\r\na\r\nb",
            b"\xc3\xa4": b"{2}\r\n\xc3\xa4",
            b"a\0\tb": b"{4}\r\na\x80\tb",
            b"\x7f": b"{1}\r\n\x7f",
        }.items():
            self.assertEqual(expected, nstring(value), value)


class EnvelopeTests(SynchronousTestCase):
    def test_rfc_example(self) -> None:
        """
        The envelope that RFC 3501 section 8 shows.
        """
        rendered = render_lines(
            b"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)",
            b"From: Terry Gray <gray@cac.washington.edu>",
            b"Subject: IMAP4rev1 WG mtg summary and minutes",
            b"To: imap@cac.washington.edu",
            b"cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>",
            b"Message-Id: <B27397-0100000@cac.washington.edu>",
            b"MIME-Version: 1.0",
            b"Content-Type: TEXT/PLAIN; CHARSET=US-ASCII",
            b"",
        )
        self.assertEqual(
            b'("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev1 WG mtg summary and minutes" '
            b'(("Terry Gray" NIL "gray" "cac.washington.edu")) (("Terry Gray" NIL "gray" "cac.washington.edu")) '
            b'(("Terry Gray" NIL "gray" "cac.washington.edu")) ((NIL NIL "imap" "cac.washington.edu")) '
            b'((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL '
            b'"<B27397-0100000@cac.washington.edu>")',
            rendered.envelope,
        )

    def test_defaults(self) -> None:
        """
        Sender and Reply-To that are absent or empty are From's.
        """
        someone = b'((NIL NIL "a" "b"))'
        for more in ([], [b"Sender:", b"Reply-To: ,", b"To: "]):
            rendered = render_lines(b"From: a@b", *more, b"")
            self.assertEqual(b"(NIL NIL " + b" ".join([someone] * 3) + b" NIL NIL NIL NIL NIL)", rendered.envelope)

    def test_all_fields(self) -> None:
        """
        Each field has its place.
        """
        names = (b"Bcc", b"Cc", b"To", b"Reply-To", b"Sender", b"From")
        rendered = render_lines(
            b"Message-ID: <1>",
            b"In-Reply-To: <2>",
            *(b"%b: %b@x" % (name, name) for name in names),
            b"Subject: s",
            b"Date: d",
            b"",
        )
        people = b" ".join(b'((NIL NIL "%b" "x"))' % name for name in reversed(names))
        self.assertEqual(b'("d" "s" %b "<2>" "<1>")' % people, rendered.envelope)

    def test_groups_and_routes(self) -> None:
        """
        A group has a beginning and an end; a mailbox that lacks its host is
        no group.
        """
        rendered = render_lines(b"From: <@r:a@b>, x, <>", b"To: G: a@b;, N:;", b"")
        self.assertEqual(
            [
                [
                    [None, b"@r", b"a", b"b"],
                    [None, None, b"x", b"MISSING_DOMAIN"],
                    [None, None, b"MISSING_MAILBOX", b"MISSING_DOMAIN"],
                ],
                [
                    [None, None, b"G", None],
                    [None, None, b"a", b"b"],
                    [None] * 4,
                    [None, None, b"N", None],
                    [None] * 4,
                ],
            ],
            [value for at, value in enumerate(as_list(read_value(rendered.envelope))) if at in (2, 5)],
        )

    def test_repeated(self) -> None:
        """
        Addresses of repeated fields are taken together, of other fields the
        first counts.
        """
        value = as_list(read_value(render_lines(b"Subject: 1", b"To: a@b", b"subject: 2", b"TO: c@d", b"").envelope))
        self.assertEqual((b"1", [[None, None, b"a", b"b"], [None, None, b"c", b"d"]]), (value[1], value[5]))

    def test_subject(self) -> None:
        """
        White space in a subject is made even; 8-bit stays, in a literal.
        """
        for raw, expected in {
            b" a b ": b'"a b"',
            b" a  b": b"{3}\r\na b",
            b" a\r\n\tb": b"{3}\r\na b",
            b"": b'""',
            b" \t ": b'""',
            b' say "a"': b'"say \\"a\\""',
            b" \xe4": b"{1}\r\n\xe4",
            b" a\r\n b\0": b"{4}\r\na b\x80",
        }.items():
            self.assertEqual(
                b"(NIL %b " % expected, render_lines(b"Subject:" + raw, b"").envelope[: len(expected) + 6], raw
            )

    def test_bounded(self) -> None:
        """
        Very long lists are cut.
        """
        value = as_list(read_value(render_lines(b"To: " + b"a@b," * 2 * ADDRESSES, b"").envelope))
        self.assertEqual(ADDRESSES, len(as_list(value[5])))


class BodyTests(SynchronousTestCase):
    def test_plain(self) -> None:
        """
        A text tells octets and lines.
        """
        rendered = render_lines(b"Content-Type: TEXT/x; A=b", b"Content-Transfer-Encoding: 8BIT", b"", b"one", b"two")
        self.assertEqual(b'("TEXT" "x" ("A" "b" "charset" "us-ascii") NIL NIL "8BIT" 10 2)', rendered.body)
        self.assertEqual(rendered.body[:-1] + b" NIL NIL NIL NIL)", rendered.bodystructure)

    def test_extension(self) -> None:
        """
        MD5, disposition, language and location stand in BODYSTRUCTURE alone.
        """
        rendered = render_lines(
            b"Content-Type: a/b; c=d",
            b"Content-ID: <1>",
            b"Content-Description: x",
            b"Content-MD5: 5",
            b"Content-Disposition: inline; e=f; g=h",
            b"Content-Language: de, en",
            b"Content-Location: here",
            b"",
        )
        self.assertEqual(b'("a" "b" ("c" "d") "<1>" "x" "7bit" 0)', rendered.body)
        self.assertEqual(
            rendered.body[:-1] + b' "5" ("inline" ("e" "f" "g" "h")) ("de" "en") "here")', rendered.bodystructure
        )

    def test_multipart(self) -> None:
        """
        A multipart lists its parts without a space between.
        """
        rendered = render_lines(
            b"Content-Type: multipart/x; boundary=b",
            b"Content-Location: l",
            b"",
            b"--b",
            b"",
            b"1",
            b"--b",
            b"Content-Type: a/b",
            b"",
            b"--b--",
        )
        text = b'"text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 0'
        other = b'"a" "b" NIL NIL NIL "7bit" 0'
        self.assertEqual(b'((%b)(%b) "x")' % (text, other), rendered.body)
        self.assertEqual(
            b'((%b NIL NIL NIL NIL)(%b NIL NIL NIL NIL) "x" ("boundary" "b") NIL NIL "l")' % (text, other),
            rendered.bodystructure,
        )

    def test_message(self) -> None:
        """
        A message tells its envelope, its body in the same form, and lines.
        """
        rendered = render_lines(b"Content-Type: message/rfc822", b"", b"Subject: s", b"", b"b")
        text = b'"text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 1'
        start = b'"message" "rfc822" NIL NIL NIL "7bit" 17 (NIL "s"' + b" NIL" * 8 + b")"
        self.assertEqual(b"(%b (%b) 3)" % (start, text), rendered.body)
        self.assertEqual(b"(%b (%b NIL NIL NIL NIL) 3 NIL NIL NIL NIL)" % (start, text), rendered.bodystructure)

    def test_opaque(self) -> None:
        """
        What lies too deep is shown as octets.
        """
        rendered = render(b"Content-Type: message/rfc822\r\n\r\n" * 2 * MIME_NESTING)
        self.assertIn(b'("application" "octet-stream" NIL NIL NIL "7bit" 1568 NIL NIL NIL NIL)', rendered.bodystructure)

    def test_well_formed(self) -> None:
        """
        Whatever the message, the answers obey RFC 3501's grammar.
        """
        for name, message in [*corpus_messages().items(), *awkward_messages(200, 21), *odd_messages(200, 22)]:
            rendered = render(message)
            check_envelope(self, read_value(rendered.envelope), name)
            check_body(self, read_value(rendered.body), False, name)
            check_body(self, read_value(rendered.bodystructure), True, name)
            self.assertEqual(rendered, render(message), name)


class PackTests(SynchronousTestCase):
    RENDERED = Rendered(b"(1)", b"", b"({2}\r\n\0\xff)")

    def test_round_trip(self) -> None:
        """
        What was packed comes back.
        """
        other = Rendered(b"(other)", b"(2)", b"()")
        packed = [pack(self.RENDERED), pack(other)]
        self.assertEqual([True, True], list(map(is_current, packed)))
        self.assertEqual([self.RENDERED.envelope, other.envelope], envelopes(packed))
        self.assertEqual([self.RENDERED.body, other.body], bodies(packed))
        self.assertEqual([self.RENDERED.bodystructure, other.bodystructure], bodystructures(packed))
        self.assertEqual([b""], bodystructures([pack(Rendered(b"(1)", b"(2)", b""))]))

    def test_other(self) -> None:
        """
        Another version, or something else altogether, is to be rendered anew.
        """
        packed = pack(self.RENDERED)
        self.assertEqual(RENDERING_VERSION, packed[0])
        for other in (
            b"",
            packed[:-1],
            packed + b"x",
            bytes([RENDERING_VERSION + 1]) + packed[1:],
            packed[:12],
            b"\xff" * 40,
        ):
            self.assertFalse(is_current(other))


def as_list(value: Value) -> list[Value]:
    """
    A value that is a list.
    """
    assert isinstance(value, list), value
    return value


def check_envelope(case: SynchronousTestCase, value: Value, name: str) -> None:
    """
    C{envelope} of RFC 3501 section 9.
    """
    items = as_list(value)
    case.assertEqual(10, len(items), name)
    for at, item in enumerate(items):
        if at in (0, 1, 8, 9) or item is None:
            case.assertIsInstance(item, bytes | None, name)
        else:
            case.assertNotEqual([], item, name)
            for address in as_list(item):
                case.assertEqual(4, len(as_list(address)), name)
                for one in as_list(address):
                    case.assertIsInstance(one, bytes | None, name)


def check_body(case: SynchronousTestCase, value: Value, extended: bool, name: str) -> None:
    """
    C{body} of RFC 3501 section 9, with or without extension data.
    """
    items = as_list(value)
    parts = [item for item in items if isinstance(item, list)]
    if items and isinstance(items[0], list):
        count = next(at for at, item in enumerate(items) if not isinstance(item, list))
        for part in parts[:count]:
            check_body(case, part, extended, name)
        items = items[count:]
        case.assertEqual(5 if extended else 1, len(items), name)
        rest = items[1:2] and [None, *items[2:]]
    else:
        kind = (bytes_of(items[0]).lower(), bytes_of(items[1]).lower())
        length = 10 if kind == (b"message", b"rfc822") else 8 if kind[0] == b"text" else 7
        case.assertEqual(length + (4 if extended else 0), len(items), name)
        case.assertIsInstance(items[6], int, name)
        bytes_of(items[5])
        if length == 10:
            check_envelope(case, items[7], name)
            check_body(case, items[8], extended, name)
        if length > 7:
            case.assertIsInstance(items[length - 1], int, name)
        rest = items[length:]
    if extended:
        case.assertIsInstance(rest[0], bytes | None, name)
        if rest[1] is not None:
            case.assertEqual(2, len(as_list(rest[1])), name)
        case.assertIsInstance(rest[3], bytes | None, name)


def bytes_of(value: Value) -> bytes:
    """
    A value that is a string.
    """
    assert isinstance(value, bytes), value
    return value


class ReaderTests(SynchronousTestCase):
    def test_strict(self) -> None:
        """
        The reader that these tests lean on refuses what is not well formed.
        """
        self.assertEqual([None, b'a"', 5, [b"x"], [b"y"]], read_value(b'(NIL "a\\"" 5 ({1}\r\nx)({1}\r\ny))'))
        for wrong in (
            b"(",
            b"(NIL",
            b'("a)',
            b"(NIL  NIL)",
            b'(NIL"a")',
            b'("\xe4")',
            b"({3}\r\nab)",
            b"({1}\r\n\0)",
            b"() ",
            b'("a\nb")',
        ):
            with self.assertRaises(AssertionError, msg=re.escape(repr(wrong))):
                read_value(wrong)
