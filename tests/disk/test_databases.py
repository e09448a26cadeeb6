"""
Databases: group commit, failures, waiting.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import apsw
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock
from twisted.internet.utils import getProcessOutputAndValue
from twisted.python.threadpool import ThreadPool
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.contracts.disks import STEPS, adding
from tests.support.disks import HeldPool, InlinePool, folder_for, inline_disk, recorded_disk_for
from tests.support.drive import failure_of, now
from twisted_mail_server.disk import connections
from twisted_mail_server.disk.databases import Database, lock_path
from twisted_mail_server.disk.real import RealDisk
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import DatabaseBusy, DiskFull, TemporaryFailure


class GroupTests(SynchronousTestCase):
    """
    Many functions, one commit.
    """

    def setUp(self) -> None:
        """
        An open database whose threads wait until they are let go.
        """
        self.clock = Clock()
        self.pool = HeldPool()
        self.root = folder_for(self)
        self.disk = inline_disk(self.root, clock=self.clock, pool=self.pool)
        opened = self.begin(self.disk.open_database("a.sqlite", STEPS))
        self.pool.run()
        self.database: Database = self.successResultOf(opened)
        self.addCleanup(self.close)

    def begin(self, coroutine: Any) -> Deferred[Any]:
        """
        Start it.
        """
        return Deferred.fromCoroutine(coroutine)

    def close(self) -> None:
        """
        Close it, with all that waits.
        """
        closing = self.begin(self.database.close())
        while self.pool.run():
            pass
        self.successResultOf(closing)

    def letters(self) -> list[bytes]:
        """
        What is in the database.
        """
        return [text for (text,) in self.database.read("SELECT text FROM letter ORDER BY id")]

    def transact(self, *functions: Any) -> list[Deferred[Any]]:
        """
        Send functions while a first one is under way, so that they are one batch.
        """
        first = self.begin(self.database.transact(lambda transaction: None))
        rest = [self.begin(self.database.transact(function)) for function in functions]
        self.assertEqual(1, self.pool.run())
        self.successResultOf(first)
        return rest

    def test_one_trip(self) -> None:
        """
        Functions that arrive while a commit is under way share one trip and one commit.
        """
        waiting = self.transact(*[adding(b"%d" % number) for number in range(5)])
        for one in waiting:
            self.assertNoResult(one)
        self.assertEqual([], self.letters())
        self.assertEqual(1, self.pool.run())
        self.assertEqual([1, 2, 3, 4, 5], [self.successResultOf(one) for one in waiting])
        self.assertEqual(5, len(self.letters()))

    def test_one_round(self) -> None:
        """
        What is sent in one round of the reactor shares a commit, the first with the rest.
        """
        later: list[Callable[[], None]] = []
        with patch.object(self.database._library, "soon", later.append):
            waiting = [self.begin(self.database.transact(adding(b"%d" % number))) for number in range(3)]
            self.assertEqual(0, self.pool.run())
            (begin,) = later
            begin()
            self.assertEqual(1, self.pool.run())
        self.assertEqual([1, 2, 3], [self.successResultOf(one) for one in waiting])

    def test_bounded_batch(self) -> None:
        """
        A batch has a bound; what is beyond it is the next.
        """
        with patch.object(limits, "TRANSACTIONS_PER_COMMIT", 2):
            waiting = self.transact(*[adding(b"%d" % number) for number in range(3)])
            self.pool.run()
            self.assertEqual([True, True, False], [bool(one.called) for one in waiting])
            self.pool.run()
        self.assertEqual(3, self.successResultOf(waiting[2]))

    def test_brief(self) -> None:
        """
        What is brief runs at once, and only its commit waits for the thread.
        """
        waiting = self.begin(self.database.transact(adding(b"one"), is_brief=True))
        self.assertNoResult(waiting)
        self.assertIsNone(self.disk.lock(lock_path("a.sqlite")))
        self.assertEqual([], self.letters())
        self.assertEqual(1, self.pool.run())
        self.assertEqual(1, self.successResultOf(waiting))
        self.assertEqual([b"one"], self.letters())

    def test_brief_with_others(self) -> None:
        """
        In a batch with what is not brief it runs in the thread like that.
        """
        ran: list[str] = []
        first = self.begin(self.database.transact(lambda transaction: None))
        long = self.begin(self.database.transact(lambda transaction: ran.append("long")))
        brief = self.begin(self.database.transact(lambda transaction: ran.append("brief"), is_brief=True))
        self.pool.run()
        self.assertEqual([], ran)
        self.pool.run()
        self.assertEqual(["long", "brief"], ran)
        for one in (first, long, brief):
            self.successResultOf(one)

    def test_brief_batch(self) -> None:
        """
        What is brief has a bound of its own, so that the reactor is not held for long.
        """
        first = self.begin(self.database.transact(adding(b"first"), is_brief=True))
        with patch.object(limits, "BRIEF_TRANSACTIONS", 2):
            rest = [self.begin(self.database.transact(adding(b"%d" % n), is_brief=True)) for n in range(3)]
            self.pool.run()
            self.successResultOf(first)
            self.pool.run()
            self.assertEqual([True, True, False], [bool(one.called) for one in rest])
            self.pool.run()
        self.assertEqual([2, 3, 4], [self.successResultOf(one) for one in rest])

    def test_brief_failure(self) -> None:
        """
        When nothing is left to commit no thread is asked, and the lock is free again.
        """

        def fail(transaction: Any) -> None:
            adding(b"lost")(transaction)
            raise ZeroDivisionError

        self.failureResultOf(self.begin(self.database.transact(fail, is_brief=True)), ZeroDivisionError)
        self.assertEqual(0, self.pool.run())
        lock = self.disk.lock(lock_path("a.sqlite"))
        assert lock is not None
        lock.release()

    def test_brief_while_busy(self) -> None:
        """
        When another program writes, it is tried again by the clock; what has run twice has effect once.
        """
        other = apsw.Connection(f"{self.root}/a.sqlite")
        self.addCleanup(other.close)
        other.execute("BEGIN IMMEDIATE")
        waiting = self.begin(self.database.transact(adding(b"one"), is_brief=True))
        self.assertEqual(0, self.pool.run())
        other.execute("ROLLBACK")
        self.clock.pump([0.05] * 20)
        self.assertEqual(1, self.pool.run())
        self.assertEqual(1, self.successResultOf(waiting))
        self.assertEqual([b"one"], self.letters())

    def test_failure_is_its_own(self) -> None:
        """
        In a batch one function's exception takes back its own work only.
        """

        def fail(transaction: Any) -> None:
            adding(b"lost")(transaction)
            raise ZeroDivisionError

        before, failed, after = self.transact(adding(b"before"), fail, adding(b"after"))
        self.pool.run()
        self.successResultOf(before)
        self.failureResultOf(failed, ZeroDivisionError)
        self.successResultOf(after)
        self.assertEqual([b"before", b"after"], self.letters())

    def test_failure_that_takes_back_all(self) -> None:
        """
        When SQLite itself takes back the transaction, everybody in the batch is told why.
        """

        def full(transaction: Any) -> None:
            transaction.execute("ROLLBACK")
            raise DiskFull("No room.")

        told: list[str] = []

        def hopeful(transaction: Any) -> None:
            transaction.after_commit(lambda: told.append("committed"))

        waiting = self.transact(hopeful, adding(b"before"), full, adding(b"after"))
        self.pool.run()
        for one in waiting:
            self.failureResultOf(one, DiskFull)
        self.assertEqual(([], []), (self.letters(), told))
        again = self.begin(self.database.transact(adding(b"again")))
        self.pool.run()
        self.successResultOf(again)

    def test_function_that_ends_its_transaction(self) -> None:
        """
        A function that ended the transaction, alone or not, is told that nothing was promised.
        """
        for count in (1, 2):
            first, *waiting = self.transact(
                lambda transaction: transaction.execute("ROLLBACK"), *[adding(b"x")] * (count - 1)
            )
            self.pool.run()
            self.failureResultOf(first, TemporaryFailure)
            for one in waiting:
                self.failureResultOf(one, TemporaryFailure)
        self.assertEqual([], self.letters())

    def test_lone_failure_after_rollback(self) -> None:
        """
        A lone function whose transaction SQLite took back has its own failure.
        """

        def full(transaction: Any) -> None:
            transaction.execute("ROLLBACK")
            raise DiskFull("No room.")

        (one,) = self.transact(full)
        self.pool.run()
        self.failureResultOf(one, DiskFull)

    def test_cancelled(self) -> None:
        """
        Who waits may be cancelled; the work in the thread completes.
        """
        (one,) = self.transact(adding(b"one"))
        one.addErrback(lambda failure: None)
        one.cancel()
        self.pool.run()
        self.assertEqual([b"one"], self.letters())

    def test_after_commit_fails(self) -> None:
        """
        When what follows a commit fails it is logged, and the caller hears of the commit.
        """

        def work(transaction: Any) -> str:
            transaction.after_commit(lambda: 1 / 0)
            return "done"

        (one,) = self.transact(work)
        self.pool.run()
        self.assertEqual("done", self.successResultOf(one))
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_next_from_result(self) -> None:
        """
        Who gets a result may send the next function at once.
        """

        async def two() -> list[int]:
            return [await self.database.transact(adding(text)) for text in (b"one", b"two")]

        both = self.begin(two())
        self.pool.run()
        self.pool.run()
        self.assertEqual([1, 2], self.successResultOf(both))

    def test_close_waits(self) -> None:
        """
        What was sent before is done before it is closed; both who close it wait.
        """
        one = self.begin(self.database.transact(adding(b"one")))
        closing = [self.begin(self.database.close()) for _ in range(2)]
        self.pool.run()
        self.successResultOf(one)
        self.assertNoResult(closing[0])
        self.assertNoResult(closing[1])
        self.pool.run()
        for one in closing:
            self.successResultOf(one)
        self.assertRaises(TemporaryFailure, self.database.read, "SELECT 1")

    def test_threads_gone(self) -> None:
        """
        When no thread takes the work, its callers are told.
        """
        with patch.object(self.pool, "callInThreadWithCallback", side_effect=RuntimeError("stopped")):
            failure_of(self.database.transact(adding(b"one")), RuntimeError)
        self.assertEqual([], self.transact())


class BusyTests(SynchronousTestCase):
    """
    Somebody else has the database.
    """

    def setUp(self) -> None:
        """
        An open database.
        """
        self.clock = Clock()
        self.root = folder_for(self)
        self.pool = InlinePool()
        self.disk = inline_disk(self.root, clock=self.clock, pool=self.pool)
        self.database: Database = now(self.disk.open_database("a.sqlite", STEPS))
        self.addCleanup(lambda: self.assertEqual([], self.clock.getDelayedCalls()))
        self.addCleanup(lambda: now(self.database.close()))

    def held(self) -> Any:
        """
        Its lock, held by somebody else.
        """
        lock = self.disk.lock(lock_path("a.sqlite"))
        assert lock is not None
        return lock

    def wait(self, seconds: float) -> None:
        """
        Let time pass.
        """
        self.clock.pump([0.05] * int(seconds / 0.05))

    def test_lock_is_free_between(self) -> None:
        """
        The lock is held during a commit only.
        """
        now(self.database.transact(lambda transaction: self.assertIsNone(self.disk.lock("a.sqlite-lock"))))
        self.held().release()

    def test_waits_for_the_lock(self) -> None:
        """
        A transaction waits until the lock is free; those that come meanwhile go with it.
        """
        lock = self.held()
        trips = self.pool.trips
        waiting = [Deferred.fromCoroutine(self.database.transact(adding(b"%d" % number))) for number in range(3)]
        self.wait(1)
        self.assertEqual(trips, self.pool.trips)
        lock.release()
        self.wait(1)
        self.assertEqual([1, 2, 3], [self.successResultOf(one) for one in waiting])
        self.assertEqual(trips + 1, self.pool.trips)

    def test_gives_up(self) -> None:
        """
        A lock that nobody lets go of is a temporary failure after some time, and works afterwards.
        """
        lock = self.held()
        waiting = Deferred.fromCoroutine(self.database.transact(adding(b"one")))
        self.wait(limits.DISK_WAIT - 1)
        self.assertNoResult(waiting)
        self.wait(2)
        self.failureResultOf(waiting, TemporaryFailure)
        lock.release()
        now(self.database.transact(adding(b"two")))

    def test_close_without_the_lock(self) -> None:
        """
        When nobody lets go of the lock it is closed without.
        """
        lock = self.held()
        closing = Deferred.fromCoroutine(self.database.close())
        self.assertNoResult(closing)
        self.wait(limits.DISK_WAIT + 1)
        self.successResultOf(closing)
        lock.release()

    def test_lock_that_cannot_be_had(self) -> None:
        """
        A lock file that cannot be opened is told to everyone who waits.
        """
        with patch.object(self.database._library, "try_lock", side_effect=OSError(errno.EMFILE, "too many open files")):
            failure_of(self.database.transact(adding(b"one")), TemporaryFailure)

    def test_program_that_writes(self) -> None:
        """
        A program that knows nothing of our lock and writes is waited for.
        """
        other = apsw.Connection(os.path.join(self.root, "a.sqlite"))
        self.addCleanup(other.close)
        other.execute("BEGIN IMMEDIATE").fetchall()
        waiting = Deferred.fromCoroutine(self.database.transact(adding(b"one")))
        self.wait(1)
        self.assertNoResult(waiting)
        other.execute("ROLLBACK").fetchall()
        self.wait(1)
        self.assertEqual(1, self.successResultOf(waiting))

    def test_busy_read(self) -> None:
        """
        A read that meets a busy database says so at once; a query goes on in the thread.
        """
        now(self.database.transact(adding(b"one")))
        busy = patch.object(self.database, "_cursor")
        with busy as cursor:
            cursor.execute.side_effect = apsw.BusyError("database is locked")
            self.assertRaises(DatabaseBusy, self.database.read, "SELECT 1")
            self.assertEqual([(b"one",)], now(self.database.query("SELECT text FROM letter")))

    def test_busy_open(self) -> None:
        """
        A database that a foreign program keeps for itself cannot be opened now.
        """
        other = apsw.Connection(os.path.join(self.root, "b.sqlite"))
        self.addCleanup(other.close)
        other.pragma("locking_mode", "exclusive")
        other.execute("CREATE TABLE a (b)").fetchall()
        failure_of(self.disk.open_database("b.sqlite", STEPS), TemporaryFailure)

    def test_mistake_in_sql(self) -> None:
        """
        A mistake in our SQL stays what it is: a bug.
        """
        self.assertRaises(apsw.SQLError, self.database.read, "SELECT nonsense")
        failure_of(self.database.transact(lambda transaction: transaction.execute("nonsense")), apsw.SQLError)


class CheckpointTests(SynchronousTestCase):
    """
    The log is copied into the database after commits, and does not grow for ever.
    """

    def setUp(self) -> None:
        """
        An open database.
        """
        self.root = folder_for(self)
        self.disk = inline_disk(self.root)
        self.database: Database = now(self.disk.open_database("a.sqlite", STEPS))
        self.addCleanup(lambda: now(self.database.close()))

    def fill(self, start: int, count: int) -> None:
        """
        Add pages.
        """
        for number in range(start, start + count):
            now(self.database.transact(adding(b"%d " % number + bytes(40_000))))

    def log_size(self) -> int:
        """
        Octets of the write-ahead log.
        """
        return os.stat(os.path.join(self.root, "a.sqlite-wal")).st_size

    def test_bounded(self) -> None:
        """
        The log is used again from its start.
        """
        with patch.object(limits, "WAL_PAGES", 100), patch.object(self.database._writer, "_due", 100):
            self.fill(0, 300)
        self.assertTrue(self.log_size() < 2_000_000, self.log_size())
        self.assertTrue(self.disk.size("a.sqlite") > 8_000_000)

    def test_long_read(self) -> None:
        """
        While somebody reads the log grows; then it is cut back.
        """
        other = apsw.Connection(os.path.join(self.root, "a.sqlite"), flags=apsw.SQLITE_OPEN_READONLY)
        self.addCleanup(other.close)
        with patch.object(limits, "WAL_PAGES", 50), patch.object(limits, "WAL_OVERGROWN_PAGES", 200):
            self.fill(0, 1)
            other.execute("BEGIN").fetchall()
            other.execute("SELECT count(*) FROM letter").fetchall()
            self.fill(1, 100)
            self.assertTrue(self.log_size() > 4_000_000, self.log_size())
            other.execute("COMMIT").fetchall()
            self.fill(200, 30)
            self.assertTrue(self.log_size() < 2_000_000, self.log_size())
        self.assertEqual([(131,)], self.database.read("SELECT count(*) FROM letter"))

    def test_results_first(self) -> None:
        """
        Nobody waits for a checkpoint.
        """
        order: list[str] = []

        async def tell() -> None:
            await self.database.transact(adding(b"one"))
            order.append("result")

        writer = self.database._writer
        with (
            patch.object(writer, "_due", 0),
            patch.object(type(writer), "checkpoint", side_effect=lambda: order.append("checkpoint")),
        ):
            waiting = Deferred.fromCoroutine(tell())
        self.successResultOf(waiting)
        self.assertEqual({"result", "checkpoint"}, set(order))


class FaultTests(SynchronousTestCase):
    """
    What goes wrong around a commit.
    """

    def test_failed_commit_of_a_batch(self) -> None:
        """
        A commit that fails is told to everyone in it, and none of their work is there.
        """
        disk = recorded_disk_for(self)
        database = now(disk.open_database("a.sqlite", STEPS))
        pool = HeldPool()
        with patch.object(database._library, "threads", type(database._library.threads)(pool, apply_now)):
            first = Deferred.fromCoroutine(database.transact(adding(b"zero")))
            rest = [Deferred.fromCoroutine(database.transact(adding(b"%d" % n))) for n in range(2)]
            pool.run()
            self.successResultOf(first)
            disk.fail_next("write", "a.sqlite-wal", errno.ENOSPC)
            pool.run()
        for one in rest:
            self.failureResultOf(one, DiskFull)
        self.assertEqual([(b"zero",)], database.read("SELECT text FROM letter"))

    def test_brief_commit_fails(self) -> None:
        """
        A commit that fails promises nothing of what ran before it.
        """
        disk = recorded_disk_for(self)
        database = now(disk.open_database("a.sqlite", STEPS))
        disk.fail_next("sync", "a.sqlite-wal")
        failure_of(database.transact(adding(b"one"), is_brief=True), TemporaryFailure)
        now(database.transact(adding(b"two"), is_brief=True))
        self.assertEqual([(b"two",)], database.read("SELECT text FROM letter"))

    def test_no_log(self) -> None:
        """
        A disk on which no write-ahead log can be kept is refused.
        """
        with self.assertRaises(TemporaryFailure):
            connections.open_writer(":memory:", None)

    def test_connection_that_cannot_be_opened_again(self) -> None:
        """
        After a failed fsync the connection is opened anew; when that fails, it is tried at the next commit.
        """
        disk = recorded_disk_for(self)
        database = now(disk.open_database("a.sqlite", STEPS))
        disk.fail_next("sync", "a.sqlite-wal")
        failure_of(database.transact(adding(b"one")), TemporaryFailure)
        with patch("twisted_mail_server.disk.transactions.open_writer", side_effect=apsw.CantOpenError("no")):
            failure_of(database.transact(adding(b"two")), TemporaryFailure)
        now(database.transact(adding(b"three")))
        self.assertEqual([(b"three",)], database.read("SELECT text FROM letter"))

    def test_closing_fails(self) -> None:
        """
        A connection whose closing fails is given up, and that is logged.
        """
        disk = recorded_disk_for(self)
        database = now(disk.open_database("a.sqlite", STEPS))
        real = database._writer._connection
        assert real is not None
        with patch.object(database._writer, "_connection") as connection:
            connection.close.side_effect = apsw.IOError("no")
            now(database.close())
        real.close()

    def test_backup_fails(self) -> None:
        """
        A copy for which there is no room is told of, and the database goes on.
        """
        disk = recorded_disk_for(self)
        database = now(disk.open_database("a.sqlite", STEPS))
        disk.fail_next("write", "copy", errno.ENOSPC)
        failure_of(database.backup(os.path.join(disk.root, "copy")), DiskFull)
        now(database.transact(adding(b"one")))


def apply_now(function: Any, *args: Any) -> None:
    """
    Call it.
    """
    function(*args)


CHILD = """
import sys
from twisted.internet.task import Clock
from tests.contracts.disks import STEPS, adding
from tests.support.disks import inline_disk
from tests.support.drive import now
from twisted_mail_server.model.errors import InUse
import time

class Real(Clock):
    def seconds(self):
        return time.monotonic()
    def callLater(self, delay, function, *args, **kwargs):
        time.sleep(delay)
        function(*args, **kwargs)

disk = inline_disk(sys.argv[1], clock=Real())
for number in range(int(sys.argv[2])):
    database = now(disk.open_database("a.sqlite", STEPS))
    now(database.transact(adding(b"child %d" % number)))
    now(database.close())
"""


class ProcessTests(TestCase):
    """
    Two processes, each with the database open, on real threads.
    """

    def test_two_processes(self) -> None:
        """
        Both write, one of them opening and closing all the time: nothing is lost, and no read is turned away.
        """
        from twisted.internet import reactor

        root = folder_for(self)
        pool = ThreadPool(0, 4)
        pool.start()
        self.addCleanup(pool.stop)
        disk = RealDisk(root, reactor, pool, reactor.callFromThread, os.urandom)  # type: ignore[attr-defined]
        top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        running = True
        counts = {"reads": 0, "busy": 0, "written": 0}

        async def write(database: Database, name: int) -> None:
            while running:
                await database.transact(adding(b"parent %d %d" % (name, counts["written"])))
                counts["written"] += 1
                for _ in range(20):
                    counts["reads"] += 1
                    try:
                        database.read("SELECT count(*) FROM letter WHERE id = 1")
                    except DatabaseBusy:
                        counts["busy"] += 1

        async def work() -> None:
            nonlocal running
            database = await disk.open_database("a.sqlite", STEPS)
            writers = gatherResults([Deferred.fromCoroutine(write(database, name)) for name in range(2)])
            _, err, code = await getProcessOutputAndValue(
                sys.executable, ["-c", CHILD, root, "25"], env={**os.environ, "PYTHONPATH": top}, path=top
            )
            running = False
            await writers
            self.assertEqual((b"", 0), (err, code))
            found = await database.query("SELECT count(*) FROM letter")
            self.assertEqual([(25 + counts["written"],)], found)
            self.assertEqual(0, counts["busy"], counts)
            await database.close()
            self.assertEqual(["a.sqlite", "a.sqlite-lock"], disk.list_directory("."))

        return Deferred.fromCoroutine(work())  # type: ignore[return-value]
