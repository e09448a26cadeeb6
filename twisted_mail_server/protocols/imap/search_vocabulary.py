"""
The words in which SEARCH keys are written: a L{Criterion} sifts messages, L{Known} gives it what it needs to know of them.

Positions count from 0 and are always in ascending order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from enum import IntEnum

from attrs import define

from ...interfaces import IMailboxView
from ...model import limits
from ...model.changes import MailboxSnapshot, MessageRow
from ...model.errors import TooLong
from .search_memory import FieldTexts, MailboxMemory
from .search_texts import Contents, Header

Pause = Callable[[], Awaitable[None]]

#: What decides of one message: where it stands, and all of it.  Without that the answer is C{None} if it is needed.
Judge = Callable[[int, Contents | None], bool | None]

#: Work that is done without a pause: looking at that many array elements takes some milliseconds.
_STRETCH = 100_000
#: What looking at a row, a header, a field of one, and a thousand octets of contents costs in the same coin.
_ROW, _HEADER, _FIELD, _THOUSAND = 10, 200, 40, 100
#: If less than one message in so many that are not remembered is looked at, the others are not read for it.
_MANY = 4
#: Octets of headers, and of contents, that are got at a time, more or less.
_HEADERS, _CONTENTS = 256 * limits.KIB, 1 * limits.MIB


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
    @ivar fields: names of the header fields whose values it looks for.
    @ivar needs_more: whether it looks at more than arrays and the values of those fields.
    """

    cost: Cost = Cost.ARRAYS
    depth: int = 0
    fields: frozenset[bytes] = frozenset()
    needs_more: bool = False

    @abstractmethod
    async def sift(self, positions: Sequence[int], known: Known) -> list[int]:
        """
        Those of the C{positions} that match.
        """

    async def judge(self, positions: Sequence[int], known: Known) -> Judge:
        """
        What decides of each of the C{positions} by itself, without waiting for anything.
        """
        found = frozenset(await self.sift(positions, known))
        return lambda position, _: position in found


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
        memory: MailboxMemory | None = None,
    ) -> None:
        self._view = view
        self._pause = pause
        self._memory = memory
        self._work = 0
        self.snapshot: MailboxSnapshot = view.snapshot
        self.recent = recent
        #: UIDs that C{$} stands for (RFC 5182).
        self.saved = saved
        #: Positions of messages of which nothing is left.
        self.gone: set[int] = set()
        #: Header fields by name, where the values in all messages are remembered.
        self.fields: dict[bytes, FieldTexts] = {}
        #: Whether nobody waits for it any more.
        self.is_over = False
        self._group: Sequence[int] = ()
        self._rows: dict[int, MessageRow] | None = None
        self._headers: dict[int, Header] | None = None
        self._read_at_once = limits.FETCH_BATCH_OPEN

    def begin(self, group: Sequence[int]) -> None:
        """
        Forget what was, and look at these.
        """
        self._group = group
        self._rows = self._headers = None

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

    async def rows(self) -> Mapping[int, MessageRow]:
        """
        The group's rows by position; what is gone has none.
        """
        if self._rows is None:
            uids = self.snapshot.uids
            positions = {uids[position]: position for position in self._group}
            self._rows = {positions[row.uid]: row for row in await self._view.fetch(list(positions))}
            self._miss(self._rows)
            await self.breathe(len(self._rows) * _ROW)
        return self._rows

    async def headers(self) -> Mapping[int, Header]:
        """
        The group's headers by position; what is gone has none.
        """
        if self._headers is None:
            uids = self.snapshot.uids
            blocks = await self._view.headers([uids[position] for position in self._group])
            self._headers = {
                position: Header(blocks[uids[position]]) for position in self._group if uids[position] in blocks
            }
            self._miss(self._headers)
            await self.breathe(len(blocks) * _HEADER)
        return self._headers

    def _miss(self, found: Mapping[int, object]) -> None:
        self.gone.update(position for position in self._group if position not in found)

    async def recall(self, names: Iterable[bytes], positions: Sequence[int]) -> None:
        """
        Have those header fields in C{fields}, if they are to be remembered.  What is not known yet is read now, unless few of the
        messages are to be looked at.
        """
        uids, memory = self.snapshot.uids, self._memory
        if memory is None or not uids:
            return
        wanted: dict[bytes, FieldTexts] = {}
        for name in names:
            texts = memory.recall(name, len(uids))
            first = bisect_left(uids, texts.covered)
            is_worth_it = (len(positions) - bisect_left(positions, first)) * _MANY >= len(uids) - first
            if is_worth_it and not texts.is_too_much:
                wanted[name] = texts
        if wanted:
            await self._read_fields(list(wanted.values()), memory.room)
        for name, texts in wanted.items():
            memory.keep(name, texts)
            if texts.size <= memory.room:
                self.fields[name] = texts

    async def _read_fields(self, fields: Sequence[FieldTexts], room: int) -> None:
        uids = self.snapshot.uids
        place = bisect_left(uids, min(texts.covered for texts in fields))
        count = limits.FETCH_BATCH_HEADERS
        while place < len(uids) and fields:
            some = uids[place : place + count]
            blocks = await self._view.headers(some)
            if len(blocks) < len(some):
                self.gone.update(position for position, uid in enumerate(some, place) if uid not in blocks)
            for texts in fields:
                texts.add(blocks.items(), some[-1] + 1)
            fields = [texts for texts in fields if texts.size <= room]
            place += len(some)
            count = _next_count(count, sum(map(len, blocks.values())), _HEADERS)
            await self.breathe(len(some) * _FIELD * (1 + len(fields)))

    async def read(self, positions: Sequence[int], judge: Judge) -> list[int]:
        """
        Those that match: all of a message is read where that is needed.
        """
        uids = self.snapshot.uids
        verdicts = {position: judge(position, None) for position in positions}
        unclear = [position for position, verdict in verdicts.items() if verdict is None]
        while unclear:
            some, unclear = unclear[: self._read_at_once], unclear[self._read_at_once :]
            await self._read_some({uids[position]: position for position in some}, judge, verdicts)
        return [position for position, verdict in verdicts.items() if verdict]

    async def _read_some(self, positions: Mapping[int, int], judge: Judge, verdicts: dict[int, bool | None]) -> None:
        octets = 0

        def look(uid: int, message: bytes) -> bool | None:
            nonlocal octets
            octets += len(message)
            return None if self.is_over else judge(positions[uid], Contents(message))

        found = await self._view.examine(list(positions), look)
        verdicts.update((positions[uid], verdict) for uid, verdict in found.items())
        self.gone.update(position for uid, position in positions.items() if uid not in found)
        self._read_at_once = _next_count(self._read_at_once, octets, _CONTENTS)
        await self.breathe(octets // 1000 * _THOUSAND)


def _next_count(count: int, octets: int, wanted: int) -> int:
    """
    How many to get at a time, when so many had so many octets.
    """
    if octets > wanted:
        return max(count // 2, 1)
    return min(count * 2, limits.FETCH_BATCH_ROWS) if octets * 2 < wanted else count


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
        if self.cost is Cost.CONTENTS:
            return await known.read(positions, await self.judge(positions, known))
        found = list(positions)
        for child in self.children:
            if not found:
                break
            found = await child.sift(found, known)
        return found

    async def judge(self, positions: Sequence[int], known: Known) -> Judge:
        """
        What the cheap ones leave is for the others.
        """
        kept = positions
        deep: list[Judge] = []
        for child in self.children:
            if child.cost < Cost.CONTENTS:
                kept = await child.sift(kept, known)
            else:
                deep.append(await child.judge(kept, known))
        left = frozenset(kept)

        def judge(position: int, contents: Contents | None) -> bool | None:
            if position not in left:
                return False
            verdict: bool | None = True
            for each in deep:
                found = each(position, contents)
                if found is False:
                    return False
                if found is None:
                    verdict = None
            return verdict

        return judge


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
        if self.cost is Cost.CONTENTS:
            return await known.read(positions, await self.judge(positions, known))
        found, _ = await self._divide(positions, known)
        return sorted(found)

    async def judge(self, positions: Sequence[int], known: Known) -> Judge:
        """
        What the cheap ones do not find is for the others.
        """
        kept, rest = await self._divide(positions, known)
        deep = [await child.judge(rest, known) for child in self.children if child.cost is Cost.CONTENTS]

        def judge(position: int, contents: Contents | None) -> bool | None:
            if position in kept:
                return True
            verdict: bool | None = False
            for each in deep:
                found = each(position, contents)
                if found is True:
                    return True
                if found is None:
                    verdict = None
            return verdict

        return judge

    async def _divide(self, positions: Sequence[int], known: Known) -> tuple[set[int], list[int]]:
        """
        What the cheap ones find, and what not.
        """
        found: set[int] = set()
        rest = list(positions)
        for child in self.children:
            if not rest or child.cost is Cost.CONTENTS:
                break
            matched = await child.sift(rest, known)
            found.update(matched)
            rest = [position for position in rest if position not in found]
            await known.breathe(len(rest))
        return found, rest


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
        if self.cost is Cost.CONTENTS:
            return await known.read(positions, await self.judge(positions, known))
        found = set(await self.child.sift(positions, known))
        await known.breathe(len(positions))
        return [position for position in positions if position not in found]

    async def judge(self, positions: Sequence[int], known: Known) -> Judge:
        """
        Likewise.
        """
        inner = await self.child.judge(positions, known)

        def judge(position: int, contents: Contents | None) -> bool | None:
            found = inner(position, contents)
            return None if found is None else not found

        return judge


def _settle(criterion: All | Any | Not, children: Sequence[Criterion]) -> None:
    """
    Cost, depth and needs follow from what is inside.

    @raise TooLong: it is nested too deep.
    """
    criterion.cost = max(child.cost for child in children)
    criterion.fields = frozenset().union(*(child.fields for child in children))
    criterion.needs_more = any(child.needs_more for child in children)
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
