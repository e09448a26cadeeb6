"""
L{twisted_mail_server.spool.memory}
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.spools import SpoolContract
from tests.support.disks import seeded
from tests.support.drive import failure_of, now
from tests.support.envelopes import MESSAGE, spooled
from twisted_mail_server.interfaces import ISpool
from twisted_mail_server.model.errors import TemporaryFailure
from twisted_mail_server.model.queue import Fate
from twisted_mail_server.spool.memory import MemorySpool


class MemorySpoolTests(SpoolContract, SynchronousTestCase):
    """
    The spool in a dictionary.
    """

    def make_spool(self) -> ISpool:
        """
        In memory.
        """
        return MemorySpool(seeded(), Clock())

    def test_content_is_gone(self) -> None:
        """
        A settled message has no content any more.
        """
        message = now(spooled(self.spool, MESSAGE))
        self.settled(message, 0, Fate.DELIVERED)
        failure_of(self.spool.read(message), TemporaryFailure)

    def test_nobody_takes_it(self) -> None:
        """
        Without a receiver, messages wait; closed, the spool hands nothing over.
        """
        now(self.spool.close())
        now(spooled(self.spool, MESSAGE))
        self.assertEqual([], self.handed)
        self.assertEqual(1, now(self.spool.recover()))

    def test_staged_content(self) -> None:
        """
        Staged content can be read once it is finished, and is as durable as memory.
        """
        staged = self.spool.stage()
        staged.write(b"abc")
        staged.write(b"def")
        now(staged.finish())
        now(staged.finish())
        staged.sync()
        self.assertEqual(b"bcd", now(staged.read(1, 3)))
