"""
The machine that recorded disks run on: one log of what was done, shared by its processes,
and the faults to come.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from fnmatch import fnmatchcase
from threading import RLock
from typing import Any

from attrs import define, field

from twisted_mail_server.disk.operations import (
    ROOT,
    Drop,
    Entry,
    Log,
    Names,
    Operation,
    Snapshot,
    Sync,
    SyncFolder,
    Write,
)

#: What L{RecordedDisk.fail_next} can make fail.
KINDS = frozenset(
    {
        "create",
        "write",
        "truncate",
        "sync",
        "read",
        "make_directory",
        "rename",
        "link",
        "remove",
        "sync_directory",
    }
)

#: Nothing rests on these, so the log does not name them.
_NOT_RECORDED = ("-shm", "-lock")


@define(eq=False)
class Fault:
    """
    An operation that is to fail.
    """

    kind: str
    pattern: str
    error: int
    skip: int
    times: int


@define(eq=False)
class Machine:
    """
    What the processes on one recorded disk share: the log, and the faults to come.
    """

    root: str
    log: Log = field(factory=Log)
    faults: list[Fault] = field(factory=list)
    callbacks: list[Callable[[Snapshot], object]] = field(factory=list)
    lock: Any = field(factory=RLock)

    def __attrs_post_init__(self) -> None:
        self._scan(self.root, ROOT)

    def record(self, operation: Operation) -> None:
        """
        Add to the log, and tell who wants to know.
        """
        with self.lock:
            self.log.append(operation)
            if self.callbacks:
                snapshot = self.log.snapshot()
                for callback in self.callbacks:
                    callback(snapshot)

    def place(self, path: str) -> tuple[int, str] | None:
        """
        The folder's number and the name; L{None} for what is not recorded.
        """
        if path.endswith(_NOT_RECORDED) or not path.startswith(self.root + "/"):
            return None
        *above, name = self._parts(path)
        folder = self.log.find(above)
        return None if folder is None else (folder, name)

    def node(self, path: str) -> int | None:
        """
        The number of a file or folder; L{None} for what is not there or not recorded.
        """
        if path == self.root:
            return ROOT
        return self.log.find(self._parts(path)) if path.startswith(self.root + "/") else None

    def _parts(self, path: str) -> list[str]:
        return path[len(self.root) + 1 :].split("/")

    def enter(self, path: str, node: int | None, *, made_folder: bool = False) -> None:
        """
        Record what a name now means.
        """
        place = self.place(path)
        if place is not None:
            self.record(Names(place[0], (Entry(*place, node),), made_folder))

    def sync_folder(self, path: str) -> None:
        """
        Record that the names in a folder are safe.

        @raise FileNotFoundError: there is no such folder.
        """
        node = self.node(path)
        if node is not None:
            self.record(SyncFolder(node))
        elif path.startswith(self.root + "/"):
            raise FileNotFoundError(errno.ENOENT, "no such folder", path)

    def fault(self, kind: str, path: str) -> int:
        """
        The error number with which this operation is to fail; 0: with none.
        """
        for fault in self.faults:
            if fault.kind == kind and fnmatchcase(path[len(self.root) + 1 :], fault.pattern):
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                if not fault.times:
                    self.faults.remove(fault)
                return fault.error
        return 0

    def _scan(self, folder: str, number: int) -> None:
        """
        What is there at the start is safe.
        """
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            if path.endswith(_NOT_RECORDED):
                continue
            node = self.log.new_node()
            is_folder = os.path.isdir(path)
            self.log.append(Names(number, (Entry(number, name, node),), is_folder))
            if is_folder:
                self._scan(path, node)
            else:
                with open(path, "rb") as file:
                    self.log.append(Write(node, 0, file.read()))
                self.log.append(Sync(node))
        self.log.append(SyncFolder(number))


@define(eq=False)
class Process:
    """
    One process on a machine: it may be killed.
    """

    machine: Machine
    killed: bool = False

    def check(self, kind: str, path: str) -> None:
        """
        @raise OSError: the operation is to fail, or the process was killed.
        """
        if self.killed:
            raise OSError(errno.EIO, "the process was killed", path)
        if self.machine.faults and (number := self.machine.fault(kind, path)):
            raise OSError(number, os.strerror(number), path)

    def sync(self, node: int, path: str) -> None:
        """
        Record an fsync, or its failure, which loses what was pending.
        """
        try:
            self.check("sync", path)
        except OSError:
            if not self.killed:
                self.machine.record(Drop(node))
            raise
        self.machine.record(Sync(node))
