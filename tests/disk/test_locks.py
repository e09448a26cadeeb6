"""
Locks between processes.
"""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.support.disks import folder_for, seeded
from twisted_mail_server.disk.locks import Patience, try_lock
from twisted_mail_server.model import limits


class LockTests(SynchronousTestCase):
    """
    One lock file.
    """

    def setUp(self) -> None:
        """
        A folder for it.
        """
        self.path = os.path.join(folder_for(self), "a.lock")

    def test_another_process(self) -> None:
        """
        Another process's lock counts, and is free when that process is dead.
        """
        script = (
            "import sys; from twisted_mail_server.disk.locks import try_lock\n"
            f"lock = try_lock({self.path!r}); print(lock is not None, flush=True); sys.stdin.read()"
        )
        top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        child = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=top)
        assert child.stdout is not None and child.stdin is not None
        try:
            self.assertEqual(b"True\n", child.stdout.readline())
            self.assertIsNone(try_lock(self.path))
        finally:
            child.kill()
            child.wait()
            child.stdin.close()
            child.stdout.close()
        lock = try_lock(self.path)
        assert lock is not None
        self.assertTrue(lock.is_held)
        lock.release()
        self.assertFalse(lock.is_held)

    def test_file_that_was_removed(self) -> None:
        """
        A lock on a file that was removed meanwhile is none: the new file's is taken.
        """
        real = os.open

        def open_and_lose(path: str, *args: int) -> int:
            descriptor = real(path, *args)
            self.patch(os, "open", real)
            os.remove(path)
            return descriptor

        for put_back in (False, True):
            self.patch(os, "open", open_and_lose)
            if put_back:
                self.patch(os, "open", self.lose_and_replace(real))
            lock = try_lock(self.path)
            assert lock is not None
            self.assertIsNone(try_lock(self.path))
            lock.release()

    def lose_and_replace(self, real: object) -> object:
        """
        An C{open} after which the file is another one.
        """

        def opening(path: str, *args: int) -> int:
            descriptor = os.dup(real(path, *args))  # type: ignore[operator]
            self.patch(os, "open", real)
            os.remove(path)
            with open(path, "x"):
                pass
            return descriptor

        return opening

    def test_no_folder(self) -> None:
        """
        Without its folder there is no lock, and no descriptor is left.
        """
        self.assertRaises(FileNotFoundError, try_lock, self.path + "/none")

    def test_locking_fails(self) -> None:
        """
        A file system without locks is told of.
        """
        import fcntl

        def fail(descriptor: int, operation: int) -> None:
            raise OSError(38, "no locks here")

        self.patch(fcntl, "flock", fail)
        before = os.listdir("/proc/self/fd")
        self.assertRaises(OSError, try_lock, self.path)
        self.assertEqual(len(before), len(os.listdir("/proc/self/fd")))


class PatienceTests(SynchronousTestCase):
    """
    How somebody waits.
    """

    def test_pauses(self) -> None:
        """
        Pauses grow, differ, stay below the longest, and end at the deadline.
        """
        clock = Clock()
        pauses = []
        for pause in Patience(clock, seeded()).pauses(2):
            pauses.append(pause)
            clock.advance(pause)
        self.assertTrue(pauses[0] <= limits.DISK_PAUSE_FIRST)
        self.assertTrue(max(pauses) <= limits.DISK_PAUSE_LONGEST)
        self.assertEqual(len(pauses), len(set(pauses)))
        self.assertAlmostEqual(2, clock.seconds())

    def test_cancelled(self) -> None:
        """
        Who waits may be cancelled; nothing is left to happen.
        """
        clock = Clock()
        waiting = Deferred.fromCoroutine(Patience(clock, seeded()).wait_for_lock(lambda: None, "a.lock", 10))
        waiting.addErrback(lambda failure: None)
        waiting.cancel()
        self.assertEqual([], clock.getDelayedCalls())
