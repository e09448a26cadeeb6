"""
L{twisted_mail_server.storage.memory}
"""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.stores import StoreContract
from tests.support.disks import disk_for
from tests.support.drive import failure_of, now
from tests.support.stores import arrival, memory_account, memory_store
from twisted_mail_server.model.errors import TemporaryFailure
from twisted_mail_server.storage.memory import MemoryStore


class MemoryStoreTests(StoreContract, SynchronousTestCase):
    """
    A store in memory keeps the contract.
    """

    def make(self) -> MemoryStore:
        """
        With a disk to read the spool's files from.
        """
        self.disk = disk_for(self)
        return memory_store(self.clock, self.disk, quota=self.quota_of)

    def large_file(self, content: bytes) -> str:
        """
        A file on that disk.
        """
        path = os.path.join(self.disk.root, "spooled")
        self.disk.write_file(path, content)
        return path

    def remove_file(self, path: str) -> None:
        """
        Remove it.
        """
        self.disk.remove(path)


class WithoutDiskTests(SynchronousTestCase):
    """
    What only a store in memory does.
    """

    def test_no_files(self) -> None:
        """
        Without a disk, content in a file is a delivery to be tried again.
        """
        mail = memory_account()
        failure_of(mail.deliver([arrival(1, path="/nowhere")]), TemporaryFailure)
        self.assertEqual([True], now(mail.deliver([arrival(1)])))

    def test_never_due(self) -> None:
        """
        There is nothing to move into files.
        """
        self.assertEqual((), memory_store().begin_checkpoints())
