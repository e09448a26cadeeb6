"""
Locks between processes: C{flock} on a file made for it, tried without waiting.

A lock file is never written, never removed by us, and no promise rests on it: after a
power cut an empty one is made anew.  C{flock} also excludes between two descriptors of
one process, and a descriptor is not inherited, so that a child never keeps a lock.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator

from attrs import define, frozen
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from zope.interface import implementer

from twisted_mail_server.interfaces import IFileLock
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import InUse


@implementer(IFileLock)
@define(eq=False)
class FileLock:
    """
    A lock that is held until it is released.
    """

    path: str
    _descriptor: int

    @property
    def is_held(self) -> bool:
        """
        Whether it has not been released.
        """
        return self._descriptor >= 0

    def release(self) -> None:
        """
        Let others have it; harmless twice.
        """
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def try_lock(path: str, *, shared: bool = False) -> FileLock | None:
    """
    The lock, or L{None} when somebody else holds it.
    """
    operation = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, operation)
            if _still_names(path, descriptor):
                return FileLock(path, descriptor)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        # Its folder was removed or moved between the open and the lock.
        os.close(descriptor)


def _still_names(path: str, descriptor: int) -> bool:
    try:
        named = os.stat(path)
    except FileNotFoundError:
        return False
    held = os.fstat(descriptor)
    return (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)


@frozen
class Patience:
    """
    How somebody waits who tries again by the clock: pauses that grow, with jitter, so
    that several who wait do not meet again at the same moment.
    """

    clock: IReactorTime
    random: Callable[[int], bytes]

    def pauses(self, timeout: float) -> Iterator[float]:
        """
        The pauses to make; the iterator ends when C{timeout} seconds have passed.
        """
        deadline = self.clock.seconds() + timeout
        longest = limits.DISK_PAUSE_FIRST
        while (left := deadline - self.clock.seconds()) > 0:
            jitter = int.from_bytes(self.random(2), "big") / 65536
            yield min(left, longest * (0.5 + jitter / 2))
            longest = min(longest * 2, limits.DISK_PAUSE_LONGEST)

    async def wait_for_lock(self, attempt: Callable[[], FileLock | None], path: str, timeout: float) -> FileLock:
        """
        The lock that C{attempt} gives, tried again until it does.

        @raise InUse: it did not within C{timeout} seconds.
        """
        lock = attempt()
        if lock is not None:
            return lock
        for pause in self.pauses(timeout):
            await deferLater(self.clock, pause)
            lock = attempt()
            if lock is not None:
                return lock
        raise InUse("Somebody else holds what this needs.") from TimeoutError(path)
