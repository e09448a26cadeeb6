"""
L{twisted_mail_server.message.words}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.message.words import decode_parameter, decode_text, decode_words


class WordTests(SynchronousTestCase):
    def reads(self, expected: str, value: bytes) -> None:
        """
        That value is that text.
        """
        self.assertEqual(expected, decode_words(value), value)

    def test_examples(self) -> None:
        """
        The examples of RFC 2047 section 8.
        """
        self.reads("(a)", b"(=?ISO-8859-1?Q?a?=)")
        self.reads("(a b)", b"(=?ISO-8859-1?Q?a?= b)")
        self.reads("(ab)", b"(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)")
        self.reads("(ab)", b"(=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=)")
        self.reads("(a b)", b"(=?ISO-8859-1?Q?a_b?=)")
        self.reads("(a b)", b"(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)")
        self.reads("Keld Jørn Simonsen", b"=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?=")
        self.reads("If you can read this yo", b"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=")

    def test_plain(self) -> None:
        """
        What holds no encoded word is UTF-8, or Latin-1 where it cannot be.
        """
        self.reads("a b", b" a\r\n b\r")
        self.reads("ä", b"\xc3\xa4")
        self.reads("ä", b"\xe4")

    def test_cut_character(self) -> None:
        """
        A character cut between two words is made whole.
        """
        self.reads("€", b"=?utf-8?Q?=E2=82?= =?UTF-8?Q?=AC?=")

    def test_language(self) -> None:
        """
        A language behind the charset (RFC 2231 section 5) is passed over.
        """
        self.reads("ä", b"=?utf-8*de-CH?Q?=C3=A4?=")

    def test_spaces_inside(self) -> None:
        """
        Spaces inside a word, which many write, do no harm.
        """
        self.reads("a b", b"=?utf-8?Q?a b?=")

    def test_broken(self) -> None:
        """
        What is no encoded word stays.
        """
        for value in (b"=?utf-8?X?a?=", b"=?utf-8?Q?a", b"=??Q?a?=", b"=?a b?Q?c?=", b"=?="):
            self.reads(value.decode(), value)

    def test_charsets(self) -> None:
        """
        A charset that is unknown, no charset of mail, or a lie is no trouble.
        """
        for charset in (b"no-such", b"idna", b"unicode-escape", b"base64", b"zip", b"us-ascii", b"../x", b"\xff"):
            self.assertEqual("ä", decode_text(b"\xc3\xa4", charset))
            self.reads("aä", b"=?%b?Q?a=C3=A4?=" % charset)
        self.assertEqual("\xe4", decode_text(b"\xe4", b"utf-8"))
        self.assertEqual("日本", decode_text(b"\x1b$BF|K\\\x1b(B", b"ISO-2022-JP"))


class ParameterTests(SynchronousTestCase):
    def test_extended(self) -> None:
        """
        RFC 2231's notation is preferred to a plain value.
        """
        parameters = ((b"filename", b"euro"), (b"Filename*", b"utf-8'en'%e2%82%ac%20rates"))
        self.assertEqual("€ rates", decode_parameter(parameters, b"filename"))

    def test_extended_without_charset(self) -> None:
        """
        Without a charset, or without its quotes, it is UTF-8.
        """
        self.assertEqual("ä", decode_parameter(((b"a*", b"''%C3%A4"),), b"a"))
        self.assertEqual("ä", decode_parameter(((b"a*", b"%C3%A4"),), b"a"))

    def test_plain(self) -> None:
        """
        A plain value may hold encoded words, as many write it.
        """
        self.assertEqual("ä.txt", decode_parameter(((b"name", b"=?utf-8?Q?=C3=A4?=.txt"),), b"name"))

    def test_missing(self) -> None:
        """
        A parameter that is not there is C{None}.
        """
        self.assertIsNone(decode_parameter(((b"name", b"a"),), b"filename"))
