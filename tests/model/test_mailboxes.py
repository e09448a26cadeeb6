"""
L{twisted_mail_server.model.mailboxes}
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import CannotDo, OverLimit, SyntaxProblem
from twisted_mail_server.model.mailboxes import (
    check_name,
    decode_modified_utf7,
    encode_modified_utf7,
    parents,
    swap_separator,
)


class NamesTests(SynchronousTestCase):
    """
    Names a mailbox may have.
    """

    def test_inbox(self) -> None:
        """
        INBOX is one mailbox however it is written, also as the first level of a name (RFC 3501 section 5.1).
        """
        self.assertEqual("INBOX", check_name("inBox"))
        self.assertEqual("INBOX/work", check_name("inbox/work"))
        self.assertEqual("work/inbox", check_name("work/inbox"))

    def test_refused(self) -> None:
        """
        Empty levels and control characters are refused.
        """
        for name in ("", "/", "a//b", "/a", "a/", "a\nb", "a\x00", "\x7f", "a\u2028b", "\ud800"):
            with self.assertRaises(CannotDo):
                check_name(name)

    def test_bounds(self) -> None:
        """
        Length and depth are bounded.
        """
        self.assertRaises(OverLimit, check_name, "x" * (limits.MAILBOX_NAME + 1))
        self.assertRaises(OverLimit, check_name, "/".join("x" * (limits.MAILBOX_DEPTH + 1)))

    def test_parents(self) -> None:
        """
        The names above a name.
        """
        self.assertEqual(["a", "a/b"], parents("a/b/c"))
        self.assertEqual([], parents("a"))

    def test_separator(self) -> None:
        """
        With another separator on the wire, the two characters change places, and back.
        """
        self.assertEqual("a.b/c", swap_separator("a/b.c", "."))
        self.assertEqual("a/b.c", swap_separator("a.b/c", "."))
        self.assertEqual("a/b", swap_separator("a/b", "/"))


class ModifiedUtf7Tests(SynchronousTestCase):
    """
    Modified UTF-7 (RFC 3501 section 5.1.3).
    """

    def test_examples(self) -> None:
        """
        The RFC's example, an ampersand, and characters beyond the first plane.
        """
        for name, wire in {
            "~peter/mail/\u53f0\u5317/\u65e5\u672c\u8a9e": b"~peter/mail/&U,BTFw-/&ZeVnLIqe-",
            "Entw\xfcrfe": b"Entw&APw-rfe",
            "a&b": b"a&-b",
            "\U0001f600": b"&2D3eAA-",
        }.items():
            self.assertEqual(wire, encode_modified_utf7(name))
            self.assertEqual(name, decode_modified_utf7(wire))

    def test_malformed(self) -> None:
        """
        What is not in the one canonical form is refused, so that no mailbox has two names.
        """
        for wire in (b"&", b"&AB", b"&AGE-", b"&APw-&APw-", b"caf\xe9", b"&*-", b"&A-", b"&2D0-", b"\x01", b"&APwA-"):
            with self.assertRaises(SyntaxProblem):
                decode_modified_utf7(wire)

    @settings(derandomize=True, max_examples=200, deadline=None, database=None)
    @given(st.text(st.characters(exclude_categories=["Cs"])))
    def test_there_and_back(self, name: str) -> None:
        """
        Every name survives the wire.
        """
        self.assertEqual(name, decode_modified_utf7(encode_modified_utf7(name)))

    @settings(derandomize=True, max_examples=200, deadline=None, database=None)
    @given(st.binary() | st.text("&-,+AQz/", max_size=12).map(str.encode))
    def test_nothing_else_escapes(self, wire: bytes) -> None:
        """
        Whatever arrives is a name or a syntax problem.
        """
        try:
            decode_modified_utf7(wire)
        except SyntaxProblem:
            return
        self.assertEqual(wire, encode_modified_utf7(decode_modified_utf7(wire)))
