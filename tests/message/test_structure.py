"""
L{twisted_mail_server.message.structure}
"""

from __future__ import annotations

from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from tests.support.messages import awkward_messages, corpus_messages, odd_messages
from twisted_mail_server.message.headers import header_end
from twisted_mail_server.message.structure import Part, parse
from twisted_mail_server.model.limits import MIME_NESTING, MIME_PARTS

#: A part in short: its body, or its children, or the message in it.
Shape = bytes | list["Shape"] | tuple["Shape"]


def shape(part: Part, data: bytes) -> Shape:
    """
    A message's tree in short.
    """
    if part.kind == "multipart":
        return [shape(child, data) for child in part.children]
    if part.message is not None:
        return (shape(part.message, data),)
    return data[part.body : part.end]


def inside(part: Part) -> Iterator[tuple[Part, Part]]:
    """
    Each part with the part it lies in.
    """
    for child in part.children if part.message is None else [part.message]:
        yield part, child
        yield from inside(child)


class ShapeTests(SynchronousTestCase):
    def reads(self, expected: Shape, *lines: bytes) -> Part:
        """
        A message of those lines has that shape, with CRLF and with LF.
        """
        data = b"\n".join([*lines, b""])
        self.assertEqual(expected, shape(parse(data), data))
        data = b"\r\n".join([*lines, b""])
        root = parse(data)

        def with_cr(plain: Shape) -> Shape:
            if isinstance(plain, bytes):
                return plain.replace(b"\n", b"\r\n")
            return (with_cr(plain[0]),) if isinstance(plain, tuple) else [with_cr(one) for one in plain]

        self.assertEqual(with_cr(expected), shape(root, data))
        return root

    def test_simple(self) -> None:
        """
        Without fields of MIME a message is plain text (RFC 2045 section 5.2).
        """
        root = self.reads(b"body\n", b"From: a@b", b"", b"body")
        self.assertEqual(
            ("leaf", b"text", b"plain", (), None, True),
            (root.kind, root.type, root.subtype, root.parameters, root.encoding, root.is_text),
        )

    def test_multipart(self) -> None:
        """
        Preamble and epilogue belong to no part; the line end before a
        delimiter is none of the part's.
        """
        self.reads(
            [b"one\n", b"two"],
            b"Content-Type: multipart/mixed; boundary=b",
            b"",
            b"preamble --b",
            b" --b",
            b"--b",
            b"",
            b"one",
            b"",
            b"--b \t",
            b"A: b",
            b"",
            b"two",
            b"--b--",
            b"--b",
            b"epilogue",
        )

    def test_delimiter_at_once(self) -> None:
        """
        A delimiter may stand where the header would end, or begin.
        """
        self.reads(
            [b"", b"", b"", b""],
            b"Content-Type: multipart/mixed; boundary=b",
            b"",
            b"--b",
            b"--b",
            b"",
            b"--b",
            b"A: b",
            b"--b",
            b"A: b",
            b"",
            b"--b--",
        )

    def test_unended(self) -> None:
        """
        What is never closed goes on to the end, or to a delimiter further out.
        """
        self.reads(
            [[b"one", [b"two"]], b"three\n"],
            b"Content-Type: multipart/mixed; boundary=outer",
            b"",
            b"--outer",
            b"Content-Type: multipart/mixed; boundary=inner",
            b"",
            b"--inner",
            b"",
            b"one",
            b"--inner",
            b"Content-Type: multipart/mixed; boundary=innermost",
            b"",
            b"--innermost",
            b"",
            b"two",
            b"--outer",
            b"",
            b"three",
        )

    def test_outer_closed_first(self) -> None:
        """
        The end of an outer multipart ends all in it; what follows is epilogue.
        """
        self.reads(
            [[b"one"]],
            b"Content-Type: multipart/mixed; boundary=outer",
            b"",
            b"--outer",
            b"Content-Type: multipart/mixed; boundary=inner",
            b"",
            b"--inner",
            b"",
            b"one",
            b"--outer--",
            b"--inner",
            b"",
            b"no part",
        )

    def test_same_boundary(self) -> None:
        """
        The same boundary inside and outside: the innermost open one has it.
        """
        self.reads(
            [[b"one"], b"two"],
            b"Content-Type: multipart/mixed; boundary=b",
            b"",
            b"--b",
            b"Content-Type: multipart/mixed; boundary=b",
            b"",
            b"--b",
            b"",
            b"one",
            b"--b--",
            b"--b",
            b"",
            b"two",
            b"--b--",
        )

    def test_prefix(self) -> None:
        """
        Of two boundaries that fit, the longer one is meant, unless the other
        fits the line exactly.
        """
        self.reads(
            [[b"one", b"two"], b"three", b"four"],
            b"Content-Type: multipart/mixed; boundary=b",
            b"",
            b"--b",
            b"Content-Type: multipart/mixed; boundary=bb",
            b"",
            b"--bb",
            b"",
            b"one",
            b"--bbb",
            b"",
            b"two",
            b"--b",
            b"",
            b"three",
            b"--bb",
            b"",
            b"four",
            b"--b--",
        )
        self.reads(
            [[b"one"], b"two"],
            b"Content-Type: multipart/mixed; boundary=b--",
            b"",
            b"--b--",
            b"Content-Type: multipart/mixed; boundary=b",
            b"",
            b"--b",
            b"",
            b"one",
            b"--b--",
            b"not seen",
            b"--b--",
            b"",
            b"two",
            b"--b----",
        )

    def test_no_parts(self) -> None:
        """
        A multipart without parts has one that is empty, for IMAP knows none
        without.
        """
        for boundary in (b"boundary=b", b"boundary=", b"x=y"):
            self.reads([b""], b"Content-Type: multipart/mixed; " + boundary, b"", b"nothing", b"--", b"----")
        self.reads([b""], b"Content-Type: multipart/mixed; boundary=b", b"", b"--b--")
        self.reads([b""], b"Content-Type: multipart/mixed; boundary=b")

    def test_message(self) -> None:
        """
        A message/rfc822 part holds a message, whatever is in that.
        """
        root = self.reads(
            (([(b"one",)],),),
            b"Content-Type: message/rfc822",
            b"",
            b"Content-Type: Message/RFC822",
            b"",
            b"Content-Type: multipart/mixed; boundary=b",
            b"",
            b"--b",
            b"Content-Type: message/rfc822",
            b"",
            b"Subject: a",
            b"",
            b"one",
            b"--b--",
        )
        self.assertEqual("message", root.kind)

    def test_digest(self) -> None:
        """
        In a digest a part is a message unless it says otherwise (RFC 2046
        section 5.1.5).
        """
        self.reads(
            [(b"one",), b"two", (b"",)],
            b"Content-Type: multipart/Digest; boundary=b",
            b"",
            b"--b",
            b"",
            b"Subject: a",
            b"",
            b"one",
            b"--b",
            b"Content-Type: text/plain",
            b"",
            b"two",
            b"--b",
            b"--b--",
        )

    def test_other_messages(self) -> None:
        """
        Only message/rfc822 holds a message.
        """
        self.reads(b"A: b\n", b"Content-Type: message/partial", b"", b"A: b")

    def test_boundary_in_own_header(self) -> None:
        """
        A multipart's own delimiter means nothing in its header.
        """
        self.reads(
            [b"one"],
            b"Content-Type: multipart/mixed; boundary=b",
            b"--b",
            b"X: y",
            b"",
            b"--b",
            b"",
            b"one",
            b"--b--",
        )


class BoundTests(SynchronousTestCase):
    def test_nesting_of_multiparts(self) -> None:
        """
        A multipart that lies too deep is opaque.
        """
        data = b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level)
            for level in range(MIME_NESTING + 10)
        )
        part, depth = parse(data), 1
        while part.kind == "multipart":
            part, depth = part.children[0], depth + 1
        self.assertEqual(("opaque", MIME_NESTING + 1), (part.kind, depth))

    def test_nesting_of_messages(self) -> None:
        """
        A message that lies too deep is opaque.
        """
        part, depth = parse(b"Content-Type: message/rfc822\r\n\r\n" * 2 * MIME_NESTING), 1
        while part.message is not None:
            part, depth = part.message, depth + 1
        self.assertEqual(("opaque", MIME_NESTING + 1), (part.kind, depth))

    def test_number(self) -> None:
        """
        Behind so many parts no more are found: the last one holds the rest.
        """
        data = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 2 * MIME_PARTS
        root = parse(data)
        self.assertEqual(MIME_PARTS - 1, len(root.children))
        self.assertEqual(len(data), root.children[-1].end)


class FieldTests(SynchronousTestCase):
    def test_fields(self) -> None:
        """
        A part tells what its fields of MIME say.
        """
        part = parse(
            b"Content-Type: image/gif; name=a\r\nContent-ID:\r\n <1@a>\r\nContent-Description: a\r\n b\r\n"
            b"Content-Transfer-Encoding: Base64 (x)\r\nContent-MD5: 1==\r\nContent-Language: de, en\r\n"
            b"Content-Location: http://a\r\nContent-Disposition: inline; filename=b\r\ncontent-id: <2@a>\r\n\r\nbody\r\n"
        )
        self.assertEqual((b"image", b"gif", ((b"name", b"a"),)), (part.type, part.subtype, part.parameters))
        self.assertEqual((b"<1@a>", b"a b", b"Base64"), (part.identifier, part.description, part.encoding))
        self.assertEqual((b"1==", (b"de", b"en"), b"http://a"), (part.md5, part.languages, part.location))
        self.assertEqual((b"inline", ((b"filename", b"b"),)), part.disposition)
        self.assertEqual((6, False), (part.size, part.is_text))

    def test_absent(self) -> None:
        """
        What no field says is C{None}, or nothing.
        """
        part = parse(b"Content-Transfer-Encoding: a b\r\nContent-Disposition:\r\n\r\n")
        self.assertEqual(
            [None] * 6, [part.identifier, part.description, part.encoding, part.md5, part.location, part.disposition]
        )
        self.assertEqual((), part.languages)
        self.assertIsNone(parse(b"").disposition)

    def test_broken_type(self) -> None:
        """
        A Content-Type that cannot be read is taken for text/plain (RFC 2045
        section 5.2), in a digest too.
        """
        part = parse(b"Content-Type: text; charset=utf-8\r\n\r\n")
        self.assertEqual((b"text", b"plain", ()), (part.type, part.subtype, part.parameters))
        digest = parse(b"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\nContent-Type: x\r\n\r\n--b--\r\n")
        self.assertEqual(b"text", digest.children[0].type)


class InvariantTests(SynchronousTestCase):
    def test_places(self) -> None:
        """
        Every part lies in the part around it, behind its elder siblings, and
        an embedded message is its part's whole body.
        """
        messages = [*corpus_messages().items(), *awkward_messages(200, 11), *odd_messages(200, 12)]
        for name, data in messages:
            root = parse(data)
            self.assertEqual((0, header_end(data), len(data)), (root.start, root.body, root.end), name)
            for parent, child in [(root, root), *inside(root)]:
                self.assertTrue(child.start <= child.body <= child.end <= parent.end, name)
                self.assertEqual(child.kind == "multipart", bool(child.children), name)
                self.assertEqual(child.kind == "message", child.message is not None, name)
                self.assertEqual(data[child.body : child.end].count(b"\n"), child.lines(data), name)
                if child.message is not None:
                    self.assertEqual((child.body, child.end), (child.message.start, child.message.end), name)
                place = child.body
                for one in child.children:
                    self.assertGreaterEqual(one.start, place, name)
                    place = one.end
