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

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from attrs import define, evolve, field, frozen
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail_server.interfaces import IRelay, ISpool
from twisted_mail_server.message.downgrade import CannotConvert
from twisted_mail_server.model import limits
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import Recipient
from twisted_mail_server.model.errors import MailError
from twisted_mail_server.model.queue import Outcome, QueuedMessage, Result
from twisted_mail_server.policies.routes import Stop

from .connections import Connection, ConnectFailed, Connector, Target
from .contents import Content, Sending
from .resting import Resting
from .routing import Routes
from .turns import Turn, Turns

_log = Logger()

#: RFC 3463 section 3.7: what the message needs is not there, and may be made unnecessary by conversion.
_CONVERSION_NEEDED = "5.6.3"


@frozen
class Smarthost:
    """
    The one server that takes everything.
    """

    host: str
    port: int
    #: C{off}, C{opportunistic}, C{required}, C{implicit}.
    tls: str
    login: tuple[str, bytes] | None = field(default=None, repr=False)

    @property
    def key(self) -> str:
        """
        How it is told apart from a domain.
        """
        return f"{self.host}:{self.port}"


@frozen
class Parcel:
    """
    Recipients of a message that share a transaction.
    """

    sender: Address | None
    recipients: tuple[tuple[int, Recipient], ...]


class Crowded(Exception):
    """
    The destination wants no more connections than it has.
    """


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
    _turns: Turns = field(init=False)
    _resting: Resting = field(init=False)
    _under_way: set[Deferred[list[Result]]] = field(init=False, factory=set)
    _is_stopped: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self._turns = Turns(self.clock, self.connections, self.connections_per_destination)
        self._resting = Resting(self.clock)

    async def deliver(self, message: QueuedMessage, numbers: Sequence[int], domain: str) -> list[Result]:
        """
        One try; see L{IRelay.deliver}.  Cancelled too when the server stops before its turn has come.
        """
        if self._is_stopped:
            raise CancelledError
        delivery = _Delivery(self, message, domain)
        work: Deferred[list[Result]] = Deferred.fromCoroutine(delivery.run(numbers))
        self._under_way.add(work)
        try:
            return await work
        except CancelledError:
            raise
        except Exception:  # noqa: BLE001 (a bug of ours must not lose mail: it is told, and tried again)
            _log.failure("relaying of {queue_id} to {domain} failed", queue_id=str(message.id), domain=domain)
            text = "An internal error; the log has its traceback."
            return [delivery.results.get(one) or Result(one, Outcome.DEFERRED, text, "4.3.0") for one in numbers]
        finally:
            self._under_way.discard(work)

    async def stop(self) -> None:
        """
        Begin nothing any more.  What has a connection may end, for L{limits.DRAIN_TIMEOUT} seconds; what has none is cancelled.
        """
        self._is_stopped = True
        self._turns.cancel_waiting()
        timer = self.clock.callLater(limits.DRAIN_TIMEOUT, self._cancel_all)
        while self._under_way:
            await DeferredList([_settled(work) for work in self._under_way])
        await self._turns.closed()
        if timer.active():
            timer.cancel()

    def _cancel_all(self) -> None:
        for work in list(self._under_way):
            work.cancel()
        self._turns.abort_closing()
