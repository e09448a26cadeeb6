"""
MOVE and UID MOVE (RFC 6851).
"""

from __future__ import annotations

from functools import partial

from .. import wire
from ..commands.messages import Copy, read_copy
from ..vocabulary import IN_MAILBOX, Command, Extension, Outcome, Session


async def move(session: Session, arguments: Copy, *, by_uid: bool) -> Outcome:
    """
    Copy and remove at once.  COPYUID comes first, then the news tells what was expunged (RFC 6851 section 4.3).
    """
    selected = session.writable
    uids = [uid for _, uid in selected.messages(arguments.messages, by_uid=by_uid)]
    result = await selected.view.move(uids, arguments.target)
    if result.uids:
        session.put(wire.condition(b"OK", "Moved.", wire.copied(result)))
    return Outcome("Moved.")


EXTENSION = Extension(
    rfc="RFC 6851",
    capabilities=(b"MOVE",),
    commands=(
        Command(b"MOVE", IN_MAILBOX, read_copy, partial(move, by_uid=False)),
        Command(b"UID MOVE", IN_MAILBOX, read_copy, partial(move, by_uid=True)),
    ),
)
