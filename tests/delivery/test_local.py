"""
L{twisted_mail_server.delivery.local}
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.support.drive import now
from tests.support.envelopes import MESSAGE, spooled
from tests.support.mailhouse import MailHouse, as_store
from twisted_mail_server.delivery import dispatch, local
from twisted_mail_server.delivery.local import LocalDelivery
from twisted_mail_server.delivery.outcomes import LOCAL
from twisted_mail_server.interfaces import IAccountMail
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import AccountId
from twisted_mail_server.model.errors import DiskFull, TemporaryFailure
from twisted_mail_server.model.queue import Fate, QueuedMessage, Report, Result, Settlement


class LocalDeliveryTests(SynchronousTestCase):
    """
    From the spool into mailboxes.
    """

    def setUp(self) -> None:
        """
        Two people live here.
        """
        self.house = MailHouse()
        self.ann = self.house.add("ann@example.org")
        self.eve = self.house.add("eve@example.org")

    def send(self, *recipients: str, content: bytes = MESSAGE) -> QueuedMessage:
        """
        Promise a message.
        """
        return now(spooled(self.house.spool, content, *recipients or ("ann@example.org",)))

    def fates(self, message: QueuedMessage) -> list[Fate]:
        """
        How its recipients stand.
        """
        found = now(self.house.spool.find(message.id))
        assert found is not None
        return [one.fate for one in found.states]

    def test_delivered_and_settled(self) -> None:
        """
        A message is in the mailbox, and its fate in the spool.
        """
        message = self.send("ann@example.org", "eve@example.org")
        self.assertEqual([Fate.DELIVERED] * 2, self.fates(message))
        self.assertEqual(1, len(self.house.inbox(self.ann)))
        self.assertEqual(1, len(self.house.inbox(self.eve)))

    def test_batches(self) -> None:
        """
        What arrives during a delivery goes in one transaction after it, and takes the ids along that may be forgotten.
        """
        first: Deferred[None] = Deferred()
        self.house.store.before = lambda: first
        for _ in range(local.BATCH + 5):
            self.send()
        self.assertEqual([], self.house.store.deliveries)
        self.house.store.before = lambda: None
        first.callback(None)
        self.assertEqual([(1, 0), (100, 1), (4, 100)], self.house.store.deliveries)
        self.assertEqual(local.BATCH + 5, len(self.house.inbox(self.ann)))

    def test_forgets_ids_at_last(self) -> None:
        """
        The ids of a batch are taken along by the account's next delivery, whenever that comes.
        """
        self.send()
        self.send()
        self.assertEqual([(1, 0), (1, 1)], self.house.store.deliveries)

    def test_rest(self) -> None:
        """
        When much comes, a message that is alone waits for nothing, and what follows closely shares the next batch, after a rest.
        """
        self.patch(limits, "LANE_BUSY", 0)
        recorded: list[Sequence[tuple[QueuedMessage, Result]]] = []

        async def record(pairs: Sequence[tuple[QueuedMessage, Result]]) -> None:
            recorded.append(pairs)

        spool, clock = self.house.spool, self.house.clock
        delivery = LocalDelivery(spool, as_store(self.house.store), record, clock, rest=0.02)
        spool.hand_over(lambda message: delivery.take(message, 0, self.ann.id))
        self.send()
        self.assertEqual([1], [len(pairs) for pairs in recorded])
        for _ in range(3):
            self.send()
        self.assertEqual([1], [len(pairs) for pairs in recorded])
        clock.advance(0.02)
        self.assertEqual([1, 3], [len(pairs) for pairs in recorded])
        clock.advance(0.02)
        self.send()
        self.assertEqual([1, 3, 1], [len(pairs) for pairs in recorded])
        self.send()
        now(delivery.stop())
        self.assertEqual([], clock.getDelayedCalls())
        self.assertEqual([1, 3, 1], [len(pairs) for pairs in recorded])

    def test_no_rest(self) -> None:
        """
        As long as little comes nothing waits; when that was more than a rest ago, it is no longer much.
        """
        batches: list[int] = []

        async def record(pairs: Sequence[tuple[QueuedMessage, Result]]) -> None:
            batches.append(len(pairs))

        spool, clock = self.house.spool, self.house.clock
        delivery = LocalDelivery(spool, as_store(self.house.store), record, clock, rest=0.02)
        spool.hand_over(lambda message: delivery.take(message, 0, self.ann.id))
        for _ in range(limits.LANE_BUSY + 3):
            self.send()
        self.assertEqual([1] * limits.LANE_BUSY, batches)
        clock.advance(0.02)
        self.assertEqual([3], batches[limits.LANE_BUSY :])
        clock.advance(0.04)
        self.send()
        self.send()
        self.assertEqual([3, 1, 1], batches[limits.LANE_BUSY :])

    def test_trouble_passes(self) -> None:
        """
        A store in trouble means another try, later and later, and the message is delivered when it is over.
        """

        def trouble() -> None:
            raise DiskFull("No room.")

        self.house.store.before = trouble
        message = self.send()
        (waiting,) = now(self.house.spool.waiting())
        self.assertEqual(("No room.", 1, Fate.PENDING), _state(waiting))
        self.house.clock.advance(1)
        (waiting,) = now(self.house.spool.waiting())
        self.assertEqual(("No room.", 2, Fate.PENDING), _state(waiting))
        self.house.clock.advance(1.9)
        self.house.store.before = lambda: None
        self.assertEqual([Fate.PENDING], self.fates(message))
        self.house.clock.advance(0.1)
        self.assertEqual([Fate.DELIVERED], self.fates(message))

    def test_pauses_are_bounded(self) -> None:
        """
        However long the trouble lasts, the next try is never further away than the longest pause.
        """

        def trouble() -> None:
            raise TemporaryFailure("Not now.")

        self.house.store.before = trouble
        self.send()
        for _ in range(40):
            self.house.clock.advance(LOCAL.waits[-1])
        (waiting,) = now(self.house.spool.waiting())
        self.assertGreaterEqual(waiting.states[0].attempts, 40)

    def test_bugs_lose_nothing(self) -> None:
        """
        An exception that nobody expected is told in the log, and the message is tried again.
        """

        def bug() -> None:
            raise ZeroDivisionError

        self.house.store.before = bug
        message = self.send()
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.house.store.before = lambda: None
        self.house.clock.advance(1)
        self.assertEqual([Fate.DELIVERED], self.fates(message))

    def test_one_bad_apple(self) -> None:
        """
        A message whose content cannot be read keeps back none of those it shares a batch with.
        """
        first: Deferred[None] = Deferred()
        self.house.store.before = lambda: first
        begun = self.send()
        good, bad, better = self.send(), self.send(), self.send()
        original = type(self.house.spool).read

        async def read(spool: object, message: QueuedMessage, offset: int = 0, length: int = -1) -> bytes:
            if message.id == bad.id:
                raise TemporaryFailure("The content is not there.")
            return await original(spool, message, offset, length)  # type: ignore[arg-type]

        self.patch(type(self.house.spool), "read", read)
        lane = self.house.delivery._local._lanes[self.ann.id]
        lane.waiting[:] = [evolve(job, message=evolve(job.message, inline=None)) for job in lane.waiting]
        self.house.store.before = lambda: None
        first.callback(None)
        fates = [self.fates(one)[0] for one in (begun, good, bad, better)]
        self.assertEqual([Fate.DELIVERED, Fate.DELIVERED, Fate.PENDING, Fate.DELIVERED], fates)
        self.assertEqual(3, len(self.house.inbox(self.ann)))

    def test_bug_in_the_directory(self) -> None:
        """
        The same where the recipient is looked up.
        """
        original = type(self.house.directory).lookup

        async def lookup(*_: object) -> None:
            raise ZeroDivisionError

        self.patch(type(self.house.directory), "lookup", lookup)
        message = self.send()
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.patch(type(self.house.directory), "lookup", original)
        self.house.clock.advance(1)
        self.assertEqual([Fate.DELIVERED], self.fates(message))

    def test_nobody_any_more(self) -> None:
        """
        Mail for somebody who left meanwhile fails, and its sender is told.
        """
        message = self.send("bob@example.org")
        self.assertEqual([Fate.FAILED], self.fates(message))
        ((report, numbers, domain),) = self.house.relay.sent
        self.assertEqual(((0,), "example.net"), (numbers, domain))
        self.assertIsNone(report.envelope.sender)
        assert report.inline is not None
        self.assertIn(b"No mailbox here by the name of <bob@example.org>.", report.inline)

    def test_fate_not_recorded(self) -> None:
        """
        If the spool cannot record a fate, it is asked again until it can; nothing is delivered twice.
        """
        original = type(self.house.spool).settle
        failures = [1, 1]

        async def settle(spool: object, settlements: Sequence[Settlement], reports: Sequence[Report]) -> None:
            if failures:
                failures.pop()
                raise TemporaryFailure("Not now.")
            await original(spool, settlements, reports)  # type: ignore[arg-type]

        self.patch(type(self.house.spool), "settle", settle)
        message = self.send()
        self.house.clock.pump([5, 5])
        self.assertEqual(2, len(self.flushLoggedErrors(TemporaryFailure)))
        self.assertEqual([Fate.DELIVERED], self.fates(message))
        self.assertEqual(1, len(self.house.inbox(self.ann)))

    def test_fate_never_recorded(self) -> None:
        """
        If the server stops before a fate could be recorded, the next process delivers again, and the account knows that it has the
        message.
        """
        original = type(self.house.spool).settle

        async def settle(*_: object) -> None:
            raise TemporaryFailure("Not now.")

        self.patch(type(self.house.spool), "settle", settle)
        message = self.send()
        stopping = Deferred.fromCoroutine(self.house.delivery.stop())
        self.house.clock.advance(5)
        self.successResultOf(stopping)
        self.assertEqual(2, len(self.flushLoggedErrors(TemporaryFailure)))
        self.patch(type(self.house.spool), "settle", original)
        self.assertEqual([Fate.PENDING], self.fates(message))
        now(self.house.make_delivery().start())
        self.assertEqual([Fate.DELIVERED], self.fates(message))
        self.assertEqual(1, len(self.house.inbox(self.ann)))

    def test_bound_in_memory(self) -> None:
        """
        Contents beyond the bound wait in the spool, not in memory, and are delivered as they are.
        """
        self.patch(dispatch, "WAITING_IN_MEMORY", len(MESSAGE))
        first: Deferred[None] = Deferred()
        self.house.store.before = lambda: first
        for _ in range(4):
            self.send()
        lane = self.house.delivery._local._lanes[self.ann.id]
        self.assertEqual([False, False, False], [job.message.inline is not None for job in lane.waiting])
        self.house.store.before = lambda: None
        first.callback(None)
        self.assertEqual([MESSAGE] * 4, [one[-len(MESSAGE) :] for one in self.house.inbox(self.ann)])
        self.assertEqual(0, self.house.delivery._in_memory)

    def test_recovered(self) -> None:
        """
        A new process delivers what an earlier one promised.
        """
        now(self.house.delivery.stop())
        message = self.send()
        self.assertEqual([Fate.PENDING], self.fates(message))
        later = self.house.make_delivery()
        self.assertEqual(1, now(later.start()))
        self.assertEqual([Fate.DELIVERED], self.fates(message))

    def test_stop_waits(self) -> None:
        """
        Stopping waits for the delivery under way, leaves the rest in the spool, and ends the waiting for new tries.
        """
        first: Deferred[None] = Deferred()
        self.house.store.before = lambda: first
        begun, waiting = self.send(), self.send()
        stopping = Deferred.fromCoroutine(self.house.delivery.stop())
        self.assertNoResult(stopping)
        first.callback(None)
        self.successResultOf(stopping)
        self.assertEqual([[Fate.DELIVERED], [Fate.PENDING]], [self.fates(begun), self.fates(waiting)])

    def test_stop_cancels_tries(self) -> None:
        """
        After stopping, nothing is left on the clock.
        """

        def trouble() -> None:
            raise TemporaryFailure("Not now.")

        self.house.store.before = trouble
        self.send()
        now(self.house.delivery.stop())
        self.assertEqual([], self.house.clock.getDelayedCalls())

    def test_accounts_do_not_wait_for_each_other(self) -> None:
        """
        One account's slow database does not keep mail from another.
        """
        slow: Deferred[None] = Deferred()
        self.house.store.before = lambda: slow
        self.send("ann@example.org")
        self.house.store.before = lambda: None
        message = self.send("eve@example.org")
        self.assertEqual([Fate.DELIVERED], self.fates(message))
        slow.callback(None)

    def test_store_that_does_not_open(self) -> None:
        """
        An account that cannot be opened is trouble that passes.
        """
        original = type(self.house.store).open

        async def fails(store: object, account: AccountId) -> IAccountMail:
            raise TemporaryFailure("The database is broken.")

        self.patch(type(self.house.store), "open", fails)
        message = self.send()
        self.assertEqual([Fate.PENDING], self.fates(message))
        self.patch(type(self.house.store), "open", original)
        self.house.clock.advance(1)
        self.assertEqual([Fate.DELIVERED], self.fates(message))


def _state(message: QueuedMessage) -> tuple[str, int, Fate]:
    state = message.states[0]
    return state.detail, state.attempts, state.fate
