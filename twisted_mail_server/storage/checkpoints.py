"""
Checkpoints: inline contents become files, what nobody can read any more goes, and what nobody has read yet is rendered.

One process at a time does it for an account, at low priority, while others may read and write.  Every step can be stopped
and done again: a content is safe in the database until the commit that says its file is durable, and its file has the same
name and the same octets each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, frozen
from twisted.logger import Logger

from twisted_mail_server.interfaces import ITransaction
from twisted_mail_server.message.addresslists import Effort
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import MailError, TemporaryFailure, Trouble
from twisted_mail_server.storage import changes
from twisted_mail_server.storage.contents import Location
from twisted_mail_server.storage.messages import MessageFiles
from twisted_mail_server.storage.rendering import Keep, Shape, shape_ahead
from twisted_mail_server.storage.tables import Home

if TYPE_CHECKING:
    from twisted_mail_server.storage.account import SqliteAccount

_log = Logger()

#: Expunged messages that one commit forgets.
_GARBAGE_BATCH = 500
#: MODSEQs that a packed snapshot may lag behind before a checkpoint renews it.
_PACKED_LAG = 500

_INLINE = """
    SELECT c.id, c.content_id, c.size, o.bytes FROM content c INDEXED BY content_inline JOIN octets o ON o.content = c.id
    WHERE c.home = 0 AND c.id > ? ORDER BY c.id LIMIT ?
"""

_INLINE_SIZE = "SELECT coalesce(sum(size), 0) FROM content INDEXED BY content_inline WHERE home = 0"

#: Row ids below the last one rendered that are looked at for more.
_WINDOW = 1000

_UNRENDERED = """
    SELECT c.id, c.content_id, c.size + length(c.prefix), c.prefix, (SELECT bytes FROM octets WHERE content = c.id)
    FROM content c
    WHERE c.id >= ? AND c.id < ? AND NOT EXISTS (SELECT 1 FROM rendered WHERE content = c.id) ORDER BY c.id DESC LIMIT ?
"""

_STALE = """
    SELECT id FROM mailbox m WHERE messages >= ? AND modseq > ? + coalesce((SELECT modseq FROM packed WHERE mailbox = m.id), -?)
"""


@define
class Checkpoint:
    """
    One run over one account.
    """

    _account: SqliteAccount
    _limit: int | None

    async def run(self) -> int:
        """
        How many contents were moved.
        """
        account = self._account
        moved = await self._move_all()
        ((account.inline,),) = await account.query(_INLINE_SIZE)
        await self._remove_garbage()
        await self._renew()
        if not account.is_swept:
            account.is_swept = True
            await self._sweep()
        await account.room.restore()
        try:
            await self._render()
        except Trouble as problem:
            _log.warn("cannot render ahead: {problem}", problem=problem, account=str(account.account_id))
        return moved

    async def _move_all(self) -> int:
        moved, last = 0, 0
        while self._limit is None or moved < self._limit:
            count = (
                limits.CHECKPOINT_BATCH if self._limit is None else min(limits.CHECKPOINT_BATCH, self._limit - moved)
            )
            rows = await self._account.query(_INLINE, (last, count))
            if not rows:
                break
            last = rows[-1][0]
            written = await self._account.disk.run(_write, self._account.files, rows)
            if written:
                gone = await self._account.promise(_Move(written))
                moved += len(written) - len(gone)
                if gone:
                    await self._account.disk.run(self._account.files.remove, gone)
        return moved

    async def _remove_garbage(self) -> None:
        """
        Forget expunged messages that nobody can see, and remove contents that nothing holds.
        """
        account = self._account
        age = 0 if account.room.is_short else limits.GARBAGE_AGE
        last = (0, 0)
        while True:
            rows = await account.query(
                "SELECT mailbox, uid, content FROM expunged WHERE at <= ? AND (mailbox, uid) > (?, ?)"
                " ORDER BY mailbox, uid LIMIT ?",
                (account.now - age, *last, _GARBAGE_BATCH),
            )
            if not rows:
                break
            last = rows[-1][:2]
            unseen = [row for row in rows if not self._is_needed(*row)]
            if unseen:
                await account.disk.run(account.files.remove, await account.promise(_Forget(unseen)))
        oldest = await account.query("SELECT min(at) FROM expunged")
        account.garbage_since = oldest[0][0]

    def _is_needed(self, mailbox: int, uid: int, content: int) -> bool:
        if self._account.is_read(content):
            return True
        live = self._account.live.get(mailbox)
        return live is not None and any(view.sees(uid) for view in live.views)

    async def _renew(self) -> None:
        """
        Prune the change log; pack large mailboxes anew.
        """
        account = self._account
        for (mailbox,) in await account.query(_STALE, (limits.PACKED_FROM, _PACKED_LAG, _PACKED_LAG + 1)):
            await account.pack(mailbox)
        await account.promise(lambda transaction: changes.prune(transaction, limits.CHANGES_KEPT))

    async def _render(self) -> None:
        """
        Render what was delivered, so that whoever asks for it first need not wait: from the newest on, as far as there is something
        to be done among the next few.  Not while more is coming in, which would have to wait.
        """
        account = self._account
        if not account.is_quiet:
            return
        ((highest,),) = await account.query("SELECT coalesce(max(id), 0) FROM content")
        before, left = highest + 1, limits.CHECKPOINT_SLICE if self._limit is None else self._limit
        while left:
            found = await account.query(_UNRENDERED, (before - _WINDOW, before, min(left, limits.CHECKPOINT_BATCH)))
            if not found:
                break
            locations = [Location(*row) for row in found]
            before, left = locations[-1].content, left - len(locations)
            shapes = await account.disk.run(_shapes, account.files, locations)
            await account.database.transact(Keep(shapes))

    async def _sweep(self) -> None:
        """
        Once after a start: remove the files that a crash left without rows.
        """
        account = self._account
        known = {content_id for (content_id,) in await account.query("SELECT content_id FROM content")}
        orphans, halves = await account.disk.run(account.files.names_without, known)
        await account.disk.run(account.files.remove_paths, halves)
        if orphans:
            removed = await account.promise(_Sweep(account.files, orphans))
            _log.info("removed {count} message files without rows", count=removed, account=str(account.account_id))


def _write(files: MessageFiles, rows: Sequence[tuple[Any, ...]]) -> list[tuple[int, bytes, int]]:
    """
    In a thread: write contents into their files; those that are durable there.
    """
    written: list[tuple[int, bytes, int]] = []
    for content, content_id, size, octets in rows:
        try:
            files.write(content_id, octets)
        except (OSError, MailError) as problem:
            # It stays in the database, which is safe, and is written anew the next time.
            _log.error("cannot write a message file: {problem}", problem=problem, content=content_id.hex())
        else:
            written.append((content, content_id, size))
    return written


def _shapes(files: MessageFiles, locations: Sequence[Location]) -> list[Shape]:
    """
    In a thread: render contents, those that can be read.
    """
    effort, shapes = Effort(), []
    for location in locations:
        try:
            octets = location.read_now(files)
        except TemporaryFailure:
            continue
        shape = shape_ahead(location.content, location.content_id, octets, effort)
        if shape is not None:
            shapes.append(shape)
    return shapes


@frozen
class _Move:
    """
    Their files are durable: say so.
    """

    written: Sequence[tuple[int, bytes, int]]

    def __call__(self, transaction: ITransaction) -> list[bytes]:
        """
        Contents that are gone meanwhile, so that their files are not needed.
        """
        gone: list[bytes] = []
        for content, content_id, size in self.written:
            # Row ids are given again, content ids are not.
            transaction.execute(
                "UPDATE content SET home = ? WHERE id = ? AND content_id = ?", (int(Home.FILE), content, content_id)
            )
            if not transaction.changes():
                gone.append(content_id)
            elif size > limits.INLINE_KEPT:
                transaction.execute("DELETE FROM octets WHERE content = ?", (content,))
        return gone


@frozen
class _Forget:
    """
    Expunged messages that nobody will ask for.
    """

    rows: Sequence[tuple[int, int, int]]

    def __call__(self, transaction: ITransaction) -> list[bytes]:
        """
        The contents whose files are not needed any more.
        """
        removed: list[bytes] = []
        for mailbox, uid, content in self.rows:
            transaction.execute("DELETE FROM expunged WHERE mailbox = ? AND uid = ?", (mailbox, uid))
            if not transaction.changes():
                continue
            ((holders, content_id, home),) = transaction.execute(
                "UPDATE content SET holders = holders - 1 WHERE id = ? RETURNING holders, content_id, home", (content,)
            )
            if holders > 0:
                continue
            for table, column in (("content", "id"), ("octets", "content"), ("rendered", "content")):
                transaction.execute(f"DELETE FROM {table} WHERE {column} = ?", (content,))
            if home == Home.FILE:
                removed.append(content_id)
        return removed


@frozen
class _Sweep:
    """
    Remove files that have no row.  Inside a transaction, so that nobody is between a file and its row just now.
    """

    files: MessageFiles
    orphans: Sequence[bytes]

    def __call__(self, transaction: ITransaction) -> int:
        """
        How many.
        """
        known = {content_id for (content_id,) in transaction.execute("SELECT content_id FROM content")}
        gone = [content_id for content_id in self.orphans if content_id not in known]
        self.files.remove(gone)
        return len(gone)
