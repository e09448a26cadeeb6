"""
One message's life: what happened to it before its recipients got where they are now.

A fate is where its recipient stands; what stands there no more is an event.  So a delivery at the first try writes no event.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from twisted_mail_server.interfaces import IDatabase, ITransaction
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import SyntaxProblem
from twisted_mail_server.model.queue import QueueEvent, QueueId

_NEXT = "SELECT coalesce(max(serial), 0) + 1 FROM event WHERE message = ?"
_INSERT = "INSERT INTO event (message, serial, at, number, what, detail) VALUES (?, ?, ?, ?, ?, ?)"
_TRIM = "DELETE FROM event WHERE message = ? AND serial <= ?"

_NAMED = "message_id = ?1 COLLATE NOCASE"
_ADDRESSED = """
    instr(lower(coalesce(sender, '')), ?2) OR EXISTS (
        SELECT 1 FROM recipient WHERE message = message.id
        AND (instr(lower(address), ?2) OR instr(lower(coalesce(named, '')), ?2))
    )
"""


@frozen
class Sought:
    """
    A question for messages, as SQL.
    """

    condition: str
    args: tuple[object, ...]


def sought(query: str, limit: int) -> Sought:
    """
    What C{query} asks for: a queue id, a Message-ID with its angle brackets or without, or a part of an address.
    """
    text = query.strip()
    newest = f" ORDER BY received DESC, id DESC LIMIT {limit:d}"
    try:
        return Sought("queue_id = ?" + newest, (QueueId.parse(text.lower()).octets,))
    except SyntaxProblem:
        name = text.removeprefix("<").removesuffix(">")
        return Sought(f"({_NAMED} OR {_ADDRESSED}){newest}", (name, name.lower()))


def note(transaction: ITransaction, row: int, event: QueueEvent) -> None:
    """
    Write down an event, in the transaction that makes it true.
    """
    ((serial,),) = transaction.execute(_NEXT, (row,))
    transaction.execute(_INSERT, (row, serial, event.at, event.number, event.what, event.detail))
    if serial > limits.QUEUE_EVENTS:
        transaction.execute(_TRIM, (row, serial - limits.QUEUE_EVENTS))


async def read_events(database: IDatabase, queue_ids: Sequence[QueueId]) -> dict[QueueId, tuple[QueueEvent, ...]]:
    """
    What happened to some messages, oldest first.
    """
    events: dict[QueueId, tuple[QueueEvent, ...]] = {}
    for queue_id in queue_ids:
        rows = await database.query(
            "SELECT at, number, what, detail FROM event"
            " WHERE message = (SELECT id FROM message WHERE queue_id = ?) ORDER BY serial",
            (queue_id.octets,),
        )
        events[queue_id] = tuple(QueueEvent(*row) for row in rows)
    return events
