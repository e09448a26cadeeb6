"""
Flags, date-times, patterns (RFC 3501 section 9).
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model.errors import SyntaxProblem
from twisted_mail_server.protocols.imap.cursor import Cursor
from twisted_mail_server.protocols.imap.grammar import (
    read_date_time,
    read_flag,
    read_flag_list,
    read_pattern,
    read_reference,
)


class FlagTests(SynchronousTestCase):
    """
    Flags that clients set.
    """

    def test_system_flags(self) -> None:
        """
        A system flag is known in any case, and spelt in one.
        """
        text = rb"(\seen \ANSWERED \Flagged \deleted \drAft)"
        self.assertEqual(["\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"], read_flag_list(Cursor([text])))

    def test_keywords(self) -> None:
        """
        A keyword is an atom, and keeps its case.
        """
        self.assertEqual("$MDNSent", read_flag(Cursor([b"$MDNSent)"])))
        for text in (b"", b'"a"', b"(a", b"a" * 201):
            self.assertRaises(SyntaxProblem, read_flag, Cursor([text]))

    def test_what_cannot_be_set(self) -> None:
        """
        \\Recent is the session's, and no other system flag is known.
        """
        for text in (b"\\Recent", b"\\recent", b"\\Foo", b"\\*", b"\\"):
            self.assertRaises(SyntaxProblem, read_flag, Cursor([text]))


class DateTimeTests(SynchronousTestCase):
    """
    Moments.
    """

    def test_moments(self) -> None:
        """
        Zones are east of Greenwich; days have two places, the first of which may be a space, or missing.
        """
        for text, expected in (
            (b'"14-Nov-2023 22:13:20 +0000"', 1_700_000_000),
            (b'"15-nov-2023 00:43:20 +0230"', 1_700_000_000),
            (b'"14-NOV-2023 14:13:20 -0800"', 1_700_000_000),
            (b'" 1-Jan-1970 00:00:00 +0000"', 0),
            (b'"1-Jan-1970 00:00:00 +0000"', 0),
            (b'"01-Jan-1970 00:00:00 +0000"', 0),
            (b'"31-Dec-1969 23:59:59 +0000"', -1),
            (b'"31-Dec-2016 23:59:60 +0000"', 1_483_228_799),
        ):
            cursor = Cursor([text])
            self.assertEqual(expected, read_date_time(cursor))
            cursor.end()

    def test_no_moments(self) -> None:
        """
        What is on no calendar and no clock is refused.
        """
        for text in (
            b'"31-Feb-2023 22:13:20 +0000"',
            b'"14-Foo-2023 22:13:20 +0000"',
            b'"14-Nov-0000 22:13:20 +0000"',
            b'"14-Nov-2023 24:13:20 +0000"',
            b'"14-Nov-2023 22:60:20 +0000"',
            b'"14-Nov-2023 22:13:61 +0000"',
            b'"14-Nov-2023 22:13:20 +2400"',
            b'"14-Nov-2023 22:13:20 +0060"',
            b'"14-Nov-2023 22:13:20"',
            b'"14 Nov 2023 22:13:20 +0000"',
            b'" 0-Nov-2023 22:13:20 +0000"',
            b"14-Nov-2023",
        ):
            self.assertRaises(SyntaxProblem, read_date_time, Cursor([text]))


class PatternTests(SynchronousTestCase):
    """
    Arguments of LIST.
    """

    def test_pattern(self) -> None:
        """
        A pattern may hold wildcards without quotes, be a string, and be empty only as one.
        """
        self.assertEqual("*", read_pattern(Cursor([b"*"])))
        self.assertEqual("a/%]", read_pattern(Cursor([b"a/%]"])))
        self.assertEqual("", read_pattern(Cursor([b'""'])))
        self.assertEqual("a b*", read_pattern(Cursor([b'"a b*"'])))
        self.assertEqual("a*", read_pattern(Cursor([b"", b"a*", b""])))
        self.assertEqual("é*", read_pattern(Cursor([b"&AOk-*"])))
        self.assertEqual("a/*", read_pattern(Cursor([b"a.*"], separator=".")))
        for text in (b"", b"(", b'"', b"&A*", b'"\xe9"'):
            self.assertRaises(SyntaxProblem, read_pattern, Cursor([text]))

    def test_reference(self) -> None:
        """
        A reference may be empty, and may end in a separator.
        """
        self.assertEqual("", read_reference(Cursor([b'""'])))
        self.assertEqual("a/b/", read_reference(Cursor([b"a.b."], separator=".")))
        self.assertRaises(SyntaxProblem, read_reference, Cursor([b"*"]))
