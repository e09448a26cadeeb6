"""
What happens in mailboxes, told to hooks behind everybody's back: nothing waits for them, and they keep nothing waiting.
"""

from __future__ import annotations

from attrs import define, evolve, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from twisted_mail_server.delivery.hooks import Hooks
from twisted_mail_server.model.accounts import AccountId
from twisted_mail_server.model.changes import MailboxEvent
from twisted_mail_server.model.errors import MailError

_log = Logger()

#: Accounts whose events are told at the same time.
_AT_ONCE = 16


@define(eq=False)
class MailboxEvents:
    """
    Takes events from a store and tells them to hooks, those of an account one after the other.

    What happens in a mailbox while its last event still waits becomes one event with it: so memory is bounded by the number of
    mailboxes, however slow a hook is.
    """

    _hooks: Hooks
    _clock: IReactorTime
    _waiting: dict[AccountId, dict[int, MailboxEvent]] = field(init=False, factory=dict)
    _working: dict[Deferred[None], None] = field(init=False, factory=dict)
    #: Accounts whose events are being told.
    _busy: set[AccountId] = field(init=False, factory=set)
    _is_stopped: bool = field(init=False, default=False)

    def happened(self, event: MailboxEvent) -> None:
        """
        A store has changed a mailbox.
        """
        if self._is_stopped:
            return
        waiting = self._waiting.setdefault(event.account, {})
        before = waiting.get(event.mailbox_id)
        if before is not None:
            event = evolve(event, changes=before.changes | event.changes, modseq=min(before.modseq, event.modseq))
        waiting[event.mailbox_id] = event
        if len(self._working) < _AT_ONCE:
            self._begin()

    def stop(self) -> None:
        """
        Tell no more.
        """
        self._is_stopped = True
        for working in list(self._working):
            working.cancel()

    def _begin(self) -> None:
        working: Deferred[None] = Deferred.fromCoroutine(self._work())
        self._working[working] = None
        working.addErrback(lambda failure: _log.failure("telling of mailbox events failed", failure)).addBoth(
            lambda _: self._working.pop(working)
        )

    async def _work(self) -> None:
        try:
            # Not in the store's own path.
            await deferLater(self._clock, 0)
            while (account := next((one for one in self._waiting if one not in self._busy), None)) is not None:
                self._busy.add(account)
                try:
                    for event in self._waiting.pop(account).values():
                        await self._tell(event)
                finally:
                    self._busy.discard(account)
        except CancelledError:
            return

    async def _tell(self, event: MailboxEvent) -> None:
        for hook in self._hooks.mailbox:
            try:
                await self._hooks.run("mailbox", (hook,), event)
            except MailError:
                # It is in the log, and the next one is asked all the same.
                continue
