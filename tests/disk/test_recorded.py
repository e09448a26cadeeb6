"""
The disk that remembers what a power cut would have left.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from random import Random
from typing import Any
from unittest.mock import patch

import apsw
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.disks import STEPS, DiskContract, adding
from tests.support.disks import (
    folder_for,
    inline_disk,
    recorded_disk,
    recorded_disk_for,
)
from tests.support.drive import failure_of, now
from twisted_mail_server.disk import connections
from twisted_mail_server.disk.images import Replay, images
from twisted_mail_server.disk.operations import Snapshot
from twisted_mail_server.disk.real import RealDisk
from twisted_mail_server.disk.recorded import RecordedDisk
from twisted_mail_server.model.errors import DiskFull, MailError, TemporaryFailure


class RecordedDiskTests(DiskContract, SynchronousTestCase):
    """
    It keeps the contract.
    """

    first: RecordedDisk | None = None

    def make(self, root: str, clock: Clock) -> RealDisk:
        """
        The first disk, or another process on it.
        """
        disk = self.first.sibling() if self.first else recorded_disk(root, clock=clock)
        self.first = self.first or disk
        self.addCleanup(disk.close)
        self.addCleanup(disk.kill)
        return disk


class Outcomes(SynchronousTestCase):
    """
    What is left after a power cut, seen as a whole.
    """

    def setUp(self) -> None:
        """
        A recorded disk, and a folder for images.
        """
        self.disk = recorded_disk_for(self)
        self.into = folder_for(self)

    def outcomes(self, name: str, count: int = 40) -> set[bytes | None]:
        """
        What the file may hold after a power cut now; L{None}: it is not there.
        """
        found: set[bytes | None] = set()
        for image in images(self.disk.cut(), Random(1), count, self.into):
            path = os.path.join(image.path, name)
            if os.path.exists(path):
                with open(path, "rb") as file:
                    found.add(file.read())
            else:
                found.add(None)
        self.assertEqual([], os.listdir(self.into))
        return found


class FileTests(Outcomes):
    """
    Files and names.
    """

    def test_write_file(self) -> None:
        """
        A file that was written whole is there, whatever happens.
        """
        self.disk.write_file("name", b"text")
        self.assertEqual({b"text"}, self.outcomes("name"))

    def test_write_file_over_another(self) -> None:
        """
        At every moment there is the old file or the new one.
        """
        self.disk.write_file("name", b"old")
        found: set[bytes | None] = set()
        self.disk.on_operation(lambda snapshot: found.update(self.outcomes("name")))
        self.disk.write_file("name", b"new")
        self.assertEqual({b"old", b"new"}, found)

    def test_no_directory_sync(self) -> None:
        """
        Without a sync of the directory the name may be lost.
        """
        file = self.disk.create("name")
        file.write(b"text")
        file.sync()
        file.close()
        self.assertEqual({None, b"text"}, self.outcomes("name"))

    def test_no_file_sync(self) -> None:
        """
        Without a sync of the file its content may be lost.
        """
        file = self.disk.create("name")
        file.write(b"text")
        file.close()
        self.disk.sync_directory(".")
        self.assertEqual({b"", b"text"}, self.outcomes("name"))

    def test_torn(self) -> None:
        """
        A write that was not synced may arrive in part, by sectors.
        """
        file = self.disk.create("name")
        self.disk.sync_directory(".")
        file.write(b"a" * 700)
        file.sync()
        file.write(b"b" * 1000)
        found = {content for content in self.outcomes("name", 200) if content}
        self.assertIn(b"a" * 700, found)
        self.assertIn(b"a" * 700 + b"b" * 1000, found)
        self.assertIn(b"a" * 700 + b"b" * 324, found)
        self.assertIn(b"a" * 700 + bytes(324) + b"b" * 512, found)

    def test_make_directory(self) -> None:
        """
        A folder with those above it is there; one that was made without a sync may be lost with all in it.
        """
        self.disk.make_directory("one/two")
        self.disk.write_file("one/two/name", b"text")
        self.assertEqual({b"text"}, self.outcomes("one/two/name"))
        os_call = self.disk._recording.make_directory
        os_call(os.path.join(self.disk.root, "three"))
        self.disk.write_file("three/name", b"text")
        self.assertEqual({b"text", None}, self.outcomes("three/name"))

    def test_rename(self) -> None:
        """
        A renamed file is under one of its names; after a sync of the new folder, under the new one only.
        """
        self.disk.make_directory("box")
        self.disk.write_file("old", b"text")
        self.disk.rename("old", "box/new")
        self.assertEqual({b"text", None}, self.outcomes("old"))
        self.assertEqual({b"text", None}, self.outcomes("box/new"))
        for image in images(self.disk.cut(), Random(1), 20, self.into):
            names = [os.path.exists(os.path.join(image.path, name)) for name in ("old", "box/new")]
            self.assertEqual(1, sum(names))
        self.disk.sync_directory("box")
        self.assertEqual({None}, self.outcomes("old"))
        self.assertEqual({b"text"}, self.outcomes("box/new"))

    def test_rename_of_a_name_that_is_not_safe(self) -> None:
        """
        A name made safe by a rename takes with it what was done to it before: it does not come back.
        """
        self.disk.make_directory("box")
        self.disk.make_directory("staged")
        file = self.disk.create("staged/name")
        file.write(b"text")
        file.sync()
        file.close()
        self.disk.rename("staged/name", "box/name")
        self.disk.sync_directory("box")
        self.assertEqual({b"text"}, self.outcomes("box/name"))
        self.assertEqual({None}, self.outcomes("staged/name"))

    def test_link_and_remove(self) -> None:
        """
        A link and a removal may be lost until their folder is synced.
        """
        self.disk.write_file("one", b"text")
        self.disk.link("one", "two")
        self.disk.remove("one")
        self.assertEqual({b"text", None}, self.outcomes("one"))
        self.assertEqual({b"text", None}, self.outcomes("two"))
        self.disk.sync_directory(".")
        self.assertEqual({None}, self.outcomes("one"))
        self.assertEqual({b"text"}, self.outcomes("two"))

    def test_remove_tree(self) -> None:
        """
        A folder that was removed and made anew is the new one.
        """
        self.disk.make_directory("box/inner")
        self.disk.write_file("box/inner/name", b"old")
        self.disk.remove_tree("box")
        self.disk.make_directory("box/inner")
        self.assertEqual({None}, self.outcomes("box/inner/name"))

    def test_lock_files(self) -> None:
        """
        What no promise rests on is not recorded.
        """
        before = self.disk.cut()
        for name in ("a.sqlite-lock", "a.sqlite-shm"):
            self.disk.create(name).close()
            self.disk.remove(name)
        self.assertEqual(before, self.disk.cut())

    def test_existing_folder(self) -> None:
        """
        What was there at the start is safe.
        """
        root = folder_for(self)
        plain = inline_disk(root)
        plain.make_directory("box")
        plain.write_file("box/name", b"text")
        plain.create("a.sqlite-lock").close()
        disk = recorded_disk(root)
        self.addCleanup(disk.close)
        self.disk = disk
        self.assertEqual({b"text"}, self.outcomes("box/name"))
        self.assertEqual({None}, self.outcomes("a.sqlite-lock"))

    def test_replay_goes_forward(self) -> None:
        """
        A replay is used for later moments only.
        """
        self.disk.write_file("name", b"text")
        replay = Replay(self.disk.log)
        replay.advance(3)
        self.assertRaises(ValueError, replay.advance, 2)


class FaultTests(Outcomes):
    """
    Operations that fail on demand.
    """

    def test_every_kind(self) -> None:
        """
        Each kind of operation can fail, once, and works again.
        """
        self.disk.write_file("old", b"text")
        self.disk.make_directory("empty")
        actions: dict[str, Callable[[], object]] = {
            "create": lambda: self.disk.create("created"),
            "write": lambda: self.disk.write_file("written", b"text"),
            "sync": lambda: self.disk.write_file("written", b"text"),
            "sync_directory": lambda: self.disk.sync_directory("."),
            "read": lambda: self.disk.read("old"),
            "make_directory": lambda: self.disk.make_directory("made"),
            "rename": lambda: self.disk.rename("old", "renamed"),
            "link": lambda: self.disk.link("renamed", "linked"),
            "remove": lambda: self.disk.remove("linked"),
        }
        for kind, action in actions.items():
            self.disk.fail_next(kind)
            self.assertRaises(TemporaryFailure, action)
            action()
        self.disk.fail_next("remove", "empty")
        self.assertRaises(TemporaryFailure, self.disk.remove_tree, "empty")
        self.assertRaises(ValueError, self.disk.fail_next, "sneeze")

    def test_which(self) -> None:
        """
        Only the paths that match fail, after those to be skipped, as often as was said.
        """
        self.disk.fail_next("create", "box/*", errno.ENOSPC, skip=1, times=2)
        self.disk.make_directory("box")
        self.disk.create("one").close()
        self.disk.create("box/one").close()
        for _ in range(2):
            self.assertRaises(DiskFull, self.disk.create, "box/two")
        self.disk.create("box/two").close()

    def test_failed_sync(self) -> None:
        """
        After a failed fsync what was pending is lost for good, also when the next one succeeds.
        """
        file = self.disk.create("name")
        self.disk.sync_directory(".")
        file.write(b"lost")
        self.disk.fail_next("sync")
        self.assertRaises(TemporaryFailure, file.sync)
        file.sync()
        self.assertEqual(b"lost", self.disk.read("name"))
        self.assertEqual({b""}, self.outcomes("name"))

    def test_database_errors(self) -> None:
        """
        A transaction that meets a failing disk is told so, and the next one is durable.
        """
        database = now(self.disk.open_database("a.sqlite", STEPS))
        expected = []
        cases = [
            ("write", errno.ENOSPC, DiskFull),
            ("write", errno.EIO, TemporaryFailure),
            ("sync", errno.EIO, TemporaryFailure),
        ]
        for number, (kind, error, failure) in enumerate(cases):
            self.disk.fail_next(kind, "a.sqlite-wal", error)
            failure_of(database.transact(adding(b"lost %d" % number)), failure)
            now(database.transact(adding(b"kept %d" % number)))
            expected.append((b"kept %d" % number,))
        self.assertEqual(expected, database.read("SELECT text FROM letter"))
        self.flushLoggedErrors()
        for image in images(self.disk.cut(), Random(1), 20, self.into):
            self.assertEqual(expected, letters(image.path))

    def test_database_that_cannot_be_opened(self) -> None:
        """
        A database that cannot be made, removed or read is a temporary failure.
        """
        for kind, pattern in (("create", "a.sqlite"), ("create", "a.sqlite-*"), ("write", "*"), ("remove", "*")):
            self.disk.fail_next(kind, pattern)
            failure_of(self.disk.open_database("a.sqlite", STEPS), TemporaryFailure)
        now(now(self.disk.open_database("a.sqlite", STEPS)).close())
        self.disk.fail_next("read", "a.sqlite")
        failure_of(self.disk.open_database("a.sqlite", STEPS), TemporaryFailure)

    def test_reader_that_cannot_be_opened(self) -> None:
        """
        When the second connection of a database fails, the first is closed again.
        """
        with patch("twisted_mail_server.disk.connections.open_reader", side_effect=apsw.CantOpenError("no")):
            failure_of(self.disk.open_database("a.sqlite", STEPS), TemporaryFailure)
        self.assertEqual(["a.sqlite", "a.sqlite-lock"], self.disk.list_directory("."))
        self.assertRaises(apsw.NotADBError, self.open_no_database)

    def open_no_database(self) -> None:
        """
        Read a file that is no database.
        """
        self.disk.write_file("none", b"this is no database " * 100)
        connections.open_reader(os.path.join(self.disk.root, "none"), None)

    def test_failing_checkpoint(self) -> None:
        """
        A checkpoint that fails loses nothing; the next one works.
        """
        database = now(self.disk.open_database("a.sqlite", STEPS))
        with patch.object(database._writer, "_due", 0):
            self.disk.fail_next("sync", "a.sqlite", times=1)
            now(database.transact(adding(b"one")))
        self.assertEqual([], self.disk.machine.faults)
        now(database.transact(adding(b"two")))
        for image in images(self.disk.cut(), Random(1), 20, self.into):
            self.assertEqual([(b"one",), (b"two",)], letters(image.path))
        now(database.close())
        self.assertEqual(["a.sqlite", "a.sqlite-lock"], self.disk.list_directory("."))

    def test_kill(self) -> None:
        """
        After the process was killed it can do nothing; another finds everything that was written.
        """
        database = now(self.disk.open_database("a.sqlite", STEPS))
        now(database.transact(adding(b"one")))
        lock = self.disk.lock("x.lock")
        file = self.disk.create("name")
        file.write(b"text")
        self.disk.kill()
        self.assertRaises(MailError, self.disk.read, "name")
        self.assertIsNone(self.disk.lock("y.lock"))
        failure_of(database.transact(adding(b"two")), TemporaryFailure)
        other = self.disk.sibling()
        self.addCleanup(other.close)
        self.addCleanup(other.kill)
        self.assertEqual(b"text", other.read("name"))
        self.assertIsNotNone(lock)
        self.assertIsNotNone(other.lock("x.lock"))
        again = now(other.open_database("a.sqlite", STEPS))
        self.assertEqual([(b"one",)], again.read("SELECT text FROM letter"))


def letters(root: str) -> list[tuple[Any, ...]]:
    """
    The letters in the database of an image, recovered by the real disk.
    """
    return [(text,) for (text,) in read_image(root, "SELECT text FROM letter ORDER BY id")]


def read_image(root: str, sql: str) -> list[tuple[Any, ...]]:
    """
    The rows of a query in the database of an image.
    """
    disk = inline_disk(root)
    database = now(disk.open_database("a.sqlite", STEPS))
    try:
        return database.read(sql)
    finally:
        now(database.close())


class Story:
    """
    Some transactions with a checkpoint among them and a file for every fifth, and what was
    promised when.

    @ivar broken: a mistake of the disk's: C{"normal"}, C{"file sync"}, C{"directory sync"}, or none.
    """

    def __init__(self, root: str, broken: str = "", seed: int = 0) -> None:
        self.disk = recorded_disk(root, seed=seed)
        self.broken = broken
        self.promised: list[tuple[int, int]] = []
        self.cuts: list[Snapshot] = []
        self.disk.on_operation(self.cuts.append)

    def tell(self, transactions: int) -> None:
        """
        Run it.
        """
        with self._break():
            database = now(self.disk.open_database("a.sqlite", STEPS))
            self.disk.make_directory("files")
            self.promise(0)
            for number in range(1, transactions + 1):
                if number % 5 == 0:
                    self.disk.write_file(f"files/{number}", b"file %d" % number * 100)
                if number % 20 == 0:
                    database._writer._due = 0
                now(database.transact(adding(b"letter %d " % number + bytes(300))))
                self.promise(number)
            now(database.close())
            self.promise(transactions)

    def promise(self, number: int) -> None:
        """
        From here on the first C{number} transactions are safe.
        """
        self.promised.append((len(self.disk.log.operations), number))

    def promised_at(self, length: int) -> int | None:
        """
        How many are promised when the log has this length; L{None}: not even an empty database.
        """
        found = None
        for since, number in self.promised:
            if since <= length:
                found = number
        return found

    def _break(self) -> Any:
        if self.broken == "normal":
            return patch.object(
                connections,
                "run",
                lambda connection, sql: connection.execute(sql.replace("= FULL", "= NORMAL")).fetchall(),
            )
        if self.broken == "file sync":
            return patch.object(type(self.disk._recording), "sync", lambda *_: None)
        if self.broken == "directory sync":
            return patch.object(type(self.disk._recording), "sync_directory", lambda *_: None)
        return nullcontext()

    def violations(self, into: str, count: int, every: int = 1) -> Iterator[str]:
        """
        Promises that a power cut breaks, at each C{every}th operation in C{count} images.
        """
        random, seen, replay = Random(self.broken), set[bytes](), Replay(self.disk.log)
        self.states = 0
        for snapshot in self.cuts[::every]:
            promised = self.promised_at(snapshot.length)
            if promised is None:
                continue
            # When more is promised, an image that was good enough before is looked at again.
            seen = seen if promised == getattr(self, "_asked", None) else set()
            self._asked = promised
            for image in images(snapshot, random, count, into, seen=seen, replay=replay):
                self.states += 1
                try:
                    problem = self.check(image.path, promised)
                except (MailError, OSError, apsw.Error) as failure:
                    problem = repr(failure)
                if problem:
                    yield f"{problem} (at {snapshot.length}, {image.kind})"

    def check(self, root: str, promised: int) -> str:
        """
        What is wrong with an image of which so many transactions were promised.
        """
        if read_image(root, "PRAGMA integrity_check") != [("ok",)]:
            return "not intact"
        found = [int(text.split()[1]) for (text,) in letters(root)]
        if found != list(range(1, len(found) + 1)) or len(found) < promised:
            return f"{len(found)} of {promised} transactions"
        for number in range(5, promised + 1, 5):
            with open(os.path.join(root, "files", str(number)), "rb") as file:
                if file.read() != b"file %d" % number * 100:
                    return f"file {number}"
        return ""


class PromiseTests(SynchronousTestCase):
    """
    What is promised survives a power cut at any moment; and the recorder catches who breaks it.
    """

    def story(self, broken: str = "", transactions: int = 60) -> Story:
        """
        A story that was told.
        """
        story = Story(folder_for(self), broken)
        self.addCleanup(story.disk.close)
        self.addCleanup(story.disk.kill)
        story.tell(transactions)
        return story

    def test_kept(self) -> None:
        """
        Sixty transactions, twelve files and some checkpoints: no cut loses any.
        """
        story = self.story()
        self.assertEqual([], list(story.violations(folder_for(self), 4, every=7)))
        self.assertTrue(story.states > 100, story.states)

    def test_kept_at_every_operation(self) -> None:
        """
        A short story, cut after each of its operations, loses nothing.
        """
        story = self.story(transactions=21)
        self.assertEqual([], list(story.violations(folder_for(self), 6)))
        self.assertTrue(story.states > 200, story.states)

    def test_synchronous_normal(self) -> None:
        """
        With C{synchronous=NORMAL} transactions are lost.
        """
        self.assertIn(" transactions", next(self.story("normal").violations(folder_for(self), 4)))

    def test_no_file_sync(self) -> None:
        """
        Without the fsync of files their content is lost.
        """
        self.assertIn("file 5", next(self.story("file sync").violations(folder_for(self), 4)))

    def test_no_directory_sync(self) -> None:
        """
        Without the fsync of directories names are lost.
        """
        self.assertIn("No such file", next(self.story("directory sync").violations(folder_for(self), 4)))


class RoughTests(SynchronousTestCase):
    """
    Power cuts after failures, after a killed process, and during recovery.
    """

    def setUp(self) -> None:
        """
        A recorded disk, what was promised on it when, and what was tried.
        """
        self.random = Random(7)
        self.into = folder_for(self)
        self.disk = recorded_disk_for(self)
        self.promised: list[tuple[int, int]] = []
        self.tried = 0
        self.cuts: list[Snapshot] = []
        self.disk.on_operation(self.cuts.append)

    def write(self, database: Any, count: int) -> int:
        """
        Send transactions; how many of them failed.
        """
        failed = 0
        for _ in range(count):
            self.tried += 1
            try:
                now(database.transact(adding(b"letter %d " % self.tried + bytes(300))))
            except MailError:
                failed += 1
            else:
                self.promised.append((len(self.disk.log.operations), self.tried))
        return failed

    def check(self, every: int, images_each: int) -> None:
        """
        Whatever was promised at a cut is there, and nothing that was never sent.
        """
        replay, since = Replay(self.disk.log), self.promised[0][0]
        states = 0
        for snapshot in [cut for cut in self.cuts if cut.length >= since][::every]:
            promised = {number for length, number in self.promised if length <= snapshot.length}
            for image in images(snapshot, self.random, images_each, self.into, replay=replay):
                states += 1
                self.assertEqual([("ok",)], read_image(image.path, "PRAGMA integrity_check"))
                found = {int(text.split()[1]) for (text,) in letters(image.path)}
                self.assertEqual(set(), promised - found, (snapshot.length, image.kind))
                self.assertTrue(found <= set(range(1, self.tried + 1)))
        self.assertTrue(states > 50, states)

    def test_failing_disk(self) -> None:
        """
        Writes, syncs and truncations that fail now and then: what was promised is kept.
        """
        database = now(self.disk.open_database("a.sqlite", STEPS))
        failed = self.write(database, 1)
        for number in range(40):
            kind, error = self.random.choice(
                [("sync", errno.EIO), ("write", errno.ENOSPC), ("write", errno.EIO), ("truncate", errno.EIO)]
            )
            self.disk.fail_next(kind, "a.sqlite*", error, skip=self.random.randrange(3))
            if number % 10 == 0:
                database._writer._due = 0
            failed += self.write(database, 2)
        self.assertTrue(10 < failed < 70, failed)
        self.disk.machine.faults.clear()
        self.write(database, 3)
        self.assertEqual(len(self.promised), len(set(database.read("SELECT text FROM letter"))))
        self.check(5, 4)

    def test_killed_process(self) -> None:
        """
        Processes that are killed, at a moment of their own, and the next one on the same machine.
        """
        for _ in range(6):
            disk = self.disk.sibling()
            self.addCleanup(disk.close)
            database = now(disk.open_database("a.sqlite", STEPS))
            self.write(database, 5)
            disk.fail_next("write", "a.sqlite-wal", skip=self.random.randrange(3))
            self.write(database, 1)
            disk.kill()
            self.disk.machine.faults.clear()
        self.check(3, 4)

    def test_cut_during_recovery(self) -> None:
        """
        The power goes again while what the first cut left is being recovered.
        """
        database = now(self.disk.open_database("a.sqlite", STEPS))
        self.write(database, 10)
        expected = {text for (text,) in database.read("SELECT text FROM letter")}
        states = 0
        for image in images(self.disk.cut(), self.random, 3, self.into):
            again = recorded_disk(image.path)
            cuts: list[Snapshot] = []
            again.on_operation(cuts.append)
            recovered = now(again.open_database("a.sqlite", STEPS))
            now(recovered.transact(adding(b"more")))
            now(recovered.close())
            again.close()
            replay, into = Replay(again.log), folder_for(self)
            for cut in cuts:
                for second in images(cut, self.random, 5, into, replay=replay):
                    states += 1
                    self.assertTrue(expected <= {text for (text,) in letters(second.path)})
        self.assertTrue(states > 10, states)


class ReplayTests(SynchronousTestCase):
    """
    The same again.
    """

    def test_same_bytes(self) -> None:
        """
        Two runs from one seed write the same bytes, another seed others.
        """
        runs = []
        for seed in (1, 1, 2):
            disk = recorded_disk(folder_for(self), seed=seed, replayable=True)
            database = now(disk.open_database("a.sqlite", STEPS))
            now(database.transact(adding(b"one")))
            now(
                database.transact(
                    lambda transaction: transaction.execute(
                        "INSERT INTO letter (text) SELECT randomblob(10) || julianday('now')"
                    )
                )
            )
            now(database.close())
            disk.close()
            apsw.randomness(0)
            runs.append(disk.log.operations)
        self.assertEqual(runs[0], runs[1])
        self.assertNotEqual(runs[0], runs[2])
