"""
The words in which SEARCH keys are written: a L{Criterion} sifts messages, L{Known} gives it what it needs to know of them.

Positions count from 0 and are always in ascending order.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from enum import IntEnum

from attrs import define, field, frozen

from ...interfaces import IMailboxView
from ...message.headers import pairs
from ...message.parameters import parameter
from ...message.structure import Part, parse
from ...message.transfer import decode
from ...message.words import decode_text, decode_words
from ...model import limits
from ...model.changes import MailboxSnapshot, MessageRow
from ...model.errors import MessageGone, TooLong

Pause = Callable[[], Awaitable[None]]

#: Work that is done without a pause: looking at that many array elements takes some milliseconds.
_STRETCH = 100_000
#: What looking at a row, a header, and a thousand characters of text costs in the same coin.
_ROW, _HEADER, _THOUSAND = 10, 200, 100
#: Text of a message that is kept while several keys look at it.
_KEPT = 1 * limits.MIB

_FOLD = re.compile(r"\r?\n(?=[ \t])")
#: The end of a line that quoted-printable does not join to the next (RFC 2045 section 6.7, rule 5).
_HARD_END = re.compile(rb"[^=\s][ \t]*\r?\n")
_ANY_END = re.compile(rb"\n")
#: Charsets whose text cannot be cut at an octet 10.
_NO_LINES = (b"utf-16", b"utf16", b"utf-32", b"utf32", b"utf-7", b"utf7", b"ucs")


class Cost(IntEnum):
    """
    How deep a key has to look; the cheap ones go first.
    """

    ARRAYS = 0
    ROWS = 1
    HEADERS = 2
    CONTENTS = 3


class Criterion(ABC):
    """
    What decides whether a message is found.

    @ivar cost: how deep it has to look.
    @ivar depth: how deep it is nested itself: 0, if there is nothing in it.
    """

    cost: Cost = Cost.ARRAYS
    depth: int = 0

    @abstractmethod
    async def sift(self, positions: Sequence[int], known: Known) -> list[int]:
        """
        Those of the C{positions} that match.
        """


@frozen
class Needle:
    """
    A string to be found: a substring, without regard to case (RFC 3501 section 6.4.4).
    """

    #: Case folded.
    text: str
    #: As octets, where a header that is plain can be searched for them before it is taken apart.
    octets: bytes | None = field(init=False)

    @octets.default
    def _octets(self) -> bytes | None:
        # White space may be a fold there.
        return self.text.encode("ascii") if self.text.isascii() and not re.search(r"\s", self.text) else None

    @classmethod
    def of(cls, text: str) -> Needle:
        """
        For a string as the client sent it.
        """
        return cls(text.casefold())


class Header:
    """
    The header of one message, for searching.
    """

    __slots__ = ("_block", "_fields", "_is_plain", "_lowered", "_text")

    def __init__(self, block: bytes) -> None:
        self._block = block
        self._lowered = block.lower()
        self._is_plain = block.isascii() and b"=?" not in block
        self._fields: dict[bytes, list[bytes]] | None = None
        self._text: str | None = None

    def lacks(self, needle: Needle) -> bool:
        """
        Whether a quick look already tells that it is nowhere in there.
        """
        return self._is_plain and needle.octets is not None and needle.octets not in self._lowered

    def raw(self, name: bytes) -> list[bytes]:
        """
        The raw values of all fields of that name (small letters).
        """
        if self._fields is None:
            self._fields = {}
            for each, value in pairs(self._block, 0, len(self._block)):
                self._fields.setdefault(each.lower(), []).append(value)
        return self._fields.get(name, [])

    def values(self, name: bytes) -> list[str]:
        """
        The values of all fields of that name (small letters), decoded and case folded.
        """
        return [decode_words(value).casefold() for value in self.raw(name)]

    @property
    def text(self) -> str:
        """
        All of it, decoded and case folded.
        """
        if self._text is None:
            if self._is_plain:
                self._text = _FOLD.sub("", self._lowered.decode("ascii"))
            else:
                self._text = "\n".join(
                    f"{name.decode('ascii')}: {decode_words(value)}"
                    for name, value in pairs(self._block, 0, len(self._block))
                ).casefold()
        return self._text


class OpenText:
    """
    The text of one message: what is text in it, decoded and case folded, one run for each part.

    RFC 3501 section 6.4.4: body parts of other types than TEXT and MESSAGE may be left out.
    """

    __slots__ = ("_kept", "_octets", "_root")

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._root = parse(octets)
        self._kept: list[tuple[int, str]] | None = None

    def pieces(self) -> Iterator[tuple[int, str]]:
        """
        Pieces of text with the number of the run they belong to.
        """
        if self._kept is None and len(self._octets) <= _KEPT:
            self._kept = list(self._walk())
        return self._walk() if self._kept is None else iter(self._kept)

    def _walk(self) -> Iterator[tuple[int, str]]:
        for number, text in enumerate(self._runs(self._root)):
            for piece in text:
                yield number, piece

    def _runs(self, part: Part) -> Iterator[Iterator[str]]:
        for child in part.children:
            yield from self._runs(child)
        if part.message is not None:
            yield iter((Header(self._octets[part.message.start : part.message.body]).text,))
            yield from self._runs(part.message)
        elif part.kind == "leaf" and part.type.lower() in (b"text", b"message"):
            yield self._decoded(part)

    def _decoded(self, part: Part) -> Iterator[str]:
        octets, encoding = self._octets[part.body : part.end], (part.encoding or b"").lower()
        charset = parameter(part.parameters, b"charset") or b"utf-8"
        if encoding == b"base64":
            octets, encoding = decode(octets, encoding), b""
        ends = _HARD_END if encoding == b"quoted-printable" else _ANY_END
        can_be_cut = not charset.lower().startswith(_NO_LINES)
        place = 0
        while place < len(octets):
            found = ends.search(octets, place + limits.CONTENT_PIECE) if can_be_cut else None
            end = len(octets) if found is None else found.end()
            yield decode_text(decode(octets[place:end], encoding), charset).casefold()
            place = end


class Known:
    """
    What a search knows of the messages it looks at.

    The driver looks at one group of messages after the other; rows and headers are got for the whole group at once.
    """

    def __init__(
        self,
        view: IMailboxView,
        recent: frozenset[int],
        pause: Pause | None = None,
        saved: frozenset[int] = frozenset(),
    ) -> None:
        self._view = view
        self._pause = pause
        self._work = 0
        self.snapshot: MailboxSnapshot = view.snapshot
        self.recent = recent
        #: UIDs that C{$} stands for (RFC 5182).
        self.saved = saved
        #: Positions of messages of which nothing is left.
        self.gone: set[int] = set()
        self._group: Sequence[int] = ()
        self._rows: dict[int, MessageRow] = {}
        self._headers: dict[int, Header] = {}
        self._has_rows = self._has_headers = False
        self._opened: tuple[int, OpenText | None] = (-1, None)

    def begin(self, group: Sequence[int]) -> None:
        """
        Forget what was, and look at these.
        """
        self._group = group
        self._rows, self._headers = {}, {}
        self._has_rows = self._has_headers = False

    def narrow(self, group: Sequence[int]) -> None:
        """
        Of the group only these are still looked at.
        """
        self._group = group

    async def breathe(self, work: int) -> None:
        """
        Let others run when much was done.
        """
        self._work += work
        if self._work >= _STRETCH:
            self._work = 0
            if self._pause is not None:
                await self._pause()

    async def rows(self) -> dict[int, MessageRow]:
        """
        The group's rows by position; what is gone has none.
        """
        if not self._has_rows:
            await self._load(header=False)
        return self._rows

    async def headers(self) -> dict[int, Header]:
        """
        The group's headers by position; what is gone has none.
        """
        if not self._has_headers:
            await self._load(header=True)
        return self._headers

    async def _load(self, *, header: bool) -> None:
        uids = self.snapshot.uids
        positions = {uids[position]: position for position in self._group}
        rows = await self._view.fetch(list(positions), header=header)
        self._rows = {positions[row.uid]: row for row in rows}
        self._has_rows = True
        self.gone.update(position for position in self._group if position not in self._rows)
        if header:
            self._headers = {position: Header(row.header or b"") for position, row in self._rows.items()}
            self._has_headers = True
        await self.breathe(len(rows) * (_HEADER if header else _ROW))

    async def texts(self, position: int) -> AsyncIterator[tuple[int, str]]:
        """
        The text of one message in pieces, with the number of the run that each belongs to; nothing if it is gone.
        """
        if self._opened[0] != position:
            self._opened = (position, await self._open(position))
        opened = self._opened[1]
        if opened is not None:
            for number, piece in opened.pieces():
                yield number, piece
                await self.breathe(_THOUSAND * (1 + len(piece) // 1000))

    async def _open(self, position: int) -> OpenText | None:
        try:
            content = await self._view.open_content(self.snapshot.uids[position])
        except MessageGone:
            self.gone.add(position)
            return None
        try:
            return OpenText(await content.read())
        finally:
            content.close()


@define
class All(Criterion):
    """
    Every one of several.
    """

    children: tuple[Criterion, ...]

    def __attrs_post_init__(self) -> None:
        _settle(self, self.children)

    async def sift(self, positions: Sequence[int], known: Known) -> list[int]:
        """
        One after the other, the cheap ones first.
        """
        found = list(positions)
        for child in self.children:
            if not found:
                break
            found = await child.sift(found, known)
        return found


@define
class Any(Criterion):
    """
    At least one of several.
    """

    children: tuple[Criterion, ...]

    def __attrs_post_init__(self) -> None:
        _settle(self, self.children)

    async def sift(self, positions: Sequence[int], known: Known) -> list[int]:
        """
        Each looks at what those before it have not found, the cheap ones first.
        """
        found: set[int] = set()
        rest = list(positions)
        for child in self.children:
            if not rest:
                break
            matched = await child.sift(rest, known)
            found.update(matched)
            rest = [position for position in rest if position not in found]
            await known.breathe(len(rest))
        return sorted(found)


@define
class Not(Criterion):
    """
    What does not match.
    """

    child: Criterion

    def __attrs_post_init__(self) -> None:
        _settle(self, (self.child,))

    async def sift(self, positions: Sequence[int], known: Known) -> list[int]:
        """
        The others.
        """
        found = set(await self.child.sift(positions, known))
        await known.breathe(len(positions))
        return [position for position in positions if position not in found]


def _settle(criterion: All | Any | Not, children: Sequence[Criterion]) -> None:
    """
    Cost and depth follow from what is inside.

    @raise TooLong: it is nested too deep.
    """
    criterion.cost = max(child.cost for child in children)
    criterion.depth = 1 + max(child.depth for child in children)
    if criterion.depth > limits.SEARCH_NESTING:
        raise TooLong(f"Search keys nest at most {limits.SEARCH_NESTING} levels deep.")


def every(children: Sequence[Criterion]) -> Criterion:
    """
    All of them: flat, the cheap ones first.
    """
    flat = [one for child in children for one in (child.children if isinstance(child, All) else (child,))]
    flat.sort(key=lambda child: child.cost)
    return flat[0] if len(flat) == 1 else All(tuple(flat))


def either(children: Sequence[Criterion]) -> Criterion:
    """
    Any of them: flat, the cheap ones first.
    """
    flat = [one for child in children for one in (child.children if isinstance(child, Any) else (child,))]
    flat.sort(key=lambda child: child.cost)
    return Any(tuple(flat))


def negated(child: Criterion) -> Criterion:
    """
    Not that one.
    """
    return child.child if isinstance(child, Not) else Not(child)


async def is_found(needle: Needle, texts: AsyncIterator[tuple[int, str]]) -> bool:
    """
    Whether it is in the text, across pieces but not across runs.
    """
    overlap = len(needle.text) - 1
    run, tail = -1, ""
    async for number, piece in texts:
        text = tail + piece if number == run else piece
        if needle.text in text:
            return True
        run, tail = number, text[-overlap:] if overlap > 0 else ""
    return False


def is_in_header(needle: Needle, header: Header) -> bool:
    """
    Whether it is anywhere in a header.
    """
    return not header.lacks(needle) and needle.text in header.text
