"""
L{twisted_mail_server.storage.changes}
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from random import Random
from typing import Any

from attrs import define
from twisted.trial.unittest import SynchronousTestCase

from tests.support.disks import disk_for
from tests.support.drive import now
from tests.support.stores import ALICE, MESSAGE, append, sqlite_store
from twisted_mail_server.model import limits
from twisted_mail_server.model.changes import MailboxSnapshot
from twisted_mail_server.model.errors import DiskFull
from twisted_mail_server.storage import changes
from twisted_mail_server.storage.account import SqliteAccount
from twisted_mail_server.storage.snapshots import differences
from twisted_mail_server.storage.view import SqliteView


@define
class Restless:
    """
    A mailbox in which something happens between any two reads.
    """

    mail: SqliteAccount
    view: SqliteView
    chance: Random
    #: How much more happens.
    left: int

    async def query(self, sql: str, args: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """
        Read, and then let something happen.
        """
        rows = await self.mail.query(sql, args)
        if self.left and self.chance.random() < 0.5:
            self.left -= 1
            uids = [uid for (uid,) in await self.mail.query("SELECT uid FROM message WHERE mailbox = ?", (1,))]
            some = self.chance.sample(uids, min(len(uids), self.chance.choice((1, 1, 20))))
            what = self.chance.randrange(5)
            if what == 0:
                append(self.mail, "INBOX", *[MESSAGE] * self.chance.choice((1, 1, 30)))
            elif what == 1:
                await self.view.expunge(some, only_deleted=False)
            elif what == 2:
                await self.mail.checkpoint()
            else:
                await self.view.change_flags(some, "+-="[what % 3], [f"k{self.chance.randrange(9)}"])
        return rows


class ChangesTests(SynchronousTestCase):
    """
    Snapshots while others write.
    """

    def setUp(self) -> None:
        """
        A mailbox with some messages.
        """
        self.store = sqlite_store(disk_for(self))
        self.mail = now(self.store.open(ALICE))
        append(self.mail, "INBOX", *[MESSAGE] * 30)
        self.view = now(self.mail.select("INBOX", claim_recent=False))
        self.addCleanup(lambda: now(self.store.close()))

    def bring_up(self, query: changes.Query, known: MailboxSnapshot | None) -> MailboxSnapshot:
        """
        The newest snapshot, as far as C{query} lets see.
        """
        state = now(changes.read_state(query, 1))
        assert state is not None
        found = now(changes.bring_up(query, self.mail.pack, 1, known, state))
        assert found is not None
        return found[0]

    def truth(self) -> list[tuple[int, int, int]]:
        """
        Every row.
        """
        return now(self.mail.query("SELECT uid, mask, modseq FROM message WHERE mailbox = 1 ORDER BY uid"))

    def test_between_the_reads(self) -> None:
        """
        Whatever happens between the reads of a snapshot, it can be moved on to the next and ends at the truth.
        """
        self.patch(limits, "PACKED_FROM", 10)
        self.patch(limits, "CHANGES_KEPT", 10)
        for seed in range(60):
            chance = Random(seed)
            restless = Restless(self.mail, self.view, chance, chance.randint(1, 12))
            known: MailboxSnapshot | None = self.view.snapshot if seed % 2 else None
            for _ in range(4):
                newest = self.bring_up(restless.query, known)
                self.assertEqual(sorted(set(newest.uids)), list(newest.uids))
                if known is not None:
                    differences(known, newest)
                known = newest
            restless.left = 0
            last = self.bring_up(restless.query, known)
            self.assertEqual(self.truth(), list(zip(last.uids, last.masks, last.modseqs, strict=True)), f"seed {seed}")
            now(self.view.advance())
            self.assertEqual(self.truth(), list(zip(last.uids, last.masks, last.modseqs, strict=True)))

    def test_removed_between_the_reads(self) -> None:
        """
        A mailbox that is removed while it is read is gone.
        """
        now(self.mail.create_mailbox("a"))
        append(self.mail, "a")
        mailbox = now(self.mail.status("a")).mailbox_id

        async def query(sql: str, args: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
            rows = await self.mail.query(sql, args)
            if "FROM packed" in sql:
                await self.mail.delete_mailbox("a")
            return rows

        state = now(changes.read_state(query, mailbox))
        assert state is not None
        self.assertIsNone(now(changes.bring_up(query, self.mail.pack, mailbox, None, state)))

    def test_cannot_pack(self) -> None:
        """
        A large mailbox that cannot be packed is read all the same.
        """
        self.patch(limits, "PACKED_FROM", 10)

        async def full(mailbox: int) -> None:
            raise DiskFull("No room on the disk.")

        state = now(changes.read_state(self.mail.query, 1))
        assert state is not None
        found = now(changes.bring_up(self.mail.query, full, 1, None, state))
        assert found is not None
        self.assertEqual(list(range(1, 31)), list(found[0].uids))

    def test_packed_byte_order(self) -> None:
        """
        Packed arrays are little-endian, whatever the machine.
        """
        view = self.view.snapshot
        one = changes._packed(view.uids)
        self.patch(sys, "byteorder", "big")
        swapped = changes._packed(view.uids)
        self.assertEqual(one[:4][::-1], swapped[:4])
        self.assertEqual(view.uids, changes._unpacked("I", swapped))
