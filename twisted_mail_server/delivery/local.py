"""
From the spool into mailboxes here.

Every account has a lane: what arrives for it while a delivery is under way forms its next batch, one transaction in the
account's database.  Results are recorded after it, in the order that makes a crash harmless (C{docs/explanation/spool.md}).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_mail_server.interfaces import IMailStore, IMeters, ISpool, Unmetered
from twisted_mail_server.message import trace
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import AccountId
from twisted_mail_server.model.errors import DiskFull, MailError, Trouble
from twisted_mail_server.model.mailboxes import INBOX, JUNK
from twisted_mail_server.model.queue import Arrival, Outcome, QueuedMessage, QueueId, Result

_log = Logger()

#: Messages of one account that share a transaction.
BATCH = 100
#: Accounts that are written to at the same time.
ACCOUNTS_AT_ONCE = 16

#: Seconds within which a first try is that of a message just promised; one that was recovered from the spool is older.
FRESH = 2

#: Who records results; it never fails.
Record = Callable[[Sequence[tuple[QueuedMessage, Result]]], Awaitable[None]]


@frozen(eq=False)
class Job:
    """
    One recipient of one message.
    """

    message: QueuedMessage
    number: int
    mailbox: str = INBOX
    #: Header fields for this recipient alone, whole lines.
    added: bytes = b""
    #: When it was promised, as exactly as that is known.
    since: float = 0.0

    @property
    def address(self) -> str:
        """
        Whose it is.
        """
        return str(self.message.envelope.recipients[self.number].address)


@define(eq=False)
class Lane:
    """
    What waits for one account.
    """

    account: AccountId
    waiting: list[Job] = field(factory=list)
    #: Messages whose fate is durable in the spool, so that the account may forget their ids.
    settled: list[QueueId] = field(factory=list)
    is_busy: bool = False
    #: When its last batch began.
    began: float = 0.0
    #: It rests until then.
    rest: IDelayedCall | None = None


@define(eq=False)
class Traffic:
    """
    How much comes in the time of a rest: as long as that is little, nothing need wait.
    """

    _since: float = 0.0
    _now: int = 0
    _before: int = 0

    def count(self, now: float, period: float) -> None:
        """
        One more.
        """
        if now - self._since >= period:
            self._before = self._now if now - self._since < 2 * period else 0
            self._since, self._now = now, 0
        self._now += 1

    @property
    def is_heavy(self) -> bool:
        """
        Whether it is worth while to wait for more.
        """
        return max(self._now, self._before) > limits.LANE_BUSY


@define(eq=False)
class LocalDelivery:
    """
    Brings messages to mailboxes.
    """

    _spool: ISpool
    _store: IMailStore
    _record: Record
    _clock: IReactorTime
    _meters: IMeters = field(factory=Unmetered)
    #: Seconds between the beginnings of two batches of one account: what arrives in between shares the next.
    _rest: float = 0.0
    _traffic: Traffic = field(init=False, factory=Traffic)
    #: Takes the seconds of each delivery.
    _took: Callable[[float], object] = field(init=False)
    _lanes: dict[AccountId, Lane] = field(init=False, factory=dict)
    _at_once: DeferredSemaphore = field(init=False, factory=lambda: DeferredSemaphore(ACCOUNTS_AT_ONCE))
    #: Lanes that are being worked.
    _under_way: int = field(init=False, default=0)
    _idle: list[Deferred[None]] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        self._took = self._meters.histogram("mail_delivery_seconds")

    def take(
        self, message: QueuedMessage, number: int, account: AccountId, *, quarantine: str = "", added: bytes = b""
    ) -> None:
        """
        Deliver a message to an account; the result is recorded.

        @param quarantine: why it goes to Junk.
        @param added: header fields for this recipient alone.
        """
        lane = self._lanes.setdefault(account, Lane(account))
        self._traffic.count(self._clock.seconds(), self._rest)
        is_junk = quarantine or message.envelope.recipients[number].quarantine
        since = promised(message, number, self._clock.seconds())
        lane.waiting.append(Job(message, number, JUNK if is_junk else INBOX, added, since))
        if not lane.is_busy:
            lane.is_busy = True
            self._begin(lane)

    def _begin(self, lane: Lane) -> None:
        """
        Work in a lane, or have it rest first.  A message that is alone waits for nothing.
        """
        pause = lane.began + self._rest - self._clock.seconds()
        if pause > 0 and self._traffic.is_heavy:
            lane.rest = self._clock.callLater(pause, self._rested, lane)
            return
        self._under_way += 1
        working: Deferred[None] = self._at_once.run(lambda: Deferred.fromCoroutine(self._work(lane)))
        working.addErrback(self._lane_failed, lane).addBoth(self._ended)

    def _rested(self, lane: Lane) -> None:
        lane.rest = None
        self._begin(lane)

    async def stop(self) -> None:
        """
        Finish the batches under way; what waits stays in the spool.
        """
        for lane in self._lanes.values():
            lane.waiting.clear()
            if lane.rest is not None:
                lane.rest.cancel()
                lane.rest = None
        while self._under_way:
            idle: Deferred[None] = Deferred()
            self._idle.append(idle)
            await idle

    def _ended(self, _: object) -> None:
        self._under_way -= 1
        if self._under_way == 0:
            idle, self._idle = self._idle, []
            for one in idle:
                one.callback(None)

    async def _work(self, lane: Lane) -> None:
        """
        Deliver a batch, and what is too much for it.
        """
        try:
            lane.began = self._clock.seconds()
            while lane.waiting:
                batch, lane.waiting = lane.waiting[:BATCH], lane.waiting[BATCH:]
                await self._try(lane, batch)
                if len(batch) < BATCH:
                    break
        finally:
            lane.is_busy = bool(lane.waiting)
            if lane.is_busy:
                self._begin(lane)
            elif not lane.settled:
                self._lanes.pop(lane.account, None)

    async def _try(self, lane: Lane, batch: Sequence[Job]) -> None:
        """
        Deliver a batch; where that fails, each of its messages alone, so that one that cannot be read keeps none back.
        """
        try:
            fresh = await self._deliver(lane, batch)
        except Exception as failure:  # noqa: BLE001 (a bug of ours must not lose mail: it is told, and tried again)
            if len(batch) > 1 and not isinstance(failure, DiskFull):
                for job in batch:
                    await self._try(lane, [job])
                return
            if not isinstance(failure, MailError):
                _log.failure("delivery to {account} failed", account=str(lane.account))
            await self._record([(job.message, failed(job.number, failure)) for job in batch])
            return
        await self._record(
            [(job.message, Result(job.number, Outcome.DELIVERED, job.mailbox, "2.0.0")) for job in batch],
        )
        lane.settled += [job.message.id for job in batch]
        now = self._clock.seconds()
        for job, is_new in zip(batch, fresh, strict=True):
            self._took(max(0.0, now - job.since))
            _log.info(
                "delivered {queue_id} to <{recipient}>",
                queue_id=str(job.message.id),
                recipient=job.address,
                account=str(lane.account),
                mailbox=job.mailbox,
                repeated=not is_new,
            )

    async def _deliver(self, lane: Lane, batch: Sequence[Job]) -> list[bool]:
        mail = await self._store.open(lane.account)
        arrivals = [await self._arrival(job) for job in batch]
        settled, lane.settled = lane.settled, []
        return await mail.deliver(arrivals, settled)

    async def _arrival(self, job: Job) -> Arrival:
        message = job.message
        envelope = message.envelope
        inline = message.inline
        if inline is None and message.path is None:
            inline = await self._spool.read(message)
        # RFC 5321 section 4.4: final delivery puts the reverse-path in front.
        prefix = trace.return_path(str(envelope.sender or "")) + trace.delivered_to(job.address)
        return Arrival(
            queue_id=message.id,
            number=job.number,
            mailbox=job.mailbox,
            prefix=prefix + job.added,
            size=message.size,
            digest=message.digest,
            inline=inline,
            path=message.path if inline is None else None,
            is_shared=len(envelope.recipients) > limits.INLINE_RECIPIENTS,
            internal_date=envelope.received,
        )

    def _lane_failed(self, failure: Failure, lane: Lane) -> None:
        _log.failure("the lane of {account} stopped", failure=failure, account=str(lane.account))


def promised(message: QueuedMessage, number: int, now: float) -> float:
    """
    When a message that is to be delivered C{now} was promised: just now if this is its first try, else to the second.
    """
    received = message.envelope.received
    is_fresh = not message.states[number].attempts and now - received < FRESH
    return now if is_fresh else received


def failed(number: int, problem: BaseException) -> Result:
    """
    What an exception means for a recipient: trouble of ours passes, a refusal is for ever, a bug is trouble of ours.
    """
    if not isinstance(problem, MailError):
        return Result(number, Outcome.DEFERRED, "An internal error; the log has its traceback.", "4.3.0")
    passes = isinstance(problem, Trouble) or problem.code < 500
    return Result(number, Outcome.DEFERRED if passes else Outcome.FAILED, problem.public, problem.enhanced)
