"""
UIDPLUS: UID EXPUNGE, and the response codes APPENDUID and COPYUID, which APPEND, COPY and MOVE take from C{wire} (RFC 4315).
"""

from __future__ import annotations

from ....model.numbers import SequenceSet
from ..vocabulary import IN_MAILBOX, Command, Cursor, Extension, Outcome, Session


def read_uids(cursor: Cursor, session: Session) -> SequenceSet:
    """
    C{uid-expunge = "UID" SP "EXPUNGE" SP sequence-set}
    """
    cursor.space()
    return cursor.sequence_set()


async def uid_expunge(session: Session, uids: SequenceSet) -> Outcome:
    """
    Remove those of the messages meant that are marked C{\\Deleted} (RFC 4315 section 2.1).
    """
    selected = session.writable
    await selected.view.expunge([uid for _, uid in selected.messages(uids, by_uid=True)])
    return Outcome("Expunged.")


EXTENSION = Extension(
    rfc="RFC 4315",
    capabilities=(b"UIDPLUS",),
    commands=(Command(b"UID EXPUNGE", IN_MAILBOX, read_uids, uid_expunge),),
)
