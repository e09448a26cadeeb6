"""
Equal work that is under way is done once, for all who wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

_K = TypeVar("_K", bound=Hashable)
_T = TypeVar("_T")


@define(eq=False)
class _Flight(Generic[_T]):
    waiters: list[Deferred[_T]] = field(init=False, factory=list)
    work: Deferred[None] | None = field(init=False, default=None)


@define(eq=False)
class Merging(Generic[_K, _T]):
    """
    Who waits for what.
    """

    _flights: dict[_K, _Flight[_T]] = field(init=False, factory=dict)

    def join(self, key: _K, start: Callable[[], Coroutine[Deferred[Any], Any, _T]]) -> Deferred[_T]:
        """
        The result of what is under way for C{key}, or of what C{start} begins.

        Who cancels leaves; the work is cancelled when the last one has left.
        """
        flight = self._flights.get(key)
        is_new = flight is None
        if flight is None:
            flight = self._flights[key] = _Flight()
        here = flight
        waiter: Deferred[_T] = Deferred(lambda left: self._leave(key, here, left))
        flight.waiters.append(waiter)
        if is_new:
            work = Deferred.fromCoroutine(start())
            flight.work = work.addBoth(self._land, key, flight)
        return waiter

    def cancel(self) -> None:
        """
        Cancel all that is under way; who waits for it is told so.
        """
        for flight in list(self._flights.values()):
            if flight.work is not None:
                flight.work.cancel()

    def __len__(self) -> int:
        return len(self._flights)

    def _land(self, result: _T | Failure, key: _K, flight: _Flight[_T]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        waiters, flight.waiters = flight.waiters, []
        for waiter in waiters:
            # The one before may have cancelled it just now.
            if waiter.called:
                continue
            if isinstance(result, Failure):
                waiter.errback(result)
            else:
                waiter.callback(result)

    def _leave(self, key: _K, flight: _Flight[_T], waiter: Deferred[_T]) -> None:
        if waiter not in flight.waiters:
            return
        flight.waiters.remove(waiter)
        if not flight.waiters and flight.work is not None:
            # Who asks from now on begins anew: what is being cancelled is nobody's any more.
            self._flights.pop(key, None)
            flight.work.cancel()
