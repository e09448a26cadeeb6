"""
L{twisted_mail_server.message.downgrade}
"""

from __future__ import annotations

from typing import ClassVar

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.message.downgrade import CannotConvert, is_seven_bit_header, seven_bit
from twisted_mail_server.message.structure import Part, parse
from twisted_mail_server.message.transfer import decode
from twisted_mail_server.model import limits

HEAD = b"From: ann@example.org\r\nMIME-Version: 1.0\r\n"
UMLAUTS = "Grüße aus Köln, und alles Gute für die Reise.\r\n.\r\n = \r\n".encode()


def leaves(message: bytes) -> list[bytes]:
    """
    The decoded bodies of all leaves.
    """
    found: list[bytes] = []
    waiting: list[Part] = [parse(message)]
    while waiting:
        part = waiting.pop(0)
        waiting[:0] = part.children or ([part.message] if part.message else [])
        if part.kind == "leaf":
            found.append(decode(message[part.body : part.end], part.encoding))
    return found


class SevenBitTests(SynchronousTestCase):
    """
    What can be converted.
    """

    def assert_same(self, message: bytes) -> bytes:
        """
        The converted message is ASCII, its lines are short enough, and its bodies decode to what they were.
        """
        converted = seven_bit(message)
        self.assertTrue(converted.isascii())
        self.assertEqual(leaves(message), leaves(converted))
        self.assertLessEqual(max(map(len, converted.split(b"\r\n"))), 78)
        return converted

    def test_ascii(self) -> None:
        """
        A message in 7 bits stays as it is.
        """
        message = HEAD + b"\r\nHello\r\n"
        self.assertIs(message, seven_bit(message))

    def test_text(self) -> None:
        """
        Text becomes quoted-printable, and the field that says how it is encoded is replaced.
        """
        message = HEAD + b"Content-Transfer-Encoding:\r\n 8bit\r\nSubject: x\r\n\r\n" + UMLAUTS
        converted = self.assert_same(message)
        self.assertEqual(
            b"Content-Transfer-Encoding: quoted-printable\r\n" + HEAD + b"Subject: x\r\n\r\nGr=C3=BC",
            converted[: converted.index(b"Gr") + 8],
        )

    def test_long_lines(self) -> None:
        """
        Lines of any length become short ones.
        """
        self.assert_same(HEAD + b"\r\n" + b"\xc3\xa4 and more words " * 1000)

    def test_no_version(self) -> None:
        """
        A message that does not say that it is MIME says so, for else nobody would decode it.
        """
        converted = self.assert_same(b"Subject: x\r\n\r\n" + UMLAUTS)
        self.assertTrue(converted.startswith(b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n"))

    def test_unreadable_text(self) -> None:
        """
        Text with few ASCII letters becomes base64, which is shorter.
        """
        message = HEAD + b"\r\n" + "Привет, мир\r\n".encode()
        self.assertIn(b"Content-Transfer-Encoding: base64", self.assert_same(message))

    def test_bare_line_ends(self) -> None:
        """
        Text with line ends that no server may be sent becomes base64, which keeps them.
        """
        self.assertIn(b"base64", self.assert_same(HEAD + b"\r\nan \xe4 and\ra bare return\r\n"))

    def test_other_kinds(self) -> None:
        """
        What is no text becomes base64, whatever octets it has.
        """
        image = b"Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        self.assertIn(b": base64\r\n", self.assert_same(HEAD + image + bytes(range(256)) * 5))

    def test_multipart(self) -> None:
        """
        Of a multipart only the 8-bit parts change, and what it says of itself.
        """
        part = b"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + UMLAUTS
        plain = b"\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>Hello</p>\r\n"
        message = (
            HEAD
            + b"Content-Type: multipart/alternative; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
            + b"pr\xe4amble\r\n"
            + part
            + plain
            + b"--b--\r\n\xe4pilogue\r\n"
        )
        converted = self.assert_same(message)
        self.assertTrue(converted.startswith(b"Content-Transfer-Encoding: 7bit\r\nFrom"))
        self.assertIn(plain, converted)
        self.assertIn(b"\r\npr?amble\r\n--b\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type", converted)
        self.assertTrue(converted.endswith(b"--b--\r\n?pilogue\r\n"))

    def test_no_delimiter_is_made(self) -> None:
        """
        No line is broken so that what follows would end the part.
        """
        for length in range(60, 80):
            text = b"x" * length + b"--b and \xe4\r\n"
            message = HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" + text + b"\r\n--b--\r\n"
            self.assert_same(message)

    def test_undeclared_multipart(self) -> None:
        """
        A multipart that says nothing of its encoding goes on saying nothing.
        """
        message = HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" + UMLAUTS + b"\r\n--b--\r\n"
        self.assertTrue(self.assert_same(message).startswith(HEAD + b"Content-Type: multipart/mixed"))

    def test_message_in_message(self) -> None:
        """
        A forwarded message is converted inside.
        """
        for declared in (b"", b"Content-Transfer-Encoding: 8bit\r\n"):
            message = HEAD + b"Content-Type: message/rfc822\r\n" + declared + b"\r\nSubject: in\r\n\r\n" + UMLAUTS
            self.assert_same(message)

    def test_international_message(self) -> None:
        """
        C{message/global} may be encoded, unlike its relatives.
        """
        inner = "Content-Type: message/global\r\n\r\nSubject: Grüße\r\n\r\nHello\r\n".encode()
        self.assertIn(b": base64", self.assert_same(HEAD + inner))


class CannotConvertTests(SynchronousTestCase):
    """
    What cannot be converted.
    """

    CASES: ClassVar = {
        "A header field holds 8-bit characters.": b"Subject: Gr\xfc\xdfe\r\n\r\nHello\r\n",
        "It is signed as it is.": b"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n\xe4\r\n--b--\r\n",
        "It holds a message of a kind that must not be encoded.": b"Content-Type: message/partial\r\n\r\n\xe4\r\n",
        "A part holds 8-bit characters although its encoding has none.": (
            b"Content-Transfer-Encoding: base64\r\n\r\n\xe4\r\n"
        ),
        "The header of a part is malformed.": (
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nno field\r\n\r\n\xe4\r\n--b--\r\n"
        ),
        "Its parts nest too deep.": b"Content-Type: message/rfc822\r\n\r\n" * (limits.MIME_NESTING + 2) + b"\xe4",
    }

    def test_cases(self) -> None:
        """
        Each is refused for its reason.
        """
        for reason, rest in self.CASES.items():
            with self.assertRaises(CannotConvert) as caught:
                seven_bit(HEAD + rest)
            self.assertEqual(reason, str(caught.exception))

    def test_signed_in_seven_bits(self) -> None:
        """
        A signed part that is ASCII, beside one that is not, stays as it is.
        """
        signed = b"Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n\r\nHello\r\n--s--\r\n"
        message = HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + signed
        message += b"--b\r\n\r\n" + UMLAUTS + b"\r\n--b--\r\n"
        self.assertIn(signed, seven_bit(message))


class HeaderTests(SynchronousTestCase):
    """
    Whether a header needs SMTPUTF8.
    """

    def test_header(self) -> None:
        """
        The body does not matter.
        """
        self.assertTrue(is_seven_bit_header(HEAD + b"\r\n" + UMLAUTS))
        self.assertFalse(is_seven_bit_header(b"Subject: \xc3\xa4\r\n\r\nHello\r\n"))
