"""
LIST-STATUS: what STATUS would say of every mailbox that LIST tells of (RFC 5819).
"""

from __future__ import annotations

from collections.abc import Sequence

from ....model.changes import MailboxStatus
from ....model.errors import NoSuchMailbox
from ..list_vocabulary import ReturnOption
from ..status import read_status_items, status_response
from ..vocabulary import Cursor, Extension, Session


def read_items(cursor: Cursor, session: Session) -> Sequence[bytes]:
    """
    The items.
    """
    # status-option = "STATUS" SP "(" status-att *(SP status-att) ")"
    cursor.space()
    return read_status_items(cursor, session)


async def tell(session: Session, items: Sequence[bytes], status: MailboxStatus) -> bytes:
    """
    The STATUS response; none if the mailbox was removed before the answer was found (section 2).
    """
    try:
        return await status_response(session, items, status)
    except NoSuchMailbox:
        return b""


EXTENSION = Extension(
    rfc="RFC 5819",
    capabilities=(b"LIST-STATUS",),
    list_returns={b"STATUS": ReturnOption(read=read_items, tell=tell)},
)
