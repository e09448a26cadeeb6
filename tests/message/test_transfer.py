"""
L{twisted_mail_server.message.transfer}
"""

from __future__ import annotations

import base64
import quopri

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.message.transfer import decode, decode_base64, decode_quoted_printable

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
