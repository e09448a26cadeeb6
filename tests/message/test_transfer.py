"""
L{twisted_mail_server.message.transfer}
"""

from __future__ import annotations

import base64
import quopri

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.message.transfer import Decoder, decode, decode_base64, decode_quoted_printable, decoder

OCTETS = bytes(range(256)) * 3


class Base64Tests(SynchronousTestCase):
    def test_round_trip(self) -> None:
        """
        What is well formed comes back, of any length.
        """
        for length in range(260):
            self.assertEqual(OCTETS[:length], decode_base64(base64.encodebytes(OCTETS[:length])))

    def test_garbage(self) -> None:
        """
        What is not in the alphabet is passed over.
        """
        self.assertEqual(b"Hello", decode_base64(b"S!G\r\nV-s\xffbG 8=\0"))

    def test_unpadded(self) -> None:
        """
        Missing padding is no trouble, nor is a lonely last character.
        """
        self.assertEqual([b"a", b"a", b"", b"abcd"], [decode_base64(data) for data in (b"YQ", b"YQ=", b"Y", b"YWJjZA")])
        self.assertEqual(b"abc", decode_base64(b"YWJjZ"))

    def test_joined(self) -> None:
        """
        Padded pieces that were joined are read one by one.
        """
        self.assertEqual(b"ab", decode_base64(b"YQ==Yg=="))

    def test_much_padding(self) -> None:
        """
        Padding without end is passed over like any other garbage.
        """
        self.assertEqual(b"Hello", decode_base64(b"SGVsbG8" + b"=" * 100_000))
        self.assertEqual(b"a" * 250_000, decode_base64(base64.b64encode(b"a" * 25) * 10_000))
        self.assertEqual(b"\0" * 3000, decode_base64(b"A=" * 4000 + b"A" * 60_000)[:3000])

    def test_nothing(self) -> None:
        """
        Nothing gives nothing.
        """
        self.assertEqual([b"", b"", b""], [decode_base64(data) for data in (b"", b"====", b"\r\n")])


class QuotedPrintableTests(SynchronousTestCase):
    def test_round_trip(self) -> None:
        """
        What is well formed comes back.
        """
        self.assertEqual(OCTETS, decode_quoted_printable(quopri.encodestring(OCTETS)))

    def test_soft_break(self) -> None:
        """
        A line end behind C{=} is none, with white space between as well.
        """
        self.assertEqual(b"abcd", decode_quoted_printable(b"ab=\r\nc= \t\nd"))

    def test_trailing_white(self) -> None:
        """
        White space at the end of a line was added on the way (RFC 2045 6.7).
        """
        self.assertEqual(b"a\r\nb  c\r\n", decode_quoted_printable(b"a \t\r\nb  c \r\n  "))

    def test_broken(self) -> None:
        """
        What begins no octet stays as it is.
        """
        self.assertEqual(b"=ZZ =4", decode_quoted_printable(b"=ZZ =4"))
        self.assertEqual(b"\xfc", decode_quoted_printable(b"=fc"))


class DecodeTests(SynchronousTestCase):
    def test_by_name(self) -> None:
        """
        The encoding's name decides, in any case; unknown ones change nothing.
        """
        self.assertEqual(b"a", decode(b"YQ==", b"BASE64"))
        self.assertEqual(b"a", decode(b"=61", b"Quoted-Printable"))
        for encoding in (None, b"7bit", b"x-unknown"):
            self.assertEqual(b"=61", decode(b"=61", encoding))


class DecoderTests(SynchronousTestCase):
    def made(self, encoding: bytes | None) -> Decoder:
        """
        What undoes that encoding.
        """
        found = decoder(encoding)
        assert found is not None
        return found

    def run_over(self, encoding: bytes, *pieces: bytes) -> bytes:
        """
        What comes of pieces.
        """
        undoing = self.made(encoding)
        return b"".join([*map(undoing.add, pieces), undoing.end()])

    def test_cuts(self) -> None:
        """
        However it is cut, the result is that of the whole, of garbage too.
        """
        cases = {
            b"base64": (b"SGVsbG8=", b"YQ==Yg==\r\nYWJj\xff=Z", b"====", b"Y", b"", base64.encodebytes(OCTETS)),
            b"quoted-printable": (
                b"a=3D b =\r\n c \t\r\nd=\n=",
                b"x=\ry\r\nz == = \r\n",
                b"=4=41=zz\xff\r\n.",
                b"",
                quopri.encodestring(OCTETS),
            ),
        }
        for encoding, texts in cases.items():
            for text in texts:
                expected = decode(text, encoding)
                for cut in range(len(text) + 1):
                    self.assertEqual(expected, self.run_over(encoding, text[:cut], text[cut:]), (text, cut))
                octets = [text[place : place + 1] for place in range(len(text))]
                self.assertEqual(expected, self.run_over(encoding, *octets), text)

    def test_early(self) -> None:
        """
        What is known is given at once.
        """
        undoing = self.made(b"BASE64")
        self.assertEqual([b"", b"abc", b"d"], [undoing.add(b"YWJ"), undoing.add(b"jZA"), undoing.end()])
        undoing = self.made(b" Quoted-Printable ")
        self.assertEqual(
            [b"", b"a\n", b"=b"], [undoing.add(b"a"), undoing.add(b"\n=3"), undoing.add(b"Db") + undoing.end()]
        )

    def test_long_line(self) -> None:
        """
        A line that does not end is not held for ever, and what is made of it is the same.
        """
        text = b"abcdefg=41 \t" * 50_000
        undoing = self.made(b"quoted-printable")
        early = undoing.add(text[:300_001])
        self.assertGreater(len(early), 100_000)
        self.assertEqual(decode(text, b"quoted-printable"), early + undoing.add(text[300_001:]) + undoing.end())

    def test_swallowed(self) -> None:
        """
        Where a broken soft line break takes what follows with it, nothing is given before it is known how much.
        """
        text = b"=\r" + b"x" * 100_000
        undoing = self.made(b"quoted-printable")
        self.assertEqual([b"", b"y"], [undoing.add(text), undoing.add(b"\ny") + undoing.end()])

    def test_hopeless(self) -> None:
        """
        A line of nothing but signs of encoding is held only up to a limit.
        """
        undoing = self.made(b"quoted-printable")
        self.assertEqual(b"", undoing.add(b"= " * 50_000))
        self.assertNotEqual(b"", undoing.add(b"= " * 1_000_000))

    def test_names(self) -> None:
        """
        What is not encoded stays as it is; there are no other encodings.
        """
        for name in (None, b"7bit", b"8BIT", b"binary"):
            undoing = self.made(name)
            self.assertEqual([b"=41\0", b""], [undoing.add(b"=41\0"), undoing.end()])
        self.assertEqual([None, None], [decoder(b"x-uuencode"), decoder(b"")])
