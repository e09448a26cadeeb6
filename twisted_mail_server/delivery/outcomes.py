"""
What a try means for a recipient: a final fate, another try, a report to the sender.

RFC 5321 section 4.5.4.1 for when to try again and when to give up, RFC 3461 section 5 for who is told of what.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, field, frozen
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from twisted_mail_server.delivery.reporting import Reporting
from twisted_mail_server.interfaces import IMeters, ISpool, Unmetered
from twisted_mail_server.message.reports import Kind
from twisted_mail_server.model.queue import (
    Fate,
    Outcome,
    QueuedMessage,
    RecipientState,
    Report,
    Result,
    Settlement,
)
from twisted_mail_server.policies import retries

_log = Logger()

#: Seconds between two attempts to write down a result that is final elsewhere.
_WRITE_AGAIN = 5

_FATES = {Outcome.DELIVERED: Fate.DELIVERED, Outcome.RELAYED: Fate.RELAYED, Outcome.FAILED: Fate.FAILED}


@frozen
class Schedule:
    """
    When to try again, and when to give up.
    """

    #: Seconds between tries; the last repeats.
    waits: tuple[int, ...]
    #: Seconds after which a message that nobody took comes back; C{None} for never.
    expire_after: int | None = None
    #: Seconds after which the sender is told that it takes longer; 0 for never.
    delay_warning: int = 0


#: Our own trouble passes sooner than others', and is no reason to give up.
LOCAL = Schedule((1, 2, 4, 8, 16, 32, 64, 128, 300))


@define(eq=False)
class Outcomes:
    """
    Records results, and the reports that they make necessary, in one transaction.
    """

    _spool: ISpool
    _reporting: Reporting
    _clock: IReactorTime
    _random: Callable[[int], bytes]
    _remote: Schedule
    _meters: IMeters = field(factory=Unmetered)
    _is_stopped: bool = False
    #: Count recipients by fate, and tries to relay by outcome.
    _fates: dict[Fate, Callable[[float], object]] = field(init=False)
    _tries: dict[Outcome, Callable[[float], object]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._fates = {fate: self._meters.counter("mail_recipients_total", fate.value) for fate in Fate}
        self._tries = {one: self._meters.counter("mail_relay_tries_total", one.value) for one in Outcome}

    def stop(self) -> None:
        """
        Give up on results that cannot be written down: their recipients are tried again by the next process.
        """
        self._is_stopped = True

    async def record(self, pairs: Sequence[tuple[QueuedMessage, Result]], *, is_local: bool) -> list[RecipientState]:
        """
        The new state of each recipient, durable; it never fails.

        A result that cannot be written down now is kept until it can be: what another server has taken is not sent twice.
        """
        schedule = LOCAL if is_local else self._remote
        now = int(self._clock.seconds())
        states = [self._next_state(message, result, schedule, now) for message, result in pairs]
        reports: list[Report] | None = None
        while True:
            try:
                if reports is None:
                    reports = await self._reports(pairs, states, schedule, now)
                await self._spool.settle(
                    [
                        Settlement(message.id, result.number, state)
                        for (message, result), state in zip(pairs, states, strict=True)
                    ],
                    reports,
                )
                break
            except Exception:  # noqa: BLE001 (told; the promise stands, and so does the result)
                _log.failure("results of {messages} tries cannot be written down yet", messages=len(pairs))
            if self._is_stopped:
                break
            await deferLater(self._clock, _WRITE_AGAIN)
        for (message, result), state in zip(pairs, states, strict=True):
            self._fates[state.fate](1)
            if not is_local:
                self._tries[result.outcome](1)
            _tell(message, result, state)
        return states

    def _next_state(self, message: QueuedMessage, result: Result, schedule: Schedule, now: int) -> RecipientState:
        was = message.states[result.number]
        attempts = was.attempts + 1
        if result.outcome is not Outcome.DEFERRED:
            return RecipientState(_FATES[result.outcome], result.detail, attempts, now, 0, was.is_delay_told)
        received = message.envelope.received
        if schedule.expire_after is not None and retries.is_expired(received, now, schedule.expire_after):
            return RecipientState(Fate.FAILED, result.detail, attempts, now, 0, was.is_delay_told)
        chance = int.from_bytes(self._random(4), "big") / 2**32
        latest = None if schedule.expire_after is None else received + schedule.expire_after
        due = retries.next_try(schedule.waits, attempts, now, chance, latest)
        is_late = retries.is_delay_due(received, now, schedule.delay_warning, was.is_delay_told)
        return RecipientState(Fate.PENDING, result.detail, attempts, now, due, was.is_delay_told or is_late)

    async def _reports(
        self,
        pairs: Sequence[tuple[QueuedMessage, Result]],
        states: Sequence[RecipientState],
        schedule: Schedule,
        now: int,
    ) -> list[Report]:
        """
        One report for each message and kind.
        """
        wanted: dict[tuple[Kind, int], list[Result]] = {}
        messages = {id(message): message for message, _ in pairs}
        for (message, result), state in zip(pairs, states, strict=True):
            kind = _kind(message.states[result.number], result, state)
            if kind is not None and self._reporting.is_wanted(kind, message, result.number):
                wanted.setdefault((kind, id(message)), []).append(result)
        made = [
            await self._reporting.report(kind, messages[key], results, now, schedule.expire_after)
            for (kind, key), results in wanted.items()
        ]
        return [report for report in made if report is not None]


def _kind(was: RecipientState, result: Result, state: RecipientState) -> Kind | None:
    """
    What there is to tell, if anybody wants to know.
    """
    if state.fate is Fate.FAILED:
        return Kind.FAILURE
    if state.fate is Fate.DELIVERED:
        return Kind.SUCCESS
    if state.fate is Fate.RELAYED:
        # RFC 3461 section 5.2.2: who took the message over with our wishes tells the sender.
        return None if result.is_dsn_passed_on else Kind.RELAYED
    return Kind.DELAY if state.is_delay_told and not was.is_delay_told else None


def _tell(message: QueuedMessage, result: Result, state: RecipientState) -> None:
    """
    One event for each decision.  What was delivered is told by who did it.
    """
    if state.fate is Fate.DELIVERED:
        return
    tell = _log.info if state.fate is Fate.RELAYED else _log.warn
    tell(
        "{fate} {queue_id} for <{recipient}>: {reason}",
        fate="deferred" if state.fate is Fate.PENDING else state.fate.value,
        queue_id=str(message.id),
        recipient=str(message.envelope.recipients[result.number].address),
        reason=state.detail,
        remote=result.remote,
        status=result.status,
        attempts=state.attempts,
        due=state.due,
    )
