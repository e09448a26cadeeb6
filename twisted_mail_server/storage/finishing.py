"""
What was begun is finished, though nobody waits for it any more.

A lost connection cancels whatever its session awaits.  A transaction that is under way in a thread is completed all the same,
so what belongs to it (waking those who listen, dropping what was staged) must follow it, not the session.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

_log = Logger()
_T = TypeVar("_T")


async def finished(work: Coroutine[Any, Any, _T]) -> _T:
    """
    The result of C{work}, which goes on to its end when whoever awaits this is cancelled.
    """
    waiting: Deferred[_T] = Deferred()

    def ended(result: _T | Failure) -> None:
        if not waiting.called:
            waiting.callback(result)
        elif isinstance(result, Failure):
            _log.debug("failed, and nobody waited for it: {problem}", problem=result.value)

    Deferred.fromCoroutine(work).addBoth(ended)
    return await waiting
