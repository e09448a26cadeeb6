"""
CHECK, CLOSE, EXPUNGE, FETCH, STORE, COPY, and UID FETCH, UID STORE, UID COPY (RFC 3501 section 6.4).
"""

from __future__ import annotations

from functools import partial

from attrs import frozen

from ....model.errors import MessageGone
from ....model.numbers import SequenceSet
from .. import fetching, wire
from ..fetch_vocabulary import FetchPlan
from ..grammar import read_flag, read_flag_list
from ..session import flag_responses
from ..vocabulary import IN_MAILBOX, Command, Cursor, Outcome, Session, nothing

_GONE = "Some of the messages were expunged meanwhile."


async def check(session: Session, _: None) -> Outcome:
    """
    There is never anything left undone to check (section 6.4.1).
    """
    return Outcome("Checked.")


async def close(session: Session, _: None) -> Outcome:
    """
    Leave the mailbox; what is marked C{\\Deleted} goes, untold, unless it was opened read-only (section 6.4.2).
    """
    selected = session.mailbox
    if not selected.is_read_only:
        await selected.view.expunge()
    await session.leave()
    return Outcome("Closed.")


async def expunge(session: Session, _: None) -> Outcome:
    """
    Remove what is marked C{\\Deleted}; the news tells of it (section 6.4.3).
    """
    await session.writable.view.expunge()
    return Outcome("Expunged.")


@frozen
class Fetch:
    """
    What FETCH takes.
    """

    messages: SequenceSet
    plan: FetchPlan


def read_fetch(cursor: Cursor, session: Session) -> Fetch:
    """
    C{fetch}
    """
    cursor.space()
    messages = cursor.sequence_set()
    cursor.space()
    return Fetch(messages, fetching.read_items(cursor))


async def fetch(session: Session, arguments: Fetch, *, by_uid: bool) -> Outcome:
    """
    Section 6.4.5.  Messages that are gone are left out; by number that is a NO (RFC 2180 section 4.1.2), by UID it is nothing
    (RFC 3501 section 6.4.8).
    """
    selected = session.mailbox
    missing = await fetching.run(
        arguments.plan,
        selected.view,
        selected.messages(arguments.messages, by_uid=by_uid),
        session.write,
        with_uid=by_uid,
        recent=selected.view.recent,
        set_seen=not selected.is_read_only,
        told=selected.knows,
    )
    if missing and not by_uid:
        raise MessageGone(_GONE)
    return Outcome("Fetched.")


@frozen
class Store:
    """
    What STORE takes.
    """

    messages: SequenceSet
    #: C{+}, C{-} or C{=}.
    operation: str
    is_silent: bool
    flags: tuple[str, ...]


def read_store(cursor: Cursor, session: Session) -> Store:
    """
    C{store}
    """
    cursor.space()
    messages = cursor.sequence_set()
    cursor.space()
    # store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag)))
    operation = "+" if cursor.skip(b"+") else "-" if cursor.skip(b"-") else "="
    cursor.expect(b"FLAGS")
    is_silent = cursor.skip(b".SILENT")
    cursor.space()
    if cursor.peek(b"("):
        flags = read_flag_list(cursor)
    else:
        flags = [read_flag(cursor)]
        while not cursor.at_end:
            cursor.space()
            flags.append(read_flag(cursor))
    return Store(messages, operation, is_silent, tuple(flags))


async def store(session: Session, arguments: Store, *, by_uid: bool) -> Outcome:
    """
    Section 6.4.6.  With C{.SILENT} the client hears only of flags that differ from what it must expect.  By number, that some
    of the messages are gone is a NO, unless C{.SILENT} was asked for (RFC 2180 section 4.2); by UID it is nothing.
    """
    selected = session.writable
    view = selected.view
    numbered = selected.messages(arguments.messages, by_uid=by_uid)
    uids = [uid for _, uid in numbered]
    masks = view.snapshot.masks
    before = {uid: masks[number - 1] for number, uid in numbered} if arguments.is_silent else {}
    result = await view.change_flags(uids, arguments.operation, arguments.flags)
    changes = await view.advance(keep_vanished=True)
    session.tell_keywords(selected)
    if arguments.is_silent:
        bits = view.snapshot.keywords.mask(arguments.flags)
        selected.knows(one for one in result.now if one.mask == _expected(arguments.operation, before[one.uid], bits))
    else:
        await session.write(flag_responses(selected, result.now, with_uid=by_uid))
        selected.knows(result.now)
    await session.tell(changes)
    if len(result.now) < len(uids) and not by_uid and not arguments.is_silent:
        raise MessageGone(_GONE)
    return Outcome("Stored.")


def _expected(operation: str, before: int, bits: int) -> int:
    if operation == "=":
        return bits
    return before | bits if operation == "+" else before & ~bits


@frozen
class Copy:
    """
    What COPY and MOVE take.
    """

    messages: SequenceSet
    target: str


def read_copy(cursor: Cursor, session: Session) -> Copy:
    """
    C{copy}
    """
    cursor.space()
    messages = cursor.sequence_set()
    cursor.space()
    return Copy(messages, cursor.mailbox())


async def copy(session: Session, arguments: Copy, *, by_uid: bool) -> Outcome:
    """
    Section 6.4.7; the response code COPYUID is that of RFC 4315 section 3.
    """
    selected = session.mailbox
    uids = [uid for _, uid in selected.messages(arguments.messages, by_uid=by_uid)]
    result = await selected.view.copy(uids, arguments.target)
    return Outcome("Copied.", code=wire.copied(result))


COMMANDS = (
    Command(b"CHECK", IN_MAILBOX, nothing, check),
    Command(b"CLOSE", IN_MAILBOX, nothing, close),
    Command(b"EXPUNGE", IN_MAILBOX, nothing, expunge),
    Command(b"FETCH", IN_MAILBOX, read_fetch, partial(fetch, by_uid=False), defers_expunge=True),
    Command(b"UID FETCH", IN_MAILBOX, read_fetch, partial(fetch, by_uid=True)),
    Command(b"STORE", IN_MAILBOX, read_store, partial(store, by_uid=False), defers_expunge=True),
    Command(b"UID STORE", IN_MAILBOX, read_store, partial(store, by_uid=True)),
    Command(b"COPY", IN_MAILBOX, read_copy, partial(copy, by_uid=False)),
    Command(b"UID COPY", IN_MAILBOX, read_copy, partial(copy, by_uid=True)),
)
