"""
QRESYNC: who comes back is told what happened meanwhile, expunges included (RFC 7162 section 3.2).

Where the store still knows what was expunged since, just that is told; else every UID that the client knows and that is not
there any more, less what its sequence match data shows that it knows already (section 3.2.5.2).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from attrs import frozen

from ....model.errors import SyntaxProblem
from ....model.numbers import SequenceSet, format_ranges, runs
from ..commands.messages import Fetching, show
from ..cursor import SAVED
from ..fetch_vocabulary import FetchPlan
from ..fetching import FLAGS, MODSEQ, UID
from ..vocabulary import Cursor, Extension, Modifier, Session

_PLAN = FetchPlan((UID, FLAGS, MODSEQ))
Ranges = list[tuple[int, int]]


@frozen
class Resync:
    """
    What a client knows of a mailbox that it had open before.
    """

    uidvalidity: int
    modseq: int
    #: UIDs it knows, if it says so.
    known: Ranges | None
    #: Sequence numbers with the UIDs they had, as (number, UID, how many in a row).
    pairs: list[tuple[int, int, int]]


def _check_enabled(session: Session) -> None:
    if not session.tells_vanished:
        raise SyntaxProblem("Enable QRESYNC first.")


def _read_set(cursor: Cursor) -> Ranges:
    """
    A set of UIDs or sequence numbers without C{*}.
    """
    numbers = cursor.sequence_set()
    if numbers is SAVED or any(low is None or high is None for low, high in numbers.ranges):
        raise SyntaxProblem("Only numbers can stand here.")
    return numbers.bounded(0)


def _read_pairs(cursor: Cursor) -> list[tuple[int, int, int]]:
    cursor.expect(b"(")
    numbers = _read_set(cursor)
    cursor.space()
    uids = _read_set(cursor)
    cursor.expect(b")")
    pairs: list[tuple[int, int, int]] = []
    numbers.reverse()
    uids.reverse()
    while numbers and uids:
        (number, last_number), (uid, last_uid) = numbers.pop(), uids.pop()
        count = min(last_number - number, last_uid - uid) + 1
        pairs.append((number, uid, count))
        if number + count <= last_number:
            numbers.append((number + count, last_number))
        if uid + count <= last_uid:
            uids.append((uid + count, last_uid))
    if numbers or uids:
        raise SyntaxProblem("There are not as many numbers as UIDs.")
    return pairs


def read_resync(cursor: Cursor, session: Session) -> Resync:
    """
    What follows C{QRESYNC} in SELECT.

    @raise SyntaxProblem: it is malformed, or QRESYNC is not enabled (section 3.2.5).
    """
    # select-param =/ "QRESYNC" SP "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")"
    # seq-match-data = "(" known-sequence-set SP known-uid-set ")"
    _check_enabled(session)
    cursor.space()
    cursor.expect(b"(")
    uidvalidity = cursor.nz_number()
    cursor.space()
    modseq = cursor.number64()
    known: Ranges | None = None
    pairs: list[tuple[int, int, int]] = []
    is_more = cursor.skip(b" ")
    if is_more and not cursor.peek(b"("):
        known = _read_set(cursor)
        is_more = cursor.skip(b" ")
    if is_more:
        pairs = _read_pairs(cursor)
    cursor.expect(b")")
    return Resync(uidvalidity, modseq, known, pairs)


async def resync(session: Session, arguments: object, wanted: Resync) -> None:
    """
    C{SELECT ... (QRESYNC ...)}: what vanished, then what was changed; nothing, if the UIDs are not those that the client knows.
    """
    view = session.mailbox.view
    if wanted.uidvalidity != view.uidvalidity:
        return
    snapshot = view.snapshot
    last = snapshot.uidnext - 1
    ranges = [(1, last)] if wanted.known is None else wanted.known
    await _tell_vanished(session, ranges, wanted.modseq, _matched(snapshot.uids, wanted.pairs))
    numbered: list[tuple[int, int]] = []
    for low, high in ranges:
        places = range(bisect_left(snapshot.uids, low), bisect_right(snapshot.uids, high))
        numbered += [(place + 1, snapshot.uids[place]) for place in places if snapshot.modseqs[place] > wanted.modseq]
    await show(session, _PLAN, numbered, by_uid=True)


def _matched(uids: Sequence[int], pairs: Sequence[tuple[int, int, int]]) -> int:
    """
    The highest UID that still has the sequence number which the client knows it by: nothing below it can have vanished untold.
    """
    for number, uid, count in reversed(pairs):
        # Both ascend, and UIDs at least as fast, so the distance between them ascends too.
        distance = uid - number
        places = range(number - 1, min(number - 1 + count, len(uids)))
        found = bisect_right(places, distance, key=lambda place: uids[place] - place - 1) - 1
        if found >= 0 and uids[places[found]] - places[found] - 1 == distance:
            return uids[places[found]]
    return 0


async def _tell_vanished(session: Session, ranges: Ranges, modseq: int, matched: int = 0) -> None:
    """
    C{VANISHED (EARLIER)}, of UIDs in those ranges (section 3.2.10.1).
    """
    view = session.mailbox.view
    uids, last = view.snapshot.uids, view.snapshot.uidnext - 1
    vanished = await view.vanished_since(modseq)
    if vanished is None:
        low_ranges = [(max(low, matched + 1), min(high, last)) for low, high in ranges]
        gone = _absent(uids, low_ranges)
    else:
        # What vanished and the client still numbers is told by the news instead.
        there = [uid for uid in vanished if not _is_in(uids, uid)]
        gone = runs(uid for low, high in ranges for uid in there[bisect_left(there, low) : bisect_right(there, high)])
    if gone:
        await session.write(b"* VANISHED (EARLIER) %b\r\n" % format_ranges(gone))


def _is_in(uids: Sequence[int], uid: int) -> bool:
    place = bisect_left(uids, uid)
    return place < len(uids) and uids[place] == uid


def _absent(uids: Sequence[int], ranges: Ranges) -> Ranges:
    """
    The ranges without the UIDs that are there.
    """
    gaps: Ranges = []
    for low, high in ranges:
        for uid in uids[bisect_left(uids, low) : bisect_right(uids, high)]:
            if uid > low:
                gaps.append((low, uid - 1))
            low = uid + 1
        if low <= high:
            gaps.append((low, high))
    return gaps


async def with_vanished(session: Session, fetching: Fetching, _: None) -> None:
    """
    C{UID FETCH ... (CHANGEDSINCE n VANISHED)} (section 3.2.6).

    @raise SyntaxProblem: it is not UID FETCH, or without CHANGEDSINCE.
    """
    modifiers = fetching.arguments.modifiers
    if not fetching.by_uid or b"CHANGEDSINCE" not in modifiers:
        raise SyntaxProblem("VANISHED stands in UID FETCH with CHANGEDSINCE.")
    numbers: SequenceSet = fetching.arguments.messages
    ranges = numbers.bounded(session.mailbox.view.snapshot.uidnext - 1)
    await _tell_vanished(session, ranges, modifiers[b"CHANGEDSINCE"])


def read_vanished(cursor: Cursor, session: Session) -> None:
    """
    Nothing follows C{VANISHED} in UID FETCH.

    @raise SyntaxProblem: QRESYNC is not enabled.
    """
    _check_enabled(session)


EXTENSION = Extension(
    rfc="RFC 7162",
    capabilities=(b"QRESYNC",),
    enables={b"QRESYNC": frozenset({b"QRESYNC", b"CONDSTORE"})},
    select_parameters={b"QRESYNC": Modifier(read_resync, resync)},
    fetch_modifiers={b"VANISHED": Modifier(read_vanished, with_vanished)},
)
