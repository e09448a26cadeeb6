"""
What every spool does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from tests.support.drive import failure_of, now
from tests.support.envelopes import MESSAGE, envelope, spooled
from twisted_mail_server.interfaces import ISpool
from twisted_mail_server.model import limits
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import BodyKind, MailOptions, Notify, Recipient, RecipientOptions, Returned
from twisted_mail_server.model.errors import NoSuchMessage
from twisted_mail_server.model.queue import (
    Fate,
    Ledger,
    QueueChange,
    QueuedMessage,
    QueueEvent,
    QueueId,
    RecipientState,
    Report,
    Settlement,
)

# Only those who inherit it are test cases.
if TYPE_CHECKING:
    _Base = SynchronousTestCase
else:
    _Base = object


class SpoolContract(_Base):
    """
    Inherit this, and make the spool in L{make_spool}.
    """

    def make_spool(self) -> ISpool:
        """
        A new, empty spool.
        """
        raise AssertionError("Inherit me.")

    def setUp(self) -> None:
        """
        A spool, and what it hands over.
        """
        self.spool = self.make_spool()
        self.handed: list[QueuedMessage] = []
        self.spool.hand_over(self.handed.append)

    def settled(self, message: QueuedMessage, number: int, fate: Fate, detail: str = "", attempts: int = 1) -> None:
        """
        Record one fate.
        """
        state = RecipientState(fate, detail, attempts, 2000)
        now(self.spool.settle([Settlement(message.id, number, state)]))

    def test_promised_and_handed_over(self) -> None:
        """
        A committed message is handed over once, with its envelope, its size and a way to its content.
        """
        message = now(spooled(self.spool, MESSAGE))
        self.assertEqual([message], self.handed)
        self.assertEqual(envelope(), message.envelope)
        self.assertEqual(len(MESSAGE), message.size)
        self.assertEqual(MESSAGE, now(self.spool.read(message)))
        self.assertEqual((0,), message.pending)

    def test_ids_are_fresh(self) -> None:
        """
        No two ids are the same.
        """
        self.assertEqual(50, len({self.spool.new_id() for _ in range(50)}))

    def test_pieces(self) -> None:
        """
        Content is read from anywhere, and no further than it goes.
        """
        message = now(spooled(self.spool, b"0123456789"))
        self.assertEqual(b"345", now(self.spool.read(message, 3, 3)))
        self.assertEqual(b"89", now(self.spool.read(message, 8, 30)))
        self.assertEqual(b"3456789", now(self.spool.read(message, 3)))

    def test_large_content(self) -> None:
        """
        Content of any size comes back as it was.
        """
        content = bytes(range(256)) * 1024
        message = now(spooled(self.spool, content))
        self.assertEqual(content, now(self.spool.read(message)))

    def test_discarded(self) -> None:
        """
        Staged content that is discarded was never promised.
        """
        staged = self.spool.stage()
        staged.write(MESSAGE)
        now(staged.discard())
        now(staged.discard())
        self.assertEqual([], now(self.spool.waiting()))
        self.assertEqual([], self.handed)

    def test_waiting(self) -> None:
        """
        What is not settled is listed, oldest first, without its content.
        """
        second = now(spooled(self.spool, MESSAGE, received=1002))
        third = now(spooled(self.spool, MESSAGE, received=1003))
        waiting = now(self.spool.waiting())
        self.assertEqual([second.id, third.id], [one.id for one in waiting])
        self.assertEqual([None, None], [one.inline for one in waiting])

    def test_settled(self) -> None:
        """
        A message with every recipient delivered is not waiting any more, and is still found.
        """
        message = now(spooled(self.spool, MESSAGE, "ann@example.org", "eve@example.org"))
        self.settled(message, 0, Fate.DELIVERED)
        self.assertEqual([(1,)], [one.pending for one in now(self.spool.waiting())])
        self.settled(message, 1, Fate.DELIVERED, "INBOX")
        self.assertEqual([], now(self.spool.waiting()))
        found = now(self.spool.find(message.id))
        assert found is not None
        self.assertTrue(found.is_settled)
        self.assertEqual("INBOX", found.states[1].detail)

    def test_held(self) -> None:
        """
        A held recipient keeps its reason and its content, and is not pending.
        """
        message = now(spooled(self.spool, MESSAGE))
        self.settled(message, 0, Fate.HELD, "Nobody home.")
        (held,) = now(self.spool.waiting())
        self.assertEqual("Nobody home.", held.states[0].detail)
        self.assertEqual((), held.pending)
        self.assertEqual(MESSAGE, now(self.spool.read(held)))
        self.assertEqual(0, now(self.spool.recover()))

    def test_tried_again(self) -> None:
        """
        A recipient whose try failed for now is still pending, and the try is remembered.
        """
        message = now(spooled(self.spool, MESSAGE))
        self.settled(message, 0, Fate.PENDING, "No room.", attempts=3)
        (waiting,) = now(self.spool.waiting())
        self.assertEqual((0,), waiting.pending)
        self.assertEqual(3, waiting.states[0].attempts)
        self.assertEqual(MESSAGE, now(self.spool.read(waiting)))

    def test_recover(self) -> None:
        """
        What is pending is handed over again on request; the rest is not.
        """
        pending = now(spooled(self.spool, MESSAGE))
        done = now(spooled(self.spool, MESSAGE))
        self.settled(done, 0, Fate.DELIVERED)
        self.handed.clear()
        self.assertEqual(1, now(self.spool.recover()))
        self.assertEqual([pending.id], [one.id for one in self.handed])

    def test_adopt_nothing(self) -> None:
        """
        With no other process gone there is nothing to adopt.
        """
        now(spooled(self.spool, MESSAGE))
        self.handed.clear()
        self.assertEqual(0, now(self.spool.adopt()))
        self.assertEqual([], self.handed)

    def test_unknown(self) -> None:
        """
        A message that nobody knows is not found, and a fate for it changes nothing.
        """
        nobody = QueueId(bytes(16))
        self.assertIsNone(now(self.spool.find(nobody)))
        now(self.spool.settle([Settlement(nobody, 0, RecipientState(Fate.DELIVERED))]))
        self.assertEqual([], now(self.spool.waiting()))

    def test_prune(self) -> None:
        """
        What was settled before a moment is forgotten; what was settled later, or waits, is not.
        """
        done, later, waiting = (now(spooled(self.spool, MESSAGE)) for _ in range(3))
        self.settled(done, 0, Fate.DELIVERED)
        now(self.spool.settle([Settlement(later.id, 0, RecipientState(Fate.DELIVERED, "", 1, 3000))]))
        self.assertEqual(1, now(self.spool.prune(2500)))
        self.assertIsNone(now(self.spool.find(done.id)))
        self.assertIsNotNone(now(self.spool.find(later.id)))
        self.assertIsNotNone(now(self.spool.find(waiting.id)))

    def test_to_many(self) -> None:
        """
        A message for many recipients comes back as one for few does.
        """
        names = [f"user{number}@example.org" for number in range(limits.INLINE_RECIPIENTS + 1)]
        content = b"x" * (limits.INLINE_KEPT + 1)
        message = now(spooled(self.spool, content, *names))
        self.assertEqual(content, now(self.spool.read(message)))
        self.assertEqual(len(names), len(message.states))

    def test_addresses(self) -> None:
        """
        Odd addresses and the null sender survive.
        """
        self.spool.check_room()
        staged = self.spool.stage()
        odd = envelope('"a@b c"@example.org', "x@[192.0.2.7]", sender=None)
        message = now(self.spool.commit(self.spool.new_id(), odd, staged))
        found = now(self.spool.find(message.id))
        assert found is not None
        self.assertEqual(odd, found.envelope)

    def test_wishes(self) -> None:
        """
        What MAIL and RCPT asked for survives, and so does where aliases led, and what hooks said.
        """
        staged = self.spool.stage()
        wishes = RecipientOptions(frozenset({Notify.SUCCESS, Notify.DELAY}), "rfc822;ann@example.org")
        recipients = (
            Recipient(Address("ann", "example.org"), "a loop", wishes, Address("all", "example.org")),
            Recipient(Address("eve", "example.net"), options=RecipientOptions(frozenset())),
            Recipient(Address("bob", "example.net"), reverse_path=Address("SRS0=x", "example.org")),
            Recipient(Address("kim", "example.org"), quarantine="smells"),
        )
        options = MailOptions(BodyKind.EIGHT_BIT, 1234, True, Returned.HEADERS, "id+7")
        origin = evolve(envelope().origin, session="0123")
        made = evolve(envelope(), origin=origin, recipients=recipients, options=options)
        message = now(self.spool.commit(self.spool.new_id(), made, staged))
        found = now(self.spool.find(message.id))
        assert found is not None
        self.assertEqual(made, found.envelope)
        self.assertEqual("0123", found.envelope.origin.session)

    def test_due(self) -> None:
        """
        When a recipient is next tried, and whether the sender knows of the delay, is remembered.
        """
        message = now(spooled(self.spool, MESSAGE))
        state = RecipientState(Fate.PENDING, "Later.", 2, 2000, 2600, True)
        now(self.spool.settle([Settlement(message.id, 0, state)]))
        (waiting,) = now(self.spool.waiting())
        self.assertEqual((state,), waiting.states)

    def test_report(self) -> None:
        """
        A report enters with the fate that makes it necessary, and is handed over like any message.
        """
        message = now(spooled(self.spool, MESSAGE))
        self.handed.clear()
        report = Report(self.spool.new_id(), envelope("bob@example.net", sender=None), b"Subject: failed\r\n\r\n")
        state = RecipientState(Fate.FAILED, "No.", 1, 2000)
        now(self.spool.settle([Settlement(message.id, 0, state)], [report]))
        self.assertEqual([report.id], [one.id for one in self.handed])
        self.assertEqual([report.id], [one.id for one in now(self.spool.waiting())])
        self.assertEqual(report.content, now(self.spool.read(self.handed[0])))
        self.assertEqual(report.envelope, self.handed[0].envelope)

    def change(self, message: QueuedMessage, change: QueueChange) -> Fate:
        """
        An operator's change; the first recipient's fate after it.
        """
        return now(self.spool.change(message.id, change)).states[0].fate

    def test_changes(self) -> None:
        """
        What waits can be held, released, tried at once and removed; whoever listens hears of each.
        """
        heard: list[Fate] = []
        self.spool.listen(lambda message: heard.append(message.states[0].fate))
        message = now(spooled(self.spool, MESSAGE))
        now(self.spool.settle([Settlement(message.id, 0, RecipientState(Fate.PENDING, "Later.", 1, 2000, 9000))]))
        self.assertEqual(Fate.HELD, self.change(message, QueueChange.HOLD))
        self.assertEqual(Fate.HELD, self.change(message, QueueChange.RETRY))
        self.assertEqual(Fate.PENDING, self.change(message, QueueChange.RELEASE))
        (waiting,) = now(self.spool.waiting())
        self.assertEqual(0, waiting.states[0].due)
        self.assertEqual(Fate.PENDING, self.change(message, QueueChange.RETRY))
        self.assertEqual(Fate.REMOVED, self.change(message, QueueChange.REMOVE))
        self.assertEqual([], now(self.spool.waiting()))
        self.assertEqual([Fate.HELD, Fate.HELD, Fate.PENDING, Fate.PENDING, Fate.REMOVED], heard)

    def test_change_of_nothing(self) -> None:
        """
        What is settled, or was never there, cannot be changed.
        """
        message = now(spooled(self.spool, MESSAGE))
        self.settled(message, 0, Fate.DELIVERED)
        for queue_id in (message.id, QueueId(bytes(16))):
            failure_of(self.spool.change(queue_id, QueueChange.HOLD), NoSuchMessage)

    def test_operators_word_stands(self) -> None:
        """
        A try that did not succeed does not undo a change made meanwhile; one that did is recorded.
        """
        message = now(spooled(self.spool, MESSAGE))
        self.change(message, QueueChange.HOLD)
        self.settled(message, 0, Fate.PENDING, "Later.")
        (waiting,) = now(self.spool.waiting())
        self.assertEqual((Fate.HELD, "Later."), (waiting.states[0].fate, waiting.states[0].detail))
        self.change(message, QueueChange.REMOVE)
        self.settled(message, 0, Fate.RELAYED)
        found = now(self.spool.find(message.id))
        assert found is not None
        self.assertEqual(Fate.RELAYED, found.states[0].fate)

    def test_ledger(self) -> None:
        """
        Each recipient opens an entry, and a final fate closes it, also once history has forgotten the message.
        """
        first = now(spooled(self.spool, MESSAGE, "ann@example.org", "eve@example.org", "bob@example.com"))
        other = now(spooled(self.spool, MESSAGE))
        self.settled(first, 0, Fate.DELIVERED)
        self.settled(first, 1, Fate.FAILED)
        self.settled(first, 2, Fate.PENDING, "Later.")
        self.change(other, QueueChange.HOLD)
        closed = {Fate.DELIVERED: 1, Fate.RELAYED: 0, Fate.FAILED: 1, Fate.REMOVED: 0}
        self.assertEqual(Ledger(4, 1, 1, closed), now(self.spool.ledger()))
        self.settled(first, 2, Fate.RELAYED)
        self.change(other, QueueChange.REMOVE)
        closed = dict.fromkeys(closed, 1)
        self.assertEqual(Ledger(4, 0, 0, closed), now(self.spool.ledger(is_thorough=True)))
        # What another server took is not undone by a removal that came too late.
        self.settled(other, 0, Fate.RELAYED)
        closed = {**closed, Fate.RELAYED: 2, Fate.REMOVED: 0}
        self.assertEqual(2, now(self.spool.prune(10**10)))
        ledger = now(self.spool.ledger(is_thorough=True))
        self.assertEqual((Ledger(4, 0, 0, closed), 0), (ledger, ledger.unaccounted))

    def test_story(self) -> None:
        """
        What no longer stands in a recipient's fate is told by events; a delivery at the first try needs none.
        """
        plain = now(spooled(self.spool, MESSAGE))
        self.settled(plain, 0, Fate.DELIVERED)
        message = now(spooled(self.spool, MESSAGE, "ann@example.org", "eve@example.org"))
        self.settled(message, 1, Fate.PENDING, "450 4.2.1 Busy")
        self.settled(message, 0, Fate.HELD, "A virus.")
        for change in QueueChange:
            self.change(message, change)
        report = Report(
            self.spool.new_id(), envelope("bob@example.net", sender=None, received=3000), MESSAGE, message.id
        )
        state = RecipientState(Fate.FAILED, "550 No.", 2, 3000)
        now(self.spool.settle([Settlement(message.id, 1, state)], [report]))
        (story,) = now(self.spool.stories(str(message.id).upper(), 5))
        self.assertEqual(
            (
                QueueEvent(2000, 1, "deferred", "450 4.2.1 Busy"),
                QueueEvent(2000, 0, "held", "A virus."),
                *(QueueEvent(0, None, what, "by an operator") for what in ("held", "released", "retried", "removed")),
                QueueEvent(3000, None, "reported", f"to the sender, in message {report.id}"),
            ),
            story.events,
        )
        self.assertEqual([Fate.REMOVED, Fate.FAILED], [state.fate for state in story.message.states])
        (story,) = now(self.spool.stories(str(plain.id), 5))
        self.assertEqual((), story.events)
        now(self.spool.prune(10**10))
        self.assertEqual([], now(self.spool.stories(str(message.id), 5)))

    def test_stories_asked_for(self) -> None:
        """
        A message is found by its Message-ID, and by a part of an address, in any case of letters; newest first, so many as are wanted.
        """
        alias = Recipient(Address("eve", "example.org"), named=Address("Sales", "example.org"))
        one = evolve(envelope(received=10), recipients=(alias,), message_id="One.1@client.example")
        for described in (one, envelope("ann@example.org", received=30), envelope("ann@example.org", received=20)):
            staged = self.spool.stage()
            staged.write(MESSAGE)
            now(self.spool.commit(self.spool.new_id(), described, staged))

        def found(query: str, limit: int = 10) -> list[int]:
            return [story.message.envelope.received for story in now(self.spool.stories(query, limit))]

        self.assertEqual([10], found("<one.1@CLIENT.example>"))
        self.assertEqual([10], found(" One.1@client.example "))
        self.assertEqual([10], found("sales@"))
        self.assertEqual([30, 20], found("ANN@example"))
        self.assertEqual([30, 20, 10], found("Bob@Example.Net"))
        self.assertEqual([30, 20], found("bob@example.net", 2))
        self.assertEqual([], found("client.example"))
