"""
L{twisted_mail_server.storage.room}
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from tests.storage.case import StoreCase
from tests.support.drive import failure_of, now
from tests.support.stores import ALICE, MESSAGE, append, arrival, deliver, queue_id, staged
from twisted_mail_server.disk.databases import Database
from twisted_mail_server.disk.real import RealDisk
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import (
    DiskFull,
)


class RoomTests(StoreCase):
    """
    A full disk.
    """

    def setUp(self) -> None:
        """
        A disk with as much room as we say.
        """
        super().setUp()
        self.free = 10_000_000
        self.patch(RealDisk, "free_bytes", lambda _: self.free)
        now(self.store.close())
        self.store = self.process(min_free_bytes=1_000_000)
        self.mail = now(self.store.open(ALICE))
        append(self.mail, "INBOX", b"x" * 50_000, MESSAGE)

    def test_new_mail_waits(self) -> None:
        """
        With too little room deliveries and APPEND are refused, and leave nothing; what makes room goes on.
        """
        self.free = 999_999
        failure_of(self.mail.deliver([arrival(1)]), DiskFull)
        failure_of(self.mail.append("INBOX", [(staged(self.mail, b"y" * 100_000), (), 0)]), DiskFull)
        self.assertEqual([], os.listdir(self.staging()))
        self.assertEqual([], deliver(self.mail, settled=[queue_id(1)]))
        view = now(self.mail.select("INBOX", claim_recent=True))
        now(view.change_flags([1], "+", ["\\Deleted"]))
        self.assertEqual((1,), now(view.expunge()))
        now(view.advance())
        self.clock.advance(limits.CHECKPOINT_QUIET)
        self.assertEqual([ALICE], list(self.store.begin_checkpoints()))
        now(self.mail.checkpoint())
        self.assertEqual(1, len(self.files()))
        self.free = 1_000_000
        self.assertEqual([True], deliver(self.mail, arrival(1)))

    def staging(self) -> str:
        """
        This store's folder.
        """
        return f"{self.root}/accounts/staging/0"

    def test_reserve(self) -> None:
        """
        When there is no room at all the reserve is given back, the change is made, and the reserve is made again later.
        """
        reserve = f"{self.root}/accounts/reserve"
        self.assertTrue(os.path.exists(reserve))
        view = now(self.mail.select("INBOX", claim_recent=True))
        real = Database.transact

        async def full(database: Database, function: Callable[[Any], Any], *, is_brief: bool = False) -> Any:
            if os.path.exists(reserve):
                raise DiskFull("No room on the disk.")
            return await real(database, function)

        self.patch(Database, "transact", full)
        self.assertEqual((1,), now(view.expunge([1], only_deleted=False)))
        self.assertFalse(os.path.exists(reserve))
        self.free = 1_500_000
        self.clock.advance(limits.NEWS_CHECK)
        self.assertFalse(os.path.exists(reserve))
        self.free = 10_000_000
        self.clock.advance(limits.NEWS_CHECK)
        self.assertTrue(os.path.exists(reserve))

    def test_no_reserve_left(self) -> None:
        """
        Without a reserve a full disk is told as it is.
        """
        os.remove(f"{self.root}/accounts/reserve")

        async def full(database: Database, function: Callable[[Any], Any], *, is_brief: bool = False) -> Any:
            raise DiskFull("No room on the disk.")

        self.patch(Database, "transact", full)
        failure_of(self.mail.create_mailbox("a"), DiskFull)

    def test_reserve_cannot_be_made(self) -> None:
        """
        A reserve that cannot be made is told in the log, and nothing else happens.
        """
        os.remove(f"{self.root}/accounts/reserve")

        def full(disk: RealDisk, path: str, data: bytes, mode: int = 0o600) -> None:
            raise DiskFull("No room on the disk.")

        self.patch(RealDisk, "write_file", full)
        self.clock.advance(limits.NEWS_CHECK)
        self.assertEqual([True], deliver(self.mail, arrival(1)))
