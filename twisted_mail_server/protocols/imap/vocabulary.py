"""
The words a command or an extension is written in: C{Command}, C{Outcome}, C{Extension}, and the C{Registry} they make.

An extension is one file with one C{Extension} value, and one line in C{registry}.  What it adds to commands that are there
already goes through the hooks of C{Extension}: commands ask C{session.registry} for them, so that nobody imports an extension.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from ...model.mailboxes import SpecialUse
from .cursor import Cursor
from .session import Session
from .states import ANYTIME, ENTERED, ENTERING, IN_MAILBOX, State

__all__ = [
    "ANYTIME",
    "ENTERED",
    "ENTERING",
    "IN_MAILBOX",
    "Command",
    "Cursor",
    "Extension",
    "Listed",
    "Outcome",
    "Registry",
    "Session",
    "State",
    "nothing",
]


@frozen
class Outcome:
    """
    How a command ended: the tagged response (RFC 3501 section 7.1).
    """

    text: str
    status: bytes = b"OK"
    #: C{resp-text-code} without its brackets.
    code: bytes = b""
    #: Whether the connection closes now.
    is_last: bool = False
    #: What happens as soon as the response is out: TLS, compression.
    then: Callable[[], None] | None = None


@frozen
class Command:
    """
    One command: when it may come, how its arguments are read, what it does.
    """

    #: In capitals; C{UID} and what follows it count as one name.
    name: bytes
    states: frozenset[State]
    #: Reads what follows the name, up to the end of the line or to a literal that it leaves to C{act}.
    read: Callable[[Cursor, Session], Any]
    act: Callable[[Session, Any], Awaitable[Outcome]]
    #: Whether EXPUNGE must wait while it is answered (RFC 3501 section 7.4.1).
    defers_expunge: bool = False
    #: Given the pieces so far: whether the literal they announce is content, which C{act} takes from the stream.
    streams: Callable[[Sequence[bytes]], bool] | None = None


@frozen
class Listed:
    """
    One mailbox name as LIST knows it.
    """

    name: str
    exists: bool
    has_children: bool
    special_use: SpecialUse | None = None


@frozen
class Extension:
    """
    What one RFC adds.
    """

    rfc: str
    #: Its words in CAPABILITY.
    capabilities: tuple[bytes, ...]
    #: Whether it is told of before login too.
    is_offered_before_login: bool = False
    commands: tuple[Command, ...] = ()
    #: Attributes it gives to a name in LIST.
    attributes: Callable[[Listed], Iterable[bytes]] | None = None
    #: CREATE parameters (RFC 4466 section 2.3): the keyword of each argument it gives to
    #: L{IAccountMail.create_mailbox <twisted_mail_server.interfaces.IAccountMail.create_mailbox>}, and how its value is read.
    create_parameters: Mapping[bytes, tuple[str, Callable[[Cursor], Any]]] = field(factory=dict)


@frozen
class Registry:
    """
    All that one server speaks.

    @raise ValueError: two claim one name.
    """

    basic: tuple[Command, ...]
    extensions: tuple[Extension, ...]
    commands: Mapping[bytes, Command] = field(init=False)
    attributes: tuple[Callable[[Listed], Iterable[bytes]], ...] = field(init=False)
    create_parameters: Mapping[bytes, tuple[str, Callable[[Cursor], Any]]] = field(init=False)

    @commands.default
    def _commands(self) -> Mapping[bytes, Command]:
        every = [*self.basic, *(command for extension in self.extensions for command in extension.commands)]
        return _unique((command.name, command) for command in every)

    @attributes.default
    def _attributes(self) -> tuple[Callable[[Listed], Iterable[bytes]], ...]:
        return tuple(extension.attributes for extension in self.extensions if extension.attributes is not None)

    @create_parameters.default
    def _create_parameters(self) -> Mapping[bytes, tuple[str, Callable[[Cursor], Any]]]:
        return _unique(pair for extension in self.extensions for pair in extension.create_parameters.items())

    def capabilities(self, session: Session) -> bytes:
        """
        C{capability-data} for this session at this moment (RFC 3501 section 7.2.1).
        """
        words = [b"IMAP4rev1"]
        is_before_login = session.state is State.NOT_AUTHENTICATED
        for extension in self.extensions:
            if extension.is_offered_before_login or not is_before_login:
                words.extend(extension.capabilities)
        if is_before_login:
            words.extend(session.ways_in())
        return b"CAPABILITY " + b" ".join(words)


def _unique(pairs: Iterable[tuple[bytes, Any]]) -> dict[bytes, Any]:
    found: dict[bytes, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name.decode('ascii')} is claimed twice.")
        found[name] = value
    return found


def nothing(cursor: Cursor, session: Session) -> None:
    """
    Reads no arguments.
    """
