"""
The store on disk with real threads and a real reactor.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Coroutine
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.python.threadpool import ThreadPool
from twisted.trial.unittest import TestCase

from tests.support.disks import memory_folder
from tests.support.stores import ALICE, arrival
from twisted_mail_server.disk.real import RealDisk
from twisted_mail_server.storage.sqlite import SqliteStore
from twisted_mail_server.storage.view import SqliteView


class ThreadsTests(TestCase):
    """
    Many deliveries and sessions at the same time, through two processes' stores.
    """

    def setUp(self) -> None:
        """
        Two stores on one folder, each with its own threads.
        """
        self.root = memory_folder()
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        self.pools = [ThreadPool(0, 4) for _ in range(2)]
        for pool in self.pools:
            pool.start()
            self.addCleanup(pool.stop)
        self.stores = [self.store(pool) for pool in self.pools]

    def store(self, pool: ThreadPool) -> SqliteStore:
        """
        One process's.
        """
        clock: Any = reactor
        disk = RealDisk(self.root, clock, pool, clock.callFromThread, os.urandom)
        return SqliteStore(disk, clock, None, os.urandom, "accounts", min_free_bytes=0, reserve=1)

    def test_together(self) -> Deferred[None]:
        """
        Every delivery arrives once, sessions of both processes end at the same state, and all is whole.
        """
        return Deferred.fromCoroutine(self._together())

    async def _together(self) -> None:
        mails = [await store.open(ALICE) for store in self.stores]
        views = [await mail.select("INBOX", claim_recent=True) for mail in mails]

        async def sender(number: int) -> None:
            for step in range(10):
                await mails[number % 2].deliver([arrival(number * 100 + step), arrival(step)])

        async def reader(view: SqliteView) -> None:
            for _ in range(30):
                await view.advance(keep_vanished=True)
                uids = list(view.snapshot.uids)
                await view.change_flags(uids[::3], "+", ["\\Seen"])
                await view.rendered(uids[-3:])
                for row in await view.fetch(uids[-3:]):
                    content = await view.open_content(row.uid)
                    self.assertEqual(row.size, len(await content.read()))
                    content.close()
                await view.copy(uids[-2:], "Archive")

        async def cleaner() -> None:
            for number in range(20):
                await mails[number % 2].checkpoint()
                await mails[number % 2].database.close()

        work: list[Coroutine[Any, Any, None]] = [*map(sender, range(10)), *map(reader, views), cleaner()]
        await gatherResults([Deferred.fromCoroutine(one) for one in work], consumeErrors=True)
        for view in views:
            await view.advance()
        self.assertEqual(100, len(views[0].snapshot.uids))
        self.assertEqual(list(views[0].snapshot.uids), list(views[1].snapshot.uids))
        self.assertEqual(list(views[0].snapshot.masks), list(views[1].snapshot.masks))
        self.assertEqual([], await mails[0].problems())
        for view in views:
            await view.close()
        for store in self.stores:
            await store.close()
