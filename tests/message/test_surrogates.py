"""
L{twisted_mail_server.message.surrogates}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.messages import odd_messages
from twisted_mail_server.message.headers import split
from twisted_mail_server.message.surrogates import ascii_header, encoded_words
from twisted_mail_server.message.words import decode_words


def converted(*lines: str) -> list[str]:
    """
    The lines of a header, converted.
    """
    block = "\r\n".join([*lines, "", ""]).encode()
    return ascii_header(block).decode("ascii").removesuffix("\r\n\r\n").split("\r\n")


class SurrogateTests(SynchronousTestCase):
    def test_untouched(self) -> None:
        """
        ASCII stays as it is, and so does what is in another charset, in every octet.
        """
        for block in (b"", b"A: b\r\n\r\n", b"Subject: \xe4\r\n\r\n", b"no field\xc3\xa4\r\nA:\xff\r\n \xff\r\n"):
            self.assertEqual(block, ascii_header(block))

    def test_text(self) -> None:
        """
        What people read becomes encoded words; other fields stay where they are.
        """
        self.assertEqual(
            ["A: b", "Subject: =?utf-8?b?w6Qgw7w=?=", "C:  d", "x-note: =?utf-8?b?w7Y=?="],
            converted("A: b", "Subject: \u00e4", " \u00fc", "C:  d", "x-note :\u00f6"),
        )
        self.assertEqual(["Content-Description: =?utf-8?b?w6Q=?="], converted("Content-Description: \u00e4"))

    def test_addresses(self) -> None:
        """
        Names become encoded words; an address that is not ASCII gives way to a group that says what it was.
        """
        self.assertEqual(["From: =?utf-8?b?SsO8cmdlbg==?= <j@x.example>"], converted("From: J\u00fcrgen <j@x.example>"))
        self.assertEqual(
            ['To: "A. B" <a@x>,', " b@x,", ' "c d"@x,', " =?utf-8?b?w6Q=?= <e@x>"],
            converted('To: "A. B" <a@x>, b@x, "c d"@x, \u00e4 <e@x>'),
        )
        (first, second) = converted("Cc: \u00c4nn <\u00e4@x.example>")
        self.assertEqual(("Cc: Internationalized Address", " Removed:;"), (first, second[second.index(" Removed") :]))
        self.assertEqual(
            "\u00c4nn <\u00e4@x.example>", decode_words(second.removesuffix(" Removed:;").strip().encode())
        )

    def test_groups(self) -> None:
        """
        Groups stay groups.
        """
        self.assertEqual(
            [
                "To: =?utf-8?b?w6Q=?=: a@x,",
                " =?utf-8?b?PMO2QHg+?= <invalid@internationalized-address.invalid>;,",
                " b@x",
            ],
            converted("To: \u00e4: a@x, \u00f6@x;, b@x"),
        )
        self.assertEqual(["To: =?utf-8?b?w6Q=?=:;"], converted("To: \u00e4:;"))

    def test_structured(self) -> None:
        """
        Where no encoded word may stand, question marks do.
        """
        self.assertEqual(
            ["Content-Type: x/y; name=?.txt", "Received: from ?", "Message-ID: <?@x>"],
            converted("Content-Type: x/y; name=\u00e4.txt", "Received: from", " \u00e4", "Message-ID: <\u00e4@x>"),
        )

    def test_long(self) -> None:
        """
        No line is too long, and no character is cut.
        """
        text = "\u00e4\u20ac\U0001f600x" * 50
        words = encoded_words(text)
        self.assertEqual(text, decode_words(words))
        for line in words.split(b"\r\n"):
            self.assertLessEqual(len(line), 76)
            decode_words(line).encode("utf-8", "strict")
            self.assertNotIn("\ufffd", decode_words(line))

    def test_odd_headers(self) -> None:
        """
        Whatever a header looks like, what comes out is a header with the same fields, and is its own surrogate.
        """
        for seed, message in odd_messages(200, 5):
            header, _ = split(message.replace(b"a", "\u00e4".encode()))
            once = ascii_header(header)
            self.assertEqual(once, ascii_header(once), seed)
