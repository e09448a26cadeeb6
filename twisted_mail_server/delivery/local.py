"""
From the spool into mailboxes here.

Every account has a lane: what arrives for it while a delivery is under way forms its next batch, one transaction in the
account's database.  Fates are recorded after it, in the order that makes a crash harmless (C{docs/explanation/spool.md}).
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, evolve, field, frozen
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_mail_server.interfaces import IDirectory, IMailStore, ISpool
from twisted_mail_server.message import trace
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import AccountId
from twisted_mail_server.model.errors import DiskFull, MailError, Trouble
from twisted_mail_server.model.mailboxes import INBOX
from twisted_mail_server.model.queue import Arrival, Fate, QueuedMessage, QueueId, RecipientState, Settlement

from .routing import route

_log = Logger()

#: Messages of one account that share a transaction.
BATCH = 100
#: Accounts that are written to at the same time.
ACCOUNTS_AT_ONCE = 16
#: Octets of contents that wait in memory for their delivery; beyond it they are read again from the spool.
WAITING_IN_MEMORY = 64 * limits.MIB
#: Seconds until the first new try, and the longest wait between two.
FIRST_PAUSE, LONGEST_PAUSE = 1, 300


@frozen(eq=False)
class Job:
    """
    One recipient of one message.
    """

    message: QueuedMessage
    number: int
    #: Octets it holds in memory.
    weight: int

    @property
    def state(self) -> RecipientState:
        """
        How the recipient stood when the job was made.
        """
        return self.message.states[self.number]


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


@define(eq=False)
class LocalDelivery:
    """
    Brings messages to mailboxes, and their fates to the spool.
    """

    _spool: ISpool
    _directory: IDirectory
    _store: IMailStore
    _clock: IReactorTime
    _lanes: dict[AccountId, Lane] = field(init=False, factory=dict)
    _at_once: DeferredSemaphore = field(init=False, factory=lambda: DeferredSemaphore(ACCOUNTS_AT_ONCE))
    _retries: dict[Job, IDelayedCall] = field(init=False, factory=dict)
    #: Work that was begun and has not ended.
    _under_way: int = field(init=False, default=0)
    _idle: list[Deferred[None]] = field(init=False, factory=list)
    _in_memory: int = field(init=False, default=0)
    _is_stopped: bool = field(init=False, default=False)

    async def start(self) -> int:
        """
        Take over from the spool, beginning with what earlier processes left; how many messages that were.
        """
        self._spool.hand_over(self.receive)
        recovered = await self._spool.recover()
        if recovered:
            _log.info("recovered {messages} messages from the spool", messages=recovered)
        return recovered

    async def stop(self) -> None:
        """
        Finish what is under way; what waits stays in the spool.
        """
        self._is_stopped = True
        for retry in self._retries.values():
            retry.cancel()
        self._retries.clear()
        for lane in self._lanes.values():
            lane.waiting.clear()
        while self._under_way:
            idle: Deferred[None] = Deferred()
            self._idle.append(idle)
            await idle

    def receive(self, message: QueuedMessage) -> None:
        """
        A message was promised: deliver it to every recipient that is pending.
        """
        pending = message.pending
        if self._in_memory > WAITING_IN_MEMORY:
            message = _lighter(message)
        weight = len(message.inline or b"") // max(1, len(pending))
        for number in pending:
            self._take(Job(message, number, weight))

    def _take(self, job: Job) -> None:
        """
        Begin with a job; it ends in a fate, or in another try.
        """
        if self._is_stopped:
            return
        self._under_way += 1
        self._in_memory += job.weight
        Deferred.fromCoroutine(self._sort(job)).addErrback(self._failed, job).addBoth(self._ended)

    def _ended(self, _: object) -> None:
        self._under_way -= 1
        if self._under_way == 0:
            idle, self._idle = self._idle, []
            for one in idle:
                one.callback(None)

    async def _sort(self, job: Job) -> None:
        """
        Find the account's lane, and see that somebody works it.
        """
        recipient = job.message.envelope.recipients[job.number]
        try:
            if recipient.refusal:
                raise Held(recipient.refusal)
            local = await route(self._directory, recipient.address)
        except MailError as problem:
            await self._give_up([job], problem)
            return
        lane = self._lanes.setdefault(local.account.id, Lane(local.account.id))
        lane.waiting.append(job)
        if not lane.is_busy:
            lane.is_busy = True
            self._under_way += 1
            working: Deferred[None] = self._at_once.run(lambda: Deferred.fromCoroutine(self._work(lane)))
            working.addErrback(self._lane_failed, lane).addBoth(self._ended)

    async def _work(self, lane: Lane) -> None:
        """
        Deliver batches until nothing waits.
        """
        try:
            while lane.waiting:
                batch, lane.waiting = lane.waiting[:BATCH], lane.waiting[BATCH:]
                await self._try(lane, batch)
        finally:
            lane.is_busy = False
            if not lane.settled and not lane.waiting:
                self._lanes.pop(lane.account, None)

    async def _try(self, lane: Lane, batch: Sequence[Job]) -> None:
        """
        Deliver a batch; where that fails, each of its messages alone, so that one that cannot be read keeps none back.
        """
        try:
            await self._deliver(lane, batch)
        except Exception as failure:  # noqa: BLE001 (a bug of ours must not lose mail: it is told, and tried again)
            if len(batch) > 1 and not isinstance(failure, DiskFull):
                for job in batch:
                    await self._try(lane, [job])
                return
            if isinstance(failure, MailError):
                await self._give_up(batch, failure)
                return
            _log.failure("delivery to {account} failed", account=str(lane.account))
            await self._give_up(batch, Unexpected("An internal error; the log has its traceback."))

    async def _deliver(self, lane: Lane, batch: Sequence[Job]) -> None:
        mail = await self._store.open(lane.account)
        arrivals = [await self._arrival(job) for job in batch]
        settled, lane.settled = lane.settled, []
        fresh = await mail.deliver(arrivals, settled)
        now = int(self._clock.seconds())
        await self._spool.settle(
            [
                Settlement(
                    job.message.id,
                    job.number,
                    RecipientState(Fate.DELIVERED, INBOX, job.state.attempts + 1, now),
                )
                for job in batch
            ]
        )
        lane.settled += [job.message.id for job in batch]
        for job, is_new in zip(batch, fresh, strict=True):
            self._in_memory -= job.weight
            _log.info(
                "delivered {queue_id} to <{recipient}>",
                queue_id=str(job.message.id),
                recipient=str(job.message.envelope.recipients[job.number].address),
                account=str(lane.account),
                mailbox=INBOX,
                repeated=not is_new,
            )

    async def _arrival(self, job: Job) -> Arrival:
        message = job.message
        envelope = message.envelope
        inline = message.inline
        if inline is None and message.path is None:
            inline = await self._spool.read(message)
        # RFC 5321 section 4.4: final delivery puts the reverse-path in front.
        prefix = trace.return_path(str(envelope.sender or "")) + trace.delivered_to(
            str(envelope.recipients[job.number].address)
        )
        return Arrival(
            queue_id=message.id,
            number=job.number,
            mailbox=INBOX,
            prefix=prefix,
            size=message.size,
            digest=message.digest,
            inline=inline,
            path=message.path if inline is None else None,
            is_shared=len(envelope.recipients) > limits.INLINE_RECIPIENTS,
            internal_date=envelope.received,
        )

    async def _give_up(self, jobs: Sequence[Job], problem: MailError) -> None:
        """
        For now, where it is trouble of ours; else the recipient is held with its reason.
        """
        passes = isinstance(problem, Trouble) or problem.code < 500
        fate = Fate.PENDING if passes else Fate.HELD
        now = int(self._clock.seconds())
        states = [RecipientState(fate, problem.public, job.state.attempts + 1, now) for job in jobs]
        for job in jobs:
            self._in_memory -= job.weight
            _log.warn(
                "{fate} {queue_id} for <{recipient}>: {reason}",
                fate="deferred" if passes else "held",
                queue_id=str(job.message.id),
                recipient=str(job.message.envelope.recipients[job.number].address),
                reason=problem.public,
            )
        try:
            await self._spool.settle(
                [Settlement(job.message.id, job.number, state) for job, state in zip(jobs, states, strict=True)]
            )
        except Exception:  # noqa: BLE001 (the promise stands; only the note of this try is missing)
            _log.failure("the spool did not take a note of {messages} tries", messages=len(jobs))
            passes = True
        if passes:
            for job, state in zip(jobs, states, strict=True):
                self._try_again(job, state)

    def _try_again(self, job: Job, state: RecipientState) -> None:
        if self._is_stopped:
            return
        # The content is in the spool; what waits for a while does not wait in memory.
        again = Job(_lighter(job.message.with_state(job.number, state)), job.number, 0)
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(state.attempts - 1, 20))

        def begin() -> None:
            del self._retries[again]
            self._take(again)

        self._retries[again] = self._clock.callLater(pause, begin)

    def _failed(self, failure: Failure, job: Job) -> None:
        """
        A bug of ours: told, and tried again.
        """
        _log.failure("delivery of {queue_id} failed", failure=failure, queue_id=str(job.message.id))
        self._in_memory -= job.weight
        self._try_again(job, RecipientState(Fate.PENDING, "", job.state.attempts + 1, 0))

    def _lane_failed(self, failure: Failure, lane: Lane) -> None:
        _log.failure("the lane of {account} stopped", failure=failure, account=str(lane.account))


def _lighter(message: QueuedMessage) -> QueuedMessage:
    """
    The message without its content, which the spool has.
    """
    return evolve(message, inline=None)


class Held(MailError):
    """
    A recipient that intake knew could not have the message.
    """

    code, enhanced = 554, "5.4.6"


class Unexpected(Trouble):
    """
    A bug of ours, as the queue tells of it.
    """
