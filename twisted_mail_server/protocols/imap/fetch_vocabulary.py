"""
The words in which FETCH items are written: what they need, what they are given, what they give back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import IntEnum
from typing import cast

from attrs import define, frozen

from ...message.structure import Part, parse
from ...model.changes import MailboxSnapshot, MessageRow
from ...model.flags import Keywords
from .cursor import Cursor

Write = Callable[[bytes], Awaitable[None]]


class Needs(IntEnum):
    """
    How deep one has to reach for an item; the lower, the cheaper.
    """

    #: The session's arrays: UIDs, flags, MODSEQs.
    ARRAYS = 0
    #: A row of the store.
    ROW = 1
    #: What is rendered of the message.
    RENDERED = 2
    #: The header block.
    HEADER = 3


@frozen
class Span:
    """
    A piece of a message as it stands.
    """

    start: int
    length: int


@define
class Batch:
    """
    Some messages of a FETCH; the lists run in parallel.
    """

    #: Sequence numbers, counted from 1.
    positions: list[int]
    uids: list[int]
    #: Flags as they are after this FETCH.
    masks: list[int]
    #: MODSEQs, likewise; only if they are told.
    modseqs: list[int]
    snapshot: MailboxSnapshot
    #: UIDs that are recent to this session.
    recent: frozenset[int]
    flags: FlagWriter
    #: Each of these only if some item needs it.
    rows: Sequence[MessageRow] = ()
    rendered: Sequence[bytes] = ()
    headers: Sequence[bytes] = ()


@define
class OpenMessage:
    """
    One message that is open.
    """

    size: int
    #: The header block, if some item needs that.
    header: bytes
    #: All of it, if it is small or some item asks for C{whole}.
    octets: bytes | None
    _structure: Part | None = None

    @property
    def whole(self) -> bytes:
        """
        All of it, for items that say they need that.
        """
        return cast(bytes, self.octets)

    @property
    def structure(self) -> Part:
        """
        Its MIME tree, read once in a command; for items that need all of it.
        """
        if self._structure is None:
            self._structure = parse(self.whole)
        return self._structure


@frozen
class FetchItem:
    """
    A data item as a client asked for it.  It has either C{column} or C{cut}.

    @ivar name: what stands before the value in the response.
    @ivar needs: how deep one has to reach.
    @ivar column: the values of a batch, each of which C{form} takes.
    @ivar form: how a value of a column is written: C{%b} or C{%d}.
    @ivar is_often_alike: many messages in a row have the same value, which is worth a look.
    @ivar cut: the octets of a C{nstring}, where they lie, or C{None} for C{NIL}.
    @ivar shown: how the octets of C{cut} are written, if not as a literal; then C{cut} gives no L{Span}.
    @ivar needs_whole: C{cut} looks at the whole content.
    @ivar marks_seen: asking sets C{\\Seen}.
    @ivar enables: what asking enables, as ENABLE would (RFC 7162 section 3.1).
    """

    name: bytes
    needs: Needs = Needs.ARRAYS
    column: Callable[[Batch], Sequence[object]] | None = None
    form: bytes = b"%b"
    is_often_alike: bool = False
    cut: Callable[[OpenMessage], bytes | Span | None] | None = None
    shown: Callable[[bytes | None], bytes] | None = None
    needs_whole: bool = False
    marks_seen: bool = False
    enables: frozenset[bytes] = frozenset()


ReadItem = Callable[[Cursor], FetchItem]


@frozen
class FetchPlan:
    """
    Everything one FETCH asks for, in its order.
    """

    items: tuple[FetchItem, ...]

    @property
    def marks_seen(self) -> bool:
        """
        Whether it sets C{\\Seen} (RFC 3501 section 6.4.5, C{BODY[]}).
        """
        return any(item.marks_seen for item in self.items)

    @property
    def enables(self) -> frozenset[bytes]:
        """
        What it enables, as ENABLE would.
        """
        return frozenset().union(*(item.enables for item in self.items))

    def with_item(self, item: FetchItem) -> FetchPlan:
        """
        The same, with that item too, if it is not asked for already.
        """
        return self if item in self.items else FetchPlan((*self.items, item))


class FlagWriter:
    """
    Masks into C{(\\Seen \\Recent keyword)}, each once.
    """

    __slots__ = ("_keywords", "_plain", "_recent")

    def __init__(self, keywords: Keywords) -> None:
        self._keywords = keywords
        self._plain: dict[int, bytes] = {}
        self._recent: dict[int, bytes] = {}

    def write(self, mask: int, is_recent: bool = False) -> bytes:
        """
        One flag list.
        """
        known = self._recent if is_recent else self._plain
        written = known.get(mask)
        if written is None:
            names = self._keywords.flags(mask)
            names = (*names, "\\Recent") if is_recent else names
            written = known[mask] = f"({' '.join(names)})".encode("ascii")
        return written

    def column(self, masks: Sequence[int], uids: Sequence[int], recent: frozenset[int]) -> list[bytes]:
        """
        Many flag lists.
        """
        if recent:
            return [self.write(mask, uid in recent) for mask, uid in zip(masks, uids, strict=True)]
        table = {mask: self.write(mask) for mask in set(masks)}
        return [*table.values()] * len(masks) if len(table) == 1 else [table[mask] for mask in masks]
