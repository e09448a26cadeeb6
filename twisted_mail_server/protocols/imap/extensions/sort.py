"""
SORT and UID SORT (RFC 5256), and to sort by the names that people are shown (RFC 5957).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from attrs import frozen

from .. import searching, sorting, wire
from ..commands.searching import highest_modseq, run
from ..vocabulary import IN_MAILBOX, Command, Cursor, Extension, Outcome, Session


@frozen
class Sort:
    """
    What SORT takes.
    """

    criteria: Sequence[sorting.Criterion]
    plan: searching.SearchPlan


def read_sort(cursor: Cursor, session: Session) -> Sort:
    """
    C{sort}
    """
    # sort = ["UID" SP] "SORT" SP sort-criteria SP search-criteria ; search-criteria = charset 1*(SP search-key)
    cursor.space()
    criteria = sorting.read_criteria(cursor)
    cursor.space()
    return Sort(criteria, searching.read_keys(cursor, session.registry.search_keys, needs_charset=True))


async def sort(session: Session, arguments: Sort, *, by_uid: bool) -> Outcome:
    """
    Search, then tell what was found in the order asked for.  Who searches by MODSEQ is told the highest one (RFC 7162 section
    3.1.6).
    """
    view, plan, pause = session.mailbox.view, arguments.plan, session.breathe
    session.enable(plan.enables)
    uids = view.snapshot.uids
    found = await run(session, plan)
    places = await sorting.sort(arguments.criteria, view, found, pause)
    numbers = [uids[place - 1] for place in places] if by_uid else places
    told = b""
    if plan.enables and places:
        told = b" (MODSEQ %d)" % highest_modseq(session, [uids[place - 1] for place in places])
    await session.write(b"* SORT%b%b\r\n" % (wire.numbers(numbers), told))
    return Outcome("Sorted.", defers_expunge=plan.has_numbers)


EXTENSION = Extension(
    rfc="RFC 5256",
    capabilities=(b"SORT", b"SORT=DISPLAY"),
    commands=(
        Command(b"SORT", IN_MAILBOX, read_sort, partial(sort, by_uid=False), defers_expunge=True),
        Command(b"UID SORT", IN_MAILBOX, read_sort, partial(sort, by_uid=True)),
    ),
)
