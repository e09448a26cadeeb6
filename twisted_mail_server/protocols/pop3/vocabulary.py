"""
The words a capability is written in: C{Command}, C{Extension}, and the C{Registry} they make.

A capability is one file with one C{Extension}, and one line in C{registry}.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from attrs import field, frozen

from ...model.errors import SyntaxProblem
from .conversation import Answer, Conversation
from .states import ANYTIME, LOGGED_IN, LOGGED_OUT, State

__all__ = [
    "ANYTIME",
    "LOGGED_IN",
    "LOGGED_OUT",
    "Answer",
    "Command",
    "Conversation",
    "Extension",
    "Registry",
    "nothing",
    "number",
    "number_or_nothing",
    "two_numbers",
]

_NUMBER = re.compile(rb"[0-9]{1,10}")


@frozen
class Command:
    """
    One command: when it may come, how its arguments are read, what it does.
    """

    #: In capitals.
    name: bytes
    states: frozenset[State]
    #: Reads what follows the name and one space; C{None} if nothing does.
    read: Callable[[bytes | None], Any]
    act: Callable[[Conversation, Any], Answer]


@frozen
class Extension:
    """
    What one capability brings.
    """

    rfc: str
    #: Its line in CAPA at this moment, if any.
    announce: Callable[[Conversation], str | None]
    commands: tuple[Command, ...] = ()


@frozen
class Registry:
    """
    All that one server speaks.

    @raise ValueError: two claim one name.
    """

    basic: tuple[Command, ...]
    extensions: tuple[Extension, ...]
    commands: Mapping[bytes, Command] = field(init=False)

    @commands.default
    def _commands(self) -> Mapping[bytes, Command]:
        found: dict[bytes, Command] = {}
        for command in (*self.basic, *(each for extension in self.extensions for each in extension.commands)):
            if command.name in found:
                raise ValueError(f"{command.name.decode('ascii')} is claimed twice.")
            found[command.name] = command
        return found

    def capabilities(self, conversation: Conversation) -> list[str]:
        """
        The lines of CAPA.
        """
        lines = [extension.announce(conversation) for extension in self.extensions]
        return [line for line in lines if line is not None]


def nothing(argument: bytes | None) -> None:
    """
    @raise SyntaxProblem: there is an argument.
    """
    if argument:
        raise SyntaxProblem("This command takes no argument.")


def number(argument: bytes | None) -> int:
    """
    A message number.

    @raise SyntaxProblem: it is none.
    """
    if argument is None or not _NUMBER.fullmatch(argument):
        raise SyntaxProblem("Expected the number of a message.")
    return int(argument)


def number_or_nothing(argument: bytes | None) -> int | None:
    """
    A message number, if there is an argument.

    @raise SyntaxProblem: it is something else.
    """
    return number(argument) if argument else None


def two_numbers(argument: bytes | None) -> tuple[int, int]:
    """
    A message number, and how many of something.

    @raise SyntaxProblem: it is something else.
    """
    first, _, second = (argument or b"").partition(b" ")
    return number(first), number(second)
