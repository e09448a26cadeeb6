"""
SEARCH: read the keys, then sift the mailbox with them, cheap ones first (RFC 3501 section 6.4.4).

The keys are a table, C{SEARCH_KEYS}, from a name to its reader; an extension brings further lines of that table, written in
the words of L{twisted_mail_server.protocols.imap.search_vocabulary}.  What can be decided from the session's arrays is
decided for the whole mailbox at once; what is left over is looked at in groups, then by rows, by headers, and by contents.
"""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from itertools import compress

from attrs import define, field, frozen

from ...interfaces import IMailboxView
from ...message.dates import parse_date
from ...model import limits
from ...model.changes import MessageRow
from ...model.errors import Refused, SyntaxProblem, TooLong
from ...model.numbers import SequenceSet
from .cursor import SAVED, Cursor
from .search_memory import MailboxMemory, positions_of
from .search_texts import Contents, Header, Needle
from .search_vocabulary import (
    All,
    Cost,
    Criterion,
    Judge,
    Known,
    Pause,
    either,
    every,
    negated,
)

__all__ = ["CHARSETS", "SEARCH_KEYS", "BadCharset", "ReadKey", "Reading", "SearchPlan", "read_keys", "run"]

#: What may stand behind CHARSET, and the codec that reads it.  RFC 3501 section 6.4.4: US-ASCII must be among them.
CHARSETS: Mapping[str, str] = {
    "US-ASCII": "ascii",
    "UTF-8": "utf-8",
    "ISO-8859-1": "iso8859-1",
    "ISO-8859-2": "iso8859-2",
    "ISO-8859-15": "iso8859-15",
    "WINDOWS-1250": "cp1250",
    "WINDOWS-1251": "cp1251",
    "WINDOWS-1252": "cp1252",
    "KOI8-R": "koi8-r",
    "ISO-2022-JP": "iso2022-jp",
    "SHIFT_JIS": "shift-jis",
    "EUC-JP": "euc-jp",
    "EUC-KR": "euc-kr",
    "GB2312": "gb2312",
    "GB18030": "gb18030",
    "BIG5": "big5",
}

_MONTHS = (b"JAN", b"FEB", b"MAR", b"APR", b"MAY", b"JUN", b"JUL", b"AUG", b"SEP", b"OCT", b"NOV", b"DEC")
# date = date-text / DQUOTE date-text DQUOTE ; date-text = date-day "-" date-month "-" date-year
_DATE = re.compile(rb"(?P<quote>\"?)(?P<day>[0-9]{1,2})-(?P<month>[A-Za-z]{3})-(?P<year>[0-9]{4})(?P=quote)(?![0-9\"])")
# search-key = ... / sequence-set / ...: nothing is taken there.
_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9]*|(?=[0-9*$])")
#: Messages in whose fields a string is looked for without a pause.
_TEXTS = 20_000
_DAY = 86_400
_EPOCH = date(1970, 1, 1).toordinal()


class BadCharset(Refused):
    """
    A search in a charset that we do not know; RFC 3501 section 6.4.4: NO, not BAD, and which ones we do.
    """

    imap_code = f"BADCHARSET ({' '.join(CHARSETS)})"


@frozen
class SearchPlan:
    """
    What a SEARCH looks for: all of these, the cheap ones first.
    """

    criteria: tuple[Criterion, ...]
    #: Whether a sequence number stands among the keys: then no EXPUNGE may be told while it is answered.
    has_numbers: bool = False
    #: What asking for it enables, as ENABLE would (RFC 7162 section 3.1).
    enables: frozenset[bytes] = frozenset()


class Reading:
    """
    Keys that are being read; what a key's reader takes its arguments from.
    """

    def __init__(self, cursor: Cursor, codec: str) -> None:
        self.cursor = cursor
        self._codec = codec
        #: What keys say of the whole search; see L{SearchPlan}.
        self.has_numbers = False
        self.enables: set[bytes] = set()

    def text(self) -> Needle:
        """
        A space and a string in the charset of the command.

        @raise SyntaxProblem: it is not there, or not in that charset.
        """
        self.cursor.space()
        try:
            return Needle.of(self.cursor.astring().decode(self._codec))
        except UnicodeDecodeError:
            raise SyntaxProblem("The string is not in its charset.") from None

    def date(self) -> int:
        """
        A space and a C{date}; the number of its day.

        @raise SyntaxProblem: it is not there.
        """
        self.cursor.space()
        found = self.cursor.take(_DATE)
        month = found["month"].upper()
        try:
            return date(int(found["year"]), _MONTHS.index(month) + 1, int(found["day"])).toordinal()
        except ValueError:
            raise SyntaxProblem("There is no such day.") from None

    def number(self) -> int:
        """
        A space and a C{number}.

        @raise SyntaxProblem: it is not there.
        """
        self.cursor.space()
        return self.cursor.number()


ReadKey = Callable[[Reading], Criterion]


# --- Criteria -------------------------------------------------------------------------------------------------------


@define
class _Everything(Criterion):
    async def sift(self, positions: Sequence[int], known: Known) -> list[int]:
        return list(positions)


@define
class _Flag(Criterion):
    name: str
    is_set: bool

    async def sift(self, positions: Sequence[int], known: Known) -> list[int]:
        masks = known.snapshot.masks
        bit = known.snapshot.keywords.mask((self.name,))
        await known.breathe(len(positions) // 4)
        if not bit:
            return [] if self.is_set else list(positions)
        marks = _marks(masks, bit.bit_length() - 1, is_set=self.is_set)
        if len(positions) == len(masks):
            return list(compress(positions, marks))
        return [position for position in positions if marks[position]]


def _marks(masks: array[int], bit: int, *, is_set: bool) -> bytes:
    """
    An octet for each message, which is not 0 if the bit of that number is as it should be.
    """
    # In each mask only one octet can tell: all of them in one go.
    place = bit // 8 if sys.byteorder == "little" else masks.itemsize - 1 - bit // 8
    return masks.tobytes()[place :: masks.itemsize].translate(_MARKS[is_set][bit % 8])


#: By whether a bit has to be set, and its number: what stands for each octet.
_MARKS = [[bytes((octet >> bit & 1) == wanted for octet in range(256)) for bit in range(8)] for wanted in (0, 1)]


@define
class _Recent(Criterion):
    async def sift(self, positions: Sequence[int], known: Known) -> list[int]:
        uids, recent = known.snapshot.uids, known.recent
        await known.breathe(len(positions))
        return [position for position in positions if uids[position] in recent] if recent else []


@define
class _Numbers(Criterion):
    numbers: SequenceSet

    async def sift(self, positions: Sequence[int], known: Known) -> list[int]:
        """
        RFC 3501 section 9, C{seq-number}: a number beyond the last message is an error.  In an empty mailbox C{*} and all numbers are;
        there we find nothing instead, as clients that search C{1:*} in any mailbox hope.
        """
        if self.numbers is SAVED:
            return await _saved(positions, known)
        count = len(known.snapshot.uids)
        chosen = set(self.numbers.select_positions(count)) if count else set()
        await known.breathe(len(positions))
        return [position for position in positions if position in chosen]


@define
class _Uids(Criterion):
    numbers: SequenceSet

    async def sift(self, positions: Sequence[int], known: Known) -> list[int]:
        if self.numbers is SAVED:
            return await _saved(positions, known)
        uids = known.snapshot.uids
        chosen = set(self.numbers.select_uids(uids))
        await known.breathe(len(positions))
        return [position for position in positions if uids[position] in chosen]


async def _saved(positions: Sequence[int], known: Known) -> list[int]:
    """
    Those that an earlier search has saved (RFC 5182); the same for C{$} and C{UID $}.
    """
    uids = known.snapshot.uids
    await known.breathe(len(positions))
    return [position for position in positions if uids[position] in known.saved]


@define
class RowTest(Criterion):
    """
    A key that looks at rows.
    """

    matches: Callable[[MessageRow], bool]
    cost = Cost.ROWS
    needs_more = True

    async def sift(self, positions: Sequence[int], known: Known) -> list[int]:
        """
        Those whose row matches.
        """
        rows = await known.rows()
        return [position for position in positions if position in rows and self.matches(rows[position])]


@define
class HeaderTest(Criterion):
    """
    A key that looks at headers.
    """

    matches: Callable[[Header], bool]
    cost = Cost.HEADERS
    needs_more = True

    async def sift(self, positions: Sequence[int], known: Known) -> list[int]:
        """
        Those whose header matches.
        """
        headers = await known.headers()
        return [position for position in positions if position in headers and self.matches(headers[position])]


@define
class _FieldTest(Criterion):
    """
    A key that looks for a string in the fields of one name.
    """

    name: bytes
    needle: Needle
    fields: frozenset[bytes] = field(init=False)
    cost = Cost.HEADERS

    @fields.default
    def _fields(self) -> frozenset[bytes]:
        return frozenset((self.name,))

    async def sift(self, positions: Sequence[int], known: Known) -> list[int]:
        if self.name not in known.fields:
            headers = await known.headers()
            return [position for position in positions if position in headers and self._matches(headers[position])]
        texts, uids = known.fields[self.name], known.snapshot.uids
        found: list[int] = []
        for first in range(0, len(texts), _TEXTS):
            found += texts.find(self.needle, first, _TEXTS)
            await known.breathe(_TEXTS)
        places = positions_of(uids, found)
        if len(positions) == len(uids):
            return places
        chosen = frozenset(places)
        return [position for position in positions if position in chosen]

    def _matches(self, header: Header) -> bool:
        needle = self.needle
        return not header.lacks(needle) and any(needle.text in value for value in header.values(self.name))


@define
class _Text(Criterion):
    needle: Needle
    #: Whether the header counts too.
    is_header_looked_at: bool
    cost = Cost.CONTENTS
    needs_more = True

    async def sift(self, positions: Sequence[int], known: Known) -> list[int]:
        return await known.read(positions, await self.judge(positions, known))

    async def judge(self, positions: Sequence[int], known: Known) -> Judge:
        needle, in_header = self.needle, self.is_header_looked_at

        def judge(_: int, contents: Contents | None) -> bool | None:
            if not needle.text:
                return True
            return None if contents is None else contents.has(needle, in_header=in_header)

        return judge


# --- The keys of RFC 3501 -------------------------------------------------------------------------------------------


def _flag(name: str, is_set: bool) -> ReadKey:
    return lambda _: _Flag(name, is_set)


def _keyword(is_set: bool) -> ReadKey:
    def read(reading: Reading) -> Criterion:
        reading.cursor.space()
        return _Flag(reading.cursor.atom().decode("ascii"), is_set)

    return read


def _field(name: bytes) -> ReadKey:
    return lambda reading: _FieldTest(name, reading.text())


def _read_header(reading: Reading) -> Criterion:
    reading.cursor.space()
    return _FieldTest(reading.cursor.astring().lower(), reading.text())


def _internal(compare: Callable[[int, int], bool]) -> ReadKey:
    """
    By the day of INTERNALDATE.  "Disregarding time and timezone": the date that FETCH shows, which is in universal time.
    """

    def read(reading: Reading) -> Criterion:
        day = reading.date()
        return RowTest(lambda row: compare(row.internal_date // _DAY + _EPOCH, day))

    return read


def _sent(compare: Callable[[int, int], bool]) -> ReadKey:
    """
    By the day that the Date field names, in whatever zone it does so; without a Date that can be read nothing matches.
    """

    def read(reading: Reading) -> Criterion:
        day = reading.date()

        def matches(header: Header) -> bool:
            values = header.raw(b"date")
            sent = parse_date(values[0]) if values else None
            return sent is not None and compare(sent.date().toordinal(), day)

        return HeaderTest(matches)

    return read


def _read_larger(reading: Reading) -> Criterion:
    octets = reading.number()
    return RowTest(lambda row: row.size > octets)


def _read_smaller(reading: Reading) -> Criterion:
    octets = reading.number()
    return RowTest(lambda row: row.size < octets)


def _read_uid(reading: Reading) -> Criterion:
    reading.cursor.space()
    return _Uids(reading.cursor.sequence_set())


def _before(day: int, limit: int) -> bool:
    return day < limit


def _on(day: int, wanted: int) -> bool:
    return day == wanted


def _since(day: int, limit: int) -> bool:
    return day >= limit


#: By name in upper case; each reads what follows the name.  NOT and OR are operators, and belong to the reading itself.
SEARCH_KEYS: Mapping[bytes, ReadKey] = {
    b"ALL": lambda _: _Everything(),
    b"ANSWERED": _flag("\\Answered", True),
    b"BCC": _field(b"bcc"),
    b"BEFORE": _internal(_before),
    b"BODY": lambda reading: _Text(reading.text(), is_header_looked_at=False),
    b"CC": _field(b"cc"),
    b"DELETED": _flag("\\Deleted", True),
    b"DRAFT": _flag("\\Draft", True),
    b"FLAGGED": _flag("\\Flagged", True),
    b"FROM": _field(b"from"),
    b"HEADER": _read_header,
    b"KEYWORD": _keyword(True),
    b"LARGER": _read_larger,
    b"NEW": lambda _: every((_Recent(), _Flag("\\Seen", False))),
    b"OLD": lambda _: negated(_Recent()),
    b"ON": _internal(_on),
    b"RECENT": lambda _: _Recent(),
    b"SEEN": _flag("\\Seen", True),
    b"SENTBEFORE": _sent(_before),
    b"SENTON": _sent(_on),
    b"SENTSINCE": _sent(_since),
    b"SINCE": _internal(_since),
    b"SMALLER": _read_smaller,
    b"SUBJECT": _field(b"subject"),
    b"TEXT": lambda reading: _Text(reading.text(), is_header_looked_at=True),
    b"TO": _field(b"to"),
    b"UID": _read_uid,
    b"UNANSWERED": _flag("\\Answered", False),
    b"UNDELETED": _flag("\\Deleted", False),
    b"UNDRAFT": _flag("\\Draft", False),
    b"UNFLAGGED": _flag("\\Flagged", False),
    b"UNKEYWORD": _keyword(False),
    b"UNSEEN": _flag("\\Seen", False),
}


# --- Reading --------------------------------------------------------------------------------------------------------


@define
class _Open:
    """
    An operator or a list whose keys are still being read.

    @ivar wants: how many keys it takes; 0 if that is for the parentheses, or the end, to say.
    """

    build: Callable[[Sequence[Criterion]], Criterion]
    wants: int = 0
    keys: list[Criterion] = field(factory=list)


def read_keys(
    cursor: Cursor, keys: Mapping[bytes, ReadKey] | None = None, *, needs_charset: bool = False
) -> SearchPlan:
    """
    Read what follows C{SEARCH} and its space: CHARSET, if it is there, and the keys up to the end of the command.

    Chains of OR, however long and on whichever side, do not nest.

    @param keys: the table of keys; that of RFC 3501 if not given.
    @param needs_charset: a charset comes first, without the word CHARSET before it: so in SORT and THREAD (RFC 5256).
    @raise SyntaxProblem: it is malformed.
    @raise TooLong: there are more than L{limits.SEARCH_KEYS}, or they nest deeper than L{limits.SEARCH_NESTING}.
    @raise BadCharset: the charset is none of C{CHARSETS}.
    """
    reading = Reading(cursor, _read_charset(cursor, needs_charset))
    found = every(_read_all(reading, SEARCH_KEYS if keys is None else keys))
    return SearchPlan(
        found.children if isinstance(found, All) else (found,), reading.has_numbers, frozenset(reading.enables)
    )


def _read_charset(cursor: Cursor, is_needed: bool) -> str:
    """
    The codec.  Without CHARSET a string is US-ASCII; one with other octets can only be UTF-8.
    """
    if not is_needed and not cursor.skip(b"CHARSET "):
        return "utf-8"
    name = cursor.astring().upper().decode("latin-1")
    if name not in CHARSETS:
        raise BadCharset("That charset is not known here.")
    cursor.space()
    return CHARSETS[name]


def _read_all(reading: Reading, keys: Mapping[bytes, ReadKey]) -> list[Criterion]:
    """
    One key after the other; what is still open is on a stack, so that depth costs no recursion.
    """
    cursor = reading.cursor
    stack = [_Open(every)]
    for _ in range(limits.SEARCH_KEYS):
        if cursor.skip(b"("):
            stack.append(_Open(every))
            continue
        name = cursor.take(_NAME)[0].upper()
        if name in _OPERATORS:
            cursor.space()
            stack.append(_OPERATORS[name]())
            continue
        if not name:
            key: Criterion = _Numbers(cursor.sequence_set())
            reading.has_numbers = True
        elif name in keys:
            key = keys[name](reading)
        else:
            raise SyntaxProblem("There is no such search key.")
        if _finish(cursor, stack, key):
            return stack[0].keys
        cursor.space()
    raise TooLong(f"SEARCH takes at most {limits.SEARCH_KEYS} keys.")


_OPERATORS: Mapping[bytes, Callable[[], _Open]] = {
    b"NOT": lambda: _Open(lambda keys: negated(keys[0]), 1),
    b"OR": lambda: _Open(either, 2),
}


def _finish(cursor: Cursor, stack: list[_Open], key: Criterion) -> bool:
    """
    A key is complete, and with it perhaps what it stands in; whether all is read.
    """
    while True:
        top = stack[-1]
        top.keys.append(key)
        if top.wants:
            is_complete = len(top.keys) == top.wants
        elif len(stack) == 1:
            return cursor.at_end
        else:
            is_complete = cursor.skip(b")")
        if not is_complete:
            return False
        key = top.build(top.keys)
        stack.pop()


# --- Running --------------------------------------------------------------------------------------------------------


async def run(
    plan: SearchPlan,
    view: IMailboxView,
    *,
    recent: frozenset[int] = frozenset(),
    saved: Collection[int] = (),
    pause: Pause | None = None,
    memory: MailboxMemory | None = None,
) -> list[int]:
    """
    The sequence numbers, counted from 1, of the messages found; one that is expunged meanwhile may be left out.

    @param recent: UIDs that are recent to this session.
    @param saved: UIDs that C{$} stands for.
    @param pause: awaited now and then in a long search, so that others get their turn.
    @param memory: what earlier searches know of the mailbox.
    @raise SyntaxProblem: a sequence number is beyond the last message.
    """
    known = Known(view, recent, pause, frozenset(saved), memory)
    try:
        return [position + 1 for position in await _find(plan.criteria, known)]
    finally:
        known.is_over = True


async def _find(criteria: Sequence[Criterion], known: Known) -> Sequence[int]:
    """
    Through the whole mailbox with what arrays and remembered fields decide; closer with the others.
    """
    found: Sequence[int] = range(len(known.snapshot.uids))
    costly: list[Criterion] = []
    for criterion in criteria:
        if criterion.cost is Cost.ARRAYS:
            found = await criterion.sift(found, known)
        else:
            costly.append(criterion)
    if not costly or not found:
        return found
    await known.recall(frozenset().union(*(criterion.fields for criterion in costly)), found)
    closer: list[Criterion] = []
    for criterion in costly:
        if criterion.needs_more or not criterion.fields <= known.fields.keys():
            closer.append(criterion)
        else:
            found = await criterion.sift(found, known)
    if known.gone:
        found = [position for position in found if position not in known.gone]
    return await _look_closer(closer, found, known) if closer else found


async def _look_closer(criteria: Sequence[Criterion], positions: Sequence[int], known: Known) -> list[int]:
    """
    Group by group; contents last, and all that they are read for at once.
    """
    shallow = [criterion for criterion in criteria if criterion.cost < Cost.CONTENTS]
    deep = [criterion for criterion in criteria if criterion.cost is Cost.CONTENTS]
    has_headers = any(criterion.cost is Cost.HEADERS or criterion.depth for criterion in criteria)
    size = limits.FETCH_BATCH_HEADERS if has_headers else limits.FETCH_BATCH_ROWS
    found: list[int] = []
    for start in range(0, len(positions), size):
        kept = positions[start : start + size]
        known.begin(kept)
        for criterion in (*shallow, *([every(deep)] if deep else ())):
            kept = await criterion.sift(kept, known)
            known.narrow(kept)
        found.extend(position for position in kept if position not in known.gone)
    return found
