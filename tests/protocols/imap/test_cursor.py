"""
Reading a command from left to right (RFC 3501 section 9).
"""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import CannotDo, OverLimit, SyntaxProblem, TooLong
from twisted_mail_server.model.numbers import SequenceSet
from twisted_mail_server.protocols.imap.cursor import Cursor


class CursorTests(SynchronousTestCase):
    """
    What each reader takes, and what it refuses.
    """

    def refuses(self, reader: str, *inputs: bytes) -> None:
        """
        The reader of that name refuses each input.
        """
        for text in inputs:
            self.assertRaises(SyntaxProblem, getattr(Cursor([text]), reader))

    def test_nothing(self) -> None:
        """
        No text is an empty line.
        """
        self.assertTrue(Cursor([]).at_end)
        Cursor([]).end()

    def test_end(self) -> None:
        """
        Whatever is left is too much: text, or a literal.
        """
        self.assertRaises(SyntaxProblem, Cursor([b"x"]).end)
        self.assertRaises(SyntaxProblem, Cursor([b"", b"x", b""]).end)
        self.assertFalse(Cursor([b"", b"", b""]).at_end)

    def test_peek_skip_expect(self) -> None:
        """
        Words are found in any case, and only passed over when they are there.
        """
        cursor = Cursor([b"FLAGS.Silent x"])
        self.assertTrue(cursor.peek(b"flags"))
        self.assertFalse(cursor.skip(b"FLAGSX"))
        self.assertTrue(cursor.skip(b"flags"))
        cursor.expect(b".SILENT")
        cursor.space()
        self.assertRaises(SyntaxProblem, cursor.expect, b"y")
        self.assertRaises(SyntaxProblem, cursor.space)
        cursor.expect(b"X")
        cursor.end()

    def test_take(self) -> None:
        """
        A pattern matches at the place, or not at all.
        """
        cursor = Cursor([b"ab12"])
        self.assertIsNone(cursor.may_take(re.compile(rb"[0-9]+")))
        self.assertEqual(b"ab", cursor.take(re.compile(rb"[a-z]+"))[0])
        self.assertRaises(SyntaxProblem, cursor.take, re.compile(rb"[a-z]+"))
        self.assertEqual(b"12", cursor.take(re.compile(rb"[0-9]+"))[0])

    def test_atom(self) -> None:
        """
        An atom ends before what is special; an astring may hold a bracket.
        """
        self.assertEqual(b"a+b", Cursor([b"a+b]c"]).atom())
        self.assertEqual(b"a+b]c", Cursor([b"a+b]c d"]).astring())
        self.refuses("atom", b"", b" a", b"(a", b")", b"{1}", b"%", b"*", b'"a"', b"\\a", b"]", b"\x7f", b"\xe9")
        self.refuses("astring", b"", b" a", b"(", b"%a", b"*", b"{3}", b"\\a", b"\xe9")

    def test_quoted(self) -> None:
        """
        A quoted string takes its quotes and backslashes off; nothing else can follow a backslash, and no line ends in it.
        """
        self.assertEqual(b"", Cursor([b'""']).string())
        self.assertEqual(b'a "b" \\c', Cursor([b'"a \\"b\\" \\\\c"']).string())
        self.assertEqual("é".encode(), Cursor(['"é"'.encode()]).string())
        self.refuses("string", b'"', b'"a', b'"a\\"', b'"a\\b"', b'"a\rb"', b'"a\nb"', b'"a\0b"', b"a", b"")

    def test_literal(self) -> None:
        """
        A literal stands where its announcement did, and may hold line ends but no NUL.
        """
        cursor = Cursor([b"(", b"a\r\nb", b" x ", b"", b")"])
        cursor.expect(b"(")
        self.assertEqual(b"a\r\nb", cursor.string())
        cursor.space()
        self.assertEqual(b"x", cursor.astring())
        cursor.space()
        self.assertEqual(b"", cursor.astring())
        cursor.expect(b")")
        cursor.end()
        self.assertRaises(SyntaxProblem, Cursor([b"", b"a\0b", b""]).string)

    def test_literal_in_its_place(self) -> None:
        """
        A literal is not read while there is text before it.
        """
        self.assertRaises(SyntaxProblem, Cursor([b"(", b"abc", b""]).string)

    def test_nstring(self) -> None:
        """
        NIL is nothing, in any case; the string "NIL" is a string; a longer atom is neither.
        """
        self.assertIsNone(Cursor([b"nil"]).nstring())
        self.assertIsNone(Cursor([b"NIL)"]).nstring())
        self.assertEqual(b"NIL", Cursor([b'"NIL"']).nstring())
        self.refuses("nstring", b"NILS", b"x")

    def test_number(self) -> None:
        """
        A number has 32 bits; one that must not be zero begins with no zero.
        """
        self.assertEqual(0, Cursor([b"0"]).number())
        self.assertEqual(4294967295, Cursor([b"4294967295"]).number())
        self.assertEqual(7, Cursor([b"007"]).number())
        self.assertEqual(7, Cursor([b"7"]).nz_number())
        self.refuses("number", b"", b"-1", b"x", b"4294967296", b"99999999999", b"9" * 5000)
        self.refuses("nz_number", b"0", b"07", b"x", b"4294967296")

    def test_sequence_set(self) -> None:
        """
        A sequence set ends where its characters do.
        """
        cursor = Cursor([b"2,4:7,*:12 x"])
        self.assertEqual(SequenceSet(((2, 2), (4, 7), (None, 12))), cursor.sequence_set())
        cursor.space()
        self.refuses("sequence_set", b"", b"x", b":1", b"1:", b"1,", b"1,,2", b"0", b"1:2:3", b"4294967296")
        self.assertRaises(TooLong, Cursor([b",".join([b"1"] * (limits.SEQUENCE_RANGES + 1))]).sequence_set)

    def test_list(self) -> None:
        """
        A list is of what its reader reads, with one space between, perhaps empty.
        """
        for text, expected in ((b"()", []), (b"(a)", [b"a"]), (b"(a b)", [b"a", b"b"])):
            cursor = Cursor([text])
            self.assertEqual(expected, cursor.list_of(cursor.atom))
            cursor.end()
        for text in (b"a", b"(", b"(a", b"(a  b)", b"( a)", b"(a )"):
            cursor = Cursor([text])
            self.assertRaises(SyntaxProblem, cursor.list_of, cursor.atom)

    def test_nesting(self) -> None:
        """
        Lists nest to a bound, and no deeper.
        """

        def read(cursor: Cursor) -> list[object]:
            return cursor.list_of(lambda: read(cursor))

        deep = limits.IMAP_NESTING
        read(Cursor([b"(" * deep + b")" * deep]))
        self.assertRaises(TooLong, read, Cursor([b"(" * 100_000]))
        cursor = Cursor([b"(() () ())"])
        self.assertEqual([[], [], []], read(cursor))
        for _ in range(deep):
            cursor.enter()
        cursor.leave()
        cursor.enter()
        self.assertRaises(TooLong, cursor.enter)


class MailboxTests(SynchronousTestCase):
    """
    Mailbox names on the wire.
    """

    def test_forms(self) -> None:
        """
        A name is an atom, quoted or a literal, in modified UTF-7; INBOX is INBOX in whatever case.
        """
        self.assertEqual("Work", Cursor([b"Work"]).mailbox())
        self.assertEqual("INBOX", Cursor([b"inBox"]).mailbox())
        self.assertEqual("INBOX/a", Cursor([b"Inbox/a"]).mailbox())
        self.assertEqual('a "b"', Cursor([b'"a \\"b\\""']).mailbox())
        self.assertEqual("a b", Cursor([b"", b"a b", b""]).mailbox())
        self.assertEqual("~peter/mail/台北/日本語", Cursor([b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"]).mailbox())
        self.assertEqual("a&b", Cursor([b"a&-b"]).mailbox())

    def test_malformed(self) -> None:
        """
        What is not modified UTF-7, or not in its one form, is refused.
        """
        for text in (b"&", b"&Jjo", b"&Jjo!", b"a&A-", b"&AGE-", b"&U,BTFw-&ZeVnLIqe-", b'"\xe9"'):
            self.assertRaises(SyntaxProblem, Cursor([text]).mailbox)

    def test_not_a_name(self) -> None:
        """
        No mailbox has an empty level, a control character, or a name without end.
        """
        for text in (b'""', b"/a", b"a/", b"a//b", b"/"):
            self.assertRaises(CannotDo, Cursor([text]).mailbox)
        self.assertRaises(SyntaxProblem, Cursor([b'"a\x01b"']).mailbox)
        self.assertRaises(OverLimit, Cursor([b"a" * 1001]).mailbox)
        self.assertRaises(OverLimit, Cursor([b"/".join([b"a"] * 51)]).mailbox)

    def test_separator_at_end(self) -> None:
        """
        Where it may, a name ends in a separator, which says only that there will be names below it.
        """
        self.assertEqual("a/b", Cursor([b"a/b/"]).mailbox(may_end_in_separator=True))
        self.assertEqual("a", Cursor([b"a"]).mailbox(may_end_in_separator=True))
        for text in (b"a//", b"/"):
            self.assertRaises(CannotDo, Cursor([text]).mailbox, may_end_in_separator=True)

    def test_other_separator(self) -> None:
        """
        With another separator, that and the slash change places.
        """
        self.assertEqual("a/b", Cursor([b"a.b"], separator=".").mailbox())
        self.assertEqual("a.b", Cursor([b"a/b"], separator=".").mailbox())
        self.assertRaises(CannotDo, Cursor([b"a."], separator=".").mailbox)
        self.assertEqual("a", Cursor([b"a."], separator=".").mailbox(may_end_in_separator=True))
