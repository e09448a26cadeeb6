"""
SELECT, EXAMINE, CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, STATUS (RFC 3501 section 6.3); LIST and LSUB are in C{listing}.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from attrs import frozen

from ....model import limits
from ....model.errors import OverLimit, SyntaxProblem
from ....model.flags import SEEN
from ....model.mailboxes import parents
from .. import wire
from ..session import Selected, flags_response, permanent_flags
from ..status import read_status_items, status_response
from ..vocabulary import ENTERED, Command, Cursor, Listed, Outcome, Session, read_modifiers


def read_mailbox(cursor: Cursor, session: Session) -> str:
    """
    A mailbox name and nothing else.
    """
    cursor.space()
    return cursor.mailbox()


@frozen
class Select:
    """
    What SELECT and EXAMINE take.
    """

    name: str
    #: RFC 4466 section 2.1.
    parameters: dict[bytes, Any]


def read_select(cursor: Cursor, session: Session) -> Select:
    """
    C{select} and C{examine}, with the parameters of RFC 4466 section 2.1.
    """
    # select = "SELECT" SP mailbox [select-params] ; select-params = SP "(" select-param *(SP select-param ) ")"
    cursor.space()
    name = cursor.mailbox()
    parameters = read_modifiers(cursor, session, session.registry.select_parameters) if cursor.skip(b" ") else {}
    return Select(name, parameters)


async def select(session: Session, arguments: Select, *, is_read_only: bool) -> Outcome:
    """
    Sections 6.3.1 and 6.3.2.  The mailbox selected before is left, also if this one cannot be opened, and CLOSED says so (RFC
    7162 section 3.2.11); EXAMINE makes nothing lose C{\\Recent}.
    """
    revision = session.revision
    if session.selected is not None:
        await session.leave()
        session.put(wire.condition(b"OK", "The mailbox before.", b"CLOSED"))
    claims_recent = revision.tells_recent and not is_read_only
    view = await session.account.select(arguments.name, claim_recent=claims_recent)
    snapshot = view.snapshot
    session.selected = Selected(view, is_read_only, snapshot.keywords, believed_modseq=snapshot.modseq)
    session.put(flags_response(snapshot.keywords))
    session.put(permanent_flags(snapshot.keywords, is_read_only=is_read_only))
    session.put(session.sizes())
    if revision.tells_first_unseen:
        unseen = next((place for place, mask in enumerate(snapshot.masks, 1) if not mask & SEEN), None)
        if unseen is not None:
            session.put(wire.condition(b"OK", "The first unseen message.", b"UNSEEN %d" % unseen))
    session.put(wire.condition(b"OK", "UIDs valid.", b"UIDVALIDITY %d" % view.uidvalidity))
    session.put(wire.condition(b"OK", "The next UID, or below it.", b"UIDNEXT %d" % snapshot.uidnext))
    session.put(wire.condition(b"OK", "The highest so far.", b"HIGHESTMODSEQ %d" % snapshot.modseq))
    if revision.tells_name_when_selected:
        await _tell_name(session, arguments.name)
    for name, value in arguments.parameters.items():
        await session.registry.select_parameters[name].act(session, arguments, value)
    return Outcome("Open.", code=b"READ-ONLY" if is_read_only else b"READ-WRITE")


async def _tell_name(session: Session, name: str) -> None:
    """
    LIST, with the name's attributes (RFC 9051 section 6.3.2).
    """
    mailboxes = await session.account.mailboxes()
    above = {upper for status in mailboxes for upper in parents(status.name)}
    for status in mailboxes:
        if status.name == name:
            listed = Listed(name, True, name in above, status.special_use)
            attributes = wire.parenthesised(word for extra in session.registry.attributes for word in extra(listed))
            delimiter = wire.delimiter(session.settings.separator)
            session.put(b"* LIST %b %b %b\r\n" % (attributes, delimiter, session.mailbox_name(name)))


@frozen
class Create:
    """
    What CREATE takes.
    """

    name: str
    #: By the keywords of L{IAccountMail.create_mailbox <twisted_mail_server.interfaces.IAccountMail.create_mailbox>}.
    parameters: dict[str, Any]


def read_create(cursor: Cursor, session: Session) -> Create:
    """
    C{create}, and the parameters of RFC 4466 section 2.2.

    @raise SyntaxProblem: there is no such parameter, or one comes twice.
    """
    cursor.space()
    name = cursor.mailbox(may_end_in_separator=True)
    known = session.registry.create_parameters
    parameters: dict[str, Any] = {}

    def read_parameter() -> None:
        found = known.get(cursor.atom().upper())
        if found is None or found[0] in parameters:
            raise SyntaxProblem("There is no such parameter, or only once.")
        cursor.space()
        parameters[found[0]] = found[1](cursor)

    # create = "CREATE" SP mailbox [create-params] ; create-params = SP "(" create-param *( SP create-param) ")"
    if cursor.skip(b" "):
        cursor.list_of(read_parameter)
    return Create(name, parameters)


async def create(session: Session, arguments: Create) -> Outcome:
    """
    Section 6.3.3.
    """
    await session.account.create_mailbox(arguments.name, **arguments.parameters)
    return Outcome("Created.")


async def delete(session: Session, name: str) -> Outcome:
    """
    Section 6.3.4.  Who deletes the mailbox that it has selected has none selected afterwards, and is told so with the response
    code of RFC 7162 section 3.2.11.
    """
    account = session.account
    selected = session.selected
    is_selected = selected is not None and (await account.status(name)).mailbox_id == selected.view.mailbox_id
    await account.delete_mailbox(name)
    if is_selected:
        await session.leave()
        session.put(wire.condition(b"OK", "The selected mailbox was deleted.", b"CLOSED"))
    return Outcome("Deleted.")


@frozen
class Rename:
    """
    What RENAME takes.
    """

    old: str
    new: str


def read_rename(cursor: Cursor, session: Session) -> Rename:
    """
    C{rename}
    """
    cursor.space()
    old = cursor.mailbox()
    cursor.space()
    return Rename(old, cursor.mailbox(may_end_in_separator=True))


async def rename(session: Session, arguments: Rename) -> Outcome:
    """
    Section 6.3.5.
    """
    await session.account.rename_mailbox(arguments.old, arguments.new)
    return Outcome("Renamed.")


async def subscribe(session: Session, name: str) -> Outcome:
    """
    Section 6.3.6; the mailbox need not exist.
    """
    if len(await session.account.subscriptions()) >= limits.MAILBOXES:
        raise OverLimit(f"An account has at most {limits.MAILBOXES} subscriptions.")
    await session.account.subscribe(name)
    return Outcome("Subscribed.")


async def unsubscribe(session: Session, name: str) -> Outcome:
    """
    Section 6.3.7.
    """
    await session.account.unsubscribe(name)
    return Outcome("Unsubscribed.")


@frozen
class Status:
    """
    What STATUS takes.
    """

    name: str
    items: tuple[bytes, ...]


def read_status(cursor: Cursor, session: Session) -> Status:
    """
    C{status}
    """
    cursor.space()
    name = cursor.mailbox()
    cursor.space()
    return Status(name, read_status_items(cursor, session))


async def status(session: Session, arguments: Status) -> Outcome:
    """
    Section 6.3.10.
    """
    found = await session.account.status(arguments.name)
    session.put(await status_response(session, arguments.items, found))
    return Outcome("That is how it is.")


COMMANDS = (
    Command(b"SELECT", ENTERED, read_select, partial(select, is_read_only=False)),
    Command(b"EXAMINE", ENTERED, read_select, partial(select, is_read_only=True)),
    Command(b"CREATE", ENTERED, read_create, create),
    Command(b"DELETE", ENTERED, read_mailbox, delete),
    Command(b"RENAME", ENTERED, read_rename, rename),
    Command(b"SUBSCRIBE", ENTERED, read_mailbox, subscribe),
    Command(b"UNSUBSCRIBE", ENTERED, read_mailbox, unsubscribe),
    Command(b"STATUS", ENTERED, read_status, status),
)
