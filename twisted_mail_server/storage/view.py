"""
A session's view of a mailbox in a SQLite database.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define, field
from zope.interface import implementer

from twisted_mail_server.interfaces import IMailboxView
from twisted_mail_server.model import limits
from twisted_mail_server.model.changes import CopyResult, FlagResult, MailboxChange, MailboxSnapshot, MessageRow
from twisted_mail_server.model.errors import MessageGone, NoSuchAccount, TemporaryFailure
from twisted_mail_server.protocols.imap.rendering import is_current
from twisted_mail_server.storage import changes
from twisted_mail_server.storage.contents import Content, Location
from twisted_mail_server.storage.editing import ChangeFlags, Copy, Expunge, Flagged
from twisted_mail_server.storage.messages import MessageFiles
from twisted_mail_server.storage.rendering import Keep, Shape, shape_of
from twisted_mail_server.storage.selecting import plan
from twisted_mail_server.storage.snapshots import with_flags
from twisted_mail_server.storage.views import SessionView

if TYPE_CHECKING:
    from twisted_mail_server.storage.account import SqliteAccount

_T = TypeVar("_T")

_PLAIN = "m.uid, m.mask, m.modseq, m.size, m.internal_date, m.content_id"
_RENDERED = "LEFT JOIN rendered r ON r.content = m.content"
_LOCATED = "m.uid, m.content, m.content_id, m.size, c.prefix, o.bytes"
_OCTETS = "CROSS JOIN content c ON c.id = m.content LEFT JOIN octets o ON o.content = m.content"
#: Of what is larger, the octets may be in a file, and are too many to be read on the way.
_SMALL = f"{_OCTETS} AND m.size <= {limits.INLINE_KEPT}"
_LOCATION = """
    SELECT m.content, m.content_id, m.size, c.prefix, (SELECT bytes FROM octets WHERE content = m.content)
    FROM {} m CROSS JOIN content c ON c.id = m.content WHERE m.mailbox = ? AND m.uid = ?
"""
_LOCATIONS = (_LOCATION.format("message"), _LOCATION.format("expunged"))


@define(eq=False)
class LiveMailbox:
    """
    A mailbox that sessions have open; what they share.
    """

    _account: SqliteAccount
    mailbox_id: int
    name: str
    uidvalidity: int
    snapshot: MailboxSnapshot
    recent_from: int
    is_deleted: bool = False
    views: set[SessionView] = field(factory=set)
    _written_recent: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._written_recent = self.recent_from

    async def refresh(self) -> None:
        """
        Bring the snapshot up to date: one point read, if nothing happened.
        """
        if self.is_deleted:
            return
        try:
            await self._refresh()
        except NoSuchAccount:
            self.is_deleted = True

    async def _refresh(self) -> None:
        query = self._account.query
        state = await changes.read_state(query, self.mailbox_id)
        if state is not None and state.modseq <= self.snapshot.modseq:
            return
        newest = None
        if state is not None:
            newest = await changes.bring_up(query, self._account.pack, self.mailbox_id, self.snapshot, state)
        if newest is None:
            self.is_deleted = True
            return
        snapshot, state = newest
        if snapshot.modseq > self.snapshot.modseq:
            self.snapshot = snapshot
        self.recent_from = max(self.recent_from, state.recent_from)

    def reflagged(self, flagged: Flagged) -> None:
        """
        Flags were changed here: what is known of the moment before need not be read again.
        """
        if self.snapshot.modseq == flagged.before < flagged.modseq:
            newest = with_flags(self.snapshot, flagged.uids, flagged.masks, flagged.keywords, flagged.modseq)
            self.snapshot = newest or self.snapshot

    def left(self) -> None:
        """
        A view was closed: what it claimed as recent is written down.
        """
        self.write_recent()

    def write_recent(self) -> None:
        """
        Write down what is claimed; nobody waits for it (RFC 3501 section 2.3.2 allows that it is lost).
        """
        if self.recent_from > self._written_recent and not self.is_deleted:
            self._written_recent = self.recent_from
            self._account.claim_recent(self.mailbox_id, self.recent_from)


@implementer(IMailboxView)
@define(eq=False)
class SqliteView(SessionView):
    """
    A session's view.
    """

    _account: SqliteAccount = field(kw_only=True)

    async def fetch(self, uids: Sequence[int], *, header: bool = False) -> list[MessageRow]:
        """
        What is known of those messages, in the order of C{uids}.
        """
        found = await self._rows_left(_PLAIN, sorted(set(uids)))
        if header:
            headers = await self.headers([row[0] for row in found])
            rows = {row[0]: MessageRow(*(*row, headers[row[0]])) for row in found if row[0] in headers}
        else:
            rows = {row[0]: MessageRow(*row) for row in found}
        return [rows[uid] for uid in uids if uid in rows]

    async def rendered(self, uids: Sequence[int]) -> dict[int, bytes]:
        """
        What IMAP says of the shape of those messages, packed.  What was not kept is found out, and kept.
        """
        shown: dict[int, bytes] = {}
        missing: dict[int, int] = {}
        for uid, content, packed in await self._rows_left("m.uid, m.content, r.packed", sorted(set(uids)), _RENDERED):
            if packed is not None and is_current(packed):
                shown[uid] = packed
            else:
                missing[uid] = content
        if missing:
            fresh = await self._find_out(missing, set(missing.values()))
            shown.update((uid, fresh[content].packed) for uid, content in missing.items() if content in fresh)
        return shown

    async def headers(self, uids: Sequence[int]) -> dict[int, bytes]:
        """
        The header blocks of those messages, in the order of C{uids}.
        """
        headers: dict[int, bytes] = {}
        missing: dict[int, int] = {}
        unknown: set[int] = set()
        columns = "m.uid, m.content, r.header, r.content"
        for uid, content, block, kept in await self._rows_left(columns, sorted(set(uids)), _RENDERED):
            if block is not None:
                headers[uid] = block
                continue
            missing[uid] = content
            if kept is None:
                unknown.add(content)
        if missing:
            # What was never rendered, or is too large to be kept.
            fresh = await self._find_out(missing, unknown)
            headers.update((uid, fresh[content].header) for uid, content in missing.items() if content in fresh)
        return {uid: headers[uid] for uid in uids if uid in headers}

    async def open_content(self, uid: int) -> Content:
        """
        Open one message.

        @raise MessageGone: it was expunged, and nothing of it is left.
        """
        location = await self._locate(uid)
        if location is None:
            raise MessageGone("The message was expunged.")
        return self._account.open(location)

    async def read_ahead(self, uids: Sequence[int]) -> list[bytes | None]:
        """
        All octets of the first of those messages: what is small comes with its row, what is in files in one trip to a thread.
        """
        some = uids[: limits.FETCH_BATCH_OPEN]
        columns = "m.uid, m.size, c.prefix, o.bytes"
        rows = {row[0]: row for row in await self._rows("message", columns, sorted(set(some)), _SMALL)}
        found: list[bytes | None] = []
        larger: dict[int, int] = {}
        total = 0
        for uid in some:
            _, size, prefix, octets = rows.get(uid, (uid, 0, b"", None))
            if size <= limits.CONTENT_PIECE:
                total += size
                if total > limits.FETCH_AHEAD:
                    break
                if octets is None and uid in rows:
                    larger[uid] = len(found)
            found.append(None if octets is None else prefix + octets)
        if larger:
            for uid, whole in await self._read(sorted(larger)):
                found[larger[uid]] = whole
        return found

    async def examine(self, uids: Sequence[int], look: Callable[[int, bytes], _T]) -> dict[int, _T]:
        """
        What C{look} makes of each of those messages: here of what is small and in memory, else in a thread.
        """
        rows = await self._rows_left(_LOCATED, sorted(set(uids)), _OCTETS)
        located = [(row[0], Location(*row[1:])) for row in rows]
        opened = [self._account.open(location) for _, location in located if location.octets is None]
        try:
            if not opened and sum(location.size for _, location in located) <= limits.RENDERED_AT_ONCE:
                return _examine(self._account.files, located, look)
            return await self._account.disk.run(_examine, self._account.files, located, look)
        finally:
            for content in opened:
                content.close()

    async def change_flags(
        self, uids: Sequence[int], operation: str, flags: Sequence[str], *, unchanged_since: int | None = None
    ) -> FlagResult:
        """
        Add, remove or replace flags; durable on return.

        @raise OverLimit: the mailbox knows too many keywords.
        """
        change = ChangeFlags(self.mailbox_id, uids, operation, tuple(flags), unchanged_since)
        flagged = await self._account.edit(change, MailboxChange.REFLAGGED, self._reflagged)
        return flagged.result

    async def expunge(self, uids: Sequence[int] | None = None, *, only_deleted: bool = True) -> tuple[int, ...]:
        """
        Remove messages for ever; durable on return; the UIDs removed.
        """
        self._account.note_garbage()
        expunge = Expunge(self.mailbox_id, uids, only_deleted, self._account.now)
        return await self._account.edit(expunge, MailboxChange.VANISHED)

    async def copy(self, uids: Sequence[int], target: str) -> CopyResult:
        """
        Copy messages to another mailbox, or this one; durable on return.

        @raise NoSuchTarget: there is no such mailbox.
        @raise OverQuota: they do not fit.
        """
        quota = await self._account.quota()
        return await self._account.edit(Copy(self.mailbox_id, uids, target, is_move=False, quota=quota))

    async def move(self, uids: Sequence[int], target: str) -> CopyResult:
        """
        Copy messages, and remove the originals in the same transaction; durable on return.

        @raise NoSuchTarget: there is no such mailbox.
        """
        self._account.note_garbage()
        return await self._account.edit(Copy(self.mailbox_id, uids, target, is_move=True, at=self._account.now))

    async def vanished_since(self, modseq: int) -> tuple[int, ...] | None:
        """
        The UIDs that were expunged after C{modseq}; C{None} where the change log does not go back so far.
        """
        return await changes.vanished(self._account.query, self.mailbox_id, modseq, self.snapshot.modseq)

    async def _read(self, uids: Sequence[int]) -> list[tuple[int, bytes | None]]:
        """
        All octets of those that are there, C{uids} rising; C{None} for what cannot be read.
        """
        rows = await self._rows("message", _LOCATED, uids, _OCTETS)
        opened = [self._account.open(Location(*row[1:])) for row in rows]
        try:
            locations = [content.location for content in opened]
            if any(location.octets is None for location in locations):
                read = await self._account.disk.run(_read_all, self._account.files, locations)
            else:
                read = _read_all(self._account.files, locations)
        finally:
            for content in opened:
                content.close()
        return [(row[0], octets) for row, octets in zip(rows, read, strict=True)]

    def _reflagged(self, flagged: Flagged) -> None:
        live = self._account.live.get(self.mailbox_id)
        if live is not None:
            live.reflagged(flagged)

    async def _rows(self, table: str, columns: str, wanted: Sequence[int], joined: str = "") -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        if wanted:
            for sql, args in plan(columns, table, self.mailbox_id, wanted, joined):
                rows += await self._account.query(sql, args)
        return rows

    async def _rows_left(self, columns: str, wanted: Sequence[int], joined: str = "") -> list[tuple[Any, ...]]:
        """
        Rows of messages, C{wanted} rising, and of what was expunged and is not cleared away yet.
        """
        found = await self._rows("message", columns, wanted, joined)
        if len(found) < len(wanted):
            there = {row[0] for row in found}
            found += await self._rows("expunged", columns, [uid for uid in wanted if uid not in there], joined)
        return found

    async def _locate(self, uid: int) -> Location | None:
        for sql in _LOCATIONS:
            for row in await self._account.query(sql, (self.mailbox_id, uid)):
                return Location(*row)
        return None

    async def _locate_all(self, uids: Sequence[int]) -> list[Location]:
        """
        Those of them that are there, C{uids} rising.
        """
        return [Location(*row[1:]) for row in await self._rows_left(_LOCATED, uids, _OCTETS)]

    async def _find_out(self, missing: dict[int, int], unknown: set[int]) -> dict[int, Shape]:
        """
        Render contents, each once, a bounded number of octets at a time; by row id.  Those that are C{unknown} are kept.
        """
        shapes: dict[int, Shape] = {}
        batch: list[Location] = []
        octets = 0
        uids = {content: uid for uid, content in missing.items()}
        wanted = sorted(uids.values())
        for start in range(0, len(wanted), limits.FETCH_BATCH_OPEN):
            for location in await self._locate_all(wanted[start : start + limits.FETCH_BATCH_OPEN]):
                batch.append(location)
                octets += location.size
                if octets > limits.MESSAGE_SIZE:
                    await self._render(batch, octets, shapes)
                    batch, octets = [], 0
        await self._render(batch, octets, shapes)
        kept = [shape for shape in shapes.values() if shape.content in unknown]
        if kept:
            self._account.later("keep what was rendered", Keep(kept))
        return shapes

    async def _render(self, batch: list[Location], octets: int, shapes: dict[int, Shape]) -> None:
        """
        On the reactor what is small and in memory, else in a thread.
        """
        if octets <= limits.RENDERED_AT_ONCE and all(location.octets is not None for location in batch):
            made = _render_all(self._account.files, batch)
        else:
            made = await self._account.disk.run(_render_all, self._account.files, batch)
        shapes.update((shape.content, shape) for shape in made)


def _render_all(files: MessageFiles, batch: Sequence[Location]) -> list[Shape]:
    return [shape_of(location.content, location.content_id, location.read_now(files)) for location in batch]


def _read_all(files: MessageFiles, locations: Sequence[Location]) -> list[bytes | None]:
    found: list[bytes | None] = []
    for location in locations:
        try:
            found.append(location.read_now(files))
        except TemporaryFailure:
            found.append(None)
    return found


def _examine(
    files: MessageFiles, located: Sequence[tuple[int, Location]], look: Callable[[int, bytes], _T]
) -> dict[int, _T]:
    return {uid: look(uid, location.read_now(files)) for uid, location in located}
