"""
CHECK, CLOSE, EXPUNGE, FETCH, STORE, COPY, and UID FETCH, UID STORE, UID COPY (RFC 3501 section 6.4).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from functools import partial
from typing import Any

from attrs import define, frozen

from ....model.changes import Changes, FlagResult, Reflagged
from ....model.errors import MessageGone
from ....model.numbers import SequenceSet, format_set
from .. import fetching, wire
from ..fetch_vocabulary import FetchPlan
from ..grammar import read_flag, read_flag_list
from ..session import Selected
from ..vocabulary import IN_MAILBOX, Command, Cursor, Outcome, Session, nothing, read_modifiers

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
    #: RFC 4466 section 2.4.
    modifiers: dict[bytes, Any]


@define
class Fetching:
    """
    A FETCH that is about to be done; what its modifiers act on.
    """

    arguments: Fetch
    by_uid: bool
    plan: FetchPlan
    #: Sequence number and UID of each message meant.
    numbered: list[tuple[int, int]]


def read_fetch(cursor: Cursor, session: Session) -> Fetch:
    """
    C{fetch}, with the modifiers of RFC 4466 section 2.4.
    """
    # fetch = "FETCH" SP sequence-set SP (...) [fetch-modifiers] ; fetch-modifiers = SP "(" fetch-modifier *(SP fetch-modifier) ")"
    cursor.space()
    messages = cursor.sequence_set()
    cursor.space()
    plan = fetching.read_items(cursor, session.registry.fetch_items)
    modifiers = read_modifiers(cursor, session, session.registry.fetch_modifiers) if cursor.skip(b" ") else {}
    return Fetch(messages, plan, modifiers)


async def fetch(session: Session, arguments: Fetch, *, by_uid: bool) -> Outcome:
    """
    Section 6.4.5.  Messages that are gone are left out; by number that is a NO (RFC 2180 section 4.1.2), by UID it is nothing
    (RFC 3501 section 6.4.8).
    """
    selected = session.mailbox
    numbered = selected.messages(arguments.messages, by_uid=by_uid)
    running = Fetching(arguments, by_uid, arguments.plan, numbered)
    for name, value in arguments.modifiers.items():
        await session.registry.fetch_modifiers[name].act(session, running, value)
    session.enable(running.plan.enables)
    missing = await show(session, running.plan, running.numbered, by_uid=by_uid)
    if missing and not by_uid:
        raise MessageGone(_GONE)
    return Outcome("Fetched.")


async def show(session: Session, plan: FetchPlan, numbered: list[tuple[int, int]], *, by_uid: bool) -> int:
    """
    Send the FETCH responses for those messages; how many of them are gone.
    """
    selected = session.mailbox
    if fetching.MODSEQ in plan.items:
        modseqs = selected.view.snapshot.modseqs
        selected.believes(max([modseqs[number - 1] for number, _ in numbered], default=0))

    def told(changed: Iterable[Reflagged]) -> None:
        changes = list(changed)
        selected.knows(changes)
        if session.tells_modseq:
            selected.believes(max([one.modseq for one in changes], default=0))

    return await fetching.run(
        plan,
        selected.view,
        numbered,
        session.write,
        with_uid=by_uid,
        recent=session.recent,
        set_seen=not selected.is_read_only,
        tells_modseq=session.tells_modseq,
        told=told,
    )


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
    #: RFC 4466 section 2.5.
    modifiers: dict[bytes, Any]


@define
class Storing:
    """
    A STORE that is about to be done; what its modifiers act on.
    """

    arguments: Store
    #: Change only messages whose MODSEQ is not above that (RFC 7162 section 3.1.3).
    unchanged_since: int | None = None


def read_store(cursor: Cursor, session: Session) -> Store:
    """
    C{store}, with the modifiers of RFC 4466 section 2.5.
    """
    # store = "STORE" SP sequence-set [store-modifiers] SP store-att-flags
    # store-modifiers = SP "(" store-modifier *(SP store-modifier) ")"
    cursor.space()
    messages = cursor.sequence_set()
    cursor.space()
    modifiers: dict[bytes, Any] = {}
    if cursor.peek(b"("):
        modifiers = read_modifiers(cursor, session, session.registry.store_modifiers)
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
    return Store(messages, operation, is_silent, tuple(flags), modifiers)


async def store(session: Session, arguments: Store, *, by_uid: bool) -> Outcome:
    """
    Section 6.4.6.  With C{.SILENT} the client hears only of flags that differ from what it must expect, and of MODSEQs if it
    knows them.  By number, that some of the messages are gone is a NO, unless C{.SILENT} was asked for (RFC 2180 section 4.2);
    by UID it is nothing.

    Messages that C{UNCHANGEDSINCE} has kept from changing are told of with their flags, so that the client need not ask (RFC
    7162 section 3.1.3).
    """
    selected = session.writable
    view = selected.view
    running = Storing(arguments)
    for name, value in arguments.modifiers.items():
        await session.registry.store_modifiers[name].act(session, running, value)
    numbered = selected.messages(arguments.messages, by_uid=by_uid)
    masks = view.snapshot.masks
    before = {uid: masks[number - 1] for number, uid in numbered} if arguments.is_silent else {}
    result, changes = await _change(selected, running, numbered)
    session.tell_keywords(selected)
    if arguments.is_silent:
        left, added = _operation(arguments.operation, view.snapshot.keywords.mask(arguments.flags))
        expected = [one for one in result.now if one.mask == before[one.uid] & left | added]
        if session.tells_modseq:
            await session.write(session.flag_responses(expected, is_quiet=True))
        selected.knows(expected)
    else:
        await session.write(session.flag_responses(result.now, with_uid=by_uid))
        selected.knows(result.now)
    if result.modified:
        kept = _as_they_are(selected, result.modified)
        await session.write(session.flag_responses(kept, with_uid=by_uid))
        selected.knows(kept)
    await session.tell(changes)
    return _stored(arguments, numbered, result, by_uid=by_uid)


async def _change(selected: Selected, running: Storing, numbered: list[tuple[int, int]]) -> tuple[FlagResult, Changes]:
    """
    Change the flags; and again those of messages of which only other flags have changed since the client looked, so that it need
    not try again (RFC 7162 section 3.1.12).
    """
    view, arguments, since = selected.view, running.arguments, running.unchanged_since
    old = view.snapshot
    uids = [uid for _, uid in numbered]
    result = await view.change_flags(uids, arguments.operation, arguments.flags, unchanged_since=since)
    changes = await view.advance(keep_vanished=True)
    if since is None or not result.modified or arguments.operation == "=":
        return result, changes
    bits = view.snapshot.keywords.mask(arguments.flags)
    places = {uid: number - 1 for number, uid in numbered}
    spared = [
        one
        for one in _as_they_are(selected, result.modified)
        if old.modseqs[places[one.uid]] <= since and not (one.mask ^ old.masks[places[one.uid]]) & bits
    ]
    if not spared:
        return result, changes
    again = await view.change_flags(
        [one.uid for one in spared],
        arguments.operation,
        arguments.flags,
        unchanged_since=max(one.modseq for one in spared),
    )
    more = await view.advance(keep_vanished=True)
    done = {one.uid for one in again.now}
    told = {one.uid: one for one in (*changes.reflagged, *more.reflagged)}
    return (
        FlagResult(
            tuple(sorted((*result.now, *again.now), key=lambda one: one.uid)),
            tuple([uid for uid in result.modified if uid not in done]),
        ),
        Changes(arrived=(*changes.arrived, *more.arrived), reflagged=tuple(told.values())),
    )


def _as_they_are(selected: Selected, uids: Iterable[int]) -> list[Reflagged]:
    """
    Messages as the session sees them now.
    """
    snapshot = selected.view.snapshot
    places = ((bisect_left(snapshot.uids, uid), uid) for uid in uids)
    return [Reflagged(uid, snapshot.masks[place], snapshot.modseqs[place]) for place, uid in places]


def _stored(arguments: Store, numbered: list[tuple[int, int]], result: FlagResult, *, by_uid: bool) -> Outcome:
    code = b""
    if result.modified:
        modified = set(result.modified)
        code = b"MODIFIED " + format_set([uid if by_uid else number for number, uid in numbered if uid in modified])
    if len(result.now) + len(result.modified) < len(numbered) and not by_uid and not arguments.is_silent:
        return Outcome(_GONE, b"NO", code or MessageGone.imap_code.encode("ascii"))
    return Outcome("Stored, where nothing had changed." if code else "Stored.", code=code)


def _operation(operation: str, bits: int) -> tuple[int, int]:
    """
    Which bits stay, and which are added.
    """
    if operation == "=":
        return 0, bits
    return (-1, bits) if operation == "+" else (~bits, 0)


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
