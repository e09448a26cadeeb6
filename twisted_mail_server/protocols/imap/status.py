"""
STATUS items: what a mailbox tells of itself from outside (RFC 3501 section 6.3.10).

The table of RFC 3501 is here; extensions bring further lines.  LIST-STATUS (RFC 5819) reads and writes them as STATUS does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ...model.changes import MailboxStatus
from ...model.errors import SyntaxProblem
from .cursor import Cursor
from .session import Session

__all__ = ["STATUS_ITEMS", "read_status_items", "status_response"]


def _number(value: Callable[[MailboxStatus], int]) -> Callable[[Session, MailboxStatus], bytes]:
    return lambda _, status: b"%d" % value(status)


#: C{status-att}, by name in capitals.
STATUS_ITEMS: Mapping[bytes, Callable[[Session, MailboxStatus], bytes]] = {
    b"MESSAGES": _number(lambda status: status.messages),
    b"RECENT": _number(lambda status: status.recent),
    b"UIDNEXT": _number(lambda status: status.uidnext),
    b"UIDVALIDITY": _number(lambda status: status.uidvalidity),
    b"UNSEEN": _number(lambda status: status.unseen),
}


def read_status_items(cursor: Cursor, session: Session) -> tuple[bytes, ...]:
    """
    A parenthesised list of C{status-att}, each once.

    @raise SyntaxProblem: there is no such item, or none is asked for.
    """

    def read_item() -> bytes:
        item = cursor.atom().upper()
        if item not in session.registry.status_items:
            raise SyntaxProblem("There is no such item.")
        return item

    items = cursor.list_of(read_item)
    if not items:
        raise SyntaxProblem("Nothing is asked for.")
    return tuple(dict.fromkeys(items))


async def status_response(session: Session, items: Sequence[bytes], status: MailboxStatus) -> bytes:
    """
    The STATUS response (RFC 3501 section 7.2.4).
    """
    known = session.registry.status_items
    values: list[bytes] = []
    for item in items:
        value = known[item](session, status)
        values.append(b"%b %b" % (item, value if isinstance(value, bytes) else await value))
    return b"* STATUS %b (%b)\r\n" % (session.mailbox_name(status.name), b" ".join(values))
