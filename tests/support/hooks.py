"""
Hooks that answer what a test says.
"""

from __future__ import annotations

from typing import Any

from zope.interface import directlyProvides

from twisted_mail_server.delivery.hooks import STAGES


class Says:
    """
    A hook at one stage.

    @ivar answer: what it returns; an exception is raised, a Deferred is waited for, a function is called.
    @ivar asked: the arguments of each call.
    """

    def __init__(self, stage: str, answer: Any = None) -> None:
        interface, method = STAGES[stage]
        directlyProvides(self, interface)
        setattr(self, method, self._ask)
        self.answer = answer
        self.asked: list[tuple[Any, ...]] = []

    async def _ask(self, *args: Any) -> Any:
        self.asked.append(args)
        answer = self.answer(*args) if callable(self.answer) else self.answer
        if isinstance(answer, BaseException):
            raise answer
        return await answer if hasattr(answer, "__await__") else answer
