"""
L{twisted_mail_server.storage.checkpoints}
"""

from __future__ import annotations

import os
from typing import Any

from tests.storage.case import StoreCase
from tests.support.drive import failure_of, now
from tests.support.stores import ALICE, MESSAGE, append, arrival, deliver
from twisted_mail_server.disk.real import RealDisk
from twisted_mail_server.interfaces import ITransaction
from twisted_mail_server.message.addresslists import Effort
from twisted_mail_server.model import limits
from twisted_mail_server.model.changes import Rendered
from twisted_mail_server.model.errors import (
    DiskFull,
    MessageGone,
    TemporaryFailure,
)
from twisted_mail_server.protocols.imap.rendering import pack, render
from twisted_mail_server.storage import checkpoints, rendering
from twisted_mail_server.storage.checkpoints import _Forget


class CheckpointTests(StoreCase):
    """
    Contents into files, and garbage away.
    """

    def inline(self) -> list[tuple[Any, ...]]:
        """
        Home, and octets in the database, of each content.
        """
        return now(
            self.mail.query(
                "SELECT home, (SELECT length(bytes) FROM octets WHERE content = id) FROM content ORDER BY id"
            )
        )

    def test_homes(self) -> None:
        """
        Small contents stay in the database too, larger ones leave it; files hold just what came.
        """
        small, large = b"s" * limits.INLINE_KEPT, b"l" * (limits.INLINE_KEPT + 1)
        deliver(self.mail, arrival(1, content=small), arrival(2, content=large))
        self.assertEqual([(0, len(small)), (0, len(large))], self.inline())
        self.assertEqual([], self.files())
        self.assertEqual(1, now(self.mail.checkpoint(limit=1)))
        self.assertEqual(1, now(self.mail.checkpoint()))
        self.assertEqual(0, now(self.mail.checkpoint()))
        self.assertEqual([(1, len(small)), (1, None)], self.inline())
        contents = []
        for path in self.files():
            with open(path, "rb") as file:
                contents.append(file.read())
        self.assertEqual({small, large}, set(contents))
        view = now(self.mail.select("INBOX", claim_recent=True))
        self.assertEqual(
            [b"Return-Path: <>\r\n" + one for one in (small, large)], [self.read(view, 1), self.read(view, 2)]
        )
        self.assertEqual([], now(self.mail.problems()))

    def test_due(self) -> None:
        """
        An account is due when it is quiet and has something inline, at once if that is much, and once after the start.
        """
        store = self.process(checkpoint_inline=1000)
        mail = now(store.open(ALICE))
        self.assertEqual([ALICE], list(store.begin_checkpoints()))
        self.assertEqual([], list(store.begin_checkpoints()))
        deliver(mail, arrival(1))
        self.assertEqual([], list(store.begin_checkpoints()))
        self.clock.advance(limits.CHECKPOINT_QUIET)
        self.assertEqual([ALICE], list(store.begin_checkpoints()))
        now(mail.checkpoint())
        self.assertEqual([], list(store.begin_checkpoints()))
        deliver(mail, arrival(2, content=b"x" * 2000))
        self.assertEqual([ALICE], list(store.begin_checkpoints()))
        now(mail.checkpoint())
        now(now(mail.select("INBOX", claim_recent=True)).expunge([1], only_deleted=False))
        self.clock.advance(limits.CHECKPOINT_QUIET)
        self.assertEqual([], list(store.begin_checkpoints()))
        self.clock.advance(limits.GARBAGE_AGE + 1)
        self.assertEqual([ALICE], list(store.begin_checkpoints()))

    def test_busy_after_the_start(self) -> None:
        """
        An account that was not looked at since the start waits while mail comes in, and is looked at when it is quiet.
        """
        store = self.process()
        mail = now(store.open(ALICE))
        deliver(mail, arrival(1))
        self.assertEqual([], list(store.begin_checkpoints()))
        self.clock.advance(limits.CHECKPOINT_QUIET)
        self.assertEqual([ALICE], list(store.begin_checkpoints()))

    def test_unfinished(self) -> None:
        """
        An account that was closed with something to do is looked at again.
        """
        deliver(self.mail, arrival(1))
        self.store.begin_checkpoints()
        now(self.mail.database.close())
        del self.mail
        self.assertEqual([ALICE], list(self.store.begin_checkpoints()))
        self.mail = now(self.store.open(ALICE))
        self.assertEqual(1, now(self.mail.checkpoint()))

    def test_garbage(self) -> None:
        """
        What was expunged goes after an hour, with its file and what was rendered; what has another holder stays.
        """
        append(self.mail, "INBOX", b"one" * 20_000, b"two" * 20_000, MESSAGE)
        view = now(self.mail.select("INBOX", claim_recent=True))
        now(view.rendered([1, 2, 3]))
        now(view.copy([2], "Archive"))
        now(view.expunge([1, 2, 3], only_deleted=False))
        now(view.advance())
        now(self.mail.checkpoint())
        self.assertEqual(3, len(self.files()))
        self.clock.advance(limits.GARBAGE_AGE)
        now(self.mail.checkpoint())
        self.assertEqual(1, len(self.files()))
        for table in ("content", "rendered", "message"):
            self.assertEqual([(1,)], now(self.mail.query(f"SELECT count(*) FROM {table}")))
        self.assertEqual([], now(self.mail.problems()))
        failure_of(view.open_content(1), MessageGone)

    def test_seen_ghosts_stay(self) -> None:
        """
        However old, what a session here can still see, or is reading, stays.
        """
        append(self.mail, "INBOX", b"one" * 20_000, b"two" * 20_000)
        view = now(self.mail.select("INBOX", claim_recent=True))
        content = now(view.open_content(2))
        now(view.expunge([1, 2], only_deleted=False))
        for _ in range(2):
            self.clock.advance(limits.GARBAGE_AGE)
            now(self.mail.checkpoint())
        self.assertEqual(b"one" * 20_000, self.read(view, 1))
        now(view.advance())
        now(self.mail.checkpoint())
        self.assertEqual(1, len(self.files()))
        self.assertEqual(b"two" * 20_000, now(content.read()))
        content.close()
        now(self.mail.checkpoint())
        self.assertEqual([], self.files())

    def rendered(self) -> list[int]:
        """
        The contents of which something is kept.
        """
        return [content for (content,) in now(self.mail.query("SELECT content FROM rendered ORDER BY content"))]

    def test_renders(self) -> None:
        """
        What was delivered is rendered, with what precedes it, wherever it is, once the account is quiet; so the first who asks
        makes nobody read it.
        """
        path = f"{self.root}/spooled"
        large = b"Subject: large\r\n\r\n" + b"x" * 50_000
        self.mail.disk.write_file(path, large)
        medium = b"Subject: s\r\n\r\n" + b"x" * 20_000
        deliver(self.mail, arrival(1), arrival(2, content=large, path=path), arrival(3, content=medium))
        now(self.mail.checkpoint())
        self.assertEqual([], self.rendered())
        self.clock.advance(limits.CHECKPOINT_QUIET)
        now(self.mail.checkpoint())
        self.assertEqual([1, 2, 3], self.rendered())
        view = now(self.mail.select("INBOX", claim_recent=True))
        expected = {uid: pack(render(self.read(view, uid))) for uid in (1, 2, 3)}
        self.patch(rendering, "render", lambda octets, effort=None: 1 / 0)
        self.assertEqual(expected, now(view.rendered([1, 2, 3])))
        self.assertEqual(b"Return-Path: <>\r\nSubject: large\r\n\r\n", now(view.headers([2]))[2])

    def test_renders_newest(self) -> None:
        """
        A checkpoint renders no more than it may do, the newest first, and looks no further back than a while behind the last.
        """
        self.patch(checkpoints, "_WINDOW", 3)
        deliver(self.mail, *map(arrival, range(1, 7)))
        self.clock.advance(limits.CHECKPOINT_QUIET)
        now(self.mail.checkpoint(limit=2))
        self.assertEqual([5, 6], self.rendered())
        now(self.mail.checkpoint(limit=1))
        self.assertEqual([4, 5, 6], self.rendered())
        now(self.mail.checkpoint())
        self.assertEqual([4, 5, 6], self.rendered())
        deliver(self.mail, arrival(7))
        self.clock.advance(limits.CHECKPOINT_QUIET)
        now(self.mail.checkpoint())
        self.assertEqual([4, 5, 6, 7], self.rendered())
        deliver(self.mail, arrival(8))
        self.clock.advance(limits.CHECKPOINT_QUIET)
        self.patch(checkpoints, "_WINDOW", 6)
        now(self.mail.checkpoint())
        self.assertEqual([1, 2, 3, 4, 5, 6, 7, 8], self.rendered())

    def test_cannot_render(self) -> None:
        """
        What cannot be read, or makes trouble, is left out; a full disk does no harm.
        """
        path = f"{self.root}/spooled"
        self.mail.disk.write_file(path, MESSAGE)
        deliver(self.mail, arrival(1, path=path, is_shared=True), arrival(2), arrival(3, content=b"bad"))
        for file in self.files():
            os.remove(file)
        self.clock.advance(limits.CHECKPOINT_QUIET)
        real = render

        def fails(octets: bytes, effort: Effort | None = None) -> Rendered:
            return real(octets[: 1 // (not octets.endswith(b"bad"))] + octets[1:], effort)

        self.patch(rendering, "render", fails)
        now(self.mail.checkpoint())
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.assertEqual([2], self.rendered())

        def full(keep: rendering.Keep, transaction: ITransaction) -> None:
            raise DiskFull("No room on the disk.")

        self.patch(rendering.Keep, "__call__", full)
        deliver(self.mail, arrival(4))
        self.clock.advance(limits.CHECKPOINT_QUIET)
        self.assertEqual(1, now(self.mail.checkpoint()))
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.assertEqual([2], self.rendered())

    def test_orphans(self) -> None:
        """
        The first checkpoint after a start removes files without rows, and half-written ones; nothing else.
        """
        append(self.mail, "INBOX", b"one" * 20_000)
        (kept,) = self.files()
        folder = os.path.dirname(kept)
        for name in (os.path.basename(folder) + "0" * 30 + ".eml", ".new-1", "strange", "zz" * 16 + ".eml"):
            self.mail.disk.write_file(f"{folder}/{name}", b"left")
        now(self.mail.checkpoint())
        self.assertEqual([kept], self.files())
        self.mail.disk.write_file(f"{folder}/{os.path.basename(folder)}{'1' * 30}.eml", b"left")
        now(self.mail.checkpoint())
        self.assertEqual(2, len(self.files()))
        now(now(self.process().open(ALICE)).checkpoint())
        self.assertEqual([kept], self.files())

    def test_failed_fsync(self) -> None:
        """
        After an fsync that failed the content stays in the database, and is written anew the next time.
        """
        deliver(self.mail, arrival(1, content=b"x" * 10_000), arrival(2))
        count = 0
        real = RealDisk.write_file

        def fails_once(disk: RealDisk, path: str, data: bytes, mode: int = 0o600) -> None:
            nonlocal count
            count += 1
            if count == 1:
                raise TemporaryFailure("The disk failed.")
            real(disk, path, data, mode)

        self.patch(RealDisk, "write_file", fails_once)
        self.assertEqual(1, now(self.mail.checkpoint()))
        self.assertEqual([(0, 10_000), (1, len(MESSAGE))], self.inline())
        self.clock.advance(limits.CHECKPOINT_QUIET)
        self.assertEqual([ALICE], list(self.store.begin_checkpoints()))
        self.assertEqual(1, now(self.mail.checkpoint()))
        self.assertEqual([], now(self.mail.problems()))

    def test_expunged_meanwhile(self) -> None:
        """
        A content that went away while its file was written leaves no file, though its row id is given again.
        """
        deliver(self.mail, arrival(1, content=b"x" * 10_000))
        real = RealDisk.write_file
        view = now(self.mail.select("INBOX", claim_recent=True))

        def replaced(disk: RealDisk, path: str, data: bytes, mode: int = 0o600) -> None:
            real(disk, path, data, mode)
            self.patch(RealDisk, "write_file", real)
            now(view.expunge([1], only_deleted=False))
            now(self.mail.database.transact(_Forget([(view.mailbox_id, 1, 1)])))
            deliver(self.mail, arrival(2, content=b"y" * 10_000))

        self.patch(RealDisk, "write_file", replaced)
        self.assertEqual([0, 1], [now(self.mail.checkpoint()), now(self.mail.checkpoint())])
        self.assertEqual(1, len(self.files()))
        self.assertEqual(b"Return-Path: <>\r\n" + b"y" * 10_000, self.read(view, 2))
        self.assertEqual([], now(self.mail.problems()))

    def test_change_log_is_pruned(self) -> None:
        """
        Of the change log a bounded number of transactions is kept; who knows less reads the mailbox anew.
        """
        self.patch(limits, "CHANGES_KEPT", 10)
        append(self.mail, "INBOX", *[MESSAGE] * 5)
        other = now(self.process().open(ALICE))
        view = now(other.select("INBOX", claim_recent=True))
        mine = now(self.mail.select("INBOX", claim_recent=True))
        for number in range(20):
            now(mine.change_flags([number % 5 + 1], "+" if number % 2 else "-", [f"k{number % 7}"]))
        now(mine.expunge([2], only_deleted=False))
        now(self.mail.checkpoint())
        self.assertLessEqual(now(self.mail.query("SELECT count(*) FROM change"))[0][0], 10)
        self.assertEqual((2,), now(view.advance()).vanished)
        now(mine.advance())
        self.assertEqual(list(mine.snapshot.masks), list(view.snapshot.masks))
        self.assertIsNone(now(mine.vanished_since(1)))
        self.assertEqual((2,), now(mine.vanished_since(mine.snapshot.modseq - 1)))

    def test_packed(self) -> None:
        """
        A large mailbox is opened from its packed snapshot and what happened since.
        """
        self.patch(limits, "PACKED_FROM", 5)
        append(self.mail, "INBOX", *[MESSAGE] * 40)
        now(self.mail.checkpoint())
        view = now(self.mail.select("INBOX", claim_recent=False))
        now(view.change_flags([7, 8], "+", ["\\Seen", "later"]))
        now(view.expunge([3, 40], only_deleted=False))
        append(self.mail)
        now(view.advance())
        self.assertEqual([(40,)], now(self.mail.query("SELECT length(uids) / 4 FROM packed")))
        other = now(now(self.process().open(ALICE)).select("INBOX", claim_recent=False))
        for column in ("uids", "masks", "modseqs", "keywords", "uidnext", "modseq"):
            self.assertEqual(getattr(view.snapshot, column), getattr(other.snapshot, column))
