"""
Dates in messages and in IMAP.

RFC 5322 section 3.3 with the obsolete forms of section 4.3; RFC 3501 section 9
for C{date-time}.  Reading is tolerant and answers C{None} for what is no date;
writing takes aware datetimes.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from ..model import limits
from .comments import without_comments
from .headers import collapse

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBERS = {name.lower().encode(): number for number, name in enumerate(_MONTHS, 1)}

#: Octets of a value that are looked at; a date takes thirty.
_LONGEST = 200

# date-time = [ day-of-week "," ] day month year hour ":" minute [ ":" second ] zone
_DATE_TIME = re.compile(
    rb"(?:[a-z]{2,10}\.?\s*,?\s*)?(?P<day>[0-9]{1,2})[\s-]*(?P<month>[a-z]{3})[a-z]{0,6}\.?[\s-]*(?P<year>[0-9]{2,4})"
    rb"[\s,]+(?P<hour>[0-9]{1,2})\s*[:.]\s*(?P<minute>[0-9]{1,2})(?:\s*[:.]\s*(?P<second>[0-9]{1,2})(?:[.,][0-9]+)?)?"
    rb"\s*(?P<zone>[+-]\s?[0-9]{4}|[a-z]{1,5}(?![a-z]))?",
    re.IGNORECASE,
)

# As asctime of C writes it, with a zone perhaps.
_ASCTIME = re.compile(
    rb"[a-z]{3}\s+(?P<month>[a-z]{3})\s+(?P<day>[0-9]{1,2})\s+(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
    rb"\s+(?:(?P<zone>[a-z]{1,5}|[+-][0-9]{4})\s+)?(?P<year>[0-9]{4})",
    re.IGNORECASE,
)

# date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE
_INTERNAL_DATE = re.compile(
    rb"\"?(?P<day>[ 0-9]?[0-9])-(?P<month>[a-z]{3})-(?P<year>[0-9]{4})"
    rb" (?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2}) (?P<zone>[+-][0-9]{4})\"?",
    re.IGNORECASE,
)

#: obs-zone; military letters and everything unknown count as -0000, so says RFC 5322 section 4.3.
_ZONES = {b"edt": -4, b"est": -5, b"cdt": -5, b"cst": -6, b"mdt": -6, b"mst": -7, b"pdt": -7, b"pst": -8}


def parse_date(value: bytes) -> datetime | None:
    """
    The moment that a Date field's value names.

    Years of two digits below 50 are of this century, other years of less than
    four digits count from 1900 (RFC 5322 section 4.3).
    """
    text = collapse(without_comments(value[:_LONGEST]))
    found = _DATE_TIME.match(text) or _ASCTIME.match(text)
    return None if found is None else _moment(found)


def format_date(moment: datetime) -> bytes:
    """
    C{date-time} for Date, Received and their like.
    """
    return _format_date(moment, moment.utcoffset())


# Mail that comes in the same second has the same date.  Two moments are equal though their zones are not.
@lru_cache(limits.LATELY)
def _format_date(moment: datetime, offset: timedelta | None) -> bytes:
    day = f"{_DAYS[moment.weekday()]}, {moment.day} {_MONTHS[moment.month - 1]} {moment.year:04}"
    return f"{day} {moment:%H:%M:%S} {_zone(moment)}".encode("ascii")


def parse_internal_date(value: bytes) -> datetime | None:
    """
    IMAP's C{date-time}, with or without its quotes.  It is not tolerant.
    """
    found = _INTERNAL_DATE.fullmatch(value)
    return None if found is None else _moment(found)


def format_internal_date(moment: datetime) -> bytes:
    """
    IMAP's C{date-time}, with its quotes.
    """
    day = f"{moment.day:2}-{_MONTHS[moment.month - 1]}-{moment.year:04}"
    return f'"{day} {moment:%H:%M:%S} {_zone(moment)}"'.encode("ascii")


def _moment(found: re.Match[bytes]) -> datetime | None:
    """
    What the pattern found, if there is such a day and time.
    """
    month = _MONTH_NUMBERS.get(found["month"].lower())
    if month is None:
        return None
    year = int(found["year"])
    if len(found["year"]) < 4:
        year += 2000 if len(found["year"]) == 2 and year < 50 else 1900
    second = int(found["second"] or 0)
    if second == 60:
        # A leap second; datetime has none.
        second = 59
    try:
        return datetime(
            year,
            month,
            int(found["day"]),
            int(found["hour"]),
            int(found["minute"]),
            second,
            tzinfo=_offset(found["zone"]),
        )
    except ValueError:
        return None


def _offset(zone: bytes | None) -> timezone:
    """
    The offset that a zone names.

    @raise ValueError: it is a day or more.
    """
    if zone is None:
        return UTC
    if not zone.startswith((b"+", b"-")):
        return timezone(timedelta(hours=_ZONES.get(zone.lower(), 0)))
    minutes = int(zone[-4:-2]) * 60 + int(zone[-2:])
    return timezone(timedelta(minutes=-minutes if zone.startswith(b"-") else minutes))


def _zone(moment: datetime) -> str:
    """
    C{zone = ("+" / "-") 4DIGIT}; without an offset, universal time.
    """
    offset = moment.utcoffset() or timedelta()
    minutes = abs(int(offset.total_seconds())) // 60
    return f"{'-' if offset < timedelta() else '+'}{minutes // 60:02}{minutes % 60:02}"
