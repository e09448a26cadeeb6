"""
L{twisted_mail_server.protocols.imap.search_texts}
"""

from __future__ import annotations

import base64
import sys

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.message.words import decode_text
from twisted_mail_server.model import limits
from twisted_mail_server.protocols.imap.search_texts import Contents, Needle, OpenText, is_uncoded

HIDDEN = base64.b64encode(b"goblet") + b"\r\n"


def multipart(*parts: bytes) -> bytes:
    """
    A message of those parts.
    """
    return b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + b"\r\n--b\r\n".join(parts) + b"\r\n--b--\r\n"


def text_of(message: bytes) -> str:
    """
    All text of a message's body.
    """
    return "".join(piece for _, piece in OpenText(message).pieces())


class NeedleTests(SynchronousTestCase):
    """
    L{Needle}
    """

    def test_run(self) -> None:
        """
        The run is the longest that no decoding and no case folding brings about.
        """
        for text, expected in (
            ("Rhododendron", b"odode"),
            ("a b", b"b"),
            ("sink", None),
            ("x:y.z", b".z"),
            ("Größe", b"gr"),
            ("日本", None),
            ("", None),
            ("42-17", b"42-17"),
        ):
            self.assertEqual(expected, Needle.of(text).run, text)

    def test_case_folding(self) -> None:
        """
        Of the characters in a run, none is in what any other character is folded to.
        """
        every = "".join(map(chr, range(0x21, 0x7F)))
        plain = "".join(each for each in every.lower() if Needle.of(each).run)
        self.assertEqual(set("bcdegmopqruvxz0123456789"), {each for each in plain if each.isalnum()})
        others = "".join(map(chr, range(0x80, sys.maxunicode + 1)))
        self.assertFalse(set(plain) & set(others.casefold()))

    def test_charsets(self) -> None:
        """
        In each charset that counts as plain, ASCII is ASCII, and no other octet is.
        """
        charsets = [
            *("us-ascii", "utf-8", "koi8-r", "koi8-u"),
            *(f"iso-8859-{number}" for number in range(20)),
            *(f"windows-125{number}" for number in range(9)),
        ]
        for charset in charsets:
            self.assertTrue(is_uncoded(b"content-type: text/plain; charset=%b\r\n" % charset.encode()), charset)
            for octet in range(256):
                text = decode_text(bytes((octet,)), charset.encode())
                self.assertEqual([chr(octet)] if octet < 0x80 else [], [each for each in text if each.isascii()])


class ContentsTests(SynchronousTestCase):
    """
    L{Contents}
    """

    def test_lacks(self) -> None:
        """
        The octets alone tell that a word is nowhere in most messages.
        """
        needle, header = Needle.of("Goblet"), b"Subject: x\r\n"
        attached = b"Content-Type: application/pdf;\r\n name=x\r\nContent-Transfer-Encoding: base64\r\n\r\n" + HIDDEN
        for message in (
            b"",
            header + b"\r\nq\r\n",
            header + b'Content-Type: text/plain; charset="ISO-8859-15"\r\n\r\nq\xe4\r\n',
            header + "\r\nÄ? a=?b\r\n".encode(),
            multipart(b"\r\ntext", attached),
            multipart(b"\r\ntext\r\n", attached, attached),
            multipart(b"Content-Transfer-Encoding: base64\r\nContent-Type: image/png\r\n\r\n" + HIDDEN, b"\r\nx"),
            multipart(attached).replace(b"\r\n", b"\n"),
            b"X: y\r\n" + attached,
        ):
            for in_header in (False, True):
                self.assertTrue(Contents(message).lacks(needle, in_header=in_header), message)
                self.assertFalse(Contents(message).has(needle, in_header=in_header), message)

    def test_header_alone(self) -> None:
        """
        What is in the header is not in the body.
        """
        contents = Contents(b"Subject: Goblet\r\n\r\nx\r\n")
        needle = Needle.of("goblet")
        self.assertTrue(contents.has(Needle.of(""), in_header=False))
        self.assertEqual([False, True], [contents.lacks(needle, in_header=each) for each in (True, False)])
        self.assertEqual([True, False], [contents.has(needle, in_header=each) for each in (True, False)])

    def test_not_ascii(self) -> None:
        """
        A word that is not ASCII is in no message that is.
        """
        self.assertTrue(Contents(b"\r\nGru").lacks(Needle.of("Größe"), in_header=True))
        self.assertTrue(Contents(b"\r\nq").lacks(Needle.of("ähnli"), in_header=True))
        self.assertFalse(Contents(b"\r\nGr\xc3\xb6sse").lacks(Needle.of("Größe"), in_header=True))
        self.assertFalse(Contents(b"\r\n\xe4").lacks(Needle.of("ähnli"), in_header=True))
        self.assertFalse(Contents(b"Subject: =?a?q?=e4?=\r\n").lacks(Needle.of("ähnli"), in_header=True))

    def test_hidden(self) -> None:
        """
        What encodings hide is found, whatever stands around it.
        """
        needle = Needle.of("Goblet")
        base = b"Content-Transfer-Encoding: base64\r\n"
        image = b"Content-Type: image/png\r\n"
        for message in (
            base + b"\r\n" + HIDDEN,
            b"Content-Type: text/plain\r\n" + base + b"\r\n" + HIDDEN,
            # The image's header has no end, and the next part no Content-Type.
            multipart(b"Content-Type: image/png", base + b"\r\n" + HIDDEN),
            multipart(b"Content-Type: message/rfc822\r\n\r\nContent-Type: image/png", base + b"\r\n" + HIDDEN),
            # A line like a delimiter that is none, in the header of a text.
            multipart(b"Content-Type: text/plain\r\n--c\r\n" + image + base + b"\r\n" + HIDDEN),
            # The second Content-Type does not count.
            multipart(b"Content-Type: text/plain\r\n" + image + base + b"\r\n" + HIDDEN),
            # The image is the next part.
            multipart(base + b"\r\n" + HIDDEN, image + base + b"\r\n"),
            multipart(b"X: --\r\n" + base + b"X: y\r\n\r\n" + HIDDEN, image),
            # No type can be read, so it is a text.
            multipart(b"Content-Type: image/\r\n" + base + b"\r\n" + HIDDEN),
            multipart(b"Content-Type: image/=x\r\n" + base + b"\r\n" + HIDDEN),
            multipart(b"X-Content-Type: image/png\r\n" + base + b"\r\n" + HIDDEN),
            multipart(b"Content-Type: message/delivery-status\r\n" + base + b"\r\n" + HIDDEN),
            b"Content-Transfer-Encoding: quoted-printable\r\n\r\ng=6Fb=\r\nlet",
            b"Subject: =?utf-8?q?g=6Fblet?=\r\n\r\n",
            b"Subject: =?utf-8\r?q?g=6Fblet?=\r\n\r\n",
            b"Subject: \xe4 gob\rlet\r\n\r\n",
            b"Content-Type: text/plain; charset=utf-7\r\n\r\ngo+AGIAbA-et",
            b"Content-Type: text/plain; charset*0=utf; charset*1=-7\r\n\r\ngo+AGIAbA-et",
            b"Content-Type: text/plain; charset=utf-16\r\n\r\n" + "goblet".encode("utf-16"),
            b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\ngob\x1b(Jlet",
            b"Content-Type: text/plain; charset=cp037\r\n\r\n" + "goblet".encode("cp037"),
        ):
            self.assertFalse(Contents(message).lacks(needle, in_header=True), message)
            self.assertTrue(Contents(message).has(needle, in_header=True), message)

    def test_many_names_of_base64(self) -> None:
        """
        A message that names base64 a hundred thousand times costs no more than another: each stretch of it is looked at once.
        """
        header = b"X: y\r\nContent-Type: image/png\r\nX: " + b"base64 " * 100_000
        self.assertTrue(Contents(header + b"\r\n\r\n").lacks(Needle.of("goblet"), in_header=True))
        self.assertTrue(
            Contents(b"X: y\r\n" + b"\r\n--\r\nContent-Type: image/png\r\nbase64\r\n" * 20_000).lacks(
                Needle.of("goblet"), in_header=True
            )
        )


class OpenTextTests(SynchronousTestCase):
    """
    L{OpenText}
    """

    def test_large_base64(self) -> None:
        """
        Large text in base64 is decoded piece by piece, and whole.
        """
        text = "".join(f"Zeile {number} äöü\n" for number in range(80_000))
        body = base64.encodebytes(text.encode())
        self.assertGreater(len(body), 4 * limits.CONTENT_PIECE)
        opened = OpenText(b"Content-Transfer-Encoding: BASE64\r\n\r\n" + body)
        pieces = [piece for _, piece in opened.pieces()]
        self.assertEqual(text.casefold(), "".join(pieces))
        self.assertGreater(len(pieces), 3)
        self.assertLess(max(map(len, pieces)), 2 * limits.CONTENT_PIECE)
        self.assertTrue(opened.has(Needle.of("zeile 40000 äöü\nzeile 40001")))

    def test_large_lines(self) -> None:
        """
        Text without the end of a line, in whatever encoding, is whole.
        """
        text = b"x" * (3 * limits.CONTENT_PIECE + 5)
        for head, body in (
            (b"", text),
            (b"Content-Transfer-Encoding: base64\r\n", base64.b64encode(text)),
            (b"Content-Transfer-Encoding: quoted-printable\r\n", b"x=\r\n=78" * (len(text) // 2) + b"x"),
            (b"Content-Transfer-Encoding: x-unknown\r\n", text),
        ):
            self.assertEqual(text.decode(), text_of(head + b"\r\n" + body), head)

    def test_large_without_lines(self) -> None:
        """
        A charset in which an octet 10 ends no line is decoded whole.
        """
        text = "Ċab" * limits.CONTENT_PIECE
        body = base64.encodebytes(text.encode("utf-16"))
        head = b"Content-Type: text/plain; charset=utf-16\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        self.assertEqual(text.casefold(), text_of(head + body))
