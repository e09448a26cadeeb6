"""
What the commands of one call share.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

import click
from attrs import define

from twisted_mail_server.admin.operations import Operations

T = TypeVar("T")
_F = TypeVar("_F", bound=Callable[..., Any])


class Run(Protocol):
    """
    Opens the resources that a settings file names, does one piece of work with them, and lets go of them.
    """

    def __call__(self, config: str | None, work: Callable[[Operations], Awaitable[T]]) -> T:
        """
        The result of C{work}.

        @raise MailError: the settings are wrong, or the work failed.
        """


@define
class State:
    """
    How this call was meant.
    """

    _run: Run
    #: Whether a person is there to be asked.
    is_terminal: bool
    config: str | None = None
    as_json: bool = False

    def run(self, work: Callable[[Operations], Awaitable[T]]) -> T:
        """
        Do one piece of work; once in a call.
        """
        return self._run(self.config, work)


pass_state = click.make_pass_decorator(State)


def json_option(function: _F) -> _F:
    """
    C{--json}, wherever it stands.
    """

    def chosen(context: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            context.ensure_object(State).as_json = True

    decorated = click.option(
        "--json", is_flag=True, expose_value=False, callback=chosen, help="Print JSON instead of a table."
    )
    return decorated(function)
