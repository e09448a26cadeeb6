"""
The words a command or an extension is written in: C{Command}, C{Outcome}, C{Extension}, and the C{Registry} they make.

An extension is one file with one C{Extension} value, and one line in C{registry}.  What it adds to commands that are there
already goes through the hooks of C{Extension}: commands ask C{session.registry} for them, so that nobody imports an extension.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from attrs import define, field, frozen

from ...model.changes import MailboxStatus
from ...model.errors import SyntaxProblem
from ...model.mailboxes import SpecialUse
from .cursor import Cursor
from .fetch_vocabulary import ReadItem
from .fetching import FETCH_ITEMS
from .searching import SEARCH_KEYS, ReadKey
from .session import Session
from .states import ANYTIME, ENTERED, ENTERING, IN_MAILBOX, State

T = TypeVar("T")

__all__ = [
    "ANYTIME",
    "ENTERED",
    "ENTERING",
    "IN_MAILBOX",
    "Command",
    "Cursor",
    "Extension",
    "Found",
    "Listed",
    "Modifier",
    "Outcome",
    "Registry",
    "SearchReturn",
    "Session",
    "State",
    "StatusItem",
    "nothing",
    "read_modifiers",
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
    #: Whether EXPUNGE must wait, although the command does not say so of itself.
    defers_expunge: bool = False
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
    #: Known only if somebody asks.
    is_subscribed: bool = False


@frozen
class Modifier:
    """
    A parameter of SELECT, or a modifier of FETCH or STORE (RFC 4466 sections 2.1, 2.4 and 2.5).
    """

    #: Reads what follows its name, the space before it too.
    read: Callable[[Cursor, Session], Any]
    #: What it does to the command that it stands in, given that command and what C{read} returned.  SELECT's act when the
    #: mailbox is open and told of; those of FETCH and STORE before anything is done.
    act: Callable[[Session, Any, Any], Awaitable[None]]


@define
class Found:
    """
    What a SEARCH has found, and what it is to tell of it; the lists run in parallel, ascending.
    """

    #: Sequence numbers or UIDs, as the command wants them.
    numbers: Sequence[int]
    uids: Sequence[int]
    #: The result options, by name in capitals, with what they say.
    returns: Mapping[bytes, Any]


@frozen
class SearchReturn:
    """
    A result option of SEARCH (RFC 4466 section 2.6).
    """

    #: Reads what follows its name, the space before it too.
    read: Callable[[Cursor, Session], Any]
    #: What it adds to the ESEARCH response, if anything.
    show: Callable[[Session, Found], bytes]
    #: What it does when the search is refused.
    refused: Callable[[Session], None] | None = None
    #: Whether there is an ESEARCH response because of it.
    is_told: bool = True


#: What a STATUS item is worth, as it is written (RFC 3501 section 6.3.10); some have to look for it.
StatusItem = Callable[[Session, MailboxStatus], bytes | Awaitable[bytes]]


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
    #: CREATE parameters (RFC 4466 section 2.2): the keyword of each argument it gives to
    #: L{IAccountMail.create_mailbox <twisted_mail_server.interfaces.IAccountMail.create_mailbox>}, and how its value is read.
    create_parameters: Mapping[bytes, tuple[str, Callable[[Cursor], Any]]] = field(factory=dict)
    #: Further words in CAPABILITY, which depend on the session or its settings.
    offers: Callable[[Session], Iterable[bytes]] | None = None
    #: What ENABLE takes (RFC 5161), with what is enabled by it, itself included, in capitals.
    enables: Mapping[bytes, frozenset[bytes]] = field(factory=dict)
    #: FETCH data items, by name in capitals.
    fetch_items: Mapping[bytes, ReadItem] = field(factory=dict)
    #: SEARCH keys, by name in capitals.
    search_keys: Mapping[bytes, ReadKey] = field(factory=dict)
    #: STATUS data items, by name in capitals.
    status_items: Mapping[bytes, StatusItem] = field(factory=dict)
    #: SELECT and EXAMINE parameters, by name in capitals.
    select_parameters: Mapping[bytes, Modifier] = field(factory=dict)
    #: FETCH modifiers, by name in capitals.
    fetch_modifiers: Mapping[bytes, Modifier] = field(factory=dict)
    #: STORE modifiers, by name in capitals.
    store_modifiers: Mapping[bytes, Modifier] = field(factory=dict)
    #: SEARCH result options, by name in capitals; in the order in which they are told.
    search_returns: Mapping[bytes, SearchReturn] = field(factory=dict)
    #: LIST selection options (RFC 5258 section 3.1), by name in capitals; what they are is between their extensions and LIST.
    list_selections: Mapping[bytes, Any] = field(factory=dict)
    #: LIST return options (RFC 5258 section 3.2), by name in capitals; likewise.
    list_returns: Mapping[bytes, Any] = field(factory=dict)


@frozen
class Registry:
    """
    All that one server speaks.

    @raise ValueError: two claim one name.
    """

    basic: tuple[Command, ...]
    extensions: tuple[Extension, ...]
    basic_status_items: Mapping[bytes, StatusItem] = field(factory=dict)
    commands: Mapping[bytes, Command] = field(init=False)
    attributes: tuple[Callable[[Listed], Iterable[bytes]], ...] = field(init=False)
    create_parameters: Mapping[bytes, tuple[str, Callable[[Cursor], Any]]] = field(init=False)
    #: By name in capitals: how it is spelt, and what is enabled by it.
    enables: Mapping[bytes, tuple[bytes, frozenset[bytes]]] = field(init=False)
    fetch_items: Mapping[bytes, ReadItem] = field(init=False)
    search_keys: Mapping[bytes, ReadKey] = field(init=False)
    status_items: Mapping[bytes, StatusItem] = field(init=False)
    select_parameters: Mapping[bytes, Modifier] = field(init=False)
    fetch_modifiers: Mapping[bytes, Modifier] = field(init=False)
    store_modifiers: Mapping[bytes, Modifier] = field(init=False)
    search_returns: Mapping[bytes, SearchReturn] = field(init=False)
    list_selections: Mapping[bytes, Any] = field(init=False)
    list_returns: Mapping[bytes, Any] = field(init=False)

    @commands.default
    def _commands(self) -> Mapping[bytes, Command]:
        every = [*self.basic, *(command for extension in self.extensions for command in extension.commands)]
        return _unique((command.name, command) for command in every)

    @attributes.default
    def _attributes(self) -> tuple[Callable[[Listed], Iterable[bytes]], ...]:
        return tuple(extension.attributes for extension in self.extensions if extension.attributes is not None)

    @create_parameters.default
    def _create_parameters(self) -> Mapping[bytes, tuple[str, Callable[[Cursor], Any]]]:
        return self._merged({}, lambda extension: extension.create_parameters)

    @enables.default
    def _enables(self) -> Mapping[bytes, tuple[bytes, frozenset[bytes]]]:
        return self._merged(
            {}, lambda extension: {name.upper(): (name, implied) for name, implied in extension.enables.items()}
        )

    @fetch_items.default
    def _fetch_items(self) -> Mapping[bytes, ReadItem]:
        return self._merged(FETCH_ITEMS, lambda extension: extension.fetch_items)

    @search_keys.default
    def _search_keys(self) -> Mapping[bytes, ReadKey]:
        return self._merged(SEARCH_KEYS, lambda extension: extension.search_keys)

    @status_items.default
    def _status_items(self) -> Mapping[bytes, StatusItem]:
        return self._merged(self.basic_status_items, lambda extension: extension.status_items)

    @select_parameters.default
    def _select_parameters(self) -> Mapping[bytes, Modifier]:
        return self._merged({}, lambda extension: extension.select_parameters)

    @fetch_modifiers.default
    def _fetch_modifiers(self) -> Mapping[bytes, Modifier]:
        return self._merged({}, lambda extension: extension.fetch_modifiers)

    @store_modifiers.default
    def _store_modifiers(self) -> Mapping[bytes, Modifier]:
        return self._merged({}, lambda extension: extension.store_modifiers)

    @search_returns.default
    def _search_returns(self) -> Mapping[bytes, SearchReturn]:
        return self._merged({}, lambda extension: extension.search_returns)

    @list_selections.default
    def _list_selections(self) -> Mapping[bytes, Any]:
        return self._merged({}, lambda extension: extension.list_selections)

    @list_returns.default
    def _list_returns(self) -> Mapping[bytes, Any]:
        return self._merged({}, lambda extension: extension.list_returns)

    def _merged(self, basic: Mapping[bytes, T], table: Callable[[Extension], Mapping[bytes, T]]) -> dict[bytes, T]:
        extra = (pair for extension in self.extensions for pair in table(extension).items())
        return _unique((*basic.items(), *extra))

    def capabilities(self, session: Session) -> bytes:
        """
        C{capability-data} for this session at this moment (RFC 3501 section 7.2.1).
        """
        words = [b"IMAP4rev1"]
        is_before_login = session.state is State.NOT_AUTHENTICATED
        for extension in self.extensions:
            if extension.is_offered_before_login or not is_before_login:
                words.extend(extension.capabilities)
                if extension.offers is not None:
                    words.extend(extension.offers(session))
        if is_before_login:
            words.extend(session.ways_in())
        return b"CAPABILITY " + b" ".join(words)


def _unique(pairs: Iterable[tuple[bytes, T]]) -> dict[bytes, T]:
    found: dict[bytes, T] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name.decode('ascii')} is claimed twice.")
        found[name] = value
    return found


def read_modifiers(cursor: Cursor, session: Session, known: Mapping[bytes, Modifier]) -> dict[bytes, Any]:
    """
    What stands in parentheses behind the arguments of SELECT, FETCH or STORE, if anything does: values by name.

    @raise SyntaxProblem: there is no such modifier, or it comes twice.
    """
    found: dict[bytes, Any] = {}

    def read_one() -> None:
        name = cursor.atom().upper()
        if name not in known or name in found:
            raise SyntaxProblem("There is no such parameter, or only once.")
        found[name] = known[name].read(cursor, session)

    cursor.list_of(read_one)
    if not found:
        raise SyntaxProblem("A list of parameters is not empty.")
    return found


def nothing(cursor: Cursor, session: Session) -> None:
    """
    Reads no arguments.
    """
