"""
UNSELECT: leave a mailbox without expunging it (RFC 3691).
"""

from __future__ import annotations

from ..vocabulary import IN_MAILBOX, Command, Extension, Outcome, Session, nothing


async def unselect(session: Session, _: None) -> Outcome:
    """
    Forget the mailbox; what is marked C{\\Deleted} stays (section 2).
    """
    await session.leave()
    return Outcome("Left without expunging.")


EXTENSION = Extension(
    rfc="RFC 3691",
    capabilities=(b"UNSELECT",),
    commands=(Command(b"UNSELECT", IN_MAILBOX, nothing, unselect),),
)
