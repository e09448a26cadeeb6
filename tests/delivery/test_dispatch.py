"""
L{twisted_mail_server.delivery.dispatch}, L{twisted_mail_server.delivery.outcomes} and L{twisted_mail_server.delivery.reporting}
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.support.drive import now
from tests.support.envelopes import MESSAGE, envelope
from tests.support.mailhouse import SCHEDULE, MailHouse
from twisted_mail_server.message.reported import read_report
from twisted_mail_server.message.reports import Kind
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import Envelope, MailOptions, Notify, RecipientOptions, Returned
from twisted_mail_server.model.errors import TemporaryFailure
from twisted_mail_server.model.queue import (
    Fate,
    Outcome,
    QueueChange,
    QueuedMessage,
    RecipientState,
    Report,
    Result,
    Settlement,
)

FIRST, SECOND, THIRD = SCHEDULE.waits


def answer(outcome: Outcome, text: str, status: str) -> Callable[[QueuedMessage, int], Result]:
    """
    What the other server says to everybody.
    """
    return lambda message, number: Result(
        number, outcome, f"mx.example.net said: {text}", status, f"smtp; {text}", "mx.example.net"
    )


LATER = answer(Outcome.DEFERRED, "451 4.7.1 Come back later", "4.7.1")
NEVER = answer(Outcome.FAILED, "550 5.1.1 Unknown", "5.1.1")


def _identity(one: Deferred[None]) -> Deferred[None]:
    return one


class DispatchTests(SynchronousTestCase):
    """
    From the spool to other servers, and what becomes of it.
    """

    def setUp(self) -> None:
        """
        Ann lives here; everybody at example.net does not.
        """
        self.house = MailHouse()
        self.ann = self.house.add("ann@example.org")
        self.relay = self.house.relay

    def send(
        self,
        *recipients: str,
        sender: str | None = "ann@example.org",
        notify: frozenset[Notify] | None = None,
        options: MailOptions | None = None,
    ) -> QueuedMessage:
        """
        Promise a message.
        """
        spool = self.house.spool
        staged = spool.stage()
        staged.write(MESSAGE)
        made = envelope(*recipients or ("bob@example.net",), sender=sender, received=int(self.house.clock.seconds()))
        return now(spool.commit(spool.new_id(), self.wishing(made, notify, options), staged))

    def wishing(
        self, made: Envelope, notify: frozenset[Notify] | None = None, options: MailOptions | None = None
    ) -> Envelope:
        """
        An envelope with wishes for reports.
        """
        wishes = RecipientOptions(notify)
        recipients = tuple(evolve(one, options=wishes) for one in made.recipients)
        return evolve(made, recipients=recipients, options=options or MailOptions())

    def states(self, message: QueuedMessage) -> tuple[RecipientState, ...]:
        """
        How its recipients stand.
        """
        found = now(self.house.spool.find(message.id))
        assert found is not None
        return found.states

    def fates(self, message: QueuedMessage) -> list[Fate]:
        """
        Their fates.
        """
        return [one.fate for one in self.states(message)]

    def reports(self) -> list[tuple[str, str]]:
        """
        The reports in Ann's mailbox: recipient and action.
        """
        found = []
        for content in self.house.inbox(self.ann):
            report = read_report(content)
            assert report is not None
            found += [(str(one.address), one.action.value if one.action else "") for one in report.recipients]
        return found

    def test_relayed(self) -> None:
        """
        What another server took is settled; nobody is told of it unless they asked.
        """
        message = self.send()
        self.assertEqual([Fate.RELAYED], self.fates(message))
        self.assertEqual([((0,), "example.net")], [(numbers, domain) for _, numbers, domain in self.relay.sent])
        self.assertEqual([], self.house.inbox(self.ann))

    def test_trouble_before_the_try(self) -> None:
        """
        A spool that cannot be asked puts a try off; the recipient is not forgotten until the next start.
        """
        self.relay.answer = LATER
        message = self.send()
        self.relay.answer = answer(Outcome.RELAYED, "250 2.0.0 Fine", "2.0.0")
        kind = type(self.house.spool)
        find = kind.find
        asked: list[object] = []

        async def fail(spool: object, queue_id: object) -> None:
            asked.append(queue_id)
            raise TemporaryFailure("The database failed.")

        self.patch(kind, "find", fail)
        self.house.clock.advance(FIRST * 2)
        self.assertEqual([message.id], asked)
        self.assertEqual(1, len(self.relay.sent))
        self.patch(kind, "find", find)
        self.house.clock.advance(3)
        self.assertEqual([Fate.RELAYED], self.fates(message))

    def test_recorded_together(self) -> None:
        """
        Results that come while others are being written down are written down together after them.
        """
        kind = type(self.house.spool)
        settle = kind.settle
        first: Deferred[None] = Deferred()
        sizes: list[int] = []

        async def slow(spool: Any, settlements: Sequence[Settlement], reports: Sequence[Report] = ()) -> None:
            sizes.append(len(settlements))
            if len(sizes) == 1:
                await first
            await settle(spool, settlements, reports)

        self.patch(kind, "settle", slow)
        messages = [self.send(f"bob{number}@example.net") for number in range(4)]
        self.assertEqual([1], sizes)
        first.callback(None)
        self.assertEqual([1, 3], sizes)
        self.assertEqual([[Fate.RELAYED]] * 4, [self.fates(one) for one in messages])

    def test_by_domain(self) -> None:
        """
        Recipients of one domain go together, those of others each on their way, and those here into mailboxes.
        """
        message = self.send("a@example.net", "ann@example.org", "b@example.com", "c@example.net")
        self.assertEqual(
            [((0, 3), "example.net"), ((2,), "example.com")],
            [(numbers, domain) for _, numbers, domain in self.relay.sent],
        )
        self.assertEqual([Fate.RELAYED, Fate.DELIVERED, Fate.RELAYED, Fate.RELAYED], self.fates(message))

    def test_tried_again(self) -> None:
        """
        A temporary refusal means another try, after the schedule's pauses, with the other side's words in the queue.
        """
        self.relay.answer = LATER
        message = self.send()
        start = int(self.house.clock.seconds())
        (state,) = self.states(message)
        self.assertEqual((Fate.PENDING, 1, start + FIRST), (state.fate, state.attempts, state.due))
        self.assertEqual("mx.example.net said: 451 4.7.1 Come back later", state.detail)
        for pause in (FIRST - 1, 1, SECOND, THIRD, THIRD):
            self.house.clock.advance(pause)
        self.assertEqual(5, len(self.relay.sent))
        self.relay.answer = answer(Outcome.RELAYED, "250 2.0.0 Fine", "2.0.0")
        self.house.clock.advance(THIRD)
        self.assertEqual([Fate.RELAYED], self.fates(message))

    def test_each_recipient_alone(self) -> None:
        """
        Of several recipients, one is taken, one refused for ever, one for now; only the last is tried again.
        """
        answers = [answer(Outcome.RELAYED, "250 2.1.5 Ok", "2.1.5"), NEVER, LATER]
        self.relay.answer = lambda message, number: answers[number](message, number)
        message = self.send("a@example.net", "b@example.net", "c@example.net")
        self.assertEqual([Fate.RELAYED, Fate.FAILED, Fate.PENDING], self.fates(message))
        self.assertEqual([("b@example.net", "failed")], self.reports())
        self.house.clock.advance(FIRST)
        self.assertEqual([(0, 1, 2), (2,)], [numbers for _, numbers, _ in self.relay.sent])

    def test_bounce(self) -> None:
        """
        A permanent refusal comes back to the sender with the other side's words and the message, from nobody.
        """
        self.relay.answer = NEVER
        self.send()
        (bounce,) = self.house.inbox(self.ann)
        self.assertTrue(bounce.startswith(b"Return-Path: <>\r\n"))
        report = read_report(bounce)
        assert report is not None
        (told,) = report.recipients
        self.assertEqual(("bob@example.net", Kind.FAILURE, "5.1.1"), (str(told.address), told.action, told.status))
        self.assertIn(b"550 5.1.1 Unknown", bounce)
        self.assertIn(MESSAGE, bounce)

    def test_bounce_to_an_alias(self) -> None:
        """
        A report to an alias reaches everybody for whom it stands.
        """
        self.relay.answer = NEVER
        eve = self.house.add("eve@example.org")
        self.house.alias("sales@example.org", "ann@example.org", "eve@example.org")
        self.send(sender="sales@example.org")
        self.assertEqual([("bob@example.net", "failed")], self.reports())
        self.assertEqual(1, len(self.house.inbox(eve)))

    def test_bounce_to_nobody(self) -> None:
        """
        A report to somebody who is gone ends there.
        """
        self.relay.answer = NEVER
        message = self.send(sender="gone@example.org")
        self.assertEqual([Fate.FAILED], self.fates(message))
        self.assertEqual([], now(self.house.spool.waiting()))

    def test_bounce_of_a_bounce(self) -> None:
        """
        What has no sender fails without a word to anybody.
        """
        self.relay.answer = NEVER
        message = self.send(sender=None)
        self.assertEqual([Fate.FAILED], self.fates(message))
        self.assertEqual([], now(self.house.spool.waiting()))
        self.assertEqual(1, len(self.relay.sent))

    def test_bounce_that_bounces(self) -> None:
        """
        A bounce whose own way is barred ends there.
        """
        self.relay.answer = NEVER
        self.send(sender="eve@example.com")
        self.assertEqual(2, len(self.relay.sent))
        self.assertEqual([], now(self.house.spool.waiting()))

    def test_never_asked_for(self) -> None:
        """
        NOTIFY=NEVER is obeyed, and so is a wish for headers only (RFC 3461 sections 4.1 and 4.3).
        """
        self.relay.answer = NEVER
        self.send(notify=frozenset())
        self.assertEqual([], self.house.inbox(self.ann))
        self.send(options=MailOptions(returned=Returned.HEADERS))
        (bounce,) = self.house.inbox(self.ann)
        self.assertIn(b"Subject: Hello", bounce)
        self.assertNotIn(b"How are you?", bounce)

    def test_expired(self) -> None:
        """
        After five days of tries the message comes back.
        """
        self.relay.answer = LATER
        message = self.send()
        for _ in range(300):
            self.house.clock.advance(THIRD)
        self.assertEqual([Fate.FAILED], self.fates(message))
        self.assertEqual([("bob@example.net", "delayed"), ("bob@example.net", "failed")], self.reports())

    def test_delay_told_once(self) -> None:
        """
        After four hours the sender is told that it takes longer, once; not if they did not want to be.
        """
        self.relay.answer = LATER
        message = self.send()
        self.send(notify=frozenset({Notify.FAILURE}))
        for _ in range(20):
            self.house.clock.advance(THIRD)
        self.assertEqual([("bob@example.net", "delayed")], self.reports())
        self.assertEqual([Fate.PENDING], self.fates(message))

    def test_success(self) -> None:
        """
        Who asks to be told of success is, for mailboxes here and for servers that do not report themselves (RFC 3461 section 5.2).
        """
        self.send("ann@example.org", "bob@example.net", notify=frozenset({Notify.SUCCESS}))
        reports = [read_report(one) for one in self.house.inbox(self.ann) if b"multipart/report" in one]
        self.assertEqual(
            {("ann@example.org", Kind.SUCCESS), ("bob@example.net", Kind.RELAYED)},
            {(str(one.address), one.action) for report in reports if report for one in report.recipients},
        )

    def test_success_passed_on(self) -> None:
        """
        A server that takes the wish over reports itself.
        """
        fine = self.relay.answer
        self.relay.answer = lambda message, number: evolve(fine(message, number), is_dsn_passed_on=True)
        self.send(notify=frozenset({Notify.SUCCESS}))
        self.assertEqual([], self.house.inbox(self.ann))

    def test_unreadable_content(self) -> None:
        """
        A report is made even if the message cannot be read any more.
        """
        self.relay.answer = NEVER

        async def read(*_: object) -> bytes:
            raise TemporaryFailure("Gone.")

        original = type(self.house.spool).read
        self.patch(type(self.house.spool), "read", read)
        self.send()
        self.patch(type(self.house.spool), "read", original)
        self.assertEqual([("bob@example.net", "failed")], self.reports())

    def test_restart(self) -> None:
        """
        The next process waits until a recipient is due, as this one would have.
        """
        self.relay.answer = LATER
        message = self.send()
        now(self.house.delivery.stop())
        self.assertEqual([], self.house.clock.getDelayedCalls())
        later = self.house.make_delivery()
        self.assertEqual(1, now(later.start()))
        self.assertEqual(1, len(self.relay.sent))
        self.house.clock.advance(FIRST)
        self.assertEqual(2, len(self.relay.sent))
        self.assertEqual(2, self.states(message)[0].attempts)

    def test_hold_and_release(self) -> None:
        """
        What an operator holds is not tried until it is released, and then at once.
        """
        self.relay.answer = LATER
        message = self.send()
        now(self.house.spool.change(message.id, QueueChange.HOLD))
        self.house.clock.advance(FIRST)
        self.assertEqual(1, len(self.relay.sent))
        now(self.house.spool.change(message.id, QueueChange.RELEASE))
        self.assertEqual(2, len(self.relay.sent))

    def test_retry_at_once(self) -> None:
        """
        An operator can have a message tried now; what comes due later does not try it twice.
        """
        self.relay.answer = LATER
        message = self.send()
        now(self.house.spool.change(message.id, QueueChange.RETRY))
        self.assertEqual(2, len(self.relay.sent))
        self.house.clock.advance(FIRST)
        self.assertEqual(2, len(self.relay.sent))
        self.house.clock.advance(SECOND - FIRST)
        self.assertEqual(3, len(self.relay.sent))

    def test_removed(self) -> None:
        """
        What an operator removes is never tried again, and nobody is told.
        """
        self.relay.answer = LATER
        message = self.send()
        now(self.house.spool.change(message.id, QueueChange.REMOVE))
        self.house.clock.advance(FIRST)
        self.assertEqual(1, len(self.relay.sent))
        self.assertEqual([Fate.REMOVED], self.fates(message))

    def test_held_during_a_try(self) -> None:
        """
        An operator's word stands against a try under way that does not succeed, and not against one that does.
        """
        for outcome, wanted in ((LATER, Fate.HELD), (answer(Outcome.RELAYED, "250 Ok", "2.0.0"), Fate.RELAYED)):
            trying: Deferred[None] = Deferred()
            self.relay.before = partial(_identity, trying)
            self.relay.answer = outcome
            message = self.send()
            now(self.house.spool.change(message.id, QueueChange.HOLD))
            trying.callback(None)
            self.assertEqual([wanted], self.fates(message))
        self.relay.before = lambda: None
        tries = len(self.relay.sent)
        self.house.clock.advance(SECOND)
        self.assertEqual(tries, len(self.relay.sent))

    def test_looks_before_it_tries(self) -> None:
        """
        A change of which no news came is seen before the next try.
        """
        self.relay.answer = LATER
        message = self.send()
        self.house.spool.listen(lambda message: None)
        now(self.house.spool.change(message.id, QueueChange.HOLD))
        self.house.clock.advance(FIRST)
        self.assertEqual(1, len(self.relay.sent))

    def test_change_of_a_stranger(self) -> None:
        """
        A message that another process handed over by a change is taken up.
        """
        now(self.house.delivery.stop())
        message = self.send()
        later = self.house.make_delivery()
        self.house.spool.listen(later.changed)
        now(self.house.spool.change(message.id, QueueChange.RETRY))
        self.assertEqual([Fate.RELAYED], self.fates(message))

    def test_no_way_out(self) -> None:
        """
        Without a relay, mail for elsewhere waits with its reason.
        """
        now(self.house.delivery.stop())
        message = self.send()
        self.house.relay = None  # type: ignore[assignment]
        now(self.house.make_delivery().start())
        (state,) = self.states(message)
        self.assertEqual(
            (Fate.PENDING, "Mail for example.net is not relayed: this server has no way out."),
            (state.fate, state.detail),
        )

    def test_one_slow_domain(self) -> None:
        """
        A destination that takes its time keeps nobody else waiting; stopping waits for it.
        """
        slow: Deferred[None] = Deferred()
        self.relay.before = lambda: slow
        waiting = self.send("a@slow.example")
        self.relay.before = lambda: None
        self.assertEqual([Fate.RELAYED], self.fates(self.send("b@example.net")))
        stopping = Deferred.fromCoroutine(self.house.delivery.stop())
        self.assertNoResult(stopping)
        slow.callback(None)
        self.successResultOf(stopping)
        self.assertEqual([Fate.RELAYED], self.fates(waiting))

    def test_cancelled(self) -> None:
        """
        A try that the end of the server cancels makes no result.
        """

        def cancelled() -> None:
            raise CancelledError

        self.relay.before = cancelled
        message = self.send()
        self.assertEqual((Fate.PENDING, 0), (self.states(message)[0].fate, self.states(message)[0].attempts))

    def test_bug_in_the_relay(self) -> None:
        """
        A bug in the relay is told in the log, and the message is still promised.
        """

        def bug() -> None:
            raise ZeroDivisionError

        self.relay.before = bug
        message = self.send()
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.assertEqual([Fate.PENDING], self.fates(message))

    def test_many_due_together(self) -> None:
        """
        What is due at one time is tried at that time, all of it, with one timer on the clock.
        """
        self.relay.answer = LATER
        for number in range(30):
            self.send(f"user@host{number}.example")
        self.assertEqual(1, len(self.house.clock.getDelayedCalls()))
        self.house.clock.advance(FIRST)
        self.assertEqual(60, len(self.relay.sent))

    def test_sooner(self) -> None:
        """
        A message that is due sooner than all others is tried at its time.
        """
        self.relay.answer = LATER
        self.send("a@example.net")
        self.house.clock.advance(FIRST)
        self.send("b@example.com")
        self.house.clock.advance(FIRST)
        self.assertEqual(
            ["example.net", "example.net", "example.com", "example.com"], [domain for _, _, domain in self.relay.sent]
        )

    def test_forwarded_bounce(self) -> None:
        """
        Mail that an alias forwards and that is refused comes back to its first sender, under the name they wrote to.
        """
        self.house.alias("away@example.org", "gone@example.net")
        incoming = now(
            self.house.intake.begin(envelope().origin, Address.parse("bob@example.com"), MailOptions(), None)
        )
        now(incoming.recipient(Address.parse("away@example.org"), RecipientOptions()))
        now(incoming.begin_content())
        incoming.write(MESSAGE)
        self.relay.answer = lambda message, number: (NEVER if message.envelope.sender else LATER)(message, number)
        now(incoming.finish())
        (forward, _, _), (bounce, _, domain) = self.relay.sent
        self.assertRegex(str(forward.envelope.recipients[0].reverse_path), "^SRS0=")
        self.assertEqual("example.com", domain)
        report = read_report(bounce.inline or b"")
        assert report is not None
        self.assertEqual(["away@example.org"], [str(one.address) for one in report.recipients])
