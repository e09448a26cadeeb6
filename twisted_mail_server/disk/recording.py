"""
The two ways to a recorded disk: calls to the operating system, and SQLite's VFS.

Each does what was asked, without the fsync, and writes it to the machine's log, in the
order in which it happened.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

import apsw
from attrs import define
from twisted.internet.interfaces import IReactorTime

from twisted_mail_server.disk.machine import Process
from twisted_mail_server.disk.operations import Entry, Names, Truncate, Write
from twisted_mail_server.disk.system import RealSystem

#: Files whose first sync also syncs their folder, as SQLite's own VFS does it.
_SYNC_FOLDER = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL

#: The beginning of Unix time, in milliseconds of the Julian calendar.
_UNIX_TIME = 210_866_760_000_000


@define(eq=False)
class _Output:
    """
    A descriptor that writes a recorded file.
    """

    path: str
    node: int
    size: int = 0


class RecordingSystem(RealSystem):
    """
    The operating system, recorded and without its fsyncs.  Its methods are described in L{System}.
    """

    __slots__ = ("_machine", "_outputs", "_process")

    def __init__(self, process: Process) -> None:
        self._process = process
        self._machine = process.machine
        self._outputs: dict[int, _Output] = {}

    def open_new(self, path: str, mode: int) -> int:
        with self._machine.lock:
            self._process.check("create", path)
            descriptor = super().open_new(path, mode)
            node = self._machine.log.new_node()
            self._outputs[descriptor] = _Output(path, node)
            self._machine.enter(path, node)
            return descriptor

    def write(self, descriptor: int, data: bytes) -> None:
        with self._machine.lock:
            output = self._outputs[descriptor]
            self._process.check("write", output.path)
            super().write(descriptor, data)
            self._machine.record(Write(output.node, output.size, bytes(data)))
            output.size += len(data)

    def sync(self, descriptor: int) -> None:
        with self._machine.lock:
            output = self._outputs[descriptor]
            self._process.sync(output.node, output.path)

    def close(self, descriptor: int) -> None:
        if self._outputs.pop(descriptor, None) is not None:
            super().close(descriptor)

    def read(self, path: str, offset: int, length: int) -> bytes:
        self._process.check("read", path)
        return super().read(path, offset, length)

    def make_directory(self, path: str) -> None:
        with self._machine.lock:
            self._process.check("make_directory", path)
            super().make_directory(path)
            self._machine.enter(path, self._machine.log.new_node(), made_folder=True)

    def rename(self, old: str, new: str) -> None:
        with self._machine.lock:
            self._process.check("rename", new)
            super().rename(old, new)
            node, source, target = self._machine.node(old), self._machine.place(old), self._machine.place(new)
            # Between two names of one file, rename does nothing.
            if source is not None and target is not None and self._machine.node(new) != node:
                entries = (Entry(*source, None), Entry(*target, node))
                self._machine.record(Names(target[0], entries))

    def link(self, old: str, new: str) -> None:
        with self._machine.lock:
            self._process.check("link", new)
            super().link(old, new)
            self._machine.enter(new, self._machine.node(old))

    def remove(self, path: str) -> None:
        with self._machine.lock:
            self._process.check("remove", path)
            super().remove(path)
            self._machine.enter(path, None)

    def remove_directory(self, path: str) -> None:
        with self._machine.lock:
            self._process.check("remove", path)
            super().remove_directory(path)
            self._machine.enter(path, None)

    def sync_directory(self, path: str) -> None:
        with self._machine.lock:
            self._process.check("sync_directory", path)
            self._machine.sync_folder(path)

    def abandon(self) -> None:
        """
        Close what a killed process had open.
        """
        for descriptor in list(self._outputs):
            self.close(descriptor)


def _as_sqlite(problem: OSError) -> apsw.Error:
    """
    What SQLite's own VFS would have reported.
    """
    kind = apsw.FullError if problem.errno in (errno.ENOSPC, errno.EDQUOT) else apsw.IOError
    return kind(str(problem))


class RecordingFile(apsw.VFSFile):
    """
    A file that SQLite opened.
    """

    def __init__(self, process: Process, path: str, node: int, name: Any, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._process, self._path, self._node = process, path, node
        self._machine, self._lock = process.machine, process.machine.lock
        self._folder_is_due = bool(flags[0] & _SYNC_FOLDER and flags[0] & apsw.SQLITE_OPEN_CREATE)

    def xRead(self, amount: int, offset: int) -> bytes:
        """
        Read; a fault may be planned.
        """
        self._check("read")
        return super().xRead(amount, offset)

    def xWrite(self, data: Any, offset: int) -> None:
        """
        Write, and record it.
        """
        with self._lock:
            self._check("write")
            super().xWrite(data, offset)
            self._machine.record(Write(self._node, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:
        """
        Truncate, and record it.
        """
        with self._lock:
            self._check("truncate")
            super().xTruncate(newsize)
            self._machine.record(Truncate(self._node, newsize))

    def xSync(self, flags: int) -> None:
        """
        Record it; nothing is really synced.
        """
        with self._lock:
            try:
                self._process.sync(self._node, self._path)
            except OSError as problem:
                raise _as_sqlite(problem) from problem
            if self._folder_is_due:
                self._check("sync_directory")
                self._folder_is_due = False
                self._machine.sync_folder(os.path.dirname(self._path))

    def _check(self, kind: str) -> None:
        try:
            self._process.check(kind, self._path)
        except OSError as problem:
            raise _as_sqlite(problem) from problem


class RecordingVfs(apsw.VFS):
    """
    SQLite's way to the recorded disk.

    @param chance: with it, what SQLite takes from randomness comes from here and its time from
        C{clock}, so that two runs write the same bytes.  The VFS is then SQLite's default, for
        its random numbers start from the default's.
    """

    def __init__(self, name: str, process: Process, chance: Callable[[int], bytes] | None, clock: IReactorTime) -> None:
        super().__init__(name, "unix", makedefault=chance is not None)
        self._process, self._chance, self._clock = process, chance, clock

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        """
        Open, and record a file that is new.
        """
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        machine = self._process.machine
        if path is None or machine.place(path) is None:
            return super().xOpen(name, flags)
        with machine.lock:
            node = machine.node(path)
            if node is not None:
                return RecordingFile(self._process, path, node, name, flags)
            self._check("create", path)
            node = machine.log.new_node()
            file = RecordingFile(self._process, path, node, name, flags)
            machine.enter(path, node)
            return file

    def xDelete(self, filename: str, syncdir: bool) -> None:
        """
        Remove a name, and record it.
        """
        machine = self._process.machine
        with machine.lock:
            self._check("remove", filename)
            super().xDelete(filename, False)
            machine.enter(filename, None)
            if syncdir:
                machine.sync_folder(os.path.dirname(filename))

    def xRandomness(self, numbytes: int) -> bytes:
        """
        The start of SQLite's random numbers.
        """
        return super().xRandomness(numbytes) if self._chance is None else self._chance(numbytes)

    def xCurrentTimeInt64(self) -> int:
        """
        Milliseconds of the Julian calendar.
        """
        if self._chance is None:
            return super().xCurrentTimeInt64()
        return _UNIX_TIME + int(self._clock.seconds() * 1000)

    def _check(self, kind: str, path: str) -> None:
        try:
            self._process.check(kind, path)
        except OSError as problem:
            raise _as_sqlite(problem) from problem
