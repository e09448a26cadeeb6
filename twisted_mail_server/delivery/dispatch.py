"""
Every message that is not settled, and what is done for it next.

The spool hands over what was promised; each recipient that is due goes to a mailbox here or to the relay; results are recorded,
and what is to be tried again waits for its time.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from heapq import heappop, heappush
from typing import Any

from attrs import Factory, define, evolve, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_mail_server.delivery.deciding import Deciding, Redirected, is_ours
from twisted_mail_server.delivery.hooks import Hooks
from twisted_mail_server.delivery.local import FRESH, LocalDelivery, failed
from twisted_mail_server.delivery.outcomes import Outcomes
from twisted_mail_server.delivery.routing import Local, Router
from twisted_mail_server.interfaces import IMailStore, IMeters, IRelay, ISpool, Unmetered
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import Account
from twisted_mail_server.model.errors import MailError
from twisted_mail_server.model.queue import (
    Fate,
    Outcome,
    QueuedMessage,
    QueueId,
    RecipientState,
    Result,
    Settlement,
)

_log = Logger()

#: Octets of contents that wait in memory for their delivery; beyond it they are read again from the spool.
WAITING_IN_MEMORY = 64 * limits.MIB

#: A recipient of a message.
_Key = tuple[QueueId, int]


@define(eq=False)
class Recorder:
    """
    Results that wait to be written down, with who waits for it.
    """

    waiting: list[tuple[Sequence[tuple[QueuedMessage, Result]], Deferred[None]]] = field(factory=list)
    is_busy: bool = False


@define(eq=False)
class Dispatcher:
    """
    Brings every message to its destinations, and their fates to the spool.
    """

    _spool: ISpool
    _router: Router
    _outcomes: Outcomes
    _clock: IReactorTime
    _store: IMailStore
    #: The way out; C{None} where nothing is relayed.
    _relay: IRelay | None = None
    _hooks: Hooks = field(default=Factory(lambda self: Hooks(self._clock), takes_self=True))
    #: To whom mail goes that a hook redirects.
    _redirected: Redirected | None = None
    _meters: IMeters = field(factory=Unmetered)
    #: Seconds between two batches of one account.
    _rest: float = 0.0
    _local: LocalDelivery = field(init=False)
    _deciding: Deciding = field(init=False)
    #: What is not settled; contents are kept only until the first try.
    _messages: dict[QueueId, QueuedMessage] = field(init=False, factory=dict)
    #: Recipients that somebody is at work for.
    _busy: set[_Key] = field(init=False, factory=set)
    #: Soonest first; an entry may be out of date.
    _due: list[tuple[int, QueueId]] = field(init=False, factory=list)
    _timer: IDelayedCall | None = field(init=False, default=None)
    _in_memory: int = field(init=False, default=0)
    #: Of tries elsewhere, and of deliveries here.
    _recorders: tuple[Recorder, Recorder] = field(init=False, factory=lambda: (Recorder(), Recorder()))
    _relaying: set[Deferred[None]] = field(init=False, factory=set)
    _is_stopped: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self._local = LocalDelivery(self._spool, self._store, self._record_local, self._clock, self._meters, self._rest)
        self._deciding = Deciding(self._spool, self._clock, self._hooks, self._redirected)

    async def start(self) -> int:
        """
        Take over from the spool, beginning with what earlier processes left; how many messages that were.
        """
        self._spool.hand_over(self.receive)
        self._spool.listen(self.changed)
        recovered = await self._spool.recover()
        if recovered:
            _log.info("recovered {messages} messages from the spool", messages=recovered)
        return recovered

    async def stop(self) -> None:
        """
        Finish what is under way; what waits stays in the spool.
        """
        self._is_stopped = True
        self._outcomes.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._deciding.stop()
        await self._local.stop()
        while self._relaying:
            await next(iter(self._relaying))

    def receive(self, message: QueuedMessage) -> None:
        """
        A message was promised.
        """
        weight = len(message.inline or b"")
        if weight and self._in_memory + weight > WAITING_IN_MEMORY:
            message = evolve(message, inline=None)
        else:
            self._in_memory += weight
        self._messages[message.id] = message
        self._dispatch(message)

    def changed(self, message: QueuedMessage) -> None:
        """
        An operator changed a message: from now on it stands so.
        """
        self._update(message.id, message.states)
        if not message.is_settled:
            kept = self._messages.setdefault(message.id, message)
            self._dispatch(kept)

    def _update(self, queue_id: QueueId, states: Sequence[RecipientState]) -> None:
        """
        Keep what is not settled, without its content once it was tried.
        """
        message = self._messages.get(queue_id)
        if message is None:
            return
        tried = message.inline is not None and all(state.attempts for state in states)
        updated = evolve(message, states=tuple(states), inline=None if tried else message.inline)
        if tried or updated.is_settled:
            self._in_memory -= len(message.inline or b"")
        if updated.is_settled:
            del self._messages[queue_id]
        else:
            self._messages[queue_id] = updated

    def _dispatch(self, message: QueuedMessage) -> None:
        """
        Begin with every recipient that is due and that nobody is at work for.
        """
        if self._is_stopped:
            return
        now = self._clock.seconds()
        ready: list[int] = []
        for number in message.pending:
            state = message.states[number]
            if (message.id, number) in self._busy:
                continue
            if state.due > now:
                self._wait(message.id, state.due)
            else:
                ready.append(number)
        if ready:
            self._busy.update((message.id, number) for number in ready)
            Deferred.fromCoroutine(self._begin(message, ready)).addErrback(
                lambda failure: _log.failure("dispatch of {queue_id} failed", failure, queue_id=str(message.id))
            )

    async def _begin(self, message: QueuedMessage, numbers: Sequence[int]) -> None:
        """
        Sort recipients by their way.
        """
        outward: dict[str, list[int]] = {}
        results: list[Result] = []
        for number in numbers:
            recipient = message.envelope.recipients[number]
            if recipient.refusal:
                results.append(Result(number, Outcome.FAILED, recipient.refusal, "5.4.6"))
                continue
            try:
                destination = await self._router.final(recipient.address)
            except Exception as problem:  # noqa: BLE001 (a bug of ours must not lose mail: it is told, and tried again)
                if not isinstance(problem, MailError):
                    _log.failure("routing of <{recipient}> failed", recipient=str(recipient.address))
                results.append(failed(number, problem))
                continue
            if isinstance(destination, Local):
                if self._hooks.delivery:
                    self._spawn(message, [number], self._ask_and_deliver(message, number, destination.account))
                else:
                    self._local.take(message, number, destination.account.id)
            elif not await self._is_quarantined(message, number):
                outward.setdefault(recipient.address.domain, []).append(number)
        for domain, group in outward.items():
            self._send_out(message, group, domain)
        if results:
            await self._record([(message, result) for result in results], is_local=True)

    def _send_out(self, message: QueuedMessage, numbers: Sequence[int], domain: str) -> None:
        self._spawn(message, numbers, self._relay_out(message, numbers, domain))

    def _spawn(self, message: QueuedMessage, numbers: Sequence[int], work: Coroutine[Any, Any, None]) -> None:
        working: Deferred[None] = Deferred.fromCoroutine(self._carry_out(message, numbers, work))
        self._relaying.add(working)
        working.addErrback(
            lambda failure: _log.failure("sending of {queue_id} failed", failure, queue_id=str(message.id))
        ).addBoth(lambda _: self._relaying.discard(working))

    async def _carry_out(self, message: QueuedMessage, numbers: Sequence[int], work: Coroutine[Any, Any, None]) -> None:
        """
        Do a try; whatever becomes of it, none of its recipients is forgotten.
        """
        try:
            await work
        except CancelledError:
            raise
        except Exception as problem:  # noqa: BLE001 (a bug of ours must not lose mail: it is told, and tried again)
            await self._put_off(message, numbers, problem)

    async def _put_off(self, message: QueuedMessage, numbers: Sequence[int], problem: Exception) -> None:
        """
        Nothing came of a try, through trouble of ours: those recipients that it left without a result are tried again.
        """
        if isinstance(problem, MailError):
            _log.warn("{queue_id} must wait: {reason}", queue_id=str(message.id), reason=problem.public)
        else:
            _log.failure("sending of {queue_id} failed", queue_id=str(message.id))
        left = [number for number in numbers if (message.id, number) in self._busy]
        text = "This server has trouble of its own."
        put_off = [(message, Result(number, Outcome.DEFERRED, text, "4.3.0")) for number in left]
        if put_off:
            await self._record(put_off, is_local=True)

    async def _ask_and_deliver(self, message: QueuedMessage, number: int, account: Account) -> None:
        """
        To a mailbox here, as the hooks say.
        """
        try:
            decided = await self._deciding.about_delivery(message, number, account)
        except CancelledError:
            self._busy.discard((message.id, number))
            return
        if isinstance(decided, Result):
            await self._record([(message, decided)], is_local=is_ours(decided))
        elif self._is_stopped or not self._is_pending(message.id, number):
            self._busy.discard((message.id, number))
        else:
            self._local.take(message, number, account.id, quarantine=decided.quarantine, added=decided.added)

    async def _ask_attempts(self, message: QueuedMessage, numbers: Sequence[int]) -> list[int]:
        """
        Those recipients that hooks let go out; what they decide of the others is recorded.

        @raise CancelledError: the server stops.
        """
        allowed: list[int] = []
        for number in numbers:
            decided = await self._deciding.about_attempt(message, number)
            if isinstance(decided, Result):
                await self._record([(message, decided)], is_local=is_ours(decided))
            elif not self._is_pending(message.id, number):
                self._busy.discard((message.id, number))
            elif not decided.quarantine or not await self._is_held(message, number, decided.quarantine):
                allowed.append(number)
        return allowed

    async def _is_quarantined(self, message: QueuedMessage, number: int) -> bool:
        """
        Whether a recipient elsewhere has to wait for an operator because of what was decided at intake; once is enough.
        """
        reason = message.envelope.recipients[number].quarantine
        state = self._messages.get(message.id, message).states[number]
        return bool(reason) and state.attempts <= 1 and await self._is_held(message, number, reason)

    async def _is_held(self, message: QueuedMessage, number: int, reason: str) -> bool:
        """
        Hold a recipient until an operator releases it; whether it is held now.
        """
        current = self._messages.get(message.id, message)
        state = self._deciding.held(current.states[number], reason)
        if state is None:
            return False
        try:
            await self._spool.settle([Settlement(message.id, number, state)])
        except Exception as problem:  # noqa: BLE001 (told; it is held at the next try)
            _log.failure("{queue_id} cannot be held", queue_id=str(message.id))
            await self._record([(message, failed(number, problem))], is_local=True)
            return True
        self._busy.discard((message.id, number))
        current = self._messages.get(message.id, message)
        self._update(message.id, current.with_state(number, state).states)
        _log.info(
            "held {queue_id} for <{recipient}>: {reason}",
            queue_id=str(message.id),
            recipient=str(message.envelope.recipients[number].address),
            reason=state.detail,
        )
        return True

    def _is_pending(self, queue_id: QueueId, number: int) -> bool:
        """
        Whether nobody decided otherwise meanwhile.
        """
        message = self._messages.get(queue_id)
        return message is not None and number in message.pending

    def _is_new(self, message: QueuedMessage) -> bool:
        """
        Whether it was promised just now, and never tried.
        """
        is_fresh = self._clock.seconds() - message.envelope.received < FRESH
        return is_fresh and not any(state.attempts for state in message.states)

    async def _relay_out(self, message: QueuedMessage, numbers: Sequence[int], domain: str) -> None:
        """
        One try at one domain.
        """
        relay = self._relay
        if relay is None:
            text = f"Mail for {domain} is not relayed: this server has no way out."
            results = [Result(number, Outcome.DEFERRED, text, "4.4.0") for number in numbers]
        else:
            # Between two tries an operator may have changed what our copy says.
            current = self._messages.get(message.id) if self._is_new(message) else await self._spool.find(message.id)
            allowed = numbers if current is None else [one for one in numbers if one in current.pending]
            self._busy.difference_update((message.id, one) for one in numbers if one not in allowed)
            if not allowed:
                return
            try:
                if self._hooks.attempt:
                    allowed = await self._ask_attempts(message, allowed)
                results = await relay.deliver(message, allowed, domain) if allowed else []
            except CancelledError:
                # The server stops: the recipients are still pending.
                self._busy.difference_update((message.id, one) for one in allowed)
                return
        if results:
            await self._record([(message, result) for result in results], is_local=False)

    async def _record_local(self, pairs: Sequence[tuple[QueuedMessage, Result]]) -> None:
        await self._record(pairs, is_local=True)

    async def _record(self, pairs: Sequence[tuple[QueuedMessage, Result]], *, is_local: bool) -> None:
        """
        Write results down.  What comes while others are being written down is so together after them: one message may have gone to
        many.
        """
        recorder = self._recorders[is_local]
        recorded: Deferred[None] = Deferred()
        recorder.waiting.append((pairs, recorded))
        if not recorder.is_busy:
            recorder.is_busy = True
            Deferred.fromCoroutine(self._record_all(recorder, is_local))
        await recorded

    async def _record_all(self, recorder: Recorder, is_local: bool) -> None:
        while recorder.waiting:
            together, recorder.waiting = recorder.waiting, []
            try:
                await self._record_together([pair for pairs, _ in together for pair in pairs], is_local)
            except Exception:  # noqa: BLE001 (a bug of ours: whoever waits gets it)
                failure = Failure()
                for _, recorded in together:
                    recorded.errback(failure)
            else:
                for _, recorded in together:
                    recorded.callback(None)
        recorder.is_busy = False

    async def _record_together(self, pairs: Sequence[tuple[QueuedMessage, Result]], is_local: bool) -> None:
        """
        Write results down, and see to what is to be tried again.
        """
        # Other recipients of the same message may have got further meanwhile.
        current = [(self._messages.get(message.id, message), result) for message, result in pairs]
        states = await self._outcomes.record(current, is_local=is_local)
        changed: dict[QueueId, list[RecipientState]] = {}
        again: dict[QueueId, None] = {}
        for (message, result), state in zip(pairs, states, strict=True):
            self._busy.discard((message.id, result.number))
            kept = self._messages.get(message.id)
            if kept is None:
                continue
            now = changed.setdefault(message.id, list(kept.states))
            if state.fate is Fate.PENDING:
                # An operator's word stands against a try that did not succeed.
                state = evolve(state, fate=now[result.number].fate)
                again[message.id] = None
            now[result.number] = state
        for queue_id, now in changed.items():
            self._update(queue_id, now)
        for queue_id in again:
            if queue_id in self._messages:
                self._dispatch(self._messages[queue_id])

    def _wait(self, queue_id: QueueId, due: int) -> None:
        """
        Look at a message again when it is due.
        """
        heappush(self._due, (due, queue_id))
        self._set_timer()

    def _set_timer(self) -> None:
        if not self._due or self._is_stopped:
            return
        at = self._due[0][0]
        if self._timer is not None:
            if self._timer.getTime() <= at:
                return
            self._timer.cancel()
        self._timer = self._clock.callLater(max(0, at - self._clock.seconds()), self._look)

    def _look(self) -> None:
        """
        The time has come for some.
        """
        self._timer = None
        now = self._clock.seconds()
        ready: dict[QueueId, None] = {}
        while self._due and self._due[0][0] <= now:
            ready[heappop(self._due)[1]] = None
        for queue_id in ready:
            if queue_id in self._messages:
                self._dispatch(self._messages[queue_id])
        self._set_timer()
