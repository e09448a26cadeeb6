"""
Choosing rows by many UIDs: by ranges where they lie together, else by a list.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from twisted_mail_server.interfaces import ITransaction
from twisted_mail_server.model.numbers import runs

#: Ranges that are asked for one by one.
_RANGES = 20


def plan(
    columns: str, table: str, mailbox: int, uids: Sequence[int], joined: str = ""
) -> list[tuple[str, tuple[Any, ...]]]:
    """
    Queries that together give the rows of the ascending C{uids} in ascending order.

    C{columns} name the table as C{m}; C{joined} are further tables, each joined so that it is looked into for each row.
    """
    ranges = runs(uids)
    if len(ranges) <= _RANGES:
        sql = f"SELECT {columns} FROM {table} m {joined} WHERE m.mailbox = ? AND m.uid BETWEEN ? AND ? ORDER BY m.uid"
        return [(sql, (mailbox, low, high)) for low, high in ranges]
    # The list decides the order of the loops (CROSS JOIN): one look into the table for each UID.
    sql = f"SELECT {columns} FROM json_each(?) wanted CROSS JOIN {table} m ON m.mailbox = ? AND m.uid = wanted.value {joined}"
    return [(sql, (json.dumps(list(uids)), mailbox))]


def rows_of(
    execute: Callable[[str, Sequence[Any]], list[tuple[Any, ...]]],
    columns: str,
    mailbox: int,
    uids: Sequence[int],
) -> list[tuple[Any, ...]]:
    """
    The rows of C{message} for ascending C{uids}.
    """
    found: list[tuple[Any, ...]] = []
    for sql, args in plan(columns, "message", mailbox, uids):
        found += execute(sql, args)
    return found


def messages(transaction: ITransaction, columns: str, mailbox: int, uids: Sequence[int]) -> list[tuple[Any, ...]]:
    """
    As L{rows_of}, inside a transaction; C{uids} in any order.
    """
    return rows_of(transaction.execute, columns, mailbox, sorted(set(uids)))
