"""
L{twisted_mail_server.directory.memory}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.directories import DirectoryContract
from tests.support.disks import seeded
from tests.support.drive import now
from twisted_mail_server.directory.memory import MemoryDirectory
from twisted_mail_server.directory.names import LocalNames


class MemoryDirectoryTests(DirectoryContract, SynchronousTestCase):
    """
    The contract, in dictionaries.
    """

    def make(self, names: LocalNames) -> MemoryDirectory:
        """
        A directory in memory.
        """
        return MemoryDirectory(self.clock, seeded(), names)

    def test_close(self) -> None:
        """
        It may be closed.
        """
        self.assertIsNone(now(self.directory.close()))
