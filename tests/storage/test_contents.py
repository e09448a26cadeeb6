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
from tests.support.disks import InlinePool
from tests.support.drive import failure_of, now
from tests.support.stores import ALICE, BOB, MESSAGE, append, arrival, deliver, staged
from twisted_mail_server.disk.databases import Database
from twisted_mail_server.disk.real import RealDisk
from twisted_mail_server.interfaces import ITransaction
from twisted_mail_server.message.addresslists import Effort
from twisted_mail_server.message.headers import header_end
from twisted_mail_server.model import limits
from twisted_mail_server.model.changes import Rendered
from twisted_mail_server.model.errors import (
    CannotDo,
    DiskFull,
    TemporaryFailure,
)
from twisted_mail_server.protocols.imap.rendering import pack, render
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
        failure_of(view.rendered([1, 2]), TemporaryFailure)

    def test_examined(self) -> None:
        """
        What is little and in memory is looked at here; more, and what is in a file, in one trip to a thread, and the file is kept
        until then.
        """
        append(self.mail, "INBOX", b"x" * 50_000, MESSAGE)
        deliver(self.mail, *(arrival(number, content=b"y" * 30_000, prefix=b"") for number in (1, 2, 3)))
        pool = InlinePool()
        mail = now(self.process(pool).open(ALICE))
        view = now(mail.select("INBOX", claim_recent=False))
        for uids, expected, trips in (
            ([2, 3], {2: len(MESSAGE), 3: 30_000}, 0),
            ([1, 2], {1: 50_000, 2: len(MESSAGE)}, 1),
            ([3, 4, 5], {3: 30_000, 4: 30_000, 5: 30_000}, 1),
        ):
            before = pool.trips
            found = now(view.examine(uids, lambda _, octets: (len(octets), mail.is_read(1))))
            self.assertEqual({uid: (size, 1 in uids) for uid, size in expected.items()}, found)
            self.assertEqual(trips, pool.trips - before)
            self.assertFalse(mail.is_read(1))

    def test_file_gone_while_examined(self) -> None:
        """
        A message whose file somebody removed cannot be looked at; nothing stays open.
        """
        append(self.mail, "INBOX", b"x" * 50_000)
        view = now(self.mail.select("INBOX", claim_recent=True))
        os.remove(self.files()[0])
        failure_of(view.examine([1], lambda uid, octets: octets), TemporaryFailure)
        self.assertFalse(self.mail.is_read(1))

    def test_file_gone_ahead(self) -> None:
        """
        Of messages that are read ahead, in one trip to a thread, one whose file somebody removed has to be opened.
        """
        contents = [letter * 40_000 for letter in (b"a", b"b", b"c")]
        append(self.mail, "INBOX", *contents, b"d" * 20_000)
        pool = InlinePool()
        mail = now(self.process(pool).open(ALICE))
        view = now(mail.select("INBOX", claim_recent=True))
        before = pool.trips
        self.assertEqual([*contents, b"d" * 20_000], now(view.read_ahead([1, 2, 3, 4])))
        self.assertEqual(1, pool.trips - before)
        self.assertEqual([b"d" * 20_000], now(view.read_ahead([4])))
        self.assertEqual(1, pool.trips - before)
        for path in self.files():
            with open(path, "rb") as file:
                if file.read(1) == b"b":
                    os.remove(path)
        self.assertEqual([contents[0], None, contents[2]], now(view.read_ahead([1, 2, 3])))
        self.assertFalse(mail.is_read(1))

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
        long = b"Subject: x\r\nX-Long: " + b"y" * limits.HEADER_KEPT + b"\r\n\r\n"
        deliver(self.mail, arrival(1), arrival(2, content=long))
        view = now(self.mail.select("INBOX", claim_recent=True))
        now(view.copy([1], "INBOX"))
        self.assertEqual([], self.kept())
        expected = {uid: pack(render(self.read(view, uid))) for uid in (1, 2, 3)}
        self.assertEqual(expected, now(view.rendered([1, 2, 3])))
        self.assertEqual([1, 2, 3], list(now(view.headers([1, 2, 3]))))
        self.assertEqual([(1,), (0,)], now(self.mail.query("SELECT header IS NOT NULL FROM rendered ORDER BY content")))
        rendered: list[bytes] = []
        real = render

        def counting(octets: bytes, effort: Effort | None = None) -> Rendered:
            rendered.append(octets)
            return real(octets, effort)

        self.patch(rendering, "render", counting)
        self.assertEqual(expected, now(view.rendered([1, 2, 3])))
        self.assertEqual(b"Return-Path: <>\r\n" + long, now(view.headers([1, 2, 3]))[2])
        self.assertEqual(1, len(rendered))
        now(self.mail.database.transact(lambda transaction: transaction.execute("UPDATE rendered SET packed = x'00'")))
        self.assertEqual({3: expected[3]}, now(view.rendered([3])))
        self.assertEqual(2, len(rendered))
        now(view.rendered([1]))
        self.assertEqual(2, len(rendered))

    def kept(self) -> list[tuple[Any, ...]]:
        """
        What is kept of each content.
        """
        return now(self.mail.query("SELECT packed, header FROM rendered ORDER BY content"))

    def test_rendered_by_append(self) -> None:
        """
        APPEND renders what is in memory, however much there is; what goes into a file is left for later.
        """
        medium = b"Subject: medium\r\n\r\n" + b"x" * 30_000
        for contents in ((MESSAGE,), (medium, medium, medium, b"Subject: large\r\n\r\n" + b"x" * 50_000)):
            before = self.kept()
            append(self.mail, "INBOX", *contents)
            kept = [
                (pack(render(octets)), octets[: header_end(octets)])
                for octets in contents
                if len(octets) <= limits.INLINE_CONTENT
            ]
            self.assertEqual(before + kept, self.kept())
        self.patch(rendering, "render", lambda octets, effort=None: 1 / 0)
        view = now(self.mail.select("INBOX", claim_recent=True))
        expected = [render(MESSAGE), *[render(medium)] * 3]
        self.assertEqual(list(map(pack, expected)), list(now(view.rendered([1, 2, 3, 4])).values()))
        self.assertEqual(4, len(now(view.headers([1, 2, 3, 4]))))

    def test_append_survives(self) -> None:
        """
        A message that cannot be rendered is taken all the same, and those with it are rendered; the log knows of it.
        """
        real = render

        def fails(octets: bytes, effort: Effort | None = None) -> Rendered:
            return real(octets[: 1 // (octets != b"bad")] + octets[1:], effort)

        self.patch(rendering, "render", fails)
        append(self.mail, "INBOX", MESSAGE, b"bad", MESSAGE)
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.assertEqual([(1,), (3,)], now(self.mail.query("SELECT content FROM rendered ORDER BY content")))
        self.assertEqual(b"bad", self.read(now(self.mail.select("INBOX", claim_recent=True)), 2))

    def test_much_effort(self) -> None:
        """
        Messages that together make much work are left to who asks for them, from the one on that makes too much; nothing that was
        cut short is kept.
        """
        strange = b"To: " + b"(c) a@b, " * 10 + b"\r\n\r\n"
        self.patch(rendering, "Effort", lambda: Effort(100))
        append(self.mail, "INBOX", MESSAGE, strange, strange, strange, MESSAGE)
        contents = now(self.mail.query("SELECT content FROM rendered ORDER BY content"))
        self.assertEqual([(1,), (2,)], contents)
        self.assertEqual((pack(render(strange)), strange), self.kept()[1])

    def test_keeping_fails(self) -> None:
        """
        When what was rendered cannot be kept, it is told all the same.
        """
        deliver(self.mail, arrival(1))
        view = now(self.mail.select("INBOX", claim_recent=True))

        async def full(database: Database, function: Callable[[Any], Any]) -> Any:
            raise DiskFull("No room on the disk.")

        self.patch(Database, "transact", full)
        self.assertEqual([1], list(now(view.rendered([1]))))

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
        deliver(self.mail, arrival(1), arrival(2))
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
        self.assertEqual([2], list(now(view.rendered([1, 2]))))

    def test_much_to_render(self) -> None:
        """
        A great many octets are rendered a bounded part at a time.
        """
        self.patch(limits, "MESSAGE_SIZE", 100_000)
        append(self.mail, "INBOX", *[b"Subject: s\r\n\r\n" + b"x" * 60_000] * 5)
        view = now(self.mail.select("INBOX", claim_recent=True))
        self.assertEqual([1, 2, 3, 4, 5], list(now(view.rendered([1, 2, 3, 4, 5]))))
