"""
Where APPEND's contents arrive: a numbered folder, taken by one process at a time.

A folder belongs to who holds its lock.  What is in it when it is taken was left by a process that died, and is removed: nothing
staged was ever promised.
"""

from __future__ import annotations

from itertools import count

from attrs import define, field
from twisted.internet.defer import DeferredLock

from twisted_mail_server.interfaces import IDisk, IFileLock, IStaging
from twisted_mail_server.model.errors import TemporaryFailure


@define(eq=False)
class StagingFolder:
    """
    This process's folder under C{staging}.
    """

    _disk: IDisk
    _directory: str
    _staging: IStaging | None = field(init=False, default=None)
    _lock: IFileLock | None = field(init=False, default=None)
    _gate: DeferredLock = field(init=False, factory=DeferredLock)

    async def begin(self) -> None:
        """
        Take the first that is free, once.
        """
        if self._staging is not None:
            return
        await self._gate.acquire()
        try:
            if self._staging is None:
                folder = await self._disk.run(self._take)
                self._staging = self._disk.staging(folder)
        finally:
            self._gate.release()

    def __call__(self) -> IStaging:
        """
        Where to stage.

        @raise TemporaryFailure: the store was closed.
        """
        if self._staging is None:
            raise TemporaryFailure("The store is closed.")
        return self._staging

    def end(self) -> None:
        """
        Let go of it.
        """
        lock, self._lock, self._staging = self._lock, None, None
        if lock is not None:
            lock.release()

    def _take(self) -> str:
        """
        In a thread: lock a folder, and empty it.
        """
        self._disk.make_directory(self._directory)
        for number in count():
            folder = f"{self._directory}/{number}"
            self._lock = self._disk.lock(f"{folder}.lock")
            if self._lock is not None:
                self._disk.make_directory(folder)
                for name in self._disk.list_directory(folder):
                    self._disk.remove(f"{folder}/{name}")
                return folder
        raise AssertionError("There is always another number.")
