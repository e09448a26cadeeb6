"""
L{twisted_mail_server.delivery.mailboxevents}
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.support.hooks import Says
from twisted_mail_server.delivery.hooks import Hooks
from twisted_mail_server.delivery.mailboxevents import MailboxEvents
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import AccountId
from twisted_mail_server.model.changes import MailboxChange, MailboxEvent

ARRIVED, VANISHED = MailboxChange.ARRIVED, MailboxChange.VANISHED


def event(modseq: int, change: MailboxChange = ARRIVED, mailbox: int = 1, account: int = 0) -> MailboxEvent:
    """
    Something happened.
    """
    return MailboxEvent(AccountId(f"{account:032}"), mailbox, f"Box {mailbox}", frozenset({change}), modseq)


class MailboxEventsTests(SynchronousTestCase):
    """
    What hooks hear of mailboxes.
    """

    def setUp(self) -> None:
        """
        Two hooks.
        """
        self.clock = Clock()
        self.first, self.second = Says("mailbox"), Says("mailbox")
        hooks = Hooks.of(self.clock, [("a", self.first), ("b", self.second)])
        self.events = MailboxEvents(hooks, self.clock)

    def heard(self, hook: Says) -> list[MailboxEvent]:
        """
        What a hook was told.
        """
        return [one for (one,) in hook.asked]

    def test_told(self) -> None:
        """
        Every hook hears of an event, but not while the store is at work.
        """
        self.events.happened(event(5))
        self.assertEqual([], self.heard(self.first))
        self.clock.advance(0)
        self.assertEqual([event(5)], self.heard(self.first))
        self.assertEqual([event(5)], self.heard(self.second))
        self.events.happened(event(6))
        self.clock.advance(0)
        self.assertEqual([event(5), event(6)], self.heard(self.second))

    def test_piled_up(self) -> None:
        """
        What happens while a hook thinks comes once for each mailbox, and nothing of it is left out.
        """
        answer: Deferred[None] = Deferred()
        self.first.answer = answer
        self.events.happened(event(5))
        self.clock.advance(0)
        for one in (event(6), event(7, VANISHED), event(8, mailbox=2)):
            self.events.happened(one)
        self.clock.advance(0)
        self.assertEqual([event(5)], self.heard(self.first))
        self.first.answer = None
        answer.callback(None)
        both = MailboxEvent(AccountId("0" * 32), 1, "Box 1", frozenset({ARRIVED, VANISHED}), 6)
        self.assertEqual([event(5), both, event(8, mailbox=2)], self.heard(self.first))

    def test_accounts(self) -> None:
        """
        One account's slow hook does not keep the others waiting, up to a number of them.
        """
        answers: list[Deferred[None]] = [Deferred() for _ in range(20)]
        self.first.answer = lambda one: answers[int(one.account.text)]
        for number in range(20):
            self.events.happened(event(1, account=number))
        self.clock.advance(0)
        self.assertEqual(16, len(self.heard(self.first)))
        for answer in answers:
            answer.callback(None)
        self.assertEqual(20, len(self.heard(self.second)))

    def test_failing(self) -> None:
        """
        A hook that fails or hangs is told of in the log; the others hear the event all the same.
        """
        self.first.answer = ValueError("bug")
        self.events.happened(event(5))
        self.clock.advance(0)
        self.assertEqual(1, len(self.flushLoggedErrors(ValueError)))
        self.assertEqual([event(5)], self.heard(self.second))
        self.first.answer = Deferred()
        self.events.happened(event(6))
        self.clock.advance(0)
        self.clock.advance(limits.CHECK_TIMEOUT)
        self.assertEqual([event(5), event(6)], self.heard(self.second))

    def test_stopped(self) -> None:
        """
        After the end nothing is told, and nothing is waited for.
        """
        self.first.answer = Deferred()
        self.events.happened(event(5))
        self.clock.advance(0)
        self.events.happened(event(6))
        self.events.stop()
        self.events.happened(event(7))
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertEqual([], self.heard(self.second))
