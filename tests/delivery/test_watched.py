"""
What deliveries leave for those who look: meters, the ledger, and stories.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.support.drive import now
from tests.support.envelopes import MESSAGE, spooled
from tests.support.mailhouse import MailHouse, as_store
from tests.telemetry.test_meters import samples
from twisted_mail_server.delivery.maintenance import Maintenance
from twisted_mail_server.model.queue import Fate, Outcome, QueuedMessage, Result
from twisted_mail_server.telemetry.meters import Meters


class WatchedDeliveryTests(SynchronousTestCase):
    """
    A house with meters.
    """

    def setUp(self) -> None:
        """
        One account, and other servers elsewhere.
        """
        self.meters = Meters()
        self.house = MailHouse(meters=self.meters)
        self.ann = self.house.add("ann@example.org")

    def send(self, *recipients: str) -> QueuedMessage:
        """
        A message that was promised just now.
        """
        return now(spooled(self.house.spool, MESSAGE, *recipients, received=int(self.house.clock.seconds())))

    def test_local(self) -> None:
        """
        A delivery counts from the promise until it is durable in the mailbox.
        """
        waiting: Deferred[None] = Deferred()
        self.house.store.before = lambda: waiting
        self.send("ann@example.org")
        self.house.clock.advance(2)
        waiting.callback(None)
        found = samples(self.meters)
        self.assertEqual(2, found["mail_delivery_seconds_sum", ()])
        self.assertEqual(1, found["mail_delivery_seconds_count", ()])
        self.assertEqual(1, found["mail_recipients_total", (("fate", "delivered"),)])
        self.assertNotIn(("mail_relay_tries_total", (("outcome", "delivered"),)), {k for k, v in found.items() if v})

    def test_recovered(self) -> None:
        """
        What waited in the spool for a server that was down counts from its promise, as far as that is known.
        """
        now(self.house.delivery.stop())
        self.send("ann@example.org")
        self.house.clock.advance(100)
        now(self.house.make_delivery().start())
        self.assertEqual(100, samples(self.meters)["mail_delivery_seconds_sum", ()])

    def test_relayed(self) -> None:
        """
        Tries elsewhere count by their outcome, recipients by their fate; the story has every word, and names the report.
        """
        answers = [(Outcome.DEFERRED, "450 Busy"), (Outcome.DEFERRED, "451 Still busy"), (Outcome.FAILED, "550 No")]

        def answer(message: QueuedMessage, number: int) -> Result:
            if message.envelope.sender is None:
                return Result(number, Outcome.RELAYED, "250 Fine", "2.0.0", "smtp; 250 Fine", "mx.example")
            outcome, words = answers.pop(0)
            return Result(number, outcome, words, "4.0.0", f"smtp; {words}", "mx.example")

        self.house.relay.answer = answer
        message = self.send("eve@example.com")
        self.house.clock.pump([2000] * 3)
        found = samples(self.meters)
        for outcome, count in (("deferred", 2), ("failed", 1), ("relayed", 1)):
            self.assertEqual(count, found["mail_relay_tries_total", (("outcome", outcome),)], outcome)
        for fate, count in (("pending", 2), ("failed", 1), ("relayed", 1)):
            self.assertEqual(count, found["mail_recipients_total", (("fate", fate),)], fate)
        (story,) = now(self.house.spool.stories(str(message.id), 1))
        (report,) = [one.message.id for one in now(self.house.spool.stories("bob@", 9)) if one.message.id != message.id]
        self.assertEqual(
            [
                ("deferred", "450 Busy"),
                ("deferred", "451 Still busy"),
                ("reported", f"to the sender, in message {report}"),
            ],
            [(event.what, event.detail) for event in story.events],
        )
        self.assertEqual((Fate.FAILED, "550 No"), (story.message.states[0].fate, story.message.states[0].detail))
        ledger = now(self.house.spool.ledger())
        self.assertEqual((2, 0, 1), (ledger.promised, ledger.unaccounted, ledger.closed[Fate.FAILED]))

    def test_checkpoints(self) -> None:
        """
        Checkpoints count, and the contents they moved.
        """
        self.house.store.due = [self.ann.id]
        now(Maintenance(self.house.spool, as_store(self.house.store), self.house.clock, 0, self.meters).checkpoint())
        found = samples(self.meters)
        self.assertEqual(1, found["mail_checkpoints_total", ()])
        self.assertEqual(1, found["mail_checkpoint_contents_total", ()])
