"""
The books of one journal: every promise opens an entry, every final fate closes it.

The table C{ledger} is kept by triggers, so that no statement can change a recipient past it.  Its rows are C{promised} and the
final fates; C{carried} counts those of them whose recipients history has forgotten.  What must hold at all times::

    promised = pending + held + delivered + relayed + failed + removed
    each final fate in the ledger = recipients with that fate + those carried

An unsettled recipient counts only while its message is unsettled too: in a settled message nobody would ever look for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from twisted_mail_server.interfaces import IDatabase
from twisted_mail_server.model.queue import FINAL_FATES, Fate, Ledger, QueueId

# One statement each: a journal that is in use changes between two.
_QUICK = """
    SELECT 'ledger', entry, recipients, carried FROM ledger
    UNION ALL
    SELECT 'waiting', fate, count(*), 0
        FROM message CROSS JOIN recipient ON recipient.message = message.id
        WHERE message.settled IS NULL AND fate IN ('pending', 'held') GROUP BY fate
"""
_THOROUGH = f"{_QUICK} UNION ALL SELECT 'rows', fate, count(*), 0 FROM recipient GROUP BY fate"

#: An inline content that is not in its place.
_NO_CONTENT = """
    SELECT queue_id FROM message
    WHERE settled IS NULL AND home = 1 AND NOT EXISTS (SELECT 1 FROM content WHERE content.id = message.id)
"""
_IN_FILES = "SELECT queue_id FROM message WHERE settled IS NULL AND home = 2"


async def read_ledger(database: IDatabase) -> Ledger:
    """
    The books as they are, for the price of what waits.
    """
    return _ledger(await database.query(_QUICK))


async def check_ledger(database: IDatabase, has_file: Callable[[QueueId], bool]) -> Ledger:
    """
    The books compared with every row, and with every content that is still needed.

    @param has_file: whether the content of a message is in its file.
    """
    rows = await database.query(_THOROUGH)
    ledger = _ledger(rows)
    problems = [*_differences(rows, ledger)]
    gone = [QueueId(octets) for (octets,) in await database.query(_NO_CONTENT)]
    absent = {octets for (octets,) in await database.query(_IN_FILES) if not has_file(QueueId(octets))}
    if absent:
        # What was settled meanwhile has let its file go.
        gone += [QueueId(octets) for (octets,) in await database.query(_IN_FILES) if octets in absent]
    problems += [f"The content of message {queue_id}, which is not delivered yet, is gone." for queue_id in gone]
    return Ledger(ledger.promised, ledger.pending, ledger.held, ledger.closed, tuple(problems))


def _ledger(rows: list[tuple[Any, ...]]) -> Ledger:
    books = {entry: count for kind, entry, count, _ in rows if kind == "ledger"}
    waiting = {entry: count for kind, entry, count, _ in rows if kind == "waiting"}
    return Ledger(
        books.get("promised", 0),
        waiting.get(Fate.PENDING.value, 0),
        waiting.get(Fate.HELD.value, 0),
        {fate: books.get(fate.value, 0) for fate in FINAL_FATES},
    )


def _differences(rows: list[tuple[Any, ...]], ledger: Ledger) -> Iterator[str]:
    """
    Where the books and the recipients do not agree.
    """
    found = {entry: count for kind, entry, count, _ in rows if kind == "rows"}
    carried = {entry: count for kind, entry, _, count in rows if kind == "ledger"}
    for fate, closed in ledger.closed.items():
        kept, forgotten = found.get(fate.value, 0), carried.get(fate.value, 0)
        if closed != kept + forgotten:
            yield (
                f"The ledger has {closed} recipients {fate.value};"
                f" the journal has {kept}, and {forgotten} that history has forgotten."
            )
    for fate, waiting in ((Fate.PENDING, ledger.pending), (Fate.HELD, ledger.held)):
        lost = found.get(fate.value, 0) - waiting
        if lost:
            yield f"{lost} recipients are {fate.value} in messages that count as settled: nobody looks for them."
