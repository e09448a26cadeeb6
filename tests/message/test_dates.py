"""
L{twisted_mail_server.message.dates}
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.message.dates import (
    format_date,
    format_internal_date,
    parse_date,
    parse_internal_date,
)


def _at(hours: float, *when: int) -> datetime:
    return datetime(*when, tzinfo=timezone(timedelta(hours=hours)))  # type: ignore[misc, arg-type]


class ParseTests(SynchronousTestCase):
    def test_dates(self) -> None:
        """
        Dates as RFC 5322 writes them, as it wrote them, and as others do.
        """
        for value, expected in {
            b" Fri, 21 Nov 1997 09:55:06 -0600": _at(-6, 1997, 11, 21, 9, 55, 6),
            b"Fri, 20 Apr 2001 20:18:00 -0400 (EDT)": _at(-4, 2001, 4, 20, 20, 18),
            b"21 Nov 97 09:55:06 GMT": _at(0, 1997, 11, 21, 9, 55, 6),
            b"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600": _at(-6, 1997, 11, 21, 9, 55, 6),
            b"Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n               -0330 (Newfoundland Time)": _at(
                -3.5, 1969, 2, 13, 23, 32
            ),
            b"01 Jan 2001 00:01+0000": _at(0, 2001, 1, 1, 0, 1),
            b"1 Jan 49 1:02 PST": _at(-8, 2049, 1, 1, 1, 2),
            b"1 Jan 101 1:02 edt": _at(-4, 2001, 1, 1, 1, 2),
            b"1 Jan 2001 1:02 Q": _at(0, 2001, 1, 1, 1, 2),
            b"1 Jan 2001 1:02 XYZ": _at(0, 2001, 1, 1, 1, 2),
            b"1 Jan 2001 1:02": _at(0, 2001, 1, 1, 1, 2),
            b"31 Dec 2016 23:59:60 +0000": _at(0, 2016, 12, 31, 23, 59, 59),
            b"Sunday, 06-Nov-94 08:49:37 GMT": _at(0, 1994, 11, 6, 8, 49, 37),
            b"Mon Feb  2 10:00:00 2026": _at(0, 2026, 2, 2, 10),
            b"Mon Feb  2 10:00:00 +0130 2026": _at(1.5, 2026, 2, 2, 10),
            b"2 February 2026 10.00.00 +0000": _at(0, 2026, 2, 2, 10),
        }.items():
            found = parse_date(value)
            self.assertEqual((expected, expected.utcoffset()), (found, found.utcoffset() if found else None), value)

    def test_no_dates(self) -> None:
        """
        What names no moment gives none.
        """
        for value in (
            b"",
            b"yesterday",
            b"31 Feb 2026 10:00 +0000",
            b"1 Foo 2026 10:00 +0000",
            b"1 Jan 2026 24:00 +0000",
            b"1 Jan 2026 10:60 +0000",
            b"1 Jan 2026 10:00:61 +0000",
            b"1 Jan 2026 10:00 +9900",
            b"0 Jan 2026 10:00 +0000",
            b"1 Jan 0000 10:00 +0000",
            b"\xff" * 300,
            b" " * 300 + b"1 Jan 2026 10:00 +0000",
        ):
            self.assertIsNone(parse_date(value), value)

    def test_internal_date(self) -> None:
        """
        IMAP's date is read with quotes or without, and only as the grammar
        has it.
        """
        expected = _at(-7, 1996, 7, 7, 2, 44, 25)
        for value in (b'" 7-Jul-1996 02:44:25 -0700"', b"07-Jul-1996 02:44:25 -0700", b"7-JUL-1996 02:44:25 -0700"):
            self.assertEqual(expected, parse_internal_date(value))
        for value in (
            b"",
            b"07-Jul-96 02:44:25 -0700",
            b"07-Jul-1996 02:44 -0700",
            b"07-Jul-1996 02:44:25 PDT",
            b"31-Feb-1996 02:44:25 -0700",
            b"07-Xyz-1996 02:44:25 -0700",
        ):
            self.assertIsNone(parse_internal_date(value), value)


class FormatTests(SynchronousTestCase):
    def test_date(self) -> None:
        """
        A moment is written with its own offset.
        """
        self.assertEqual(b"Mon, 2 Feb 2026 09:05:07 +0000", format_date(datetime(2026, 2, 2, 9, 5, 7, tzinfo=UTC)))
        self.assertEqual(b"Thu, 13 Feb 1969 23:32:00 -0330", format_date(_at(-3.5, 1969, 2, 13, 23, 32)))
        # The same moment, seen from elsewhere.
        self.assertEqual(b"Fri, 14 Feb 1969 03:02:00 +0000", format_date(datetime(1969, 2, 14, 3, 2, tzinfo=UTC)))

    def test_internal_date(self) -> None:
        """
        IMAP's form pads the day with a space and stands in quotes.
        """
        self.assertEqual(b'" 2-Feb-2026 09:05:07 +0530"', format_internal_date(_at(5.5, 2026, 2, 2, 9, 5, 7)))

    def test_round_trip(self) -> None:
        """
        What we write we read, in both forms.
        """
        start = datetime(1970, 1, 1, tzinfo=UTC)
        for step in range(500):
            zone = timezone(timedelta(minutes=15 * (step % 100 - 50)))
            moment = (start + timedelta(days=step * 41, seconds=step * 7919)).astimezone(zone)
            self.assertEqual(moment, parse_date(format_date(moment)))
            self.assertEqual(moment, parse_internal_date(format_internal_date(moment)))
