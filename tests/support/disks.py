"""
Disks for tests: real ones whose threads run everything at once, and folders for them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from random import Random
from typing import Any

from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.disk.real import RealDisk
from twisted_mail_server.disk.recorded import RecordedDisk


class InlinePool:
    """
    A thread pool that runs what it is given at once, in the caller's thread.

    @ivar trips: how often it was used.
    """

    def __init__(self) -> None:
        self.trips = 0

    def callInThreadWithCallback(
        self, onResult: Callable[[bool, Any], object] | None, func: Callable[..., Any], *args: Any
    ) -> None:
        """
        Run C{func}, then C{onResult}.
        """
        self.trips += 1
        try:
            success, result = True, func(*args)
        except Exception:  # noqa: BLE001 (as a thread pool does)
            success, result = False, Failure()
        if onResult is not None:
            onResult(success, result)


class HeldPool:
    """
    A thread pool whose work waits until L{run} is called.
    """

    def __init__(self) -> None:
        self.held: list[tuple[Callable[[bool, Any], object] | None, Callable[..., Any], tuple[Any, ...]]] = []

    def callInThreadWithCallback(
        self, onResult: Callable[[bool, Any], object] | None, func: Callable[..., Any], *args: Any
    ) -> None:
        """
        Keep it for L{run}.
        """
        self.held.append((onResult, func, args))

    def run(self) -> int:
        """
        Do all the work that is held now; how many pieces there were.
        """
        held, self.held = self.held, []
        for returned, function, args in held:
            InlinePool().callInThreadWithCallback(returned, function, *args)
        return len(held)


def call_now(function: Callable[..., object], *args: Any) -> None:
    """
    In place of C{reactor.callFromThread} where there are no threads.
    """
    function(*args)


def seeded(seed: int = 0) -> Callable[[int], bytes]:
    """
    Randomness that is the same in every run.
    """
    return Random(seed).randbytes


def memory_folder() -> str:
    """
    A new folder, on a RAM disk where there is one: an fsync costs nothing there.
    """
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    return tempfile.mkdtemp(prefix="disk-", dir=place)


def folder_for(test: SynchronousTestCase) -> str:
    """
    A new folder that is removed after the test.
    """
    folder = memory_folder()
    test.addCleanup(shutil.rmtree, folder, ignore_errors=True)
    return folder


def inline_disk(
    root: str, *, clock: Clock | None = None, pool: InlinePool | HeldPool | None = None, seed: int = 0
) -> RealDisk:
    """
    A real disk at C{root} that never waits: C{now(disk.run(...))} has its result at once.
    """
    return RealDisk(root, clock or Clock(), pool or InlinePool(), call_now, seeded(seed))


def disk_for(test: SynchronousTestCase, *, clock: Clock | None = None, seed: int = 0) -> RealDisk:
    """
    L{inline_disk} in a folder that is removed after the test.
    """
    return inline_disk(folder_for(test), clock=clock, seed=seed)


def recorded_disk(root: str, *, clock: Clock | None = None, seed: int = 0, replayable: bool = False) -> RecordedDisk:
    """
    A recorded disk at C{root} that never waits.
    """
    return RecordedDisk(root, clock or Clock(), InlinePool(), call_now, seeded(seed), replayable=replayable)


def recorded_disk_for(
    test: SynchronousTestCase, *, clock: Clock | None = None, seed: int = 0, replayable: bool = False
) -> RecordedDisk:
    """
    L{recorded_disk} in a folder that is removed, and killed and closed, after the test.
    """
    disk = recorded_disk(folder_for(test), clock=clock, seed=seed, replayable=replayable)
    test.addCleanup(disk.close)
    test.addCleanup(disk.kill)
    return disk
