"""
IDLE: hear of news as it happens (RFC 2177).
"""

from __future__ import annotations

from ....model import limits
from ....model.errors import SyntaxProblem
from ..vocabulary import ENTERED, Command, Extension, Outcome, Session, nothing


async def idle(session: Session, _: None) -> Outcome:
    """
    Tell the news of the selected mailbox, if there is one, until the client says DONE.

    @raise SyntaxProblem: it says something else.
    """
    incoming = session.incoming
    view = None if session.selected is None else session.selected.view
    if view is not None:
        view.listen(session.driver.ring)
    session.put(b"+ idling\r\n")
    session.is_idling = True
    try:
        while not incoming.has_line(limits.IMAP_SHORT_LINE):
            await session.news()
            await session.wait()
    finally:
        session.is_idling = False
        if view is not None:
            view.listen(None)
    if (await incoming.line(limits.IMAP_SHORT_LINE)).upper() != b"DONE":
        raise SyntaxProblem("Expected DONE.")
    return Outcome("No longer idling.")


EXTENSION = Extension(
    rfc="RFC 2177",
    capabilities=(b"IDLE",),
    commands=(Command(b"IDLE", ENTERED, nothing, idle),),
)
