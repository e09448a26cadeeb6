"""
What several commands take: flags, date-times, list patterns (RFC 3501 section 9).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from ...model.errors import SyntaxProblem
from ...model.flags import SYSTEM_FLAGS, SYSTEM_NAMES, check_keyword
from .cursor import ATOM_CHAR, Cursor

# date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE
# date-day-fixed = (SP DIGIT) / 2DIGIT ; time = 2DIGIT ":" 2DIGIT ":" 2DIGIT ; zone = ("+" / "-") 4DIGIT
_DATE_TIME = re.compile(
    rb'"(?P<day>[ 0-9]?[0-9])-(?P<month>[A-Za-z]{3})-(?P<year>[0-9]{4})'
    rb" (?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
    rb' (?P<sign>[+\-])(?P<zone_hours>[0-9]{2})(?P<zone_minutes>[0-5][0-9])"'
)
_MONTHS = (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# list-mailbox = 1*list-char / string ; list-char = ATOM-CHAR / list-wildcards / resp-specials
_LIST_MAILBOX = re.compile(rb"[^\x00-\x20(){\"\\\x7f-\xff]+")
# flag-extension = "\" atom
_SYSTEM_FLAG = re.compile(rb"\\" + ATOM_CHAR + rb"+")

_SYSTEM_SPELLINGS = dict(zip(SYSTEM_FLAGS, SYSTEM_NAMES, strict=True))


def read_flag(cursor: Cursor) -> str:
    """
    C{flag}: one that a client may set.

    @raise SyntaxProblem: none is next, or it is C{\\Recent}, or a system flag that there is not (RFC 3501 section 2.3.2).
    """
    if not cursor.peek(b"\\"):
        return check_keyword(cursor.atom().decode("ascii"))
    name = cursor.take(_SYSTEM_FLAG)[0].decode("ascii")
    spelling = _SYSTEM_SPELLINGS.get(name.lower())
    if spelling is None:
        raise SyntaxProblem("A client cannot set that flag.")
    return spelling


def read_flag_list(cursor: Cursor) -> list[str]:
    """
    C{flag-list}

    @raise SyntaxProblem: none is next.
    """
    return cursor.list_of(lambda: read_flag(cursor))


def read_date_time(cursor: Cursor) -> int:
    """
    C{date-time}, as seconds since 1970.  A day of one digit need not have a space before it: so some clients write.

    @raise SyntaxProblem: none is next, or there is no such moment.
    """
    found = cursor.take(_DATE_TIME)
    month = found["month"].lower()
    if month not in _MONTHS:
        raise SyntaxProblem("There is no such month.")
    offset = timedelta(hours=int(found["zone_hours"]), minutes=int(found["zone_minutes"]))
    try:
        moment = datetime(
            int(found["year"]),
            _MONTHS.index(month) + 1,
            int(found["day"]),
            int(found["hour"]),
            int(found["minute"]),
            # A leap second is the last second of its minute (RFC 2822 section 3.3).
            min(int(found["second"]), 59) if found["second"] == b"60" else int(found["second"]),
            tzinfo=timezone(offset if found["sign"] == b"+" else -offset),
        )
    except ValueError:
        raise SyntaxProblem("There is no such date and time.") from None
    return (moment - _EPOCH) // timedelta(seconds=1)


def read_pattern(cursor: Cursor) -> str:
    """
    C{list-mailbox}: a name with wildcards, in its inner form (RFC 3501 section 6.3.8).

    @raise SyntaxProblem: none is next.
    """
    found = cursor.may_take(_LIST_MAILBOX)
    octets = cursor.string() if found is None else found[0]
    return cursor.name(octets)


def read_reference(cursor: Cursor) -> str:
    """
    The reference name of LIST and LSUB: a name, perhaps empty, perhaps ending in a separator.

    @raise SyntaxProblem: none is next.
    """
    return cursor.name(cursor.astring())
