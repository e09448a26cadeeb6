"""
LIST and LSUB (RFC 3501 sections 6.3.8 and 6.3.9).
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from ....model.mailboxes import parents
from .. import wire
from ..grammar import read_pattern, read_reference
from ..patterns import Pattern
from ..vocabulary import ENTERED, Command, Cursor, Listed, Outcome, Session


@frozen
class Listing:
    """
    What LIST and LSUB take: a reference, and a name with wildcards.
    """

    reference: str
    pattern: str


def read_listing(cursor: Cursor, session: Session) -> Listing:
    """
    C{list} and C{lsub}
    """
    separator = session.settings.separator
    cursor.space()
    reference = read_reference(cursor, separator)
    cursor.space()
    return Listing(reference, read_pattern(cursor, separator))


def _levels_above(names: Iterable[str]) -> set[str]:
    return {upper for name in names for upper in parents(name)}


async def list_mailboxes(session: Session, arguments: Listing) -> Outcome:
    """
    Tell the names meant: mailboxes, and levels that are only above some.

    The reference is put before the pattern (section 6.3.8); an empty pattern asks for the delimiter.
    """
    separator = session.settings.separator
    if not arguments.pattern:
        session.put(_line(b"LIST", (b"\\Noselect",), separator, b'""'))
        return Outcome("That is the delimiter.")
    pattern = Pattern(arguments.reference + arguments.pattern)
    mailboxes = {status.name: status for status in await session.account.mailboxes()}
    above = _levels_above(mailboxes)
    lines: list[bytes] = []
    for name in sorted(above.union(mailboxes)):
        if pattern.matches(name):
            status = mailboxes.get(name)
            use = None if status is None else status.special_use
            listed = Listed(name, status is not None, name in above, use)
            lines.append(_line(b"LIST", _attributes(session, listed), separator, wire.mailbox(name, separator)))
    await session.write(b"".join(lines))
    return Outcome("Listed.")


def _attributes(session: Session, listed: Listed) -> list[bytes]:
    attributes = [] if listed.exists else [b"\\Noselect"]
    for extra in session.registry.attributes:
        attributes.extend(extra(listed))
    return attributes


async def list_subscribed(session: Session, arguments: Listing) -> Outcome:
    """
    Tell the names subscribed to.  With C{%}, a level that is not, but is above one that the pattern does not reach, is told of
    with C{\\Noselect}.
    """
    separator = session.settings.separator
    if not arguments.pattern:
        session.put(_line(b"LSUB", (b"\\Noselect",), separator, b'""'))
        return Outcome("That is the delimiter.")
    pattern = Pattern(arguments.reference + arguments.pattern)
    subscribed = await session.account.subscriptions()
    reached = {name for name in subscribed if pattern.matches(name)}
    above: set[str] = set()
    if pattern.has_levels:
        unreached = (name for name in subscribed if name not in reached)
        above = {name for name in _levels_above(unreached) if pattern.matches(name)}.difference(reached)
    lines = [
        _line(b"LSUB", (b"\\Noselect",) if name in above else (), separator, wire.mailbox(name, separator))
        for name in sorted(reached | above)
    ]
    await session.write(b"".join(lines))
    return Outcome("Listed.")


def _line(kind: bytes, attributes: Iterable[bytes], separator: str, name: bytes) -> bytes:
    return b"* %b %b %b %b\r\n" % (kind, wire.parenthesised(attributes), wire.delimiter(separator), name)


COMMANDS = (
    Command(b"LIST", ENTERED, read_listing, list_mailboxes),
    Command(b"LSUB", ENTERED, read_listing, list_subscribed),
)
