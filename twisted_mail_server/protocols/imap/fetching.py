"""
FETCH: read what is asked, gather it in batches, write it (RFC 3501 sections 6.4.5 and 7.4.2).

What can be asked for is a table, C{FETCH_ITEMS}, from a name to its reader; an extension brings further lines of that
table.  A reader makes a L{FetchItem <twisted_mail_server.protocols.imap.fetch_vocabulary.FetchItem>}, and there are two kinds of it:

  - a I{column} gives the values of a whole batch at once, from the session's arrays or from the store's rows, and the
    lines are formatted in one go: 10,000 FLAGS cost milliseconds;
  - a I{cut} takes something out of one open message.  What lies in one piece is streamed; the whole content is
    read only if the message is small, or its MIME structure is needed.

A message that is gone is left out (RFC 2180 section 4.1.2), and the caller is told how many were.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import chain, repeat
from typing import cast

from ...interfaces import IContent, IMailboxView
from ...message.dates import format_internal_date
from ...message.headers import select_fields
from ...model import limits
from ...model.changes import Reflagged
from ...model.errors import MailError, MessageGone, SyntaxProblem, TooLong, Trouble
from ...model.flags import SEEN
from .cursor import Cursor
from .fetch_vocabulary import Batch, FetchItem, FetchPlan, FlagWriter, Needs, OpenMessage, ReadItem, Span, Write
from .rendering import bodies, bodystructures, envelopes
from .sections import Section, Text, extract
from .wire import astring

__all__ = [
    "FETCH_ITEMS",
    "MACROS",
    "FetchItem",
    "FetchPlan",
    "FlagWriter",
    "LiteralBroken",
    "read_items",
    "read_partial",
    "read_section",
    "run",
    "section_item",
    "write_section",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: The first and the last second that a date of four-digit year can name.
_FIRST, _LAST = -62_135_596_800, 253_402_300_799
#: Finished lines are sent when there are that many octets of them.
_COALESCED = 64 * limits.KIB


class LiteralBroken(Trouble):
    """
    Content could not be read to its end when a literal with its size was under way: only the end of the connection tells the client.
    """


# --- Reading --------------------------------------------------------------------------------------------------------

# fetch-att = "ENVELOPE" / "FLAGS" / "INTERNALDATE" / "RFC822" [".HEADER" / ".SIZE" / ".TEXT"] / "BODY" ["STRUCTURE"] / "UID" / ...
_NAME = re.compile(rb"[A-Za-z0-9.\-]{1,40}")
# section-part = nz-number *("." nz-number)
_PART = re.compile(rb"[1-9][0-9]{0,9}(?:\.[1-9][0-9]{0,9})*")
# section-msgtext = "HEADER" / "HEADER.FIELDS" [".NOT"] SP header-list / "TEXT" ; section-text = section-msgtext / "MIME"
_TEXT = re.compile(rb"HEADER(?:\.FIELDS(?:\.NOT)?)?|TEXT|MIME", re.IGNORECASE)
# field-name = 1*ftext ; ftext = %d33-57 / %d59-126    (RFC 2822 section 3.6.8)
_FIELD_NAME = re.compile(rb"[!-9;-~]+")


def read_items(cursor: Cursor, items: Mapping[bytes, ReadItem] | None = None) -> FetchPlan:
    """
    Read a macro, one item, or a list of items in parentheses.

    @param items: the table of items; that of RFC 3501 if not given.
    @raise SyntaxProblem: it is none of these.
    @raise TooLong: there are more than L{limits.FETCH_ITEMS}.
    """
    table = FETCH_ITEMS if items is None else items
    if not cursor.peek(b"("):
        name = cursor.take(_NAME)[0].upper()
        if name in MACROS:
            return FetchPlan(MACROS[name])
        return FetchPlan((_read_named(cursor, table, name),))
    found = cursor.list_of(lambda: _read_named(cursor, table, cursor.take(_NAME)[0].upper()))
    if not found:
        raise SyntaxProblem("Nothing is asked for.")
    if len(found) > limits.FETCH_ITEMS:
        raise TooLong(f"FETCH takes at most {limits.FETCH_ITEMS} items.")
    return FetchPlan(tuple(found))


def _read_named(cursor: Cursor, table: Mapping[bytes, ReadItem], name: bytes) -> FetchItem:
    if name not in table:
        raise SyntaxProblem("There is no such data item.")
    return table[name](cursor)


def read_section(cursor: Cursor) -> Section:
    """
    Read C{section}, brackets included.

    @raise SyntaxProblem: it is none.
    """
    cursor.expect(b"[")
    if cursor.skip(b"]"):
        return Section()
    part: tuple[int, ...] = ()
    if not (cursor.peek(b"H") or cursor.peek(b"T") or cursor.peek(b"M")):
        part = tuple(map(int, cursor.take(_PART)[0].split(b".")))
        if cursor.skip(b"]"):
            return Section(part)
        cursor.expect(b".")
    text = cast(Text, cursor.take(_TEXT)[0].upper().decode("ascii"))
    if text == "MIME" and not part:
        raise SyntaxProblem("MIME follows a part number.")
    names: tuple[bytes, ...] = ()
    if text.startswith("HEADER.FIELDS"):
        cursor.space()
        names = tuple(cursor.list_of(lambda: _read_field_name(cursor)))
        if not names:
            raise SyntaxProblem("Expected the names of header fields.")
    cursor.expect(b"]")
    return Section(part, text, names)


def _read_field_name(cursor: Cursor) -> bytes:
    name = cursor.astring()
    if not _FIELD_NAME.fullmatch(name):
        raise SyntaxProblem("That is no name of a header field.")
    return name


def write_section(section: Section) -> bytes:
    """
    Write C{section}, brackets included.
    """
    pieces = [b".".join(b"%d" % number for number in section.part)] if section.part else []
    if section.text:
        pieces.append(section.text.encode("ascii"))
    written = b".".join(pieces)
    if section.fields:
        written += b" (%b)" % b" ".join(map(astring, section.fields))
    return b"[%b]" % written


def read_partial(cursor: Cursor) -> Span | None:
    """
    Read C{"<" number "." nz-number ">"}, if it is there.

    @raise SyntaxProblem: it is there and malformed.
    """
    if not cursor.skip(b"<"):
        return None
    start = cursor.number()
    cursor.expect(b".")
    length = cursor.nz_number()
    cursor.expect(b">")
    return Span(start, length)


# --- The items of RFC 3501 ------------------------------------------------------------------------------------------


def _internal_date(seconds: int) -> bytes:
    day, second = divmod(min(max(seconds, _FIRST), _LAST), 86400)
    return b'%b %02d:%02d:%02d +0000"' % (_day(day), second // 3600, second // 60 % 60, second % 60)


@lru_cache(limits.DAYS_KEPT)
def _day(day: int) -> bytes:
    return format_internal_date(_EPOCH + timedelta(days=day))[: len(b'"17-Jul-1996')]


UID = FetchItem(b"UID", column=lambda batch: batch.uids, form=b"%d")
FLAGS = FetchItem(
    b"FLAGS", column=lambda batch: batch.flags.column(batch.masks, batch.uids, batch.recent), is_often_alike=True
)
MODSEQ = FetchItem(b"MODSEQ", column=lambda batch: batch.modseqs, form=b"(%d)", enables=frozenset({b"CONDSTORE"}))
#: What is told of flags that have changed (RFC 3501 section 6.4.5, RFC 7162 section 3.2.4).
_CHANGE_ITEMS = (FLAGS, UID, MODSEQ)
INTERNALDATE = FetchItem(
    b"INTERNALDATE", Needs.ROW, lambda batch: [_internal_date(row.internal_date) for row in batch.rows]
)
SIZE = FetchItem(b"RFC822.SIZE", Needs.ROW, lambda batch: [row.size for row in batch.rows], b"%d")
ENVELOPE = FetchItem(b"ENVELOPE", Needs.RENDERED, lambda batch: envelopes(batch.rendered))
BODY = FetchItem(b"BODY", Needs.RENDERED, lambda batch: bodies(batch.rendered))
BODYSTRUCTURE = FetchItem(b"BODYSTRUCTURE", Needs.RENDERED, lambda batch: bodystructures(batch.rendered))


def section_item(name: bytes, section: Section, partial: Span | None = None, *, marks_seen: bool) -> FetchItem:
    """
    The item that shows a section of a message, under a name of its own.

    For a part that is not there the answer is C{NIL}: RFC 3501 section 4.5, it "represents the non-existence of a particular data
    item that is represented as a string"; a partial range beyond the end gives the empty string (section 6.4.5).
    """
    if not section.part and section.text.startswith("HEADER"):
        return FetchItem(
            name,
            Needs.HEADER,
            lambda batch: [_literal(_part_of(_header(block, section), partial)) for block in batch.headers],
            marks_seen=marks_seen,
        )
    if section.part:
        return FetchItem(
            name,
            cut=lambda message: _part_of(extract(message.whole, message.structure, section), partial),
            needs_whole=True,
            marks_seen=marks_seen,
        )
    if section.text == "TEXT":
        return FetchItem(
            name,
            Needs.HEADER,
            cut=lambda message: _within(Span(len(message.header), message.size - len(message.header)), partial),
            marks_seen=marks_seen,
        )
    if partial is None:
        return FetchItem(name, cut=_everything, marks_seen=marks_seen)
    return FetchItem(name, cut=lambda message: _within(Span(0, message.size), partial), marks_seen=marks_seen)


def _everything(message: OpenMessage) -> bytes | Span:
    return Span(0, message.size) if message.octets is None else message.octets


def _header(block: bytes, section: Section) -> bytes:
    if not section.fields:
        return block
    return select_fields(block, section.fields, section.text == "HEADER.FIELDS.NOT")


def _part_of(octets: bytes | None, partial: Span | None) -> bytes | None:
    if octets is None or partial is None:
        return octets
    return octets[partial.start : partial.start + partial.length]


def _within(span: Span, partial: Span | None) -> Span:
    if partial is None:
        return span
    start = min(partial.start, span.length)
    return Span(span.start + start, min(partial.length, span.length - start))


def _literal(octets: bytes | None) -> bytes:
    """
    C{nstring}, as a literal.  C{CHAR8} has no NUL (RFC 3501 section 9): octet 128 stands for it, so that the size stays.
    """
    return b"NIL" if octets is None else b"{%d}\r\n%b" % (len(octets), octets.replace(b"\0", b"\x80"))


def _pieces(item: FetchItem, message: OpenMessage) -> Sequence[bytes | Span]:
    """
    What C{item} takes out of a message, as it is sent; or where it lies, if the message's octets are not there.
    """
    assert item.cut is not None
    found = item.cut(message)
    if isinstance(found, Span):
        if message.octets is None:
            return (found,)
        found = message.octets[found.start : found.start + found.length]
    if item.shown is not None:
        return (item.shown(found),)
    return (b"NIL",) if found is None else (b"{%d}\r\n" % len(found), found.replace(b"\0", b"\x80"))


def _read_body(cursor: Cursor) -> FetchItem:
    return _read_body_section(cursor, marks_seen=True) if cursor.peek(b"[") else BODY


def _read_peek(cursor: Cursor) -> FetchItem:
    return _read_body_section(cursor, marks_seen=False)


def _read_body_section(cursor: Cursor, *, marks_seen: bool) -> FetchItem:
    section = read_section(cursor)
    partial = read_partial(cursor)
    origin = b"" if partial is None else b"<%d>" % partial.start
    return section_item(b"BODY" + write_section(section) + origin, section, partial, marks_seen=marks_seen)


def _always(item: FetchItem) -> ReadItem:
    return lambda _: item


#: By name in upper case; each reads what follows the name.
FETCH_ITEMS: Mapping[bytes, ReadItem] = {
    b"UID": _always(UID),
    b"FLAGS": _always(FLAGS),
    b"INTERNALDATE": _always(INTERNALDATE),
    b"RFC822.SIZE": _always(SIZE),
    b"ENVELOPE": _always(ENVELOPE),
    b"BODYSTRUCTURE": _always(BODYSTRUCTURE),
    b"BODY": _read_body,
    b"BODY.PEEK": _read_peek,
    b"RFC822": _always(section_item(b"RFC822", Section(), marks_seen=True)),
    b"RFC822.HEADER": _always(section_item(b"RFC822.HEADER", Section(text="HEADER"), marks_seen=False)),
    b"RFC822.TEXT": _always(section_item(b"RFC822.TEXT", Section(text="TEXT"), marks_seen=True)),
}

#: RFC 3501 section 6.4.5: "A macro must be used by itself".
MACROS: Mapping[bytes, tuple[FetchItem, ...]] = {
    b"FAST": (FLAGS, INTERNALDATE, SIZE),
    b"ALL": (FLAGS, INTERNALDATE, SIZE, ENVELOPE),
    b"FULL": (FLAGS, INTERNALDATE, SIZE, ENVELOPE, BODY),
}


# --- Running --------------------------------------------------------------------------------------------------------


async def run(
    plan: FetchPlan,
    view: IMailboxView,
    numbered: Sequence[tuple[int, int]],
    write: Write,
    *,
    with_uid: bool = False,
    recent: frozenset[int] = frozenset(),
    set_seen: bool = False,
    tells_modseq: bool = False,
    told: Callable[[Iterable[Reflagged]], None] | None = None,
) -> int:
    """
    Answer a FETCH; how many of the messages are gone, so that the command ends with C{NO [EXPUNGEISSUED]} (RFC 5530) if any is.

    @param numbered: sequence number, counted from 1, and UID of each message, ascending.
    @param write: sends octets, and waits while too much is waiting to be sent.
    @param with_uid: UID FETCH, which tells the UID in any case (RFC 3501 section 6.4.8).
    @param recent: UIDs that are recent to this session.
    @param set_seen: the mailbox is open read-write: set C{\\Seen} where the plan says so, and tell the flags that changed.
    @param tells_modseq: tell UID and MODSEQ of those too (RFC 7162 section 3.2.4).
    @param told: gets those, so that they need not be told again.
    @raise LiteralBroken: the connection has to end.
    """
    running = _Fetch(plan, view, write, with_uid, recent, set_seen and plan.marks_seen, tells_modseq, told)
    size = running.batch_size
    try:
        for start in range(0, len(numbered), size):
            await running.answer(numbered[start : start + size])
    except LiteralBroken:
        raise
    except MailError:
        await running.flush()
        raise
    await running.flush()
    return running.missing


def _taken(column: array[int], positions: Sequence[int]) -> list[int]:
    """
    What a column of a snapshot holds at ascending positions, counted from 1.
    """
    first, last = positions[0], positions[-1]
    if last - first + 1 == len(positions):
        return column[first - 1 : last].tolist()
    return [column[position - 1] for position in positions]


class _Fetch:
    """
    One FETCH that is being answered.
    """

    def __init__(
        self,
        plan: FetchPlan,
        view: IMailboxView,
        write: Write,
        with_uid: bool,
        recent: frozenset[int],
        set_seen: bool,
        tells_modseq: bool,
        told: Callable[[Iterable[Reflagged]], None] | None,
    ) -> None:
        items = plan.items
        self._items = (UID, *items) if with_uid and UID not in items else items
        self._view = view
        self._write = write
        self._recent = recent
        self._set_seen = set_seen
        self._told = told
        self._flags = FlagWriter(view.snapshot.keywords)
        self._needs = {item.needs for item in self._items}
        self._needs_whole = any(item.needs_whole for item in self._items)
        self._opens = any(item.cut is not None for item in self._items)
        self._takes_everything = all(item.cut is None or item.cut is _everything for item in self._items)
        items_form = b" ".join([b"%b %b" % (item.name.replace(b"%", b"%%"), item.form) for item in self._items])
        self._form = b"* %%d FETCH (%b%%b)\r\n" % items_form
        # Flags that changed are told even if nobody asked for them; who asked gets them anyway.
        self._change_items = [item for item in _CHANGE_ITEMS[: None if tells_modseq else 1] if item not in self._items]
        self._tells_modseq = tells_modseq or MODSEQ in self._items
        self._tells_changes = set_seen and bool(self._change_items)
        self._pending: list[bytes] = []
        self._pending_size = 0
        self.missing = 0

    @property
    def batch_size(self) -> int:
        """
        How many messages are gathered at a time: the more there is of each, the fewer.
        """
        if self._opens:
            return limits.FETCH_BATCH_OPEN
        return (
            limits.FETCH_BATCH_ARRAYS,
            limits.FETCH_BATCH_ROWS,
            limits.FETCH_BATCH_ROWS,
            limits.FETCH_BATCH_HEADERS,
        )[max(self._needs)]

    async def answer(self, numbered: Sequence[tuple[int, int]]) -> None:
        """
        Gather and write the lines of one batch.
        """
        snapshot = self._view.snapshot
        positions = [position for position, _ in numbered]
        batch = Batch(
            positions,
            [uid for _, uid in numbered],
            _taken(snapshot.masks, positions),
            _taken(snapshot.modseqs, positions) if self._tells_modseq else [],
            snapshot,
            self._recent,
            self._flags,
        )
        changed = await self._see(batch) if self._set_seen else {}
        await self._gather(batch)
        extra = self._changes(batch, changed) if self._tells_changes else None
        if self._opens:
            await self._answer_opened(batch, extra, changed)
        elif batch.uids:
            await self._answer_columns(batch, extra)
            if changed:
                self._tell([changed[uid] for uid in batch.uids if uid in changed])

    async def _see(self, batch: Batch) -> Mapping[int, Reflagged]:
        """
        Set C{\\Seen}; the messages that had it not, by UID.
        """
        unseen = [uid for uid, mask in zip(batch.uids, batch.masks, strict=True) if not mask & SEEN]
        if not unseen:
            return {}
        try:
            result = await self._view.change_flags(unseen, "+", ("\\Seen",))
        except Trouble:
            # On a full disk mail can still be read.
            return {}
        now = {each.uid: each for each in result.now}
        batch.masks = [now[uid].mask if uid in now else mask for uid, mask in zip(batch.uids, batch.masks, strict=True)]
        if self._tells_modseq:
            batch.modseqs = [
                now[uid].modseq if uid in now else modseq for uid, modseq in zip(batch.uids, batch.modseqs, strict=True)
            ]
        return now

    def _tell(self, changed: Iterable[Reflagged]) -> None:
        if self._told is not None:
            self._told(changed)

    async def _gather(self, batch: Batch) -> None:
        """
        Get what lies deeper than arrays, and leave out the messages of which something is gone.
        """
        view, uids, needs = self._view, batch.uids, self._needs
        rows = {row.uid: row for row in await view.fetch(uids)} if Needs.ROW in needs else None
        rendered = await view.rendered(uids) if Needs.RENDERED in needs else None
        headers = await view.headers(uids) if Needs.HEADER in needs else None
        gathered = [found for found in (rows, rendered, headers) if found is not None]
        if any(len(found) < len(uids) for found in gathered):
            kept = [index for index, uid in enumerate(uids) if all(uid in found for found in gathered)]
            self.missing += len(uids) - len(kept)
            batch.positions = [batch.positions[index] for index in kept]
            batch.masks = [batch.masks[index] for index in kept]
            if self._tells_modseq:
                batch.modseqs = [batch.modseqs[index] for index in kept]
            uids = batch.uids = [uids[index] for index in kept]
        batch.rows = [] if rows is None else [rows[uid] for uid in uids]
        batch.rendered = [] if rendered is None else [rendered[uid] for uid in uids]
        batch.headers = [] if headers is None else [headers[uid] for uid in uids]

    def _changes(self, batch: Batch, changed: Mapping[int, Reflagged]) -> list[bytes]:
        """
        For each message, what says that its flags changed: mostly nothing.
        """
        form = b"".join([b" %b %b" % (item.name, item.form) for item in self._change_items])
        columns = [item.column(batch) for item in self._change_items if item.column is not None]
        rows = zip(batch.uids, zip(*columns, strict=True), strict=True)
        return [form % values if uid in changed else b"" for uid, values in rows]

    async def _answer_columns(self, batch: Batch, extra: list[bytes] | None) -> None:
        """
        All lines of a batch in one go.
        """
        forms: list[bytes] = []
        columns: list[Sequence[object]] = [batch.positions]
        for item in self._items:
            assert item.column is not None
            values, form, name = item.column(batch), item.form, item.name.replace(b"%", b"%%")
            if item.is_often_alike and values.count(values[0]) == len(values):
                form = (form % (values[0],)).replace(b"%", b"%%")
            else:
                columns.append(values)
            forms.append(b"%b %b" % (name, form))
        line = b"* %%d FETCH (%b%b)\r\n" % (b" ".join(forms), b"" if extra is None else b"%b")
        if extra is not None:
            columns.append(extra)
        # One long form is filled in faster than many short ones.
        filled = batch.positions if len(columns) == 1 else chain.from_iterable(zip(*columns, strict=True))
        await self._write(line * len(batch.positions) % tuple(filled))

    async def _answer_opened(self, batch: Batch, extra: list[bytes] | None, changed: Mapping[int, Reflagged]) -> None:
        """
        The lines of a batch, one message opened after the other.
        """
        columns = [repeat(None) if item.column is None else item.column(batch) for item in self._items]
        headers: Iterable[bytes] = batch.headers or repeat(b"")
        extras: Iterable[bytes] = repeat(b"") if extra is None else extra
        ahead: list[bytes | None] = []
        leading = (range(len(batch.uids)), batch.positions, headers, extras)
        for index, position, header, more, *values in zip(*leading, *columns, strict=False):
            if not ahead:
                ahead = [*await self._view.read_ahead(batch.uids[index:])]
                ahead.reverse()
            uid, octets = batch.uids[index], ahead.pop()
            if octets is not None and len(octets) <= limits.INLINE_KEPT:
                self._put(self._form % (position, *self._cut(octets, header, values), more))
                if self._pending_size >= _COALESCED:
                    await self.flush()
            elif octets is not None:
                # It is not copied more often than it has to be.
                for piece in self._line(OpenMessage(len(octets), header, octets), position, values, more):
                    await self._add(cast(bytes, piece))
            elif not await self._answer_one(uid, position, values, header, more):
                self.missing += 1
                continue
            if uid in changed:
                self._tell((changed[uid],))

    async def _answer_one(self, uid: int, position: int, values: Sequence[object], header: bytes, more: bytes) -> bool:
        """
        One line of a message that has to be opened; whether it is there.
        """
        try:
            content = await self._view.open_content(uid)
        except MessageGone:
            return False
        try:
            octets = None
            if self._needs_whole or content.size <= limits.CONTENT_PIECE:
                octets = await content.read()
            pieces = self._line(OpenMessage(content.size, header, octets), position, values, more)
            if octets is None:
                # If it cannot be read at all we can still say so.
                await content.read(0, 1)
            for piece in pieces:
                if isinstance(piece, Span):
                    await self._stream(content, piece)
                else:
                    await self._add(piece)
        finally:
            content.close()
        return True

    def _cut(self, octets: bytes, header: bytes, values: Sequence[object]) -> list[object]:
        """
        The values of a message whose octets are there, those of its columns being given.
        """
        if self._takes_everything:
            whole = _literal(octets)
            return [whole if value is None else value for value in values]
        message = OpenMessage(len(octets), header, octets)
        return [
            value if item.cut is None else b"".join(cast(Sequence[bytes], _pieces(item, message)))
            for item, value in zip(self._items, values, strict=True)
        ]

    def _line(self, message: OpenMessage, position: int, values: Sequence[object], more: bytes) -> list[bytes | Span]:
        """
        One line.  Everything in it that can fail is tried before its first octet is among those to be sent.
        """
        pieces: list[bytes | Span] = [b"* %d FETCH (" % position]
        for item, value in zip(self._items, values, strict=True):
            pieces += item.name, b" "
            pieces += (item.form % (value,),) if item.cut is None else _pieces(item, message)
            pieces.append(b" ")
        pieces[-1] = more + b")\r\n"
        return pieces

    async def _stream(self, content: IContent, span: Span) -> None:
        """
        A piece of the content as a literal, as fast as the client takes it.
        """
        await self._add(b"{%d}\r\n" % span.length)
        place, end = span.start, span.start + span.length
        while place < end:
            try:
                piece = await content.read(place, min(limits.CONTENT_PIECE, end - place))
            except MailError as problem:
                raise LiteralBroken("The message could not be read to its end.") from problem
            if not piece:
                raise LiteralBroken("The message is shorter than it was.")
            await self._add(piece.replace(b"\0", b"\x80"))
            place += len(piece)

    def _put(self, octets: bytes) -> None:
        self._pending.append(octets)
        self._pending_size += len(octets)

    async def _add(self, octets: bytes) -> None:
        self._put(octets)
        if self._pending_size >= _COALESCED:
            await self.flush()

    async def flush(self) -> None:
        """
        Send what is waiting.
        """
        if self._pending:
            octets = b"".join(self._pending)
            self._pending.clear()
            self._pending_size = 0
            await self._write(octets)
