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
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import repeat
from typing import cast

from ...interfaces import IContent, IMailboxView
from ...message.dates import format_internal_date
from ...message.headers import select_fields
from ...model import limits
from ...model.changes import Reflagged, Rendered
from ...model.errors import MailError, MessageGone, SyntaxProblem, TooLong, Trouble
from ...model.flags import SEEN
from .cursor import Cursor
from .fetch_vocabulary import Batch, FetchItem, FetchPlan, FlagWriter, Needs, OpenMessage, ReadItem, Span, Write
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


def _rendered(batch: Batch) -> list[Rendered]:
    return [cast(Rendered, row.rendered) for row in batch.rows]


def _internal_date(seconds: int) -> bytes:
    return format_internal_date(_EPOCH + timedelta(seconds=min(max(seconds, _FIRST), _LAST)))


UID = FetchItem(b"UID", column=lambda batch: batch.uids, form=b"%d")
FLAGS = FetchItem(b"FLAGS", column=lambda batch: batch.flags.column(batch.masks, batch.uids, batch.recent))
MODSEQ = FetchItem(b"MODSEQ", column=lambda batch: batch.modseqs, form=b"(%d)", enables=frozenset({b"CONDSTORE"}))
#: What is told of flags that have changed (RFC 3501 section 6.4.5, RFC 7162 section 3.2.4).
_CHANGE_ITEMS = (FLAGS, UID, MODSEQ)
INTERNALDATE = FetchItem(
    b"INTERNALDATE", Needs.ROW, lambda batch: [_internal_date(row.internal_date) for row in batch.rows]
)
SIZE = FetchItem(b"RFC822.SIZE", Needs.ROW, lambda batch: [row.size for row in batch.rows], b"%d")
ENVELOPE = FetchItem(b"ENVELOPE", Needs.RENDERED, lambda batch: [each.envelope for each in _rendered(batch)])
BODY = FetchItem(b"BODY", Needs.RENDERED, lambda batch: [each.body for each in _rendered(batch)])
BODYSTRUCTURE = FetchItem(
    b"BODYSTRUCTURE", Needs.RENDERED, lambda batch: [each.bodystructure for each in _rendered(batch)]
)


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
            lambda batch: [
                _literal(_part_of(_header(cast(bytes, row.header), section), partial)) for row in batch.rows
            ],
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
    return FetchItem(name, cut=lambda message: _within(Span(0, message.size), partial), marks_seen=marks_seen)


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

    @param numbered: sequence number, counted from 1, and UID of each message.
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
        self._needs = max(item.needs for item in self._items)
        self._needs_rendered = any(item.needs is Needs.RENDERED for item in self._items)
        self._needs_whole = any(item.needs_whole for item in self._items)
        self._opens = any(item.cut is not None for item in self._items)
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
        )[self._needs]

    async def answer(self, numbered: Sequence[tuple[int, int]]) -> None:
        """
        Gather and write the lines of one batch.
        """
        masks, modseqs = self._view.snapshot.masks, self._view.snapshot.modseqs
        batch = Batch(
            [position for position, _ in numbered],
            [uid for _, uid in numbered],
            [masks[position - 1] for position, _ in numbered],
            [modseqs[position - 1] for position, _ in numbered] if self._tells_modseq else [],
            self._view.snapshot,
            self._recent,
            self._flags,
        )
        changed = await self._see(batch) if self._set_seen else {}
        if self._needs:
            await self._gather(batch)
        extra = self._changes(batch, changed) if self._tells_changes else None
        if self._opens:
            await self._answer_opened(batch, extra, changed)
        elif batch.uids:
            await self._answer_columns(batch, extra)
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
        Get the rows, and leave out the messages that have none.
        """
        rows = await self._view.fetch(batch.uids, rendered=self._needs_rendered, header=self._needs is Needs.HEADER)
        batch.rows = rows
        if len(rows) == len(batch.uids):
            return
        self.missing += len(batch.uids) - len(rows)
        known = {row.uid for row in rows}
        kept = [index for index, uid in enumerate(batch.uids) if uid in known]
        batch.positions = [batch.positions[index] for index in kept]
        batch.masks = [batch.masks[index] for index in kept]
        if self._tells_modseq:
            batch.modseqs = [batch.modseqs[index] for index in kept]
        batch.uids = [batch.uids[index] for index in kept]

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
        line = b" ".join([b"%b %b" % (item.name.replace(b"%", b"%%"), item.form) for item in self._items])
        columns = [item.column(batch) for item in self._items if item.column is not None]
        line = b"* %%d FETCH (%b%b)\r\n" % (line, b"" if extra is None else b"%b")
        if extra is not None:
            columns.append(extra)
        await self._write(b"".join(map(line.__mod__, zip(batch.positions, *columns, strict=True))))

    async def _answer_opened(self, batch: Batch, extra: list[bytes] | None, changed: Mapping[int, Reflagged]) -> None:
        """
        The lines of a batch, one message opened after the other.
        """
        columns = [None if item.column is None else item.column(batch) for item in self._items]
        extras: Iterable[bytes] = repeat(b"") if extra is None else extra
        for index, (uid, more) in enumerate(zip(batch.uids, extras, strict=False)):
            values = [None if column is None else column[index] for column in columns]
            try:
                content = await self._view.open_content(uid)
            except MessageGone:
                self.missing += 1
                continue
            try:
                header = batch.rows[index].header if batch.rows else None
                await self._answer_one(content, batch.positions[index], values, header or b"", more)
            finally:
                content.close()
            if uid in changed:
                self._tell((changed[uid],))

    async def _answer_one(
        self, content: IContent, position: int, values: Sequence[object], header: bytes, more: bytes
    ) -> None:
        """
        One line.  Everything that can fail is tried before its first octet is among those to be sent.
        """
        octets = None
        if self._needs_whole or content.size <= limits.CONTENT_PIECE:
            octets = await content.read()
        message = OpenMessage(content.size, header, octets)
        pieces: list[bytes | Span] = [b"* %d FETCH (" % position]
        for item, value in zip(self._items, values, strict=True):
            pieces.append(item.name + b" ")
            if item.cut is None:
                pieces.append(item.form % (value,))
            else:
                found = item.cut(message)
                if isinstance(found, Span) and octets is not None:
                    found = octets[found.start : found.start + found.length]
                pieces.append(found if isinstance(found, Span) else (item.shown or _literal)(found))
            pieces.append(b" ")
        pieces[-1] = more + b")\r\n"
        if octets is None:
            # If it cannot be read at all we can still say so.
            await content.read(0, 1)
        for piece in pieces:
            if isinstance(piece, Span):
                await self._stream(content, piece)
            else:
                await self._add(piece)

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

    async def _add(self, octets: bytes) -> None:
        self._pending.append(octets)
        self._pending_size += len(octets)
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
