"""
A session's view of a mailbox in a SQLite database.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field
from zope.interface import implementer

from twisted_mail_server.interfaces import IMailboxView
from twisted_mail_server.model import limits
from twisted_mail_server.model.changes import CopyResult, FlagResult, MailboxChange, MailboxSnapshot, MessageRow
from twisted_mail_server.model.errors import MessageGone, NoSuchAccount
from twisted_mail_server.protocols.imap.rendering import unpack
from twisted_mail_server.storage import changes
from twisted_mail_server.storage.contents import Content, Location
from twisted_mail_server.storage.editing import ChangeFlags, Copy, Expunge
from twisted_mail_server.storage.messages import MessageFiles
from twisted_mail_server.storage.rendering import Keep, Shape, shape_of
from twisted_mail_server.storage.selecting import plan
from twisted_mail_server.storage.views import SessionView

if TYPE_CHECKING:
    from twisted_mail_server.storage.account import SqliteAccount

_PLAIN = "m.uid, m.mask, m.modseq, m.size, m.internal_date, m.content_id"
_SHAPED = f"{_PLAIN}, m.content, (SELECT packed FROM rendered WHERE content = m.content)"
_HEADED = f"{_SHAPED}, (SELECT header FROM rendered WHERE content = m.content)"

_LOCATED = """
    m.uid, m.content, m.content_id, m.size, (SELECT prefix FROM content WHERE id = m.content),
    (SELECT bytes FROM octets WHERE content = m.content)
"""
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

    async def fetch(self, uids: Sequence[int], *, rendered: bool = False, header: bool = False) -> list[MessageRow]:
        """
        What is known of those messages, in the order of C{uids}.
        """
        columns = _HEADED if header else _SHAPED if rendered else _PLAIN
        wanted = sorted(set(uids))
        found = await self._rows("message", columns, wanted)
        if len(found) < len(wanted):
            there = {row[0] for row in found}
            found += await self._rows("expunged", columns, [uid for uid in wanted if uid not in there])
        if rendered or header:
            rows = await self._shaped(found, rendered, header)
        else:
            rows = {row[0]: MessageRow(*row) for row in found}
        return [rows[uid] for uid in uids if uid in rows]

    async def open_content(self, uid: int) -> Content:
        """
        Open one message.

        @raise MessageGone: it was expunged, and nothing of it is left.
        """
        location = await self._locate(uid)
        if location is None:
            raise MessageGone("The message was expunged.")
        return self._account.open(location)

    async def change_flags(
        self, uids: Sequence[int], operation: str, flags: Sequence[str], *, unchanged_since: int | None = None
    ) -> FlagResult:
        """
        Add, remove or replace flags; durable on return.

        @raise OverLimit: the mailbox knows too many keywords.
        """
        change = ChangeFlags(self.mailbox_id, uids, operation, tuple(flags), unchanged_since)
        return await self._account.edit(change, MailboxChange.REFLAGGED)

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

    async def _rows(self, table: str, columns: str, wanted: Sequence[int]) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        if wanted:
            for sql, args in plan(columns, table, self.mailbox_id, wanted):
                rows += await self._account.query(sql, args)
        return rows

    async def _locate(self, uid: int) -> Location | None:
        for sql in _LOCATIONS:
            for row in await self._account.query(sql, (self.mailbox_id, uid)):
                return Location(*row)
        return None

    async def _locate_all(self, uids: Sequence[int]) -> list[Location]:
        """
        Those of them that are there, C{uids} rising.
        """
        found = await self._rows("message", _LOCATED, uids)
        if len(found) < len(uids):
            there = {row[0] for row in found}
            found += await self._rows("expunged", _LOCATED, [uid for uid in uids if uid not in there])
        return [Location(*row[1:]) for row in found if row[4] is not None]

    async def _shaped(self, found: list[tuple[Any, ...]], rendered: bool, header: bool) -> dict[int, MessageRow]:
        """
        Rows with what IMAP says of each message's shape; what was not kept is found out, and kept.
        """
        rows: dict[int, MessageRow] = {}
        missing: dict[int, int] = {}
        unknown: set[int] = set()
        for row in found:
            uid, mask, modseq, size, internal_date, content_id, content, packed = row[:8]
            shape = unpack(packed) if packed is not None else None
            block = row[8] if header else None
            if shape is None:
                unknown.add(content)
            if shape is None or (header and block is None):
                missing[uid] = content
            rows[uid] = MessageRow(
                uid, mask, modseq, size, internal_date, content_id, shape if rendered else None, block
            )
        if missing:
            fresh = await self._find_out(missing, unknown)
            for uid, content in missing.items():
                shape_found = fresh.get(content)
                if shape_found is None:
                    del rows[uid]
                    continue
                rows[uid] = evolve(
                    rows[uid],
                    rendered=shape_found.rendered if rendered else None,
                    header=shape_found.header if header else None,
                )
        return rows

    async def _find_out(self, missing: dict[int, int], unknown: set[int]) -> dict[int, Shape]:
        """
        Render contents, each once, a bounded number of octets at a time; by row id.
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
