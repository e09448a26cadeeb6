"""
L{twisted_mail_server.directory.sqlite}
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.directories import DirectoryContract
from tests.support.accounts import NAMES, News, address, credentials
from tests.support.disks import disk_for, inline_disk, seeded
from tests.support.drive import failure_of, now
from twisted_mail_server.directory.names import LocalNames
from twisted_mail_server.directory.sqlite import SqliteDirectory
from twisted_mail_server.interfaces import ITransaction
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import Account, AccountId
from twisted_mail_server.model.errors import DatabaseBusy, DiskFull, TemporaryFailure


class SqliteDirectoryTests(DirectoryContract, SynchronousTestCase):
    """
    The contract, in a database.
    """

    def make(self, names: LocalNames) -> SqliteDirectory:
        """
        A directory in a file.
        """
        disk = disk_for(self, clock=self.clock)
        opened = now(SqliteDirectory.open(disk, "directory.sqlite", self.clock, seeded(7), names=names))
        self.addCleanup(lambda: now(opened.close()))
        return opened

    def test_check(self) -> None:
        """
        A sound database has nothing wrong with it.
        """
        self.add("alice@example.org")
        assert isinstance(self.directory, SqliteDirectory)
        self.assertEqual([], now(self.directory.check()))

    def test_check_without_address(self) -> None:
        """
        An account without an address is found.
        """
        alice = self.add("alice@example.org")
        assert isinstance(self.directory, SqliteDirectory)
        now(self.directory._database.transact(lambda transaction: transaction.execute("DELETE FROM address")))
        (problem,) = now(self.directory.check())
        self.assertIn(f"account {alice} has no address", problem)

    def test_unreadable_keys(self) -> None:
        """
        Keys that cannot be read are our trouble, not a wrong password.
        """
        self.add("alice@example.org")
        assert isinstance(self.directory, SqliteDirectory)
        for text in ("nonsense", "1:!!$x:y", "4096:c2FsdA==$c3Q:c2s"):

            def spoil(transaction: ITransaction, text: str = text) -> None:
                transaction.execute("UPDATE account SET scram_sha_1 = ?", (text,))

            now(self.directory._database.transact(spoil))
            failure_of(self.directory.login("alice"), TemporaryFailure)

    def test_keys_while_busy(self) -> None:
        """
        While the database cannot be read at once, what was known of the keys before is what counts.
        """
        assert isinstance(self.directory, SqliteDirectory)
        self.assertTrue(self.directory.all_have_keys())

        def busy(database: object, sql: str, args: Any = ()) -> None:
            raise DatabaseBusy("Not now.")

        self.patch(type(self.directory._database), "read", busy)
        self.assertTrue(self.directory.all_have_keys())


class ProcessesTests(SynchronousTestCase):
    """
    Two processes with one directory.
    """

    def setUp(self) -> None:
        """
        Two disks in one folder, and news between them.
        """
        self.clock = Clock()
        self.disk = disk_for(self, clock=self.clock)
        self.wire: list[News] = []
        self.mine, self.told_here = self.open()
        self.theirs, self.told_there = self.open()
        self.alice = now(self.mine.add_account(address("alice@example.org"), credentials())).id
        self.bob = now(self.mine.add_account(address("bob@example.org"), credentials())).id

    def open(self) -> tuple[SqliteDirectory, list[AccountId]]:
        """
        The directory of one more process, and what its listener is told.
        """
        disk = inline_disk(self.disk.root, clock=self.clock)
        opened = now(
            SqliteDirectory.open(
                disk, "directory.sqlite", self.clock, seeded(len(self.wire)), news=News(self.wire), names=NAMES
            )
        )
        self.addCleanup(lambda: now(opened.close()))
        told: list[AccountId] = []
        opened.listen(told.append)
        return opened, told

    def lose_news(self) -> None:
        """
        From now on nobody hears anything.
        """
        for end in self.wire:
            end.hear = lambda topic, text: None  # type: ignore[method-assign]

    def test_known_at_once(self) -> None:
        """
        What one process adds, the other knows.
        """
        found = now(self.theirs.lookup(address("alice@example.org")))
        assert isinstance(found, Account)
        self.assertEqual(self.alice, found.id)

    def test_disabled_elsewhere(self) -> None:
        """
        An account that one process shuts is shut in the other, which is told.
        """
        now(self.theirs.set_disabled(self.alice, True))
        self.assertEqual([self.alice], self.told_here)
        found = now(self.mine.login("alice"))
        assert found is not None
        self.assertTrue(found[0].is_disabled)

    def test_one_secret(self) -> None:
        """
        What stands in for nobody is the same in both processes, and in those that come later.
        """
        later, _ = self.open()
        made = {directory.stand_in("nobody") for directory in (self.mine, self.theirs, later)}
        self.assertEqual(1, len(made))

    def test_told_at_once(self) -> None:
        """
        A change in one process is told in both, once in each.
        """
        now(self.theirs.set_credentials(self.alice, credentials("two")))
        self.assertEqual(([self.alice], [self.alice]), (self.told_here, self.told_there))
        now(self.mine.remove_account(self.bob))
        self.clock.advance(limits.DIRECTORY_CHECK)
        self.clock.advance(limits.DIRECTORY_CHECK)
        self.assertEqual(([self.alice, self.bob], [self.alice, self.bob]), (self.told_here, self.told_there))

    def test_lost_news(self) -> None:
        """
        A notice that is lost is made good by the clock, in the order of the changes, and our own are not told twice.
        """
        self.lose_news()
        now(self.theirs.set_credentials(self.alice, credentials("two")))
        now(self.mine.set_credentials(self.bob, credentials("two")))
        now(self.theirs.remove_account(self.bob))
        self.assertEqual([self.bob], self.told_here)
        self.clock.advance(limits.DIRECTORY_CHECK)
        self.assertEqual([self.bob, self.alice, self.bob], self.told_here)
        self.assertEqual([self.alice, self.bob, self.bob], self.told_there)
        self.clock.advance(limits.DIRECTORY_CHECK)
        self.assertEqual(3, len(self.told_here))
        self.assertEqual(set(), self.mine._own)

    def test_forged_news(self) -> None:
        """
        A notice makes the process look, and says nothing by itself.
        """
        self.wire[0].hear("directory", self.alice.text)
        self.assertEqual([], self.told_here)

    def test_earlier_changes(self) -> None:
        """
        A process that starts is not told of what happened before.
        """
        now(self.mine.set_credentials(self.alice, credentials("two")))
        _, told = self.open()
        self.clock.advance(limits.DIRECTORY_CHECK)
        self.assertEqual([], told)

    def test_log_is_bounded(self) -> None:
        """
        The log of changes keeps a bounded number of rows, and is read right all the same.
        """
        self.patch(limits, "DIRECTORY_CHANGES", 3)
        for number in range(8):
            now(self.mine.set_credentials(self.alice, credentials(str(number))))
        self.assertEqual([(3,)], now(self.mine._database.query("SELECT count(*) FROM change")))
        self.assertEqual([self.alice] * 8, self.told_there)

    def test_unreadable_for_a_while(self) -> None:
        """
        A look that fails is made again.
        """
        self.lose_news()
        now(self.theirs.remove_account(self.alice))
        real = self.mine._database

        class Broken:
            path = real.path

            def __init__(self, problem: Exception) -> None:
                self.problem = problem

            async def query(self, sql: str, args: Any = ()) -> list[Any]:
                raise self.problem

        for problem in (TemporaryFailure("Not now."), ZeroDivisionError()):
            self.mine._database = Broken(problem)  # type: ignore[assignment]
            self.clock.advance(limits.DIRECTORY_CHECK)
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.mine._database = real
        self.assertEqual([], self.told_here)
        self.clock.advance(limits.DIRECTORY_CHECK)
        self.assertEqual([self.alice], self.told_here)

    def test_notice_before_the_result(self) -> None:
        """
        A look that finds our own change before its result has reached us tells of it, and it is told once.
        """
        real = self.mine._database.transact

        async def transact(function: Any) -> Any:
            result = await real(function)
            self.wire[0].hear("directory", "1")
            return result

        self.patch(type(self.mine._database), "transact", lambda _, function: transact(function))
        now(self.mine.remove_account(self.alice))
        self.assertEqual([self.alice], self.told_here)

    def test_looks_at_once(self) -> None:
        """
        Two looks that are under way at once tell once; one that ends after the directory was closed begins no other.
        """
        held: list[Deferred[Any]] = []
        rows = [(1, self.alice.text)]

        class Slow:
            async def query(self, *_: object) -> Any:
                held.append(Deferred())
                return await held[-1]

            async def close(self) -> None:
                pass

        real, self.mine._database = self.mine._database, Slow()  # type: ignore[assignment]
        self.addCleanup(lambda: now(real.close()))
        self.wire[0].hear("directory", "1")
        self.clock.advance(limits.DIRECTORY_CHECK)
        now(self.theirs.close())
        now(self.mine.close())
        for one in held:
            one.callback(rows)
        self.assertEqual((2, [self.alice]), (len(held), self.told_here))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_closed(self) -> None:
        """
        A closed directory looks no more, leaves no timer, and may be closed again.
        """
        now(self.mine.close())
        now(self.theirs.close())
        self.wire[0].hear("directory", "1")
        now(self.mine.close())
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_failed_change(self) -> None:
        """
        A change that was not kept is told to nobody.
        """

        def full(database: object, function: object) -> None:
            raise DiskFull("No room.")

        self.patch(type(self.mine._database), "transact", full)
        failure_of(self.mine.remove_account(self.alice), DiskFull)
        self.assertEqual(([], []), (self.told_here, self.told_there))

    def test_mode(self) -> None:
        """
        Nobody else may read the file.
        """
        mode = os.stat(os.path.join(self.disk.root, "directory.sqlite")).st_mode & 0o777
        self.assertEqual(0o600, mode)
