"""
SEARCH and UID SEARCH (RFC 3501 section 6.4.4).
"""

from __future__ import annotations

from functools import partial

from .. import searching
from ..vocabulary import IN_MAILBOX, Command, Cursor, Outcome, Session


def read_search(cursor: Cursor, session: Session) -> searching.SearchPlan:
    """
    C{search}
    """
    cursor.space()
    return searching.read_keys(cursor, session.registry.search_keys)


async def search(session: Session, plan: searching.SearchPlan, *, by_uid: bool) -> Outcome:
    """
    Tell which messages are meant, all in one response (section 7.2.5).
    """
    view = session.mailbox.view
    uids = view.snapshot.uids
    found = await searching.run(plan, view, recent=view.recent, pause=session.breathe)
    numbers = [uids[number - 1] for number in found] if by_uid else found
    await session.write(b"* SEARCH%b\r\n" % b"".join([b" %d" % number for number in numbers]))
    return Outcome("Searched.")


COMMANDS = (
    Command(b"SEARCH", IN_MAILBOX, read_search, partial(search, by_uid=False), defers_expunge=True),
    Command(b"UID SEARCH", IN_MAILBOX, read_search, partial(search, by_uid=True)),
)
