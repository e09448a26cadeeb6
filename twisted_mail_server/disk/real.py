"""
The real disk: a folder of the operating system's.

What blocks is called in the disk's threads (L{RealDisk.run}).  What changes names is
durable only after L{RealDisk.sync_directory}, but for L{RealDisk.make_directory} and
L{RealDisk.write_file}, which are durable when they return.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from attrs import define
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_mail_server.disk.connections import check_library
from twisted_mail_server.disk.databases import Database, Library
from twisted_mail_server.disk.failures import translated
from twisted_mail_server.disk.locks import FileLock, Patience, try_lock
from twisted_mail_server.disk.schema import SchemaStep
from twisted_mail_server.disk.staging import Staging
from twisted_mail_server.disk.system import RealSystem, System
from twisted_mail_server.disk.threads import Pool, Threads
from twisted_mail_server.interfaces import IDisk, IMeters, IOutputFile, Unmetered
from twisted_mail_server.model import limits

_T = TypeVar("_T")

#: Files that are being written begin so; what a crash leaves of them may be removed.
TEMPORARY = ".new-"

#: A link to a file that has too many, lies on another file system, or is on one without links.
_NO_LINK = frozenset({errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP})

#: Octets copied at once where a link cannot go.
_COPIED_PIECE = 1024 * 1024


@implementer(IOutputFile)
@define(eq=False)
class OutputFile:
    """
    A new file being written.  Every method blocks.
    """

    path: str
    _system: System
    _descriptor: int

    @translated
    def write(self, data: bytes) -> None:
        """
        Add to its end.
        """
        self._system.write(self._descriptor, data)

    @translated
    def sync(self) -> None:
        """
        All that was written survives a power cut; the file's name needs L{RealDisk.sync_directory}.
        """
        self._system.sync(self._descriptor)

    def close(self) -> None:
        """
        No more writing; harmless twice.
        """
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            self._system.close(descriptor)

    @translated
    def discard(self) -> None:
        """
        Close it and remove it; harmless when it is gone.
        """
        self.close()
        with suppress(FileNotFoundError):
            self._system.remove(self.path)


@implementer(IDisk)
class RealDisk:
    """
    A folder of the operating system's.

    Paths are absolute, or relative to C{root}.

    @param pool: a bounded pool of threads.
    @param from_thread: runs a function on the reactor thread, as C{reactor.callFromThread}.
    @raise BadSetting: the SQLite library is too old to be trusted.
    """

    def __init__(
        self,
        root: str,
        clock: IReactorTime,
        pool: Pool,
        from_thread: Callable[..., object],
        random: Callable[[int], bytes],
        *,
        system: System | None = None,
        vfs: str | None = None,
        meters: IMeters | None = None,
        soon: Callable[[Callable[[], None]], object] = lambda function: function(),
    ) -> None:
        check_library()
        self.root = os.path.abspath(root)
        self._random = random
        self._clock = clock
        #: What was free, and when somebody looked.
        self._free, self._looked = 0, -limits.ROOM_KNOWN
        self._threads = Threads(pool, from_thread)
        self._patience = Patience(clock, random)
        self._system: System = system or RealSystem()
        self._library = Library(
            self._threads, self._patience, self._system, self.lock, vfs, soon, meters or Unmetered()
        )

    async def run(self, function: Callable[..., _T], *args: Any) -> _T:
        """
        The result of C{function}, called in one of the disk's threads.
        """
        return await self._threads.run(function, *args)

    def in_thread(self, function: Callable[[], _T]) -> Deferred[_T]:
        """
        As L{run}, for those who start work before they wait for it.
        """
        return self._threads.run(function)

    # --- Files --------------------------------------------------------------

    @translated
    def make_directory(self, path: str) -> None:
        """
        Make a folder, those above it too, durably; fine if it is there.
        """
        path = self._absolute(path)
        missing = []
        while not os.path.isdir(path):
            missing.append(path)
            path = os.path.dirname(path)
        for one in reversed(missing):
            try:
                self._system.make_directory(one)
            except FileExistsError:
                if not os.path.isdir(one):
                    raise
            # Also for a folder that somebody else has just made: our promise does not wait for theirs.
            self._system.sync_directory(os.path.dirname(one))

    @translated
    def write_file(self, path: str, data: bytes | Iterable[bytes], mode: int = 0o600) -> None:
        """
        Put a whole file in place, durably, or leave what was there.
        """
        path = self._absolute(path)
        directory = os.path.dirname(path)
        file = self.new_file(directory, mode)
        try:
            for piece in (data,) if isinstance(data, bytes) else data:
                file.write(piece)
            file.sync()
            self._system.rename(file.path, path)
        except BaseException:
            _forget(file)
            raise
        file.close()
        self._system.sync_directory(directory)

    def create(self, path: str, mode: int = 0o600) -> OutputFile:
        """
        Begin a file that must not exist.

        @raise FileExistsError: it does.
        """
        path = self._absolute(path)
        return OutputFile(path, self._system, self._open_new(path, mode))

    def new_file(self, directory: str, mode: int = 0o600) -> OutputFile:
        """
        Begin a file in C{directory} under a random name.
        """
        return self.create(os.path.join(directory, TEMPORARY + self._random(16).hex()), mode)

    @translated
    def read(self, path: str, offset: int = 0, length: int = -1) -> bytes:
        """
        A piece of a file, or all of it; shorter at its end.

        @raise FileNotFoundError: it is not there.
        """
        return self._system.read(self._absolute(path), offset, length)

    @translated
    def size(self, path: str) -> int:
        """
        Octets of a file.

        @raise FileNotFoundError: it is not there.
        """
        return os.stat(self._absolute(path)).st_size

    @translated
    def modified(self, path: str) -> int:
        """
        When a file was last written, seconds since 1970.

        @raise FileNotFoundError: it is not there.
        """
        return int(os.stat(self._absolute(path)).st_mtime)

    @translated
    def set_modified(self, path: str, seconds: int) -> None:
        """
        Have a file written at that moment, as far as anybody can see.  No promise of mail rests on it: it is not recorded.
        """
        os.utime(self._absolute(path), (seconds, seconds))

    def exists(self, path: str) -> bool:
        """
        Whether it is there.  Fast.
        """
        return os.path.exists(self._absolute(path))

    @translated
    def rename(self, old: str, new: str) -> None:
        """
        Durable only after L{sync_directory} of both folders.
        """
        self._system.rename(self._absolute(old), self._absolute(new))

    @translated
    def link(self, old: str, new: str) -> None:
        """
        A second name for one file; a copy, written durably, where links cannot go.  The
        name is durable after L{sync_directory}.

        @raise FileExistsError: there is something at C{new}.
        """
        old, new = self._absolute(old), self._absolute(new)
        try:
            self._system.link(old, new)
        except OSError as problem:
            if problem.errno not in _NO_LINK:
                raise
            self._copy(old, new)

    @translated
    def remove(self, path: str) -> None:
        """
        Fine if it is gone.  Durable only after L{sync_directory}.
        """
        with suppress(FileNotFoundError):
            self._system.remove(self._absolute(path))

    @translated
    def sync_directory(self, path: str) -> None:
        """
        The folder's entries survive a power cut.
        """
        self._system.sync_directory(self._absolute(path))

    @translated
    def list_directory(self, path: str) -> list[str]:
        """
        The names in a folder, sorted; none if there is no such folder.
        """
        try:
            return sorted(os.listdir(self._absolute(path)))
        except FileNotFoundError:
            return []

    @translated
    def remove_tree(self, path: str) -> None:
        """
        Remove a folder with all in it; fine if it is gone.  Durable only after L{sync_directory}
        of its parent.
        """
        path = self._absolute(path)
        for folder, folders, names in os.walk(path, topdown=False):
            for name in names:
                self.remove(os.path.join(folder, name))
            for name in folders:
                if os.path.islink(inner := os.path.join(folder, name)):
                    self.remove(inner)
            with suppress(FileNotFoundError):
                self._system.remove_directory(folder)

    def free_bytes(self) -> int:
        """
        What a user without privileges may still write, some moments ago at most.  Fast.
        """
        now = self._clock.seconds()
        if not 0 <= now - self._looked < limits.ROOM_KNOWN:
            found = os.statvfs(self.root)
            self._free, self._looked = found.f_bavail * found.f_frsize, now
        return self._free

    # --- Locks, databases, staging --------------------------------------------

    @translated
    def lock(self, path: str, *, shared: bool = False) -> FileLock | None:
        """
        Take a C{flock} without waiting; L{None} when somebody holds it.  Fast.
        """
        return try_lock(self._absolute(path), shared=shared)

    async def wait_for_lock(self, path: str, *, shared: bool = False, timeout: float = limits.DISK_WAIT) -> FileLock:
        """
        Take it, trying again by the clock.

        @raise InUse: it could not be had in C{timeout} seconds.
        """
        return await self._patience.wait_for_lock(lambda: self.lock(path, shared=shared), path, timeout)

    async def open_database(self, path: str, steps: Sequence[object]) -> Database:
        """
        The database at C{path}, made when there is none, its schema brought up to the last of
        C{steps} (L{SchemaStep}).

        @raise SchemaTooNew: a newer version of this program wrote it.
        @raise InUse: another process did not let go of it.
        @raise TemporaryFailure: it cannot be opened now.
        """
        known = [step for step in steps if isinstance(step, SchemaStep)]
        if len(known) != len(steps):
            raise TypeError("A schema is made of SchemaSteps.")
        return await self._library.open(self._absolute(path), known)

    async def copy_database(self, path: str, new: str) -> None:
        """
        Copy a database, live or not, into a file that must not exist.  Durable on return.

        @raise FileExistsError: there is something at C{new}.
        @raise InUse: another process did not let go of it.
        @raise TemporaryFailure: it cannot be copied now.
        """
        await self._library.copy(self._absolute(path), self._absolute(new))

    def staging(self, directory: str) -> Staging:
        """
        Where content may be staged; larger content becomes files in C{directory}, which exists.
        """
        return Staging(self, self._absolute(directory))

    def _absolute(self, path: str) -> str:
        return os.path.normpath(os.path.join(self.root, path))

    @translated
    def _open_new(self, path: str, mode: int) -> int:
        return self._system.open_new(path, mode)

    def _copy(self, old: str, new: str) -> None:
        file = self.create(new)
        try:
            offset = 0
            while piece := self._system.read(old, offset, _COPIED_PIECE):
                file.write(piece)
                offset += len(piece)
            file.sync()
        except BaseException:
            _forget(file)
            raise
        file.close()


def _forget(file: OutputFile) -> None:
    """
    Remove a file whose writing failed; that failure is the one to tell.
    """
    try:
        file.discard()
    except Exception:  # noqa: BLE001 (what is left begins with TEMPORARY, and is removed at a start)
        file.close()
