"""
SORT and THREAD: read what is asked, gather what it takes of each message, bring the messages in order (RFC 5256, RFC 5957).

The criteria are a table, C{SORT_KEYS}.  Each message is looked at once, in batches, by its row or its header; then the whole
mailbox is sorted by one list of values after the other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from attrs import frozen

from ...interfaces import IMailboxView
from ...message.addresslists import Effort, GroupStart, Mailbox, parse_address_list
from ...message.collation import casemap
from ...message.dates import parse_date
from ...message.headers import pairs
from ...message.threads import Letter, Node, References, base_subject, by_subject, message_ids
from ...message.words import decode_words
from ...model import limits
from ...model.changes import MessageRow
from ...model.errors import SyntaxProblem, TooLong
from .cursor import Cursor

__all__ = ["ALGORITHMS", "SORT_KEYS", "Criterion", "SortKey", "read_criteria", "sort", "thread", "write_threads"]

Pause = Callable[[], Awaitable[None]]

#: Steps of threading that are taken without a pause: a few milliseconds.
_STRETCH = 2000
#: Octets of headers that are looked at without a pause: a batch of usual ones.
_OCTETS = 512 * limits.KIB
#: Values that one list is sorted by without a pause in between; sorting itself cannot be interrupted, and need not be.
_REST = 20_000


class Facts:
    """
    What is known of one message: its row, and its fields.
    """

    __slots__ = ("_effort", "_fields", "row")

    def __init__(self, row: MessageRow) -> None:
        self.row = row
        self._effort = Effort()
        self._fields: dict[bytes, bytes] = {}
        block = row.header or b""
        for name, value in reversed(pairs(block, 0, len(block))):
            self._fields[name.lower()] = value

    def field(self, name: bytes) -> bytes:
        """
        The beginning of the first field of that name (in small letters), folds and all; nothing if there is none.
        """
        return self._fields.get(name, b"")[: limits.SORT_FIELD]

    def field_end(self, name: bytes) -> bytes:
        """
        Likewise, but the end of it, and more.
        """
        return self._fields.get(name, b"")[-limits.THREAD_FIELD :]

    def first_address(self, name: bytes) -> Mailbox | GroupStart | None:
        """
        The first entry of an address list.
        """
        entries = parse_address_list(self.field(name), 1, self._effort)
        first = entries[0] if entries else None
        return first if isinstance(first, Mailbox | GroupStart) else None


@frozen
class SortKey:
    """
    What messages can be sorted by.
    """

    #: What is compared, of one message.
    value: Callable[[Facts], Any]
    needs_header: bool = True


@frozen
class Criterion:
    """
    C{sort-criterion}
    """

    key: SortKey
    is_reverse: bool = False


# --- The criteria ---------------------------------------------------------------------------------------------------


def _sent(facts: Facts) -> float:
    """
    RFC 5256 section 2.2: the moment of the Date field, else INTERNALDATE.
    """
    sent = parse_date(facts.field(b"date"))
    return facts.row.internal_date if sent is None else sent.timestamp()


def _subject(facts: Facts) -> tuple[str, bool]:
    """
    The base subject as it is compared, and whether it is that of a reply.
    """
    base, is_reply = base_subject(decode_words(facts.field(b"subject")))
    return casemap(base), is_reply


def _mailbox(name: bytes, facts: Facts) -> str:
    """
    C{addr-mailbox} of the first address; that of a group is its name (RFC 3501 section 7.4.2).
    """
    first = facts.first_address(name)
    if first is None:
        return ""
    return casemap(decode_words((first.local if isinstance(first, Mailbox) else first.name) or b""))


def _shown(name: bytes, facts: Facts) -> str:
    """
    RFC 5957 section 3: what people are shown of the first address.
    """
    first = facts.first_address(name)
    if isinstance(first, Mailbox):
        shown = decode_words(first.name or b"")
        if shown:
            return casemap(shown)
        if first.local is not None and first.domain is not None:
            return casemap(decode_words(b"%b@%b" % (first.local, first.domain)))
    return _mailbox(name, facts)


#: By name in capitals: those of RFC 5256, and the two of RFC 5957.
SORT_KEYS: Mapping[bytes, SortKey] = {
    b"ARRIVAL": SortKey(lambda facts: facts.row.internal_date, needs_header=False),
    b"CC": SortKey(partial(_mailbox, b"cc")),
    b"DATE": SortKey(_sent),
    b"FROM": SortKey(partial(_mailbox, b"from")),
    b"SIZE": SortKey(lambda facts: facts.row.size, needs_header=False),
    b"SUBJECT": SortKey(lambda facts: _subject(facts)[0]),
    b"TO": SortKey(partial(_mailbox, b"to")),
    b"DISPLAYFROM": SortKey(partial(_shown, b"from")),
    b"DISPLAYTO": SortKey(partial(_shown, b"to")),
}


def read_criteria(cursor: Cursor) -> list[Criterion]:
    """
    Read C{sort-criteria}.

    @raise SyntaxProblem: there are none, or there is no such criterion.
    @raise TooLong: there are more than L{limits.SORT_CRITERIA}.
    """

    # sort-criterion = ["REVERSE" SP] sort-key
    def read_one() -> Criterion:
        is_reverse = cursor.skip(b"REVERSE ")
        key = SORT_KEYS.get(cursor.atom().upper())
        if key is None:
            raise SyntaxProblem("There is no such criterion.")
        return Criterion(key, is_reverse)

    criteria = cursor.list_of(read_one)
    if not criteria:
        raise SyntaxProblem("Sorted by what?")
    if len(criteria) > limits.SORT_CRITERIA:
        raise TooLong(f"SORT takes at most {limits.SORT_CRITERIA} criteria.")
    return criteria


# --- Running --------------------------------------------------------------------------------------------------------


async def sort(
    criteria: Sequence[Criterion], view: IMailboxView, numbers: Sequence[int], pause: Pause | None = None
) -> list[int]:
    """
    Those sequence numbers, counted from 1 and ascending, in the order asked for; a message that is gone is left out.

    @param pause: awaited now and then, so that others get their turn.
    """
    keys = list(dict.fromkeys(criterion.key for criterion in criteria))
    needs_header = any(key.needs_header for key in keys)
    found: list[int] = []
    columns: list[list[Any]] = [[] for _ in keys]
    async for number, row in _rows(view, numbers, pause, needs_header=needs_header):
        facts = Facts(row)
        found.append(number)
        for key, column in zip(keys, columns, strict=True):
            column.append(key.value(facts))
    order = list(range(len(found)))
    # The last criterion first: each sort keeps what those before it did, so long as its own values are equal.
    for criterion in reversed(criteria):
        order.sort(key=columns[keys.index(criterion.key)].__getitem__, reverse=criterion.is_reverse)
        if pause is not None and len(found) > _REST:
            await pause()
    return [found[place] for place in order]


async def _rows(
    view: IMailboxView, numbers: Sequence[int], pause: Pause | None, *, needs_header: bool
) -> AsyncIterator[tuple[int, MessageRow]]:
    """
    Sequence number and row of each of those messages that is still known of.
    """
    uids = view.snapshot.uids
    size = limits.FETCH_BATCH_HEADERS if needs_header else limits.FETCH_BATCH_ROWS
    for start in range(0, len(numbers), size):
        wanted = {uids[number - 1]: number for number in numbers[start : start + size]}
        octets = 0
        for row in await view.fetch(list(wanted), header=needs_header):
            yield wanted[row.uid], row
            octets += len(row.header or b"")
            if octets > _OCTETS and pause is not None:
                octets = 0
                await pause()
        if pause is not None:
            await pause()


Thread = Callable[[Sequence[Letter], Pause | None], Awaitable[list[Node]]]


async def _by_subject(letters: Sequence[Letter], pause: Pause | None) -> list[Node]:
    return by_subject(letters)


async def _by_references(letters: Sequence[Letter], pause: Pause | None) -> list[Node]:
    threading = References()
    rested = 0

    def steps() -> Iterator[None]:
        for letter in letters:
            threading.add(letter)
            yield
        yield from threading.steps()

    for _ in steps():
        if threading.work - rested > _STRETCH:
            rested = threading.work
            if pause is not None:
                await pause()
    return threading.threads


#: C{thread-alg}, by name in capitals.
ALGORITHMS: Mapping[bytes, Thread] = {b"ORDEREDSUBJECT": _by_subject, b"REFERENCES": _by_references}


async def thread(
    algorithm: bytes, view: IMailboxView, numbers: Sequence[int], pause: Pause | None = None
) -> tuple[list[Node], list[int]]:
    """
    The threads of those messages; and their sequence numbers, by the C{number} of a L{Node}.  A message that is gone is left out.

    @param algorithm: one of L{ALGORITHMS}.
    @param numbers: sequence numbers, counted from 1 and ascending.
    """
    found: list[int] = []
    letters: list[Letter] = []
    with_references = algorithm == b"REFERENCES"
    async for number, row in _rows(view, numbers, pause, needs_header=True):
        found.append(number)
        letters.append(_letter(Facts(row), with_references=with_references))
    return await ALGORITHMS[algorithm](letters, pause), found


def _letter(facts: Facts, *, with_references: bool) -> Letter:
    subject, is_reply = _subject(facts)
    sent = _sent(facts)
    if not with_references:
        return Letter(sent, subject, is_reply)
    own = message_ids(facts.field(b"message-id"))
    # If References names nobody, the first that In-Reply-To does (RFC 5256 section 3).
    references = message_ids(facts.field_end(b"references")) or message_ids(facts.field(b"in-reply-to"))[:1]
    return Letter(sent, subject, is_reply, own[0] if own else None, references)


def write_threads(threads: Sequence[Node], names: Sequence[int]) -> bytes:
    """
    C{1*thread-list}; without recursion, for threads are as deep as those who write them like.

    @param names: what stands for each message, by the C{number} of a L{Node}.
    """
    # thread-list = "(" (thread-members / thread-nested) ")"
    # thread-members = nz-number *(SP nz-number) [SP thread-nested] ; thread-nested = 2*thread-list
    pieces: list[bytes] = []
    waiting: list[Node | None] = list(reversed(threads))
    while waiting:
        node = waiting.pop()
        if node is None:
            pieces.append(b")")
            continue
        pieces.append(b"(")
        if node.number >= 0:
            pieces.append(b"%d" % names[node.number])
        while len(node.children) == 1:
            node = next(iter(node.children))
            pieces.append(b" %d" % names[node.number])
        if not node.children:
            pieces.append(b")")
            continue
        if node.number >= 0:
            pieces.append(b" ")
        waiting.append(None)
        waiting.extend(reversed(node.children))
    return b"".join(pieces)
