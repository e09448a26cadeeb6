"""
What is done beside the deliveries, at low priority: checkpoints, adoption of dead processes' journals, pruning of history.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from twisted_mail_server.interfaces import IMailStore, IMeters, ISpool, Unmetered
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import AccountId
from twisted_mail_server.model.errors import MailError

_log = Logger()

#: Seconds between two looks at what is due.
CHECKPOINT_EVERY, ADOPT_EVERY, PRUNE_EVERY = 10, 60, 3600


@define(eq=False)
class Maintenance:
    """
    Three loops on one clock; a failure in one round is told, and the next round tries again.
    """

    _spool: ISpool
    _store: IMailStore
    _clock: IReactorTime
    #: Seconds for which settled messages are remembered.
    _history: int
    _meters: IMeters = field(factory=Unmetered)
    _loops: list[LoopingCall] = field(init=False, factory=list)
    _ended: list[Deferred[Any]] = field(init=False, factory=list)
    _is_ending: bool = field(init=False, default=False)

    def start(self) -> None:
        """
        Begin; the first rounds come after their pauses.
        """
        self._is_ending = False
        for pause, work in ((CHECKPOINT_EVERY, self.checkpoint), (ADOPT_EVERY, self.adopt), (PRUNE_EVERY, self.prune)):
            loop = LoopingCall(lambda work=work: Deferred.fromCoroutine(_told(work)))
            loop.clock = self._clock
            self._loops.append(loop)
            self._ended.append(loop.start(pause, now=False))

    async def stop(self) -> None:
        """
        End after the rounds under way.
        """
        self._is_ending = True
        for loop in self._loops:
            if loop.running:
                loop.stop()
        for ended in self._ended:
            await ended
        self._loops.clear()
        self._ended.clear()

    async def checkpoint(self) -> None:
        """
        Move contents of quiet accounts into files (C{docs/explanation/storage-format.md}).
        """
        for account in self._store.begin_checkpoints():
            if self._is_ending:
                return
            moved = await self._checkpoint(account)
            self._meters.counter("mail_checkpoints_total")(1)
            self._meters.counter("mail_checkpoint_contents_total")(moved)
            if moved:
                _log.debug("checkpoint of {account}: {contents} contents", account=str(account), contents=moved)

    async def _checkpoint(self, account: AccountId) -> int:
        """
        In slices, so that the end does not wait for all of a large account: what is left is safe in its database.
        """
        mail = await self._store.open(account)
        total = moved = await mail.checkpoint(limit=limits.CHECKPOINT_SLICE)
        while moved == limits.CHECKPOINT_SLICE and not self._is_ending:
            moved = await mail.checkpoint(limit=limits.CHECKPOINT_SLICE)
            total += moved
        return total

    async def adopt(self) -> None:
        """
        Deliver what processes that died had promised.
        """
        await self._spool.adopt()

    async def prune(self) -> None:
        """
        Forget what was settled long ago.
        """
        await self._spool.prune(int(self._clock.seconds()) - self._history)


async def _told(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    try:
        await work()
    except CancelledError:
        raise
    except MailError as problem:
        _log.warn(
            "{work} did not succeed, and will be tried again: {reason}", work=work.__name__, reason=problem.public
        )
    except Exception:  # noqa: BLE001 (the next round tries again)
        _log.failure("{work} failed", work=work.__name__)
