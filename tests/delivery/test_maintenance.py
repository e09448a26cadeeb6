"""
L{twisted_mail_server.delivery.maintenance}
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.support.drive import now
from tests.support.envelopes import MESSAGE, spooled
from tests.support.mailhouse import MailHouse, as_store
from twisted_mail_server.delivery import maintenance
from twisted_mail_server.delivery.maintenance import Maintenance
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import TemporaryFailure


class MaintenanceTests(SynchronousTestCase):
    """
    What is done beside the deliveries.
    """

    def setUp(self) -> None:
        """
        A house with one account that is always due.
        """
        self.house = MailHouse()
        self.ann = self.house.add("ann@example.org")
        self.house.store.due.append(self.ann.id)
        self.maintenance = Maintenance(self.house.spool, as_store(self.house.store), self.house.clock, history=3600)
        self.maintenance.start()

    def test_checkpoints(self) -> None:
        """
        Accounts that are due are checkpointed at every look.
        """
        self.house.clock.pump([maintenance.CHECKPOINT_EVERY] * 3)
        self.assertEqual(3, self.house.store.checkpoints)

    def test_failures_pass(self) -> None:
        """
        A round that fails, for whatever reason, is followed by the next.
        """
        self.house.store.before = lambda: _raise(TemporaryFailure("Not now."))
        self.house.clock.advance(maintenance.CHECKPOINT_EVERY)
        self.house.store.before = lambda: _raise(ZeroDivisionError())
        self.house.clock.advance(maintenance.CHECKPOINT_EVERY)
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.house.store.before = lambda: None
        self.house.clock.advance(maintenance.CHECKPOINT_EVERY)
        self.assertEqual(3, self.house.store.checkpoints)

    def test_history(self) -> None:
        """
        Settled messages are forgotten when history ends.
        """
        message = now(spooled(self.house.spool, MESSAGE))
        self.house.clock.pump([1800] * 2)
        self.assertIsNotNone(now(self.house.spool.find(message.id)))
        self.house.clock.pump([1800] * 3)
        self.assertIsNone(now(self.house.spool.find(message.id)))

    def test_stop(self) -> None:
        """
        Stopping waits for the round under way, and leaves nothing on the clock.
        """
        slow: Deferred[None] = Deferred()
        self.house.store.before = lambda: slow
        self.house.clock.advance(maintenance.CHECKPOINT_EVERY)
        stopping = Deferred.fromCoroutine(self.maintenance.stop())
        self.assertNoResult(stopping)
        slow.callback(None)
        self.successResultOf(stopping)
        self.assertEqual([], self.house.clock.getDelayedCalls())
        now(self.maintenance.stop())

    def test_stop_in_a_large_account(self) -> None:
        """
        A large account is checkpointed slice by slice until it is done; stopping waits for one slice, and begins no other account.
        """
        self.house.store.moves = limits.CHECKPOINT_SLICE
        self.house.store.due.append(self.house.add("bob@example.org").id)
        slices: list[Deferred[None]] = [Deferred(), Deferred()]
        waiting = iter(slices)
        self.house.store.before = lambda: next(waiting)
        self.house.clock.advance(maintenance.CHECKPOINT_EVERY)
        slices[0].callback(None)
        self.assertEqual(2, self.house.store.checkpoints)
        stopping = Deferred.fromCoroutine(self.maintenance.stop())
        slices[1].callback(None)
        self.successResultOf(stopping)
        self.assertEqual(2, self.house.store.checkpoints)


def _raise(problem: Exception) -> None:
    raise problem
