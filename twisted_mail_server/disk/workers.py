"""
Threads that wait for work.

Twisted's own pool does the same with several queues, a lock that is a queue, and a copy of the log's context for each piece of work:
more than a short piece costs itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from attrs import define, field
from twisted.logger import Logger
from twisted.python.failure import Failure

_log = Logger()

#: What is done in a thread, with what, and who is told how it went.
Work = tuple[Callable[[bool, Any], object] | None, Callable[..., Any], tuple[Any, ...]]


@define(eq=False)
class Workers:
    """
    A pool of threads; one more is begun when there is work and all are busy, until there are as many as may be.
    """

    _most: int
    #: What the threads are called, for whoever looks at the process.
    _name: str
    _queue: SimpleQueue[Work | None] = field(init=False, factory=SimpleQueue)
    _threads: list[threading.Thread] = field(init=False, factory=list)
    #: As long as there may be more threads: one entry for each that has nothing to do.
    _idle: list[None] = field(init=False, factory=list)
    _is_stopped: bool = field(init=False, default=False)

    def callInThreadWithCallback(
        self, onResult: Callable[[bool, Any], object] | None, func: Callable[..., Any], *args: Any
    ) -> None:
        """
        Run C{func} in a thread, then C{onResult} in the same thread: with C{True} and the result, or C{False} and the
        L{Failure}.  After L{stop} nothing is run.
        """
        if self._is_stopped:
            return
        self._queue.put((onResult, func, args))
        if self._idle:
            self._idle.pop()
        elif len(self._threads) < self._most:
            thread = threading.Thread(target=self._run, name=f"{self._name}-{len(self._threads)}")
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """
        Finish what there is to do, and end the threads.
        """
        self._is_stopped = True
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            told, function, arguments = work
            result: object
            try:
                result, is_done = function(*arguments), True
            except BaseException:  # noqa: BLE001 (whoever waits gets it)
                result, is_done = Failure(), False
            if told is not None:
                try:
                    told(is_done, result)
                except Exception:  # noqa: BLE001 (a thread goes on)
                    _log.failure("the result of a thread was not taken")
            # Until there is more to do, nothing of this is to be kept.
            del work, told, function, arguments, result
            self._idle.append(None)
