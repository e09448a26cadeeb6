"""
STORE, EXPUNGE, COPY and MOVE as transactions: rows only, never bytes.

Each function is sent to the writer and returns what is to be told, with the MODSEQ of each mailbox it changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat

from attrs import field, frozen

from twisted_mail_server.interfaces import ITransaction
from twisted_mail_server.model.changes import CopyResult, FlagResult, Reflagged
from twisted_mail_server.model.flags import DELETED, SEEN, Keywords
from twisted_mail_server.model.numbers import runs
from twisted_mail_server.storage import tables
from twisted_mail_server.storage.flagging import Operation, Tally, Translation, count_of
from twisted_mail_server.storage.quota import check_rows
from twisted_mail_server.storage.selecting import messages
from twisted_mail_server.storage.tables import MESSAGE_COLUMNS, Kind

#: What a transaction changed: mailbox ids, and their new MODSEQs.
Moved = dict[int, int]

#: Ranges of UIDs that are changed one by one.
_RANGES = 50


@frozen
class Flagged:
    """
    What a STORE did; and how to bring up to it a snapshot of the moment before, without another look into the database.
    """

    result: FlagResult
    #: The MODSEQ of the mailbox before, and now: alike where nothing changed.
    before: int = 0
    modseq: int = 0
    keywords: Keywords = field(factory=Keywords)
    #: The messages changed, ascending, and their masks now.
    uids: Sequence[int] = field(default=(), repr=False)
    masks: Sequence[int] = field(default=(), repr=False)


@frozen
class ChangeFlags:
    """
    One STORE (RFC 3501 section 6.4.6, RFC 7162 section 3.1.3).
    """

    mailbox: int
    uids: Sequence[int]
    sign: str
    flags: tuple[str, ...]
    unchanged_since: int | None

    def __call__(self, transaction: ITransaction) -> tuple[Flagged, Moved]:
        """
        @raise OverLimit: the mailbox knows too many keywords.
        """
        mailbox = tables.mailbox_numbered(transaction, self.mailbox)
        if mailbox is None:
            return Flagged(FlagResult(())), {}
        learnt = mailbox.keywords if self.sign == "-" else mailbox.keywords.learn(self.flags)
        change = Operation.of(self.sign, learnt.mask(self.flags))
        rows = messages(transaction, "m.uid, m.mask, m.modseq", self.mailbox, self.uids)
        modified: tuple[int, ...] = ()
        if self.unchanged_since is not None:
            modified = tuple(uid for uid, _, modseq in rows if modseq > self.unchanged_since)
            rows = [row for row in rows if row[2] <= self.unchanged_since]
        masks = change.all_of([mask for _, mask, _ in rows])
        changed = [(uid, old, new) for (uid, old, _), new in zip(rows, masks, strict=True) if new != old]
        if not changed:
            return Flagged(FlagResult(tuple(map(Reflagged._make, rows)), modified)), {}
        modseq = tables.next_modseq(transaction)
        uids, before, after = zip(*changed, strict=True)
        self._write(transaction, uids, after, change, modseq)
        transaction.execute(
            "UPDATE mailbox SET modseq = ?, unseen = unseen + ?, deleted = deleted + ?, keywords = ? WHERE id = ?",
            (
                modseq,
                count_of(before, SEEN) - count_of(after, SEEN),
                count_of(after, DELETED) - count_of(before, DELETED),
                " ".join(learnt.names),
                self.mailbox,
            ),
        )
        tables.record(transaction, self.mailbox, modseq, Kind.REFLAGGED, uids)
        if len(changed) == len(rows):
            now: Iterable[Reflagged] = map(Reflagged, uids, after, repeat(modseq))
        else:
            now = (
                Reflagged(uid, new, old if mask == new else modseq)
                for (uid, mask, old), new in zip(rows, masks, strict=True)
            )
        done = FlagResult(tuple(now), modified)
        return Flagged(done, mailbox.modseq, modseq, learnt, uids, after), {self.mailbox: modseq}

    def _write(
        self, transaction: ITransaction, uids: Sequence[int], masks: Sequence[int], change: Operation, modseq: int
    ) -> None:
        ranges = runs(uids)
        if len(ranges) <= _RANGES:
            # The UIDs of a range follow one another, so nothing else lies in it.
            transaction.execute_many(
                "UPDATE message SET mask = mask & ?1 | ?2, modseq = ?3 WHERE mailbox = ?4 AND uid BETWEEN ?5 AND ?6",
                [(change.kept, change.added, modseq, self.mailbox, low, high) for low, high in ranges],
            )
            return
        transaction.execute_many(
            "UPDATE message SET mask = ?, modseq = ? WHERE mailbox = ? AND uid = ?",
            [(mask, modseq, self.mailbox, uid) for uid, mask in zip(uids, masks, strict=True)],
        )


@frozen
class Expunge:
    """
    EXPUNGE, UID EXPUNGE, and what POP3 removes (RFC 3501 section 6.4.3, RFC 4315 section 2.1).
    """

    mailbox: int
    uids: Sequence[int] | None
    only_deleted: bool
    at: int

    def __call__(self, transaction: ITransaction) -> tuple[tuple[int, ...], Moved]:
        """
        The UIDs removed.
        """
        if self.uids is None:
            rows = transaction.execute(
                "SELECT uid, mask, size FROM message WHERE mailbox = ? ORDER BY uid", (self.mailbox,)
            )
        else:
            rows = messages(transaction, "m.uid, m.mask, m.size", self.mailbox, self.uids)
        gone = [row for row in rows if row[1] & DELETED or not self.only_deleted]
        if not gone:
            return (), {}
        uids = [uid for uid, _, _ in gone]
        modseq = tables.next_modseq(transaction)
        remove(transaction, self.mailbox, uids, self.at)
        tally = Tally.of((mask, size) for _, mask, size in gone)
        tables.vanished(transaction, self.mailbox, modseq, uids, tally)
        return tuple(uids), {self.mailbox: modseq}


@frozen
class Copy:
    """
    COPY and MOVE (RFC 3501 section 6.4.7, RFC 6851).
    """

    mailbox: int
    uids: Sequence[int]
    target: str
    is_move: bool
    at: int = field(default=0)
    #: Of a copy; what is moved takes no more room than before.
    quota: int | None = None

    def __call__(self, transaction: ITransaction) -> tuple[CopyResult, Moved]:
        """
        @raise NoSuchTarget: there is no such mailbox.
        @raise OverQuota: they do not fit.
        """
        target = tables.target_named(transaction, self.target)
        source = tables.mailbox_numbered(transaction, self.mailbox)
        rows = messages(transaction, f"m.uid, {MESSAGE_COLUMNS}", self.mailbox, self.uids)
        if source is None or not rows:
            return CopyResult(target.uidvalidity, (), ()), {}
        check_rows(transaction, self.quota, sum(row[4] for row in rows))
        translated = Translation(source.keywords, target.keywords, [row[1] for row in rows])
        modseq = tables.next_modseq(transaction)
        uids = [row[0] for row in rows]
        copies = list(range(target.uidnext, target.uidnext + len(rows)))
        transaction.execute_many(
            f"INSERT INTO message (mailbox, uid, {MESSAGE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (target.id, copy, translated(mask), modseq, *rest)
                for copy, (_, mask, _, *rest) in zip(copies, rows, strict=True)
            ],
        )
        moved: Moved = {target.id: modseq}
        if self.is_move:
            remove(transaction, self.mailbox, uids, self.at)
            tables.vanished(transaction, self.mailbox, modseq, uids, Tally.of((row[1], row[4]) for row in rows))
            moved[self.mailbox] = modseq
        # A ghost remains of what is moved, so its content has one more holder, as with a copy.
        transaction.execute_many("UPDATE content SET holders = holders + 1 WHERE id = ?", [(row[5],) for row in rows])
        tally = Tally.of((translated(row[1]), row[4]) for row in rows)
        tables.arrived(transaction, target, modseq, translated.keywords, copies, tally)
        return CopyResult(target.uidvalidity, tuple(uids), tuple(copies)), moved


def remove(transaction: ITransaction, mailbox: int, uids: Sequence[int], at: int) -> None:
    """
    Turn messages into ghosts; C{uids} ascend and are there.
    """
    ranges = runs(uids)
    if len(ranges) > _RANGES:
        ranges = [(uid, uid) for uid in uids]
    transaction.execute_many(
        f"INSERT INTO expunged (mailbox, uid, {MESSAGE_COLUMNS}, at)"
        f" SELECT mailbox, uid, {MESSAGE_COLUMNS}, ? FROM message WHERE mailbox = ? AND uid BETWEEN ? AND ?",
        [(at, mailbox, low, high) for low, high in ranges],
    )
    transaction.execute_many(
        "DELETE FROM message WHERE mailbox = ? AND uid BETWEEN ? AND ?",
        [(mailbox, low, high) for low, high in ranges],
    )
