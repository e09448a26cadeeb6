"""
What the commands of one call share.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

import click
from attrs import define

from twisted_mail_server.admin.control import Answer
from twisted_mail_server.admin.operations import Operations

T = TypeVar("T")
_F = TypeVar("_F", bound=Callable[..., Any])


class Run(Protocol):
    """
    Opens the resources that a settings file names, does one piece of work with them, and lets go of them.
    """

    def __call__(
        self, config: str | None, work: Callable[[Operations], Awaitable[T]], *, data_dir: str | None = None
    ) -> T:
        """
        The result of C{work}; C{data_dir} stands in place of what the settings say.

        @raise MailError: the settings are wrong, or the work failed.
        """


#: Asks every server that runs on the data directory of a settings file for an operation.
Ask = Callable[[str | None, str], Sequence[Answer]]


@define
class State:
    """
    How this call was meant.
    """

    _run: Run
    _ask: Ask
    #: Whether a person is there to be asked.
    is_terminal: bool
    config: str | None = None
    as_json: bool = False

    def run(self, work: Callable[[Operations], Awaitable[T]], *, data_dir: str | None = None) -> T:
        """
        Do one piece of work; once in a call.  C{data_dir} stands in place of what the settings say.
        """
        return self._run(self.config, work, data_dir=data_dir)

    def ask(self, operation: str) -> Sequence[Answer]:
        """
        What each running server answers; none where none runs.
        """
        return self._ask(self.config, operation)


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
