"""
A disk that remembers what a power cut would have left.

It is the real disk on a folder (best on a RAM disk) with two things changed: each call
to the operating system that changes something is written to a log instead of being
fsynced, and SQLite reaches its files through a VFS of ours, which derives from SQLite's
C{unix} (real locks, real shared memory) and writes to the same log.  So the order in
which the real disk does things is what is recorded.

Lock files and SQLite's C{-shm} never appear in the log: nothing rests on them.

    - L{RecordedDisk.cut} or L{RecordedDisk.on_operation}: moments at which the power may go;
      L{twisted_mail_server.disk.images.images} builds what it could leave.
    - L{RecordedDisk.fail_next}: an operation that fails; a failed fsync loses what was
      pending for good.
    - L{RecordedDisk.kill}: the process dies; L{RecordedDisk.sibling} is the next process on
      the same machine, or one beside it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from itertools import count

import apsw
from twisted.internet.interfaces import IReactorTime

from twisted_mail_server.disk.databases import Database
from twisted_mail_server.disk.locks import FileLock
from twisted_mail_server.disk.machine import KINDS, Fault, Machine, Process
from twisted_mail_server.disk.operations import Log, Snapshot
from twisted_mail_server.disk.real import RealDisk
from twisted_mail_server.disk.recording import RecordingSystem, RecordingVfs
from twisted_mail_server.disk.threads import Pool

#: SQLite knows each VFS by a name of its own.
_vfs_numbers = count(1)


class RecordedDisk(RealDisk):
    """
    A real disk on which everything is recorded.

    What is in the folder at the start is taken as safe; nobody has a database there open.

    @param replayable: two runs from one seed write the same bytes.  One such disk at a time
        in a process.
    """

    def __init__(
        self,
        root: str,
        clock: IReactorTime,
        pool: Pool,
        from_thread: Callable[..., object],
        random: Callable[[int], bytes],
        *,
        replayable: bool = False,
        machine: Machine | None = None,
    ) -> None:
        root = os.path.realpath(root)
        self.machine = machine or Machine(root)
        self._process = Process(self.machine)
        self._recording = RecordingSystem(self._process)
        self._arguments = (root, clock, pool, from_thread, random)
        name = f"recorded-{next(_vfs_numbers)}"
        self._vfs = RecordingVfs(name, self._process, random if replayable else None, clock)
        if replayable:
            apsw.randomness(0)
        super().__init__(root, clock, pool, from_thread, random, system=self._recording, vfs=name)
        self._databases: list[Database] = []
        self._locks: list[FileLock] = []

    @property
    def log(self) -> Log:
        """
        What was done so far.
        """
        return self.machine.log

    def cut(self) -> Snapshot:
        """
        This moment, as one at which the power may go.
        """
        return self.machine.log.snapshot()

    def on_operation(self, callback: Callable[[Snapshot], object]) -> None:
        """
        Call C{callback} with the moment after each operation from now on.  It must not use the disk.
        """
        self.machine.callbacks.append(callback)

    def fail_next(
        self, kind: str, pattern: str = "*", error: int = errno.EIO, *, skip: int = 0, times: int = 1
    ) -> None:
        """
        Let the next C{times} operations of one of L{KINDS}, on paths below the root that match
        C{pattern}, fail with C{error}, after C{skip} that do not.

        @raise ValueError: there is no such kind.
        """
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is none of {', '.join(sorted(KINDS))}.")
        self.machine.faults.append(Fault(kind, pattern, error, skip, times))

    def kill(self) -> None:
        """
        The process dies: whatever it still does fails, its locks are free, its databases closed
        as they are.  The machine goes on: nothing that was written is lost.
        """
        self._process.killed = True
        for database in self._databases:
            database.abandon()
        for lock in self._locks:
            lock.release()
        self._recording.abandon()

    def sibling(self) -> RecordedDisk:
        """
        Another process on the same machine: after a L{kill}, or beside this one.
        """
        return RecordedDisk(*self._arguments, machine=self.machine)

    def close(self) -> None:
        """
        Forget the VFS.  Its databases are closed.
        """
        self._vfs.unregister()

    def lock(self, path: str, *, shared: bool = False) -> FileLock | None:
        """
        As L{RealDisk.lock}.
        """
        if self._process.killed:
            return None
        lock = super().lock(path, shared=shared)
        if lock is not None:
            self._locks = [held for held in self._locks if held.is_held]
            self._locks.append(lock)
        return lock

    async def open_database(self, path: str, steps: Sequence[object]) -> Database:
        """
        As L{RealDisk.open_database}.
        """
        database = await super().open_database(path, steps)
        self._databases.append(database)
        return database
