"""
What hooks have to say of one recipient of a message that is due.

A redirected message is a new one in the spool, under an id that is made from the old one: repeated after a crash, it is found there
already, and goes out once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from hashlib import sha256
from typing import Any

from attrs import define, evolve, field, frozen
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail_server.delivery.copying import copy_into
from twisted_mail_server.delivery.hooks import HookFailed, Hooks
from twisted_mail_server.delivery.intake import without_loops
from twisted_mail_server.delivery.local import failed
from twisted_mail_server.interfaces import IReadable, ISpool
from twisted_mail_server.message import trace
from twisted_mail_server.message.headers import header_end
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import Account
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import Envelope, Recipient, RecipientOptions
from twisted_mail_server.model.errors import MailError, MailLoop, TemporaryFailure
from twisted_mail_server.model.queue import Fate, Outcome, QueuedMessage, QueueId, RecipientState, Result
from twisted_mail_server.model.verdicts import Decision

_log = Logger()

#: Who knows to whom mail goes that is sent to another address instead; L{Intake.redirected
#: <twisted_mail_server.delivery.intake.Intake.redirected>} is it.
Redirected = Callable[[Envelope, Address, RecipientOptions, Address | None], Awaitable[list[Recipient]]]

#: Recipients about whom hooks are asked at the same time: whoever a hook asks in turn must survive a full queue.
AT_ONCE = 100

#: How the words begin that are kept with a recipient whom a hook holds.
_HELD = "quarantined: "


@implementer(IReadable)
@frozen
class SpooledContent:
    """
    A message's content, for hooks.
    """

    _spool: ISpool
    _message: QueuedMessage

    @property
    def size(self) -> int:
        """
        Octets.
        """
        return self._message.size

    async def read(self, offset: int, length: int) -> bytes:
        """
        A piece.
        """
        if self._message.inline is not None:
            return self._message.inline[offset : offset + length]
        return await self._spool.read(self._message, offset, length)


@define(eq=False)
class Deciding:
    """
    Asks the hooks of the way out, and carries out what ends a recipient's way there.
    """

    _spool: ISpool
    _clock: IReactorTime
    hooks: Hooks
    _redirected: Redirected | None = None
    #: In the order in which they began, so that a run can be repeated.
    _asking: dict[Deferred[Decision], None] = field(init=False, factory=dict)
    _turns: DeferredSemaphore = field(init=False, factory=lambda: DeferredSemaphore(AT_ONCE))

    def stop(self) -> None:
        """
        Nobody waits for hooks any more; their recipients stay pending.
        """
        for asking in list(self._asking):
            asking.cancel()

    async def about_delivery(self, message: QueuedMessage, number: int, account: Account) -> Decision | Result:
        """
        Whether and how a message goes into a mailbox here.

        @raise CancelledError: the server stops.
        """
        recipient = message.envelope.recipients[number]
        content, hooks = SpooledContent(self._spool, message), self.hooks
        return await self._settle(
            message, number, lambda: hooks.run("delivery", hooks.delivery, message, recipient, account, content)
        )

    async def about_attempt(self, message: QueuedMessage, number: int) -> Decision | Result:
        """
        Whether a message goes to another server.

        @raise CancelledError: the server stops.
        """
        recipient = message.envelope.recipients[number]
        content, hooks = SpooledContent(self._spool, message), self.hooks
        return await self._settle(
            message, number, lambda: hooks.run("attempt", hooks.attempt, message, recipient, content)
        )

    async def _ask(self, ask: Callable[[], Coroutine[Any, Any, Decision]]) -> Decision:
        await self._turns.acquire()
        try:
            return await ask()
        finally:
            self._turns.release()

    async def _settle(
        self, message: QueuedMessage, number: int, ask: Callable[[], Coroutine[Any, Any, Decision]]
    ) -> Decision | Result:
        asking: Deferred[Decision] = Deferred.fromCoroutine(self._ask(ask))
        self._asking[asking] = None
        try:
            decision = await asking
        except MailError as problem:
            return failed(number, problem)
        finally:
            del self._asking[asking]
        if decision.taken:
            return Result(number, Outcome.DELIVERED, decision.taken, "2.0.0")
        if decision.redirect is None:
            return decision
        try:
            return await self._send_on(message, number, decision)
        except Exception as problem:  # noqa: BLE001 (a bug of ours must not lose mail: it is told, and tried again)
            if not isinstance(problem, MailError):
                _log.failure("redirecting {queue_id} failed", queue_id=str(message.id))
            return failed(number, problem)

    async def _send_on(self, message: QueuedMessage, number: int, decision: Decision) -> Result:
        """
        The message to another address, as a new one.
        """
        target, recipient = decision.redirect, message.envelope.recipients[number]
        assert target is not None
        if self._redirected is None:
            raise TemporaryFailure("Nothing can be redirected here.")
        current = await self._spool.find(message.id)
        if current is not None and number not in current.pending:
            raise TemporaryFailure("An operator has decided otherwise meanwhile.")
        new = QueueId(sha256(b"redirect %b %d" % (message.id.octets, number)).digest()[:16])
        if await self._spool.find(new) is None:
            mark = trace.delivered_to(str(recipient.address))
            start = mark + await SpooledContent(self._spool, message).read(0, limits.HEADER_SIZE)
            found = await self._redirected(message.envelope, target, recipient.options, recipient.address)
            if decision.quarantine:
                found = [evolve(one, quarantine=decision.quarantine) for one in found]
            envelope = evolve(message.envelope, recipients=tuple(found), received=int(self._clock.seconds()))
            envelope = without_loops(envelope, start[: header_end(start)])
            if all(one.refusal for one in envelope.recipients):
                raise MailLoop(envelope.recipients[0].refusal)
            staged = self._spool.stage(recipients=len(found))
            await copy_into(staged, decision.added + mark, SpooledContent(self._spool, message))
            await self._spool.commit(new, envelope, staged)
        detail = f"redirected to <{target}> as {new}"
        # The wishes for reports went with it.
        return Result(number, Outcome.RELAYED, detail, "2.0.0", is_dsn_passed_on=True)

    def held(self, state: RecipientState, reason: str) -> RecipientState | None:
        """
        How a recipient elsewhere stands whose mail is quarantined; L{None} where an operator has just released it.
        """
        if not reason or state.detail.startswith(_HELD):
            return None
        now = int(self._clock.seconds())
        return RecipientState(Fate.HELD, _HELD + reason, state.attempts + 1, now, 0, state.is_delay_told)


def is_ours(result: Result) -> bool:
    """
    Whether a result tells of trouble of our own, which is no reason to give a message up.
    """
    return result.outcome is Outcome.DEFERRED and result.status == HookFailed.enhanced
