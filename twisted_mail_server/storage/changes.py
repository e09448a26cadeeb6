"""
Reading a mailbox's newest snapshot: packed or row by row at first, then from the change log.

Reads of one moment take several statements, and another commit may come in between; so each round ends with a look whether
it did, and then the next round follows.  Applying a change twice, or one that is in the rows already, does no harm.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from attrs import evolve, frozen
from twisted.logger import Logger

from twisted_mail_server.interfaces import ITransaction
from twisted_mail_server.model import limits
from twisted_mail_server.model.changes import MailboxSnapshot
from twisted_mail_server.model.errors import Trouble
from twisted_mail_server.model.flags import Keywords
from twisted_mail_server.model.numbers import unpack
from twisted_mail_server.storage.selecting import plan
from twisted_mail_server.storage.snapshots import snapshot_of
from twisted_mail_server.storage.tables import Kind, parse_keywords

_log = Logger()

Query = Callable[[str, Sequence[Any]], Awaitable[list[tuple[Any, ...]]]]
#: Runs L{pack_mailbox} in the writer's thread.
Packer = Callable[[int], Awaitable[None]]

#: Rounds after which a snapshot is taken as it is: what is missing comes with the next.
_ROUNDS = 5
#: If more than one message in so many changed, all are read.
_MANY = 4

_STATE = """
    SELECT modseq, uidnext, keywords, recent_from, messages, (SELECT change_floor FROM account) FROM mailbox WHERE id = ?
"""


@frozen
class State:
    """
    A mailbox's row, as far as a snapshot depends on it.
    """

    modseq: int
    uidnext: int
    keywords: Keywords
    recent_from: int
    messages: int
    floor: int


async def read_state(query: Query, mailbox: int) -> State | None:
    """
    One point read; C{None} when the mailbox was removed.
    """
    for modseq, uidnext, keywords, recent_from, messages, floor in await query(_STATE, (mailbox,)):
        return State(modseq, uidnext, parse_keywords(keywords), recent_from, messages, floor)
    return None


async def bring_up(
    query: Query, pack: Packer, mailbox: int, known: MailboxSnapshot | None, state: State
) -> tuple[MailboxSnapshot, State] | None:
    """
    The snapshot at C{state} or later; C{None} when the mailbox was removed meanwhile.

    Where a large mailbox has to be read row by row, that is done in a thread, and kept packed.
    """
    snapshot = known
    for _ in range(_ROUNDS):
        if snapshot is None:
            snapshot = await _read_packed(query, mailbox, state)
        if snapshot is None or snapshot.modseq < state.floor:
            snapshot = await _read_anew(query, pack, mailbox, state)
        else:
            snapshot = await _read_changes(query, pack, mailbox, snapshot, state)
        after = await read_state(query, mailbox)
        if after is None:
            return None
        if after.modseq == state.modseq:
            if len(snapshot.uids) == state.messages:
                break
            snapshot = await _read_all(query, mailbox, state)
        state = after
    assert snapshot is not None
    return snapshot, state


async def _read_anew(query: Query, pack: Packer, mailbox: int, state: State) -> MailboxSnapshot:
    """
    All rows as they are now, however that is done best.
    """
    if state.messages >= limits.PACKED_FROM:
        try:
            await pack(mailbox)
        except Trouble as problem:
            _log.warn("cannot pack a mailbox: {problem}", problem=problem, mailbox=mailbox)
        else:
            packed = await _read_packed(query, mailbox, state)
            if packed is not None:
                return packed
    return await _read_all(query, mailbox, state)


async def _read_all(query: Query, mailbox: int, state: State) -> MailboxSnapshot:
    rows = await query(
        "SELECT uid, mask, modseq FROM message WHERE mailbox = ? AND uid < ? ORDER BY uid", (mailbox, state.uidnext)
    )
    return snapshot_of(rows, state.keywords, state.uidnext, state.modseq)


async def _read_packed(query: Query, mailbox: int, state: State) -> MailboxSnapshot | None:
    rows = await query("SELECT modseq, uidnext, uids, masks, modseqs FROM packed WHERE mailbox = ?", (mailbox,))
    for modseq, uidnext, *columns in rows:
        uids, masks, modseqs = (_unpacked(code, octets) for code, octets in zip("IQQ", columns, strict=True))
        return MailboxSnapshot(uids, masks, modseqs, state.keywords, uidnext, modseq)
    return None


def pack_mailbox(transaction: ITransaction, mailbox: int) -> None:
    """
    Keep a mailbox's snapshot packed.
    """
    rows = transaction.execute("SELECT uid, mask, modseq FROM message WHERE mailbox = ? ORDER BY uid", (mailbox,))
    state = transaction.execute("SELECT modseq, uidnext FROM mailbox WHERE id = ?", (mailbox,))
    for modseq, uidnext in state:
        snapshot = snapshot_of(rows, Keywords(), uidnext, modseq)
        packed = map(_packed, (snapshot.uids, snapshot.masks, snapshot.modseqs))
        transaction.execute("REPLACE INTO packed VALUES (?, ?, ?, ?, ?, ?)", (mailbox, modseq, uidnext, *packed))


def _packed(numbers: array[int]) -> bytes:
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()


def _unpacked(code: str, octets: bytes) -> array[int]:
    numbers = array(code)
    numbers.frombytes(octets)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


async def _read_changes(
    query: Query, pack: Packer, mailbox: int, old: MailboxSnapshot, state: State
) -> MailboxSnapshot:
    """
    What the change log tells since C{old}, applied to it.
    """
    if old.modseq == state.modseq:
        return evolve(old, keywords=state.keywords, uidnext=state.uidnext)
    told: dict[int, set[int]] = {Kind.ARRIVED: set(), Kind.REFLAGGED: set(), Kind.VANISHED: set()}
    for kind, packed in await query(
        "SELECT kind, uids FROM change WHERE mailbox = ? AND modseq > ?", (mailbox, old.modseq)
    ):
        told[kind].update(unpack(packed))
    gone = told[Kind.VANISHED]
    touched = sorted(uid for uid in told[Kind.REFLAGGED] - gone if uid < old.uidnext)
    if (len(touched) + len(told[Kind.ARRIVED])) * _MANY > len(old.uids):
        return await _read_anew(query, pack, mailbox, state)
    fresh = await query(
        "SELECT uid, mask, modseq FROM message WHERE mailbox = ? AND uid >= ? AND uid < ? ORDER BY uid",
        (mailbox, old.uidnext, state.uidnext),
    )
    rows: list[tuple[Any, ...]] = []
    if touched:
        for sql, args in plan("m.uid, m.mask, m.modseq", "message", mailbox, touched):
            rows += await query(sql, args)
    uids, masks, modseqs = _without(old, gone)
    for uid, mask, modseq in rows:
        place = bisect_left(uids, uid)
        if place < len(uids) and uids[place] == uid:
            masks[place], modseqs[place] = mask, modseq
    for uid, mask, modseq in fresh:
        uids.append(uid)
        masks.append(mask)
        modseqs.append(modseq)
    return MailboxSnapshot(uids, masks, modseqs, state.keywords, state.uidnext, state.modseq)


async def vanished(query: Query, mailbox: int, after: int, until: int) -> tuple[int, ...] | None:
    """
    The UIDs expunged between two MODSEQs, ascending; C{None} where the change log was pruned in between.
    """
    gone: list[int] = []
    for (packed,) in await query(
        "SELECT uids FROM change WHERE mailbox = ? AND modseq > ? AND modseq <= ? AND kind = ?",
        (mailbox, after, until, int(Kind.VANISHED)),
    ):
        gone += unpack(packed)
    # The floor is read last: what was pruned before the log was read is below it.
    ((floor,),) = await query("SELECT change_floor FROM account", ())
    return None if after < floor else tuple(sorted(gone))


def _without(old: MailboxSnapshot, gone: set[int]) -> tuple[array[int], array[int], array[int]]:
    """
    Copies of the arrays without some messages.
    """
    uids, masks, modseqs = old.uids[:], old.masks[:], old.modseqs[:]
    if len(gone) <= limits.PACKED_FROM // 20:
        for uid in sorted(gone, reverse=True):
            place = bisect_left(uids, uid)
            if place < len(uids) and uids[place] == uid:
                del uids[place], masks[place], modseqs[place]
        return uids, masks, modseqs
    kept = [place for place, uid in enumerate(uids) if uid not in gone]
    return (
        array("I", [uids[place] for place in kept]),
        array("Q", [masks[place] for place in kept]),
        array("Q", [modseqs[place] for place in kept]),
    )


def prune(transaction: ITransaction, kept: int) -> None:
    """
    Forget all but the last C{kept} MODSEQs of the change log, if it has grown by half as much again.
    """
    ((modseq, floor),) = transaction.execute("SELECT modseq, change_floor FROM account")
    if modseq - floor <= kept + kept // 2:
        return
    floor = modseq - kept
    for (mailbox,) in transaction.execute("SELECT id FROM mailbox"):
        transaction.execute("DELETE FROM change WHERE mailbox = ? AND modseq <= ?", (mailbox, floor))
    transaction.execute("UPDATE account SET change_floor = ?", (floor,))
