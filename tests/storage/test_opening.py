"""
L{twisted_mail_server.storage.opening}
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from tests.storage.case import StoreCase
from tests.support.disks import HeldPool
from tests.support.drive import failure_of, now
from tests.support.stores import ALICE, BOB, append, arrival, deliver
from twisted_mail_server.disk.databases import Database
from twisted_mail_server.disk.real import RealDisk
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import AccountId
from twisted_mail_server.model.errors import (
    DatabaseBusy,
    SchemaTooNew,
    TemporaryFailure,
)
from twisted_mail_server.model.mailboxes import DefaultMailbox, SpecialUse
from twisted_mail_server.storage.account import SqliteAccount
from twisted_mail_server.storage.opening import AccountDatabase


class OpeningTests(StoreCase):
    """
    Which databases are open.
    """

    def is_open(self, *accounts: SqliteAccount) -> list[bool]:
        """
        Which are.
        """
        return [account.database.is_open for account in accounts]

    def test_idle_ones_make_room(self) -> None:
        """
        Beyond their number, the database that was used longest ago is closed; its sessions do not notice.
        """
        store = self.process(open_accounts=2)
        accounts = [now(store.open(AccountId(letter * 32))) for letter in "abc"]
        self.assertEqual([False, True, True], self.is_open(*accounts))
        view = now(accounts[0].select("INBOX", claim_recent=True))
        self.assertEqual([True, False, True], self.is_open(*accounts))
        for account in accounts[1:]:
            now(account.mailboxes())
        self.assertEqual([False, True, True], self.is_open(*accounts))
        deliver(accounts[0], arrival(1))
        self.assertEqual((1,), now(view.advance()).arrived)
        now(view.close())

    def test_closed_after_a_while(self) -> None:
        """
        A database that nobody used for some minutes is closed, whoever has a session.
        """
        view = now(self.mail.select("INBOX", claim_recent=True))
        self.clock.pump([limits.NEWS_CHECK] * (limits.ACCOUNT_IDLE // limits.NEWS_CHECK + 1))
        self.assertEqual([False], self.is_open(self.mail))
        append(self.mail)
        self.assertEqual((1,), now(view.advance()).arrived)
        now(view.close())

    def test_in_use(self) -> None:
        """
        A database is not closed under a transaction; who comes while it is being closed waits, and has it opened again.
        """
        pool = HeldPool()
        store = self.process(pool)
        opening = Deferred.fromCoroutine(store.open(ALICE))
        while not opening.called:
            pool.run()
        mail = self.successResultOf(opening)
        delivered = Deferred.fromCoroutine(mail.deliver([arrival(1)]))
        closing = Deferred.fromCoroutine(mail.database.close())
        late = Deferred.fromCoroutine(mail.deliver([arrival(2)]))
        self.assertFalse(mail.database.is_idle)
        while not late.called:
            pool.run()
        self.assertEqual([[True], [True]], [self.successResultOf(one) for one in (delivered, late)])
        self.successResultOf(closing)
        ending = Deferred.fromCoroutine(store.close())
        while not ending.called:
            pool.run()

    def test_after_the_end(self) -> None:
        """
        A closed store opens nothing any more.
        """
        view = now(self.mail.select("INBOX", claim_recent=True))
        staged_late = self.mail
        now(self.store.close())
        failure_of(view.change_flags([1], "+", ["\\Seen"]), TemporaryFailure)
        failure_of(self.store.open(BOB), TemporaryFailure)
        self.assertRaises(TemporaryFailure, staged_late.stage)
        now(view.close())

    def test_busy_reader(self) -> None:
        """
        A read that cannot be had at once is had from a thread.
        """
        deliver(self.mail, arrival(1))

        def busy(*_: object) -> list[tuple[Any, ...]]:
            raise DatabaseBusy("Somebody is opening it.")

        self.patch(Database, "read", busy)
        self.assertEqual(1, now(self.mail.status("INBOX")).messages)
        view = now(self.mail.select("INBOX", claim_recent=True))
        self.assertEqual([1], list(view.snapshot.uids))

    def test_half_made_account(self) -> None:
        """
        A folder without a database, or with an empty one, is an account to be made.
        """
        os.makedirs(f"{self.root}/accounts/{BOB}")
        self.assertEqual(6, len(now(now(self.store.open(BOB)).mailboxes())))

    def test_newer_schema(self) -> None:
        """
        An account that a newer version wrote is refused, and others are not.
        """
        now(self.store.close())
        path = f"{self.root}/accounts/{ALICE}/account.sqlite"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version = 99")
        store = self.process()
        failure_of(store.open(ALICE), SchemaTooNew)
        now(store.create(BOB))

    def test_two_load_together(self) -> None:
        """
        Two sessions that open one mailbox at the same time share it.
        """
        deliver(self.mail, arrival(1))
        first = now(self.mail.select("INBOX", claim_recent=True))
        second = now(self.mail.select("inbox", claim_recent=True))
        self.assertIs(first.snapshot, second.snapshot)

    def test_cannot_be_opened(self) -> None:
        """
        A folder that cannot be read is a failure that may pass; its lock is not kept.
        """
        now(self.mail.database.close())
        real = RealDisk.open_database

        async def refuses(disk: RealDisk, path: str, steps: Sequence[object]) -> Database:
            raise PermissionError(path)

        self.patch(RealDisk, "open_database", refuses)
        failure_of(self.mail.mailboxes(), TemporaryFailure)
        self.patch(RealDisk, "open_database", real)
        lock = self.mail.disk.lock(f"{self.root}/accounts/{ALICE}/open.lock")
        assert lock is not None
        lock.release()
        self.assertEqual(6, len(now(self.mail.mailboxes())))

    def test_cannot_be_locked(self) -> None:
        """
        So is a lock that cannot be had for another reason than that somebody has it.
        """

        def refuses(disk: RealDisk, path: str, *, shared: bool = False) -> None:
            raise PermissionError(path)

        self.patch(RealDisk, "lock", refuses)
        failure_of(self.mail.lock_maildrop(), TemporaryFailure)
        now(self.mail.database.close())
        failure_of(self.mail.mailboxes(), TemporaryFailure)

    def test_cannot_be_closed(self) -> None:
        """
        A database that fails to close is told in the log, and lets go of its account.
        """
        store = self.process(open_accounts=1)
        first = now(store.open(ALICE))
        real = Database.close

        async def fails(database: Database) -> None:
            await real(database)
            raise TemporaryFailure("The disk failed.")

        self.patch(Database, "close", fails)
        second = now(store.open(BOB))
        self.assertEqual(1, len(self.flushLoggedErrors(TemporaryFailure)))
        self.patch(Database, "close", real)
        self.assertEqual([False, True], self.is_open(first, second))
        self.assertEqual(6, len(now(first.mailboxes())))

    def test_waits_for_what_was_begun(self) -> None:
        """
        The store's end waits for work that nobody else waits for.
        """
        pool = HeldPool()
        store = self.process(pool)
        opening = Deferred.fromCoroutine(store.open(ALICE))
        while not opening.called:
            pool.run()
        self.successResultOf(opening).claim_recent(1, 5)
        ending = Deferred.fromCoroutine(store.close())
        self.assertNoResult(ending)
        while not ending.called:
            pool.run()
        self.assertEqual([(5,)], now(self.mail.query("SELECT recent_from FROM mailbox WHERE id = 1")))

    def test_look_fails(self) -> None:
        """
        When the mailboxes cannot be looked at, sessions go on, and the next look tries again.
        """
        view = now(self.mail.select("INBOX", claim_recent=True))
        heard: list[int] = []
        view.listen(lambda: heard.append(1))
        deliver(now(self.process().open(ALICE)), arrival(1))
        heard.clear()

        async def fails(*_: object) -> list[tuple[Any, ...]]:
            raise TemporaryFailure("The disk failed.")

        real = AccountDatabase.query
        self.patch(AccountDatabase, "query", fails)
        self.clock.advance(limits.NEWS_CHECK)
        self.assertEqual([], heard)
        self.patch(AccountDatabase, "query", real)
        self.clock.advance(limits.NEWS_CHECK)
        self.assertEqual([1], heard)

    def test_left_removed_account(self) -> None:
        """
        What a crash left of an account being removed is cleared away at the next start.
        """
        left = f"{self.root}/accounts/.removed-1"
        os.makedirs(f"{left}/messages")
        now(self.process().create(BOB))
        self.assertFalse(os.path.exists(left))

    def test_first_mailboxes(self) -> None:
        """
        The settings say what a new account begins with; INBOX in any case, superiors too.
        """
        defaults = (
            DefaultMailbox("a/b", SpecialUse.SENT),
            DefaultMailbox("inbox"),
            DefaultMailbox("a", subscribed=False),
        )
        mail = now(self.process(defaults=defaults).open(BOB))
        found = [(status.name, status.special_use) for status in now(mail.mailboxes())]
        self.assertEqual([("INBOX", None), ("a", None), ("a/b", SpecialUse.SENT)], found)
        self.assertEqual(["INBOX", "a/b"], now(mail.subscriptions()))


class CancelledTests(StoreCase):
    """
    A connection is lost while something is under way.
    """

    def setUp(self) -> None:
        """
        A store whose threads wait for us.
        """
        super().setUp()
        self.pool = HeldPool()
        self.slow = self.process(self.pool)
        self.theirs = self.result(Deferred.fromCoroutine(self.slow.open(ALICE)))
        self.addCleanup(lambda: self.result(Deferred.fromCoroutine(self.slow.close())))

    def result(self, deferred: Deferred[Any]) -> Any:
        """
        Run the threads until it is there.
        """
        while not deferred.called:
            self.assertTrue(self.pool.run())
        return self.successResultOf(deferred)

    def test_append(self) -> None:
        """
        An APPEND under way is completed, and its staged file is not taken from under it.
        """
        view = self.result(Deferred.fromCoroutine(self.theirs.select("INBOX", claim_recent=True)))
        heard: list[int] = []
        view.listen(lambda: heard.append(1))
        content = self.theirs.stage()
        content.write(b"x" * 50_000)
        self.result(Deferred.fromCoroutine(content.finish()))
        appending = Deferred.fromCoroutine(self.theirs.append("INBOX", [(content, (), 0)]))
        appending.cancel()
        self.failureResultOf(appending, CancelledError)
        while self.pool.run():
            pass
        self.assertEqual([1], heard)
        now(view.advance())
        mine = now(self.mail.select("INBOX", claim_recent=True))
        self.assertEqual(b"x" * 50_000, self.read(mine, 1))
        self.assertEqual([], os.listdir(f"{self.root}/accounts/staging/1"))

    def test_failure(self) -> None:
        """
        What fails when nobody waits any more bothers nobody.
        """
        delivering = Deferred.fromCoroutine(self.theirs.deliver([arrival(1, path="/nowhere")]))
        delivering.cancel()
        self.failureResultOf(delivering, CancelledError)
        while self.pool.run():
            pass
        self.assertEqual(0, now(self.mail.status("INBOX")).messages)

    def test_opening(self) -> None:
        """
        A database whose opening was begun is opened, and used by who comes next.
        """
        self.result(Deferred.fromCoroutine(self.theirs.database.close()))
        asking = Deferred.fromCoroutine(self.theirs.mailboxes())
        asking.cancel()
        self.failureResultOf(asking, CancelledError)
        again = Deferred.fromCoroutine(self.theirs.mailboxes())
        self.assertEqual(6, len(self.result(again)))
        self.assertTrue(self.theirs.database.is_open)
