"""
L{twisted_mail_server.storage.sqlite}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.stores import StoreContract
from tests.support.disks import disk_for
from tests.support.drive import now
from tests.support.stores import sqlite_store
from twisted_mail_server.storage.sqlite import SqliteStore


class SqliteStoreTests(StoreContract, SynchronousTestCase):
    """
    The store on disk keeps the contract.
    """

    #: How often the store was made.
    made = 0

    def make(self) -> SqliteStore:
        """
        On an empty disk.
        """
        self.disk = disk_for(self, clock=self.clock)
        return self.again()

    def again(self) -> SqliteStore:
        """
        On the same disk, once the last one let go.
        """
        if self.made:
            now(self.store.close())
        self.made += 1
        return sqlite_store(self.disk, self.clock, seed=self.made, quota=self.quota_of)

    def large_file(self, content: bytes) -> str:
        """
        A file on that disk.
        """
        path = f"{self.disk.root}/spooled"
        self.disk.write_file(path, content)
        return path

    def remove_file(self, path: str) -> None:
        """
        Remove it.
        """
        self.disk.remove(path)
