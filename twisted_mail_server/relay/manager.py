"""
The way out: a message to the servers of one domain, or to the smarthost.

::

    deliver ── turns: wait for a place ──► an open connection ─────────────────► transactions ──► a result for each recipient
                                     └───► routing: where?                 ┌──►
                                           resting: not there, for now     │
                                           connector: one place after the other

What a server says of a recipient is final for this try.  Who said nothing of any, and can have got nothing of the message, is
passed over for the next place.  Whatever else happens becomes a result as well; only a cancelled try has none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail_server.interfaces import IRelay, ISpool
from twisted_mail_server.model import limits
from twisted_mail_server.model.queue import Outcome, QueuedMessage, Result

from .connections import Connector
from .contents import Content
from .resting import Resting
from .routing import Routes, Smarthost
from .trying import Try
from .turns import Turns

_log = Logger()


@implementer(IRelay)
@define(eq=False, kw_only=True)
class RelayManager:
    """
    Brings messages to other servers.
    """

    spool: ISpool
    routes: Routes
    connector: Connector
    clock: IReactorTime
    #: Calls a function in a thread.
    run: Callable[..., Awaitable[Any]]
    smarthost: Smarthost | None = None
    connections: int = limits.RELAY_CONNECTIONS
    connections_per_destination: int = limits.RELAY_CONNECTIONS_PER_DESTINATION
    turns: Turns = field(init=False)
    resting: Resting = field(init=False)
    _under_way: set[Deferred[list[Result]]] = field(init=False, factory=set)
    _is_stopped: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self.turns = Turns(self.clock, self.connections, self.connections_per_destination)
        self.resting = Resting(self.clock)

    async def deliver(self, message: QueuedMessage, numbers: Sequence[int], domain: str) -> list[Result]:
        """
        One try; see L{IRelay.deliver}.  Cancelled too when the server stops before its turn has come.  Where some recipients have
        their result already, a cancelled try has one for each: the others wait.
        """
        if self._is_stopped:
            raise CancelledError
        one = Try(
            content=Content(self.spool, message, self.run),
            message=message,
            domain=domain,
            smarthost=self.smarthost,
            turns=self.turns,
            resting=self.resting,
            routes=self.routes,
            connector=self.connector,
        )
        work: Deferred[list[Result]] = Deferred.fromCoroutine(one.run(numbers))
        self._under_way.add(work)
        try:
            return await work
        except CancelledError:
            if not one.results:
                raise
            # What another server has taken must not be sent twice.
            return _completed(one.results, numbers, "The server stopped before it was sent.", "4.3.2")
        except Exception:  # noqa: BLE001 (a bug of ours must not lose mail: it is told, and tried again)
            _log.failure("relaying of {queue_id} to {domain} failed", queue_id=str(message.id), domain=domain)
            return _completed(one.results, numbers, "An internal error; the log has its traceback.", "4.3.0")
        finally:
            self._under_way.discard(work)

    async def stop(self) -> None:
        """
        Begin nothing any more.  What has a connection may end, for L{limits.DRAIN_TIMEOUT} seconds; what has none is cancelled.
        """
        self._is_stopped = True
        self.turns.cancel_waiting()
        timer = self.clock.callLater(limits.DRAIN_TIMEOUT, self._cancel_all)
        while self._under_way:
            await DeferredList(list(self._under_way), consumeErrors=True)
        await self.turns.closed()
        if timer.active():
            timer.cancel()

    def _cancel_all(self) -> None:
        for work in list(self._under_way):
            work.cancel()
        self.turns.abort_closing()


def _completed(results: Mapping[int, Result], numbers: Sequence[int], text: str, status: str) -> list[Result]:
    """
    Who has no result yet waits.
    """
    return [results.get(number) or Result(number, Outcome.DEFERRED, text, status) for number in numbers]
