"""
L{twisted_mail_server.dns.names}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.dns.names import canonical_name, to_text, to_wire


class NamesTests(SynchronousTestCase):
    """
    Names in, names out.
    """

    def test_canonical(self) -> None:
        """
        A name has one form, whatever it was written like; names that only policies have are names.
        """
        for text, expected in (
            ("Example.ORG", "example.org"),
            ("example.org.", "example.org"),
            (".", "."),
            ("org", "org"),
            ("_25._TCP.example.org", "_25._tcp.example.org"),
            ("a+b=c@x._spf.example.org", "a+b=c@x._spf.example.org"),
            ("*.example.org", "*.example.org"),
            ("straße.example", "xn--strae-oqa.example"),
            ("_dmarc.BÜCHER.example", "_dmarc.xn--bcher-kva.example"),
            ("a。b", "a.b"),
        ):
            self.assertEqual(expected, canonical_name(text), text)

    def test_none(self) -> None:
        """
        Empty labels, blanks, backslashes, controls, and letters that no name has, make no name.
        """
        for text in (
            "",
            "..",
            "a..b",
            ".a",
            "a b",
            "a\\b",
            "a\0",
            "a\x7f",
            "a\n",
            "\u2028.a",
            "\ud800.a",
            "ü\u0301\u0301-.b",
            "-ü.a",
        ):
            self.assertIsNone(canonical_name(text), repr(text))

    def test_lengths(self) -> None:
        """
        A label has up to 63 octets, a name up to 255 with its lengths: 253 as text.
        """
        self.assertEqual("x" * 63, canonical_name("x" * 63))
        self.assertIsNone(canonical_name("x" * 64))
        longest = ".".join(["x" * 63] * 3 + ["x" * 61])
        self.assertEqual(longest, canonical_name(longest + "."))
        self.assertEqual(255, len(to_wire(longest)))
        self.assertIsNone(canonical_name(longest + "x"))
        self.assertIsNone(canonical_name("x." * 1000))
        self.assertIsNone(canonical_name("ü" * 60))

    def test_wire(self) -> None:
        """
        Labels with their lengths, and an empty one (RFC 1035 section 3.1).
        """
        self.assertEqual(b"\7example\3org\0", to_wire("example.org"))
        self.assertEqual(b"\0", to_wire("."))

    def test_text(self) -> None:
        """
        Labels become a name that could be asked for, or one with escapes that could not.
        """
        self.assertEqual("example.org", to_text([b"Example", b"ORG"]))
        self.assertEqual(".", to_text([]))
        odd = to_text([b"a.b", b"\\", b"\xff", b" "])
        self.assertEqual("a\\046b.\\092.\\255.\\032", odd)
        self.assertIsNone(canonical_name(odd))
