"""
L{twisted_mail_server.storage.contents}, L{twisted_mail_server.storage.rendering} and L{twisted_mail_server.storage.checking}
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from typing import Any

from tests.storage.case import StoreCase
from tests.support.drive import failure_of, now
from tests.support.stores import ALICE, BOB, MESSAGE, append, arrival, deliver, staged
from twisted_mail_server.disk.databases import Database
from twisted_mail_server.disk.real import RealDisk
from twisted_mail_server.interfaces import ITransaction
from twisted_mail_server.model import limits
from twisted_mail_server.model.changes import Rendered
from twisted_mail_server.model.errors import (
    CannotDo,
    DiskFull,
    TemporaryFailure,
)
from twisted_mail_server.protocols.imap.rendering import render
from twisted_mail_server.storage import rendering
from twisted_mail_server.storage.opening import AccountDatabase
from twisted_mail_server.storage.registry import STORES


def _execute(sql: str, transaction: ITransaction) -> None:
    transaction.execute(sql)


class ContentTests(StoreCase):
    """
    Contents that cannot be had, and what is kept of them.
    """

    def test_spool_file_gone(self) -> None:
        """
        When the spool's file is not there nothing is delivered, and the delivery can be tried again.
        """
        gone = f"{self.root}/nowhere"
        failure_of(self.mail.deliver([arrival(1), arrival(2, path=gone)]), TemporaryFailure)
        self.assertEqual([True, True], deliver(self.mail, arrival(1), arrival(2)))
        self.assertEqual([], self.files())

    def test_second_file_fails(self) -> None:
        """
        When one file of a batch cannot be had, the files of the others go too.
        """
        path = f"{self.root}/spooled"
        self.mail.disk.write_file(path, b"x" * 40_000)
        batch = [arrival(1, content=b"x" * 40_000, path=path), arrival(2, path=f"{self.root}/nowhere")]
        failure_of(self.mail.deliver(batch), TemporaryFailure)
        self.assertEqual([], self.files())

    def test_linked(self) -> None:
        """
        A content that several get is one file with several names.
        """
        path = f"{self.root}/spooled"
        self.mail.disk.write_file(path, MESSAGE)
        for account in (ALICE, BOB):
            deliver(now(self.store.open(account)), arrival(1, path=path, is_shared=True))
        self.assertEqual(3, os.stat(path).st_nlink)

    def test_file_gone(self) -> None:
        """
        A message whose file somebody removed fails for the moment; others are read, and the check tells of it.
        """
        append(self.mail, "INBOX", b"x" * 50_000, MESSAGE)
        view = now(self.mail.select("INBOX", claim_recent=True))
        (path,) = self.files()
        os.remove(path)
        content = now(view.open_content(1))
        failure_of(content.read(), TemporaryFailure)
        content.close()
        self.assertEqual(MESSAGE, self.read(view, 2))
        (problem,) = now(self.mail.problems())
        self.assertIn("cannot be read", problem)
        failure_of(view.fetch([1, 2], rendered=True), TemporaryFailure)

    def test_file_changed(self) -> None:
        """
        The check finds a file that holds something else, or more.
        """
        append(self.mail, "INBOX", b"x" * 50_000)
        (path,) = self.files()
        for content, found in ((b"y" * 50_000, "something else"), (b"x" * 50_001, "wrong size")):
            with open(path, "wb") as file:
                file.write(content)
            self.assertIn(found, now(self.mail.problems())[0])

    def test_check_finds(self) -> None:
        """
        The check finds tables that do not fit each other.
        """
        append(self.mail, "INBOX", MESSAGE)
        for sql, found in (
            ("UPDATE content SET holders = 5", "held by more"),
            ("UPDATE mailbox SET unseen = 9 WHERE name = 'INBOX'", "counted wrongly"),
            ("UPDATE message SET size = 1", "differ from their contents"),
            ("UPDATE mailbox SET modseq = 999", "ahead of their account"),
            ("DELETE FROM octets", "have no bytes"),
            ("DELETE FROM content", "no content"),
            ("DELETE FROM mailbox", "no INBOX"),
        ):
            now(self.mail.database.transact(partial(_execute, sql)))
            self.assertTrue([problem for problem in now(self.mail.problems()) if found in problem], found)

    def test_rendered_once(self) -> None:
        """
        What was rendered is kept, and a content is not read for it again; a foreign version is made anew.
        """
        append(self.mail, "INBOX", MESSAGE, b"Subject: x\r\nX-Long: " + b"y" * limits.HEADER_KEPT + b"\r\n\r\n")
        view = now(self.mail.select("INBOX", claim_recent=True))
        now(view.copy([1], "INBOX"))
        first = now(view.fetch([1, 2, 3], rendered=True, header=True))
        self.assertEqual([(1,), (0,)], now(self.mail.query("SELECT header IS NOT NULL FROM rendered ORDER BY content")))
        rendered: list[bytes] = []
        real = render

        def counting(octets: bytes) -> Rendered:
            rendered.append(octets)
            return real(octets)

        self.patch(rendering, "render", counting)
        self.assertEqual(first, now(view.fetch([1, 2, 3], rendered=True, header=True)))
        self.assertEqual(1, len(rendered))
        now(self.mail.database.transact(lambda transaction: transaction.execute("UPDATE rendered SET packed = x'00'")))
        self.assertEqual(first[0].rendered, now(view.fetch([3], rendered=True))[0].rendered)
        self.assertEqual(2, len(rendered))
        now(view.fetch([1], rendered=True))
        self.assertEqual(2, len(rendered))

    def test_keeping_fails(self) -> None:
        """
        When what was rendered cannot be kept, it is told all the same.
        """
        append(self.mail, "INBOX", MESSAGE)
        view = now(self.mail.select("INBOX", claim_recent=True))

        async def full(database: Database, function: Callable[[Any], Any]) -> Any:
            raise DiskFull("No room on the disk.")

        self.patch(Database, "transact", full)
        self.assertIsNotNone(now(view.fetch([1], rendered=True))[0].rendered)

    def test_subscription_names(self) -> None:
        """
        What no mailbox can be called cannot be subscribed to, and is not subscribed to.
        """
        failure_of(self.mail.subscribe("a//b"), CannotDo)
        now(self.mail.unsubscribe("\ud800"))
        self.assertEqual(6, len(now(self.mail.subscriptions())))

    def test_backup(self) -> None:
        """
        The database is copied while it is in use.
        """
        append(self.mail)
        now(self.mail.database.backup(f"{self.root}/copy.sqlite"))
        with closing(sqlite3.connect(f"{self.root}/copy.sqlite")) as connection:
            self.assertEqual([(1,)], connection.execute("SELECT count(*) FROM message").fetchall())

    def test_registry(self) -> None:
        """
        The stores that ship with the server have names.
        """
        self.assertEqual({"memory", "sqlite"}, set(STORES))

    def test_staged_file_gone(self) -> None:
        """
        When a staged file cannot be put into its place, nothing of the APPEND is kept.
        """
        first, second = (staged(self.mail, letter * 40_000) for letter in (b"a", b"b"))
        assert second.path is not None
        os.remove(second.path)
        failure_of(self.mail.append("INBOX", [(first, (), 0), (second, (), 0)]), TemporaryFailure)
        self.assertEqual([], self.files())
        self.assertEqual(0, now(self.mail.status("INBOX")).messages)
        self.assertEqual((1,), append(self.mail).uids)

    def test_append_of_nothing(self) -> None:
        """
        An APPEND of no message does nothing.
        """
        before = now(self.mail.status("INBOX"))
        self.assertEqual((), now(self.mail.append("INBOX", [])).uids)
        self.assertEqual(before, now(self.mail.status("INBOX")))

    def test_file_that_stays(self) -> None:
        """
        A file that cannot be removed hinders nothing; the first checkpoint after the next start tries again.
        """
        append(self.mail, "INBOX", b"x" * 50_000)
        view = now(self.mail.select("INBOX", claim_recent=True))
        now(view.expunge())
        now(view.expunge([1], only_deleted=False))
        now(view.close())
        self.clock.advance(limits.GARBAGE_AGE)
        real = RealDisk.remove

        def refuses(disk: RealDisk, path: str) -> None:
            raise PermissionError(path)

        self.patch(RealDisk, "remove", refuses)
        now(self.mail.checkpoint())
        self.assertEqual(1, len(self.files()))
        self.patch(RealDisk, "remove", real)
        now(now(self.process().open(ALICE)).checkpoint())
        self.assertEqual([], self.files())

    def test_gone_between(self) -> None:
        """
        A message that goes for good while it is to be rendered is left out.
        """
        append(self.mail, "INBOX", MESSAGE, MESSAGE)
        view = now(self.mail.select("INBOX", claim_recent=True))
        real = self.mail.database.query
        asked: list[str] = []

        async def query(database: AccountDatabase, sql: str, args: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
            rows = await real(sql, args)
            asked.append(sql)
            if len(asked) == 1:
                await self.mail.database.transact(partial(_execute, "DELETE FROM message WHERE uid = 1"))
            return rows

        self.patch(AccountDatabase, "query", query)
        self.assertEqual([2], [row.uid for row in now(view.fetch([1, 2], rendered=True))])

    def test_much_to_render(self) -> None:
        """
        A great many octets are rendered a bounded part at a time.
        """
        self.patch(limits, "MESSAGE_SIZE", 100_000)
        append(self.mail, "INBOX", *[b"Subject: s\r\n\r\n" + b"x" * 60_000] * 5)
        view = now(self.mail.select("INBOX", claim_recent=True))
        rows = now(view.fetch([1, 2, 3, 4, 5], rendered=True))
        self.assertEqual([True] * 5, [row.rendered is not None for row in rows])
