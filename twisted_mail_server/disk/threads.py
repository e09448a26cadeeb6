"""
The disk's threads: a bounded pool, and the way back to the reactor.

Both come in from outside, so that a test runs everything at once in one thread and a
simulation runs it at a moment of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from attrs import frozen
from twisted.internet.defer import Deferred

_T = TypeVar("_T")


class Pool(Protocol):
    """
    What is used of L{twisted.python.threadpool.ThreadPool}.
    """

    def callInThreadWithCallback(
        self, onResult: Callable[[bool, Any], object] | None, func: Callable[..., Any], *args: Any
    ) -> None:
        """
        Run C{func} in a thread, then C{onResult} in the same thread.
        """


@frozen
class Threads:
    """
    Where blocking work is done.

    @ivar from_thread: runs a function on the reactor thread, as C{reactor.callFromThread}.
    """

    _pool: Pool
    from_thread: Callable[..., object]

    def run(self, function: Callable[..., _T], *args: Any) -> Deferred[_T]:
        """
        The result of C{function}, called in a thread, on the reactor thread.
        """
        waiting: Deferred[_T] = Deferred()

        def returned(success: bool, result: Any) -> None:
            self.from_thread(_settle, waiting, success, result)

        self._pool.callInThreadWithCallback(returned, function, *args)
        return waiting


def _settle(waiting: Deferred[Any], success: bool, result: Any) -> None:
    if waiting.called:
        # Who waited was cancelled; what was begun in a thread was completed all the same.
        return
    if success:
        waiting.callback(result)
    else:
        waiting.errback(result)
