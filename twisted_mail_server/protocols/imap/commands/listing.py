"""
LIST and LSUB (RFC 3501 sections 6.3.8 and 6.3.9), LIST with its options (RFC 5258).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from ....model import limits
from ....model.changes import MailboxStatus
from ....model.errors import SyntaxProblem, TooLong
from ....model.mailboxes import parents
from .. import wire
from ..grammar import read_pattern, read_reference
from ..list_vocabulary import ReturnOption, SelectionOption
from ..patterns import Pattern
from ..vocabulary import ENTERED, Command, Cursor, Listed, Outcome, Session

#: Matches that are tried without a pause: some milliseconds.
_STRETCH = 1000


@frozen
class Listing:
    """
    What LIST and LSUB take: a reference, and names with wildcards.
    """

    reference: str
    patterns: tuple[str, ...]
    #: Selection options by name; C{None} if the command does not have them.
    selections: Mapping[bytes, SelectionOption] | None = None
    #: What each return option says, by its name; C{None} if the command does not have them.
    returns: Mapping[bytes, Any] | None = None
    has_list: bool = False

    @property
    def is_extended(self) -> bool:
        """
        Whether it is so in any of the three ways of RFC 5258 section 1.
        """
        return self.has_list or self.selections is not None or self.returns is not None


def read_lsub(cursor: Cursor, session: Session) -> Listing:
    """
    C{lsub}
    """
    cursor.space()
    reference = read_reference(cursor)
    cursor.space()
    return Listing(reference, (read_pattern(cursor),))


def read_list(cursor: Cursor, session: Session) -> Listing:
    """
    C{list}

    @raise SyntaxProblem: that is not how it goes, or there is no such option.
    """
    # list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]      ; RFC 5258 section 6
    cursor.space()
    selections = None
    if cursor.peek(b"("):
        selections = _read_selections(cursor, session)
        cursor.space()
    reference = read_reference(cursor)
    cursor.space()
    # mbox-or-pat = list-mailbox / patterns ; patterns = "(" list-mailbox *(SP list-mailbox) ")"
    has_list = cursor.peek(b"(")
    patterns = tuple(cursor.list_of(lambda: read_pattern(cursor)) if has_list else (read_pattern(cursor),))
    if not patterns:
        raise SyntaxProblem("A list of patterns is not empty.")
    if len(patterns) > limits.LIST_PATTERNS:
        raise TooLong(f"LIST takes at most {limits.LIST_PATTERNS} patterns.")
    returns = None if cursor.at_end else _read_returns(cursor, session)
    return Listing(reference, patterns, selections, returns, has_list)


def _read_selections(cursor: Cursor, session: Session) -> dict[bytes, SelectionOption]:
    known = session.registry.list_selections
    found: dict[bytes, SelectionOption] = {}

    def read_one() -> None:
        name = cursor.atom().upper()
        if name not in known:
            raise SyntaxProblem("There is no such selection option.")
        found[name] = known[name]

    cursor.list_of(read_one)
    # "If a list-select-mod-opt appears, then a list-select-base-opt must also appear."
    if any(option.is_recursive for option in found.values()) and all(not option.selects for option in found.values()):
        raise SyntaxProblem("That option needs another one.")
    return found


def _read_returns(cursor: Cursor, session: Session) -> dict[bytes, Any]:
    known: Mapping[bytes, ReturnOption] = session.registry.list_returns
    found: dict[bytes, Any] = {}

    def read_one() -> None:
        name = cursor.atom().upper()
        if name not in known:
            raise SyntaxProblem("There is no such return option.")
        found[name] = known[name].read(cursor, session)

    # list-return-opts = "RETURN" SP "(" [return-option *(SP return-option)] ")"
    cursor.expect(b" RETURN ")
    cursor.list_of(read_one)
    return found


def _levels_above(names: Iterable[str]) -> set[str]:
    return {upper for name in names for upper in parents(name)}


async def list_mailboxes(session: Session, arguments: Listing) -> Outcome:
    """
    Tell the names meant, in one of two ways: of RFC 3501, or of RFC 5258.
    """
    if arguments.is_extended:
        await _Extended(session, arguments).answer()
    else:
        await _list_plainly(session, arguments)
    return Outcome("Listed.")


async def _list_plainly(session: Session, arguments: Listing) -> None:
    """
    Mailboxes, and levels that are only above some.

    The reference is put before the pattern (RFC 3501 section 6.3.8); an empty pattern asks for the delimiter.
    """
    (text,) = arguments.patterns
    if not text:
        session.put(_line(session, b"LIST", (b"\\Noselect",), b'""'))
        return
    pattern = Pattern(arguments.reference + text)
    mailboxes = {status.name: status for status in await session.account.mailboxes()}
    above = _levels_above(mailboxes)
    lines: list[bytes] = []
    for place, name in enumerate(sorted(above.union(mailboxes))):
        if place % _STRETCH == _STRETCH - 1:
            await session.breathe()
        if pattern.matches(name):
            status = mailboxes.get(name)
            use = None if status is None else status.special_use
            listed = Listed(name, status is not None, name in above, use)
            attributes = [] if listed.exists else [b"\\Noselect"]
            attributes.extend(_attributes(session, listed))
            lines.append(_line(session, b"LIST", attributes, session.mailbox_name(name)))
    await session.write(b"".join(lines))


class _Extended:
    """
    One LIST that is answered by RFC 5258 section 3.
    """

    def __init__(self, session: Session, arguments: Listing) -> None:
        self._session = session
        # "the empty string MUST be ignored for the purpose of matching" (section 3).
        self._patterns = [Pattern(arguments.reference + text) for text in arguments.patterns if text]
        self._selections = arguments.selections or {}
        known: Mapping[bytes, ReturnOption] = session.registry.list_returns
        returns = dict(arguments.returns or {})
        for option in self._selections.values():
            if option.implies is not None:
                returns.setdefault(option.implies, None)
        self._returns = [(known[name], value) for name, value in returns.items()]
        self._criteria = {name: option.selects for name, option in self._selections.items() if option.selects}
        self._is_recursive = any(option.is_recursive for option in self._selections.values())
        self._mailboxes: dict[str, MailboxStatus] = {}
        self._subscribed: frozenset[str] = frozenset()
        self._above: set[str] = set()

    async def answer(self) -> None:
        """
        Tell of each name that is selected; and of some that only stand above such (section 3.5).
        """
        session = self._session
        self._mailboxes = {status.name: status for status in await session.account.mailboxes()}
        self._subscribed = frozenset(await session.account.subscriptions())
        self._above = _levels_above(self._mailboxes)
        selected = self._selected()
        told = await self._matching(selected)
        # "at least one descendant mailbox name that satisfies the selection criteria and that doesn't match": section 3.3, 2B.
        unheard = _levels_above(selected.difference(told))
        if self._is_recursive or not self._criteria:
            # Without criteria all mailboxes are selected, so these are names that are not mailboxes.
            told |= await self._matching(unheard.difference(told))
        with_children = _levels_above(selected) if self._is_recursive else set()
        for place, name in enumerate(sorted(told), 1):
            await session.write(await self._tell(name, is_selected=name in selected, has_child=name in with_children))
            if place % _STRETCH == 0:
                await session.breathe()

    def _selected(self) -> set[str]:
        names = set(self._mailboxes)
        if any(option.reaches_subscribed for option in self._selections.values()):
            names |= self._subscribed
        criteria = list(self._criteria.values())
        return (
            {name for name in names if all(selects(self._listed(name)) for selects in criteria)} if criteria else names
        )

    async def _matching(self, names: Iterable[str]) -> set[str]:
        """
        Those that at least one of the patterns means.
        """
        found: set[str] = set()
        work = 0
        for name in names:
            for pattern in self._patterns:
                work += 1
                if pattern.matches(name):
                    found.add(name)
                    break
            if work >= _STRETCH:
                work = 0
                await self._session.breathe()
        return found

    def _listed(self, name: str) -> Listed:
        status = self._mailboxes.get(name)
        use = None if status is None else status.special_use
        return Listed(name, status is not None, name in self._above, use, name in self._subscribed)

    async def _tell(self, name: str, *, is_selected: bool, has_child: bool) -> bytes:
        session, listed = self._session, self._listed(name)
        # It implies \Noselect.
        attributes = [] if listed.exists else [b"\\NonExistent"]
        attributes.extend(_attributes(session, listed))
        for option, _ in self._returns:
            if option.attributes is not None:
                attributes.extend(option.attributes(listed))
        shown = session.mailbox_name(name)
        if has_child:
            # childinfo-extended-item = "CHILDINFO" SP "(" list-select-base-opt-quoted *(SP list-select-base-opt-quoted) ")"
            shown += b' ("CHILDINFO" %b)' % wire.parenthesised(map(wire.quoted, self._criteria))
        lines = [_line(session, b"LIST", attributes, shown)]
        status = self._mailboxes.get(name)
        if status is not None and is_selected:
            for option, value in self._returns:
                if option.tell is not None:
                    lines.append(await option.tell(session, value, status))
        return b"".join(lines)


def _attributes(session: Session, listed: Listed) -> list[bytes]:
    return [attribute for extra in session.registry.attributes for attribute in extra(listed)]


async def list_subscribed(session: Session, arguments: Listing) -> Outcome:
    """
    Tell the names subscribed to.  With C{%}, a level that is not, but is above one that the pattern does not reach, is told of
    with C{\\Noselect}.
    """
    (text,) = arguments.patterns
    if not text:
        session.put(_line(session, b"LSUB", (b"\\Noselect",), b'""'))
        return Outcome("That is the delimiter.")
    pattern = Pattern(arguments.reference + text)
    subscribed = await session.account.subscriptions()
    reached = {name for name in subscribed if pattern.matches(name)}
    above: set[str] = set()
    if pattern.has_levels:
        unreached = (name for name in subscribed if name not in reached)
        above = {name for name in _levels_above(unreached) if pattern.matches(name)}.difference(reached)
    lines = [
        _line(session, b"LSUB", (b"\\Noselect",) if name in above else (), session.mailbox_name(name))
        for name in sorted(reached | above)
    ]
    await session.write(b"".join(lines))
    return Outcome("Listed.")


def _line(session: Session, kind: bytes, attributes: Iterable[bytes], name: bytes) -> bytes:
    delimiter = wire.delimiter(session.settings.separator)
    return b"* %b %b %b %b\r\n" % (kind, wire.parenthesised(attributes), delimiter, name)


COMMANDS = (
    Command(b"LIST", ENTERED, read_list, list_mailboxes),
    Command(b"LSUB", ENTERED, read_lsub, list_subscribed),
)
