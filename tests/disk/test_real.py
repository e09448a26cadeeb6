"""
The real disk.
"""

from __future__ import annotations

import errno
import fcntl
import os
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.disks import DiskContract
from tests.support.disks import InlinePool, call_now, disk_for, folder_for, inline_disk, seeded
from tests.support.drive import failure_of, now
from twisted_mail_server.disk.connections import check_library
from twisted_mail_server.disk.real import RealDisk
from twisted_mail_server.disk.system import RealSystem
from twisted_mail_server.model.errors import BadSetting, DiskFull, TemporaryFailure


class RealDiskTests(DiskContract, SynchronousTestCase):
    """
    It keeps the contract.
    """

    def make(self, root: str, clock: Clock) -> RealDisk:
        """
        A real disk on the RAM disk.
        """
        return inline_disk(root, clock=clock)


class Failing(RealSystem):
    """
    An operating system whose calls fail when they are named.
    """

    __slots__ = ("calls", "errors")

    def __init__(self, **errors: int) -> None:
        self.errors = errors
        self.calls: list[str] = []

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name in self.errors:
            raise OSError(self.errors[name], os.strerror(self.errors[name]))

    def write(self, descriptor: int, data: bytes) -> None:
        self._call("write")
        super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        self._call("sync")
        super().sync(descriptor)

    def rename(self, old: str, new: str) -> None:
        self._call("rename")
        super().rename(old, new)

    def link(self, old: str, new: str) -> None:
        self._call("link")
        super().link(old, new)

    def remove(self, path: str) -> None:
        self._call("remove")
        super().remove(path)

    def sync_directory(self, path: str) -> None:
        self._call("sync_directory")
        super().sync_directory(path)


class FailureTests(SynchronousTestCase):
    """
    What the machine cannot do is told in the mail server's words.
    """

    def disk(self, **errors: int) -> RealDisk:
        """
        A disk whose calls fail when they are named.
        """
        self.system = Failing(**errors)
        return RealDisk(folder_for(self), Clock(), InlinePool(), call_now, seeded(), system=self.system)

    def test_order(self) -> None:
        """
        A file is written, synced, renamed, and then its directory is synced.
        """
        self.disk().write_file("name", b"text")
        self.assertEqual(["write", "sync", "rename", "sync_directory"], self.system.calls)

    def test_full(self) -> None:
        """
        A full disk, or quota, is DiskFull, and leaves nothing behind.
        """
        for number in (errno.ENOSPC, errno.EDQUOT):
            disk = self.disk(write=number)
            self.assertRaises(DiskFull, disk.write_file, "name", b"text")
            self.assertEqual([], disk.list_directory("."))

    def test_failing_sync(self) -> None:
        """
        An fsync that fails is a temporary failure, and the old file stays.
        """
        disk = self.disk()
        disk.write_file("name", b"old")
        self.system.errors["sync"] = errno.EIO
        self.assertRaises(TemporaryFailure, disk.write_file, "name", b"new")
        self.assertEqual((b"old", ["name"]), (disk.read("name"), disk.list_directory(".")))

    def test_failing_everything(self) -> None:
        """
        The first failure is told, also when tidying up fails as well.
        """
        disk = self.disk(sync=errno.EIO, remove=errno.ENOENT)
        self.assertRaises(TemporaryFailure, disk.write_file, "name", b"new")
        disk = self.disk(write=errno.ENOSPC, remove=errno.EIO)
        self.assertRaises(DiskFull, disk.write_file, "name", b"new")

    def test_link_elsewhere(self) -> None:
        """
        Where a link cannot go there is a copy, synced.
        """
        disk = self.disk(link=errno.EXDEV)
        disk.write_file("old", bytes(range(256)) * 8192)
        self.system.calls.clear()
        disk.link("old", "new")
        self.assertEqual(["link", "write", "write", "sync"], self.system.calls)
        self.assertEqual(disk.read("old"), disk.read("new"))

    def test_link_elsewhere_that_fails(self) -> None:
        """
        A copy that fails is not there.
        """
        disk = self.disk(link=errno.EMLINK)
        disk.write_file("old", b"text")
        self.system.errors["sync"] = errno.EIO
        self.assertRaises(TemporaryFailure, disk.link, "old", "new")
        self.assertEqual(["old"], disk.list_directory("."))

    def test_staged_content(self) -> None:
        """
        Content that the disk refuses is taken to its end, and finish tells.
        """
        disk = self.disk(write=errno.ENOSPC)
        content = disk.staging(".").begin(inline_limit=0)
        for _ in range(3):
            self.assertIsNone(content.write(bytes(100_000)))
        failure_of(content.finish(), DiskFull)
        now(content.discard())
        self.assertEqual([], disk.list_directory("."))

    def test_names_stay_python(self) -> None:
        """
        An error about names stays what Python calls it.
        """
        self.assertRaises(IsADirectoryError, disk_for(self).read, ".")

    def test_database_that_is_none(self) -> None:
        """
        A file that is no database is a temporary failure, not a crash.
        """
        disk = disk_for(self)
        disk.write_file("a.sqlite", b"this is no database " * 100)
        failure_of(disk.open_database("a.sqlite", ()), TemporaryFailure)

    def test_steps_of_another_kind(self) -> None:
        """
        A schema is made of steps.
        """
        failure_of(disk_for(self).open_database("a.sqlite", ["CREATE TABLE a (b)"]), TypeError)


class LibraryTests(SynchronousTestCase):
    """
    The SQLite library.
    """

    def test_too_old(self) -> None:
        """
        A library that may corrupt a database is refused by a sentence with both numbers.
        """
        problem = self.assertRaises(BadSetting, check_library, "3.51.2")
        self.assertIn("3.51.2", str(problem))
        self.assertIn("3.51.3", str(problem))
        for good in ("3.51.3", "3.52.0", "4.0"):
            check_library(good)


class DescriptorTests(SynchronousTestCase):
    """
    Descriptors.
    """

    def test_not_inherited(self) -> None:
        """
        A child inherits no lock and no file.
        """
        disk = disk_for(self)
        lock: Any = disk.lock("a.lock")
        file: Any = disk.create("file")
        self.addCleanup(lock.release)
        self.addCleanup(file.close)
        for descriptor in (lock._descriptor, file._descriptor):
            self.assertTrue(fcntl.fcntl(descriptor, fcntl.F_GETFD) & fcntl.FD_CLOEXEC)

    def test_none_left(self) -> None:
        """
        Nothing stays open when everything was closed.
        """
        before = os.listdir("/proc/self/fd")
        disk = disk_for(self)
        database = now(disk.open_database("a.sqlite", ()))
        now(database.backup(os.path.join(disk.root, "copy")))
        disk.write_file("name", b"text")
        disk.read("name")
        content = disk.staging(".").begin(inline_limit=0)
        content.write(bytes(100_000))
        now(content.finish())
        now(content.discard())
        lock = now(disk.wait_for_lock("a.lock"))
        self.assertIsNone(disk.lock("a.lock"))
        lock.release()
        now(database.close())
        self.assertEqual(len(before), len(os.listdir("/proc/self/fd")))
