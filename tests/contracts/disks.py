"""
What every disk promises: C{IDisk}, C{IDatabase}, C{IStaging}.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from tests.support.disks import folder_for
from tests.support.drive import failure_of, now
from twisted_mail_server.disk.failures import ConstraintFailed
from twisted_mail_server.disk.real import RealDisk
from twisted_mail_server.disk.schema import SchemaStep
from twisted_mail_server.interfaces import (
    IDatabase,
    IDisk,
    IFileLock,
    IOutputFile,
    IStagedContent,
    IStaging,
    ITransaction,
)
from twisted_mail_server.model.errors import InUse, SchemaTooNew, TemporaryFailure

if TYPE_CHECKING:
    from twisted.trial.unittest import SynchronousTestCase as _Base
else:
    _Base = object

STEPS = (
    SchemaStep(
        1,
        "letters",
        ("CREATE TABLE letter (id INTEGER PRIMARY KEY, text BLOB NOT NULL UNIQUE)",),
        ("DROP TABLE letter",),
    ),
)

LATER = (
    *STEPS,
    SchemaStep(
        2, "stamps", ("ALTER TABLE letter ADD COLUMN stamp INTEGER",), ("ALTER TABLE letter DROP COLUMN stamp",)
    ),
)


def adding(text: bytes) -> Callable[[Any], int]:
    """
    A transaction function that adds a letter; its result is the rowid.
    """

    def add(transaction: Any) -> int:
        transaction.execute("INSERT INTO letter (text) VALUES (?)", (text,))
        rowid: int = transaction.last_rowid()
        return rowid

    return add


class DiskContract(_Base):
    """
    Tests for every disk.  A subclass makes one whose threads run everything at once.
    """

    def make(self, root: str, clock: Clock) -> RealDisk:
        """
        A disk in an existing folder.
        """
        raise NotImplementedError

    def setUp(self) -> None:
        """
        A disk in a new folder.
        """
        self.clock = Clock()
        self.root = folder_for(self)
        self.disk = self.make(self.root, self.clock)

    # --- Files --------------------------------------------------------------

    def test_interfaces(self) -> None:
        """
        What it hands out provides the interfaces.
        """
        self.assertTrue(verifyObject(IDisk, self.disk))
        database = now(self.disk.open_database("a.sqlite", STEPS))
        self.addCleanup(lambda: now(database.close()))
        self.assertTrue(verifyObject(IDatabase, database))
        self.assertTrue(now(database.transact(lambda transaction: verifyObject(ITransaction, transaction))))
        staging = self.disk.staging(".")
        self.assertTrue(verifyObject(IStaging, staging))
        self.assertTrue(verifyObject(IStagedContent, staging.begin()))
        file = self.disk.create("file")
        self.addCleanup(file.close)
        self.assertTrue(verifyObject(IOutputFile, file))
        lock = self.disk.lock("x.lock")
        assert lock is not None
        self.addCleanup(lock.release)
        self.assertTrue(verifyObject(IFileLock, lock))

    def test_run(self) -> None:
        """
        A function's result comes back, and so does its exception.
        """
        self.assertEqual(7, now(self.disk.run(lambda a, b: a + b, 3, 4)))
        failure_of(self.disk.run(lambda: 1 / 0), ZeroDivisionError)

    def test_make_directory(self) -> None:
        """
        It makes the folders above as well, private to the owner, and minds none that is there.
        """
        for _ in range(2):
            self.disk.make_directory("one/two")
        self.assertEqual(["two"], self.disk.list_directory("one"))
        self.assertEqual(0o700, stat.S_IMODE(os.stat(os.path.join(self.root, "one/two")).st_mode))

    def test_make_directory_on_a_file(self) -> None:
        """
        A file in its place is told of.
        """
        self.disk.write_file("one", b"")
        self.assertRaises(FileExistsError, self.disk.make_directory, "one")

    def test_write_file(self) -> None:
        """
        A file is there as a whole, private to the owner, and nothing else is.
        """
        self.disk.write_file("name", b"first")
        self.disk.write_file("name", (b"sec", b"ond"), 0o640)
        self.assertEqual(b"second", self.disk.read("name"))
        self.assertEqual(["name"], self.disk.list_directory("."))
        self.assertEqual(0o640, stat.S_IMODE(os.stat(os.path.join(self.root, "name")).st_mode))

    def test_write_file_that_fails(self) -> None:
        """
        When what is to be written cannot be had, the old file stays and no other is left.
        """

        def pieces() -> Any:
            yield b"half"
            raise ZeroDivisionError

        self.disk.write_file("name", b"old")
        self.assertRaises(ZeroDivisionError, self.disk.write_file, "name", pieces())
        self.assertEqual(b"old", self.disk.read("name"))
        self.assertEqual(["name"], self.disk.list_directory("."))

    def test_paths(self) -> None:
        """
        A path is below the root, or absolute.
        """
        self.disk.write_file(os.path.join(self.root, "name"), b"text")
        self.assertEqual(b"text", self.disk.read("name"))

    def test_create(self) -> None:
        """
        A new file grows by writing; a second one of that name is refused.
        """
        file = self.disk.create("new")
        file.write(b"one ")
        file.write(b"two")
        file.sync()
        file.close()
        file.close()
        self.assertEqual((b"one two", 7), (self.disk.read("new"), self.disk.size("new")))
        self.assertRaises(FileExistsError, self.disk.create, "new")

    def test_discard(self) -> None:
        """
        A discarded file is gone, also when it was moved or discarded before.
        """
        file = self.disk.create("new")
        file.write(b"one")
        file.discard()
        file.discard()
        self.assertFalse(self.disk.exists("new"))

    def test_read(self) -> None:
        """
        A piece of a file is shorter at its end, and a file that is not there is told of.
        """
        self.disk.write_file("digits", b"0123456789")
        self.assertEqual(b"345", self.disk.read("digits", 3, 3))
        self.assertEqual(b"89", self.disk.read("digits", 8, 5))
        self.assertEqual(b"6789", self.disk.read("digits", 6))
        self.assertEqual(b"", self.disk.read("digits", 20))
        self.assertRaises(FileNotFoundError, self.disk.read, "none")
        self.assertRaises(FileNotFoundError, self.disk.size, "none")

    def test_names(self) -> None:
        """
        Names are given, changed and taken away; taking one away that is gone is fine.
        """
        self.disk.make_directory("box")
        self.disk.write_file("one", b"text")
        self.disk.link("one", "box/two")
        self.disk.rename("one", "three")
        self.disk.sync_directory("box")
        self.assertEqual(["box", "three"], self.disk.list_directory("."))
        self.disk.remove("three")
        self.disk.remove("three")
        self.assertEqual(b"text", self.disk.read("box/two"))
        self.assertTrue(self.disk.exists("box/two"))
        self.assertFalse(self.disk.exists("three"))
        self.assertEqual([], self.disk.list_directory("nowhere"))
        self.assertRaises(FileNotFoundError, self.disk.sync_directory, "nowhere")
        self.assertRaises(FileNotFoundError, self.disk.rename, "three", "four")
        self.assertRaises(FileNotFoundError, self.disk.link, "three", "four")
        self.assertRaises(FileExistsError, self.disk.link, "box/two", "box/two")

    def test_remove_tree(self) -> None:
        """
        A folder goes with all that is in it, its lock files too; one that is gone is fine.
        """
        self.disk.make_directory("box/inner")
        self.disk.write_file("box/inner/file", b"text")
        lock = self.disk.lock("box/box.lock")
        assert lock is not None
        lock.release()
        self.disk.remove_tree("box")
        self.disk.remove_tree("box")
        self.assertEqual([], self.disk.list_directory("."))

    def test_free_bytes(self) -> None:
        """
        It tells how much room there is.
        """
        found = os.statvfs(self.root)
        self.assertTrue(0 <= self.disk.free_bytes() <= found.f_blocks * found.f_frsize)

    # --- Locks --------------------------------------------------------------

    def test_lock(self) -> None:
        """
        One holder at a time, inside one process too; release gives it to the next, and is harmless twice.
        """
        first = self.disk.lock("a.lock")
        assert first is not None
        self.assertIsNone(self.disk.lock("a.lock"))
        self.assertIsNone(self.disk.lock("a.lock", shared=True))
        first.release()
        first.release()
        shared = [self.disk.lock("a.lock", shared=True) for _ in range(2)]
        self.assertNotIn(None, shared)
        self.assertIsNone(self.disk.lock("a.lock"))
        for lock in shared:
            assert lock is not None
            lock.release()

    def test_wait_for_lock(self) -> None:
        """
        Who waits gets the lock once it is released, and InUse when it is not.
        """
        from twisted.internet.defer import Deferred

        held = now(self.disk.wait_for_lock("a.lock", timeout=1))
        waiting = Deferred.fromCoroutine(self.disk.wait_for_lock("a.lock", timeout=1))
        self.clock.pump([0.01] * 10)
        self.assertNoResult(waiting)
        held.release()
        self.clock.pump([0.01] * 10)
        self.successResultOf(waiting)
        late = Deferred.fromCoroutine(self.disk.wait_for_lock("a.lock", timeout=1))
        self.clock.pump([0.05] * 50)
        self.failureResultOf(late, InUse)
        self.assertEqual([], self.clock.getDelayedCalls())

    # --- Databases ------------------------------------------------------------

    def test_transact(self) -> None:
        """
        A function's rows can be read once it is done, and its result comes back.
        """
        database = self.open()
        self.assertEqual(1, now(database.transact(adding(b"one"))))
        self.assertEqual([(1, b"one")], database.read("SELECT id, text FROM letter"))
        self.assertEqual([(b"one",)], now(database.query("SELECT text FROM letter WHERE id = ?", (1,))))

    def test_rows_of_a_transaction(self) -> None:
        """
        A statement inside a transaction returns its rows and tells how many it changed.
        """

        def work(transaction: Any) -> Any:
            transaction.execute_many("INSERT INTO letter (text) VALUES (?)", ((b"%d" % number,) for number in range(5)))
            rows = transaction.execute("UPDATE letter SET text = id WHERE id > ? RETURNING id", (3,))
            return rows, transaction.changes()

        database = self.open()
        self.assertEqual(([(4,), (5,)], 2), now(database.transact(work)))
        self.assertEqual([(5,)], database.read("SELECT count(*) FROM letter"))

    def test_failing_function(self) -> None:
        """
        A function's exception takes back its work and reaches its caller; the next one works.
        """

        def work(transaction: Any) -> None:
            adding(b"lost")(transaction)
            raise ZeroDivisionError

        database = self.open()
        failure_of(database.transact(work), ZeroDivisionError)
        now(database.transact(adding(b"kept")))
        self.assertEqual([(b"kept",)], database.read("SELECT text FROM letter"))

    def test_constraint(self) -> None:
        """
        A broken constraint can be caught inside the function, which goes on.
        """

        def work(transaction: Any) -> str:
            adding(b"same")(transaction)
            try:
                adding(b"same")(transaction)
            except ConstraintFailed:
                adding(b"other")(transaction)
                return "caught"
            return "not raised"

        database = self.open()
        self.assertEqual("caught", now(database.transact(work)))
        self.assertEqual([(2,)], database.read("SELECT count(*) FROM letter"))
        self.assertRaises(ConstraintFailed, self.run_many, database, [(b"x",), (b"x",)])

    def run_many(self, database: Any, rows: Any) -> None:
        """
        Insert rows in one go.
        """
        now(
            database.transact(
                lambda transaction: transaction.execute_many("INSERT INTO letter (text) VALUES (?)", rows)
            )
        )

    def test_after_commit(self) -> None:
        """
        What is to follow a commit follows it, not a failure.
        """
        told: list[str] = []

        def work(transaction: Any) -> None:
            transaction.after_commit(lambda: told.append("done"))

        def fail(transaction: Any) -> None:
            transaction.after_commit(lambda: told.append("failed"))
            raise ZeroDivisionError

        database = self.open()
        now(database.transact(work))
        failure_of(database.transact(fail), ZeroDivisionError)
        self.assertEqual(["done"], told)

    def test_reopened(self) -> None:
        """
        Closing is harmless twice; what was committed is there when it is opened again.
        """
        database = self.open()
        now(database.transact(adding(b"one")))
        now(database.close())
        now(database.close())
        failure_of(database.transact(adding(b"two")), TemporaryFailure)
        failure_of(database.query("SELECT 1"), TemporaryFailure)
        self.assertEqual([(b"one",)], self.open().read("SELECT text FROM letter"))

    def test_closed_files(self) -> None:
        """
        A closed database is one file with its lock file, private to the owner.
        """
        database = self.open()
        now(database.transact(adding(b"one")))
        now(database.close())
        self.assertEqual(["a.sqlite", "a.sqlite-lock"], self.disk.list_directory("."))
        self.assertEqual(0o600, stat.S_IMODE(os.stat(os.path.join(self.root, "a.sqlite")).st_mode))

    def test_two_disks(self) -> None:
        """
        Two that have one database open see each other's commits.
        """
        other = self.make(self.root, self.clock)
        first = self.open()
        second = now(other.open_database("a.sqlite", STEPS))
        for number in range(10):
            now(first.transact(adding(b"first %d" % number)))
            now(second.transact(adding(b"second %d" % number)))
        self.assertEqual([(20,)], first.read("SELECT count(*) FROM letter"))
        now(second.close())
        now(first.transact(adding(b"last")))
        self.assertEqual([(21,)], first.read("SELECT count(*) FROM letter"))

    def test_schema_grows(self) -> None:
        """
        A database that has fewer steps gets the others, and keeps its rows.
        """
        database = self.open()
        now(database.transact(adding(b"one")))
        now(database.close())
        database = now(self.disk.open_database("a.sqlite", LATER))
        self.addCleanup(lambda: now(database.close()))
        self.assertEqual([(b"one", None)], database.read("SELECT text, stamp FROM letter"))

    def test_schema_too_new(self) -> None:
        """
        A database with more steps is refused by a sentence that names it and both numbers.
        """
        now(now(self.disk.open_database("a.sqlite", LATER)).close())
        problem = failure_of(self.disk.open_database("a.sqlite", STEPS), SchemaTooNew)
        for part in ("a.sqlite", "schema 2", "up to 1"):
            self.assertIn(part, str(problem))

    def test_backup(self) -> None:
        """
        A copy has what was committed; a file that is there is not overwritten.
        """
        database = self.open()
        now(database.transact(adding(b"one")))
        now(database.backup(os.path.join(self.root, "copy.sqlite")))
        now(database.transact(adding(b"two")))
        copy = now(self.disk.open_database("copy.sqlite", STEPS))
        self.addCleanup(lambda: now(copy.close()))
        self.assertEqual([(b"one",)], copy.read("SELECT text FROM letter"))
        failure_of(database.backup(os.path.join(self.root, "copy.sqlite")), FileExistsError)

    def test_copy_database(self) -> None:
        """
        A copy can be made of a database that is open elsewhere, and of one that nobody has open; what is none is told.
        """
        database = self.open()
        now(database.transact(adding(b"one")))
        now(self.disk.copy_database("a.sqlite", "b.sqlite"))
        now(database.transact(adding(b"two")))
        now(self.disk.copy_database("b.sqlite", "c.sqlite"))
        copy = now(self.disk.open_database("c.sqlite", STEPS))
        self.addCleanup(lambda: now(copy.close()))
        self.assertEqual([(b"one",)], copy.read("SELECT text FROM letter"))
        self.assertEqual([(b"one",), (b"two",)], database.read("SELECT text FROM letter"))
        failure_of(self.disk.copy_database("a.sqlite", "b.sqlite"), FileExistsError)
        self.disk.write_file("none.sqlite", b"no database" * 100)
        failure_of(self.disk.copy_database("none.sqlite", "d.sqlite"), TemporaryFailure)

    def test_modified(self) -> None:
        """
        The time of a file can be set, and read.
        """
        self.disk.write_file("file", b"x")
        self.disk.set_modified("file", 1_600_000_000)
        self.assertEqual(1_600_000_000, self.disk.modified("file"))
        self.assertRaises(FileNotFoundError, self.disk.modified, "none")

    def open(self) -> Any:
        """
        The database of these tests.
        """
        database = now(self.disk.open_database("a.sqlite", STEPS))
        self.addCleanup(lambda: now(database.close()))
        return database

    # --- Staging --------------------------------------------------------------

    def test_small_content(self) -> None:
        """
        Content up to the limit stays in memory.
        """
        content = self.disk.staging(".").begin(inline_limit=10)
        self.assertIsNone(content.write(b"01234"))
        self.assertIsNone(content.write(b"56789"))
        now(content.finish())
        content.sync()
        self.assertEqual((b"0123456789", None, 10), (content.inline, content.path, content.size))
        self.assertEqual(hashlib.sha256(b"0123456789").digest(), content.digest)
        self.assertEqual(b"234", now(content.read(2, 3)))
        now(content.discard())
        self.assertEqual([], self.disk.list_directory("."))

    def test_large_content(self) -> None:
        """
        Content beyond the limit is a file, which may be moved into place.
        """
        self.disk.make_directory("staged")
        content = self.disk.staging("staged").begin(inline_limit=10)
        data = bytes(range(256)) * 1000
        for start in range(0, len(data), 10_000):
            content.write(data[start : start + 10_000])
        now(content.finish())
        self.assertIsNone(content.inline)
        self.assertEqual((len(data), hashlib.sha256(data).digest()), (content.size, content.digest))
        self.assertEqual(data[300:400], now(content.read(300, 100)))
        path = content.path
        assert path is not None
        content.sync()
        self.disk.rename(path, "final")
        now(content.discard())
        now(content.discard())
        self.assertEqual((data, []), (self.disk.read("final"), self.disk.list_directory("staged")))

    def test_discarded_content(self) -> None:
        """
        Discarded content leaves nothing, and takes no more.
        """
        content = self.disk.staging(".").begin(inline_limit=0)
        content.write(bytes(100_000))
        now(content.discard())
        self.assertIsNone(content.write(bytes(100_000)))
        self.assertEqual([], self.disk.list_directory("."))
