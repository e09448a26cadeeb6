"""
Whose turn it is to have a connection.

Two bounds hold: for all connections together, and for those to one destination.  Destinations are served in rotation, so that
neither a long queue nor a slow server keeps another one waiting::

    a destination without a connection   gets one whenever there is room at all
    one that has some                    gets another while less than half of the room is used

A connection that has done its work goes to the next message for its destination, else it stays open for a moment; the one that
has idled longest makes room where there is none.  Where all the room is used and other destinations wait, a connection ends
after L{limits.RELAY_TURN} messages.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Coroutine
from typing import Any, Protocol

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from twisted_mail_server.model import limits

_log = Logger()


class Open(Protocol):
    """
    An open connection, as much of it as matters here; L{twisted_mail_server.relay.connections} has the whole.
    """

    @property
    def is_usable(self) -> bool:
        """
        Whether another message may be sent.
        """

    def close(self) -> Coroutine[Any, Any, None]:
        """
        Take leave.
        """

    def abort(self) -> None:
        """
        Let go at once.
        """


@define(eq=False)
class Lane:
    """
    One destination.
    """

    key: str
    #: Connections that it may have; a server that wants fewer gets fewer.
    most: int
    waiting: deque[Deferred[Turn]] = field(init=False, factory=deque)
    busy: int = field(init=False, default=0)
    idle: list[Idle] = field(init=False, factory=list)


@define(eq=False)
class Turn:
    """
    The right to one connection to one destination.
    """

    lane: Lane
    #: What is open now: left by the message before, or opened by this one.
    connection: Any = None
    #: Messages that the connection has carried.
    carried: int = 0
    #: Those of them without a pause.
    in_a_row: int = 0


@define(eq=False)
class Idle:
    """
    A connection that waits for a message.
    """

    lane: Lane
    connection: Open
    carried: int
    in_a_row: int
    #: Ends it.
    timer: IDelayedCall = field(init=False)


@define(eq=False)
class Turns:
    """
    All destinations.
    """

    _clock: IReactorTime
    _most: int = limits.RELAY_CONNECTIONS
    _each: int = limits.RELAY_CONNECTIONS_PER_DESTINATION
    _lanes: dict[str, Lane] = field(init=False, factory=dict)
    #: Lanes in which a message waits and could go: over an idle connection, a first one, another one.
    _ready: dict[Lane, None] = field(init=False, factory=dict)
    _first: dict[Lane, None] = field(init=False, factory=dict)
    _more: dict[Lane, None] = field(init=False, factory=dict)
    _busy: int = field(init=False, default=0)
    #: The one that has idled longest first.
    _idle: dict[Idle, None] = field(init=False, factory=dict)
    _closing: set[Deferred[None]] = field(init=False, factory=set)
    _is_serving: bool = field(init=False, default=False)
    _is_stopped: bool = field(init=False, default=False)

    def take(self, key: str) -> Deferred[Turn]:
        """
        A turn at a destination, in the order of asking.  Cancelled, it is nobody's.
        """
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key, self._each)
        here = lane
        waiter: Deferred[Turn] = Deferred(lambda left: self._leave(here, left))
        lane.waiting.append(waiter)
        self._enqueue(lane)
        self._serve()
        return waiter

    def give_back(self, turn: Turn) -> None:
        """
        A turn is over.  Its connection is kept for another message if it can carry one.
        """
        lane, connection, turn.connection = turn.lane, turn.connection, None
        is_crowded = bool(self._first) and self._busy >= self._most
        lane.busy -= 1
        self._busy -= 1
        if connection is not None:
            is_worn = turn.carried >= limits.RELAY_MESSAGES_PER_CONNECTION
            is_over = is_crowded and turn.in_a_row >= limits.RELAY_TURN
            if self._is_stopped or is_worn or is_over or not connection.is_usable:
                self.end(connection)
            else:
                self._keep(turn, connection)
        self._enqueue(lane)
        self._serve()

    def narrow(self, turn: Turn) -> bool:
        """
        The destination wants no more connections than it has: whether there are any, so that this message may wait for one of them.
        """
        lane = turn.lane
        others = lane.busy - 1 + len(lane.idle)
        if others:
            lane.most = others
        return others > 0

    def end(self, connection: Open) -> None:
        """
        Close a connection, without waiting for it.
        """
        closing = Deferred.fromCoroutine(_close(connection))
        self._closing.add(closing)
        closing.addBoth(lambda _: self._closing.discard(closing))

    def cancel_waiting(self) -> None:
        """
        Nobody gets a turn any more.  Connections that idle are closed; those in use, when they are given back.
        """
        self._is_stopped = True
        for lane in list(self._lanes.values()):
            for waiter in list(lane.waiting):
                waiter.cancel()
        while self._idle:
            self._evict()

    async def closed(self) -> None:
        """
        Return when all that was closed is.
        """
        while self._closing:
            await DeferredList(list(self._closing))

    def abort_closing(self) -> None:
        """
        Let go of what is being closed.
        """
        for closing in list(self._closing):
            closing.cancel()

    # --- Inside.

    def _leave(self, lane: Lane, waiter: Deferred[Turn]) -> None:
        lane.waiting.remove(waiter)
        self._enqueue(lane)

    def _enqueue(self, lane: Lane) -> None:
        """
        Put a lane where it belongs: at the end, if it was not there.
        """
        where = None
        if lane.waiting and lane.busy < lane.most:
            where = self._ready if lane.idle else self._more if lane.busy else self._first
        for queue in (self._ready, self._first, self._more):
            if queue is where:
                queue.setdefault(lane)
            else:
                queue.pop(lane, None)
        if not (lane.waiting or lane.busy or lane.idle):
            self._lanes.pop(lane.key, None)

    def _serve(self) -> None:
        """
        Begin turns while that is possible.  A message may be done with its turn at once: then the next one begins here, not below it.
        """
        if self._is_serving:
            return
        self._is_serving = True
        try:
            while (lane := self._next()) is not None:
                self._begin(lane)
        finally:
            self._is_serving = False

    def _next(self) -> Lane | None:
        if self._ready:
            return next(iter(self._ready))
        if self._first and self._busy < self._most:
            return next(iter(self._first))
        if self._more and self._busy < self._most - self._most // 2:
            return next(iter(self._more))
        return None

    def _begin(self, lane: Lane) -> None:
        waiter = lane.waiting.popleft()
        lane.busy += 1
        self._busy += 1
        turn = self._reused(lane)
        if turn is None:
            turn = Turn(lane)
            if self._busy + len(self._idle) > self._most:
                self._evict()
        for queue in (self._ready, self._first, self._more):
            queue.pop(lane, None)
        self._enqueue(lane)
        waiter.callback(turn)

    def _reused(self, lane: Lane) -> Turn | None:
        """
        A turn with a connection that idles; the one that was used last is the one most likely to be open still.
        """
        while lane.idle:
            idle = lane.idle[-1]
            if idle.connection.is_usable:
                self._forget(idle)
                return Turn(lane, idle.connection, idle.carried, idle.in_a_row)
            self._drop(idle)
        return None

    def _keep(self, turn: Turn, connection: Open) -> None:
        lane = turn.lane
        idle = Idle(lane, connection, turn.carried, turn.in_a_row if lane.waiting else 0)
        idle.timer = self._clock.callLater(limits.RELAY_IDLE, self._drop, idle)
        lane.idle.append(idle)
        self._idle[idle] = None

    def _evict(self) -> None:
        self._drop(next(iter(self._idle)))

    def _drop(self, idle: Idle) -> None:
        self._forget(idle)
        self.end(idle.connection)
        self._enqueue(idle.lane)

    def _forget(self, idle: Idle) -> None:
        if idle.timer.active():
            idle.timer.cancel()
        del self._idle[idle]
        idle.lane.idle.remove(idle)


async def _close(connection: Open) -> None:
    try:
        await connection.close()
    except CancelledError:
        connection.abort()
    except Exception:  # noqa: BLE001 (what cannot be closed nicely is let go)
        _log.failure("a connection did not close")
        connection.abort()
