"""
L{twisted_mail_server.directory.memory}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.directories import NOBODY, DirectoryContract
from tests.support.disks import seeded
from tests.support.drive import failure_of, now
from twisted_mail_server.directory.memory import MemoryDirectory
from twisted_mail_server.directory.names import LocalNames
from twisted_mail_server.model.errors import NoSuchAccount


class MemoryDirectoryTests(DirectoryContract, SynchronousTestCase):
    """
    The contract, in dictionaries.
    """

    def make(self, names: LocalNames) -> MemoryDirectory:
        """
        A directory in memory.
        """
        return MemoryDirectory(self.clock, seeded(), names)

    def test_disable(self) -> None:
        """
        A disabled account says so, and whoever listens is told.
        """
        alice = self.add("alice@example.org")
        assert isinstance(self.directory, MemoryDirectory)
        now(self.directory.disable(alice))
        found = now(self.directory.login("alice"))
        assert found is not None
        self.assertTrue(found[0].is_disabled)
        self.assertEqual([alice], self.told)
        failure_of(self.directory.disable(NOBODY), NoSuchAccount)

    def test_close(self) -> None:
        """
        It may be closed.
        """
        self.assertIsNone(now(self.directory.close()))
