"""
L{twisted_mail_server.dns.merging}
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.dns.merging import Merging


class MergingTests(SynchronousTestCase):
    """
    Who waits for what.
    """

    def setUp(self) -> None:
        """
        Nothing is under way.
        """
        self.merging: Merging[str, int] = Merging()
        self.started: list[Deferred[int]] = []

    async def work(self) -> int:
        """
        Work that ends when a test says so.
        """
        self.started.append(Deferred())
        return await self.started[-1]

    def join(self) -> Deferred[int]:
        """
        Wait for it.
        """
        return self.merging.join("key", self.work)

    def test_shared(self) -> None:
        """
        All who wait get the one result; who comes later begins anew.
        """
        first, second = self.join(), self.join()
        self.assertEqual(1, len(self.started))
        self.started[0].callback(5)
        self.assertEqual([5, 5], [self.successResultOf(first), self.successResultOf(second)])
        self.assertEqual(0, len(self.merging))
        self.assertNoResult(self.join())

    def test_at_once(self) -> None:
        """
        Work that needs no time is done when it is asked for.
        """

        async def quick() -> int:
            return 3

        self.assertEqual(3, self.successResultOf(self.merging.join("key", quick)))
        self.assertEqual(0, len(self.merging))

    def test_failure(self) -> None:
        """
        A failure reaches everyone.
        """
        first, second = self.join(), self.join()
        self.started[0].errback(KeyError("x"))
        self.failureResultOf(first, KeyError)
        self.failureResultOf(second, KeyError)

    def test_leaving(self) -> None:
        """
        The work goes on while somebody waits.
        """
        first, second = self.join(), self.join()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.started[0].callback(1)
        self.assertEqual(1, self.successResultOf(second))

    def test_last_leaves(self) -> None:
        """
        Then it is cancelled, and who comes next does not wait for what is being cancelled.
        """
        first = self.join()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.assertTrue(self.started[0].called)
        self.assertNoResult(self.join())
        self.assertEqual(2, len(self.started))

    def test_slow_to_end(self) -> None:
        """
        Work that takes its time to be cancelled does not take the place of what began after it.
        """

        async def stubborn() -> int:
            self.started.append(Deferred(lambda _: None))
            try:
                return await self.started[-1]
            except CancelledError:
                self.started.append(Deferred())
                return await self.started[-1]

        first = self.merging.join("key", stubborn)
        first.cancel()
        self.failureResultOf(first, CancelledError)
        second = self.join()
        self.started[1].callback(1)
        self.assertEqual(1, len(self.merging))
        self.started[2].callback(2)
        self.assertEqual(2, self.successResultOf(second))

    def test_cancelled_by_another(self) -> None:
        """
        The first to hear may cancel the others.
        """
        first, second = self.join(), self.join()
        first.addCallback(lambda result: second.cancel())
        self.started[0].callback(1)
        self.successResultOf(first)
        self.failureResultOf(second, CancelledError)

    def test_cancel(self) -> None:
        """
        All that is under way can be cancelled, and who waits is told.
        """
        first = self.join()
        self.merging.cancel()
        self.failureResultOf(first, CancelledError)
        self.assertEqual(0, len(self.merging))
