"""
The reactor of this server: Twisted's own on epoll, with less to do.

There each read is a call of its own into a copied log context, so that a line of the old log can be marked with its connection; the
events of L{twisted.logger}, which alone are used here, carry their facts themselves.  And there each call from a thread wakes the
reactor by a write and a read of a pipe, even if it was woken already.
"""

from __future__ import annotations

import errno
import sys
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger
from twisted.python import log

_log = Logger()

if TYPE_CHECKING or sys.platform == "linux":
    from select import EPOLLIN

    from twisted.internet.epollreactor import EPollReactor

    class RoundsReactor(EPollReactor):
        """
        An epoll reactor whose rounds cost less.
        """

        def __init__(self) -> None:
            super().__init__()
            #: What threads want done here; and whether one that came has seen to it that the next round is soon.
            self._calls: deque[tuple[Callable[..., object], tuple[object, ...], dict[str, object]]] = deque()
            self._is_woken = False

        def callFromThread(self, f: Callable[..., Any], *args: object, **kwargs: object) -> None:
            """
            Have it called in the next round.  Signals' handlers may do this as well as threads, at any moment: there is no lock.
            """
            self._calls.append((f, args, kwargs))
            if not self._is_woken:
                self._is_woken = True
                self.wakeUp()

        def runUntilCurrent(self) -> None:
            """
            Do what threads want done, and then what is due.
            """
            # In this order: who finds the flag set has put its call there before.
            self._is_woken = False
            calls = self._calls
            for _ in range(len(calls)):
                function, args, kwargs = calls.popleft()
                try:
                    function(*args, **kwargs)
                except Exception:  # noqa: BLE001 (the reactor goes on)
                    _log.failure("a call from a thread failed")
            super().runUntilCurrent()

        def doPoll(self, timeout: float | None) -> None:
            """
            One round.  What is only readable is read; whatever else there is, Twisted looks into.
            """
            selectables: dict[int, Any] = self._selectables
            try:
                ready = self._poller.poll(-1 if timeout is None else timeout, max(1, len(selectables)))
            except OSError as problem:
                if problem.errno == errno.EINTR:
                    return
                raise
            for number, event in ready:
                selectable = selectables.get(number)
                if selectable is None:
                    # An earlier event of this round has closed it.
                    continue
                if event == EPOLLIN:
                    try:
                        why = selectable.doRead()
                    except BaseException as problem:  # noqa: BLE001 (it ends its connection, as with Twisted)
                        log.err()
                        why = problem
                    if why:
                        self._disconnectSelectable(selectable, why, True)
                else:
                    log.callWithLogger(selectable, self._doReadOrWrite, selectable, number, event)

        doIteration = doPoll


def install_reactor() -> None:
    """
    Make it the global reactor, unless there is one already (C{twistd -r} chose it, or somebody has imported it), or no epoll.
    """
    if sys.platform == "linux" and "twisted.internet.reactor" not in sys.modules:
        from twisted.internet.main import installReactor

        installReactor(RoundsReactor())
