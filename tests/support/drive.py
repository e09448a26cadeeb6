"""
Drive coroutines that never really wait.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")


class Waited(AssertionError):
    """
    A coroutine waited for something that nobody will bring.
    """


def now(coroutine: Coroutine[Any, Any, T]) -> T:
    """
    The result of a coroutine that never suspends, or whose Deferreds have all fired.

    @raise Waited: it does suspend.
    """
    deferred = Deferred.fromCoroutine(coroutine)
    results: list[Any] = []
    deferred.addBoth(results.append)
    if not results:
        raise Waited("The coroutine is still waiting.")
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]  # type: ignore[no-any-return]


def failure_of(coroutine: Coroutine[Any, Any, Any], kind: type[BaseException]) -> BaseException:
    """
    The failure of kind C{kind} that the coroutine ends with.
    """
    try:
        result = now(coroutine)
    except kind as problem:
        return problem
    raise AssertionError(f"No failure, but {result!r}.")
