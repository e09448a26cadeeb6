"""
SEARCH and UID SEARCH (RFC 3501 section 6.4.4), with result options (RFC 4466 section 2.6).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import partial
from typing import Any

from attrs import frozen

from ....model.errors import Refused, SyntaxProblem, Trouble
from .. import searching, wire
from ..vocabulary import IN_MAILBOX, Command, Cursor, Found, Outcome, Session


@frozen
class Search:
    """
    What SEARCH takes.
    """

    #: Result options, by name in capitals; C{None} if the client does not know of such.
    returns: dict[bytes, Any] | None
    plan: searching.SearchPlan


def read_search(cursor: Cursor, session: Session) -> Search:
    """
    C{search}

    @raise SyntaxProblem: that is not how it goes, or a charset is given where everything is UTF-8 (RFC 6855 section 3).
    """
    # search = "SEARCH" [search-return-opts] SP search-program
    # search-return-opts = SP "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")"
    cursor.space()
    returns = read_returns(cursor, session)
    if returns is None and session.revision.has_only_extended_search:
        returns = {b"ALL": None}
    if b"UTF8=ACCEPT" in session.enabled and cursor.peek(b"CHARSET "):
        raise SyntaxProblem("All is UTF-8 here; do not name a charset.")
    try:
        return Search(returns, searching.read_keys(cursor, session.registry.search_keys))
    except Refused:
        refuse(session, returns)
        raise


def read_returns(cursor: Cursor, session: Session) -> dict[bytes, Any] | None:
    """
    C{search-return-opts}, and the space behind it, if it is there; without any option ALL is meant (RFC 4731 section 3.1).

    @raise SyntaxProblem: there is no such option, or it comes twice.
    """
    known = session.registry.search_returns
    if not known or not cursor.skip(b"RETURN "):
        return None
    returns: dict[bytes, Any] = {}

    def read_one() -> None:
        name = cursor.atom().upper()
        if name not in known or name in returns:
            raise SyntaxProblem("There is no such result option, or only once.")
        returns[name] = known[name].read(cursor, session)

    cursor.list_of(read_one)
    cursor.space()
    return returns or {b"ALL": None}


def refuse(session: Session, returns: dict[bytes, Any] | None) -> None:
    """
    The search is refused: the options that must know of that do.
    """
    for name in returns or ():
        refused = session.registry.search_returns[name].refused
        if refused is not None:
            refused(session)


async def run(session: Session, plan: searching.SearchPlan) -> list[int]:
    """
    The sequence numbers of the messages that are meant, in the selected mailbox.
    """
    selected = session.mailbox
    return await searching.run(
        plan,
        selected.view,
        recent=session.recent,
        saved=selected.saved,
        pause=session.breathe,
        memory=session.search_memory,
    )


async def search(session: Session, arguments: Search, *, by_uid: bool) -> Outcome:
    """
    Tell which messages are meant, all in one response (section 7.2.5).
    """
    plan, returns = arguments.plan, arguments.returns
    session.enable(plan.enables)
    uids = session.mailbox.view.snapshot.uids
    try:
        places = await run(session, plan)
    except (Refused, Trouble):
        refuse(session, returns)
        raise
    if returns is None and not by_uid and not plan.enables:
        # Nothing else is asked for: the most frequent case, and the quickest.
        await session.write(b"* SEARCH%b\r\n" % wire.numbers(places))
        return Outcome("Searched.", defers_expunge=plan.has_numbers)
    found = Found(places, [uids[place - 1] for place in places], returns or {})
    if by_uid:
        found.numbers = found.uids
    if returns is None:
        modseq = highest_modseq(session, found.uids) if plan.enables and places else 0
        told = b" (MODSEQ %d)" % modseq if modseq else b""
        await session.write(b"* SEARCH%b%b\r\n" % (wire.numbers(found.numbers), told))
    else:
        await tell_extended(session, returns, found, by_uid=by_uid, tells_modseq=bool(plan.enables))
    return Outcome("Searched.", defers_expunge=plan.has_numbers)


async def tell_extended(
    session: Session, returns: dict[bytes, Any], found: Found, *, by_uid: bool, tells_modseq: bool
) -> None:
    """
    The ESEARCH response (RFC 4466 section 2.6.2), if any option wants one.

    @param tells_modseq: MODSEQ stood among the keys.
    """
    known = session.registry.search_returns
    items = [option.show(session, found) for name, option in known.items() if name in returns]
    if not any(known[name].is_told for name in returns):
        return
    if tells_modseq and found.numbers:
        items.append(b"MODSEQ %d" % highest_modseq(session, _meant(found)))
    uid = b" UID" if by_uid else b""
    told = b"".join(b" " + item for item in items if item)
    await session.write(b"* ESEARCH (TAG %b)%b%b\r\n" % (wire.quoted(session.tag), uid, told))


def _meant(found: Found) -> Sequence[int]:
    """
    The messages whose MODSEQ counts: those named, if only MIN and MAX are (RFC 4731 section 3.2).
    """
    if b"ALL" in found.returns or b"COUNT" in found.returns:
        return found.uids
    named = [found.uids[place] for name, place in ((b"MIN", 0), (b"MAX", -1)) if name in found.returns]
    return named or found.uids


def highest_modseq(session: Session, uids: Sequence[int]) -> int:
    """
    The highest MODSEQ among those messages, which are there.
    """
    snapshot = session.mailbox.view.snapshot
    if len(uids) == len(snapshot.uids):
        return max(snapshot.modseqs)
    return max(snapshot.modseqs[bisect_left(snapshot.uids, uid)] for uid in uids)


COMMANDS = (
    Command(b"SEARCH", IN_MAILBOX, read_search, partial(search, by_uid=False), defers_expunge=True),
    Command(b"UID SEARCH", IN_MAILBOX, read_search, partial(search, by_uid=True)),
)
