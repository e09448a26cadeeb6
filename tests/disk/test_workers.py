"""
L{twisted_mail_server.disk.workers}
"""

from __future__ import annotations

import threading
import time
from typing import Any

from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.disk.workers import Workers

#: Seconds after which something is wrong.
PATIENCE = 60


class WorkersTests(SynchronousTestCase):
    """
    Real threads.
    """

    def setUp(self) -> None:
        """
        A pool of up to three.
        """
        self.workers = Workers(3, "disk")
        self.addCleanup(self.workers.stop)
        self.told: list[tuple[bool, Any, str]] = []

    def tell(self, is_done: bool, result: Any) -> None:
        """
        How it went, and in which thread.
        """
        self.told.append((is_done, result, threading.current_thread().name))

    def test_done(self) -> None:
        """
        Work is done in a thread, and there it is told how it went; who wants to know nothing is told nothing.
        """
        done: list[int] = []
        self.workers.callInThreadWithCallback(None, done.append, 1)
        self.workers.callInThreadWithCallback(self.tell, divmod, 7, 2)
        self.workers.stop()
        self.assertEqual([1], done)
        ((is_done, result, name),) = self.told
        self.assertEqual((True, (3, 1)), (is_done, result))
        self.assertIn(name, ("disk-0", "disk-1"))

    def test_failed(self) -> None:
        """
        An exception is told as a failure, and the thread goes on.
        """
        workers = Workers(1, "one")
        workers.callInThreadWithCallback(self.tell, divmod, 1, 0)
        workers.callInThreadWithCallback(self.tell, divmod, 7, 2)
        workers.stop()
        (_, failure, _), (is_done, result, _) = self.told
        assert isinstance(failure, Failure)
        self.assertIs(ZeroDivisionError, failure.type)
        self.assertEqual((True, (3, 1)), (is_done, result))

    def test_not_taken(self) -> None:
        """
        Who fails when it is told is logged, and the thread goes on.
        """
        workers = Workers(1, "one")
        workers.callInThreadWithCallback(lambda is_done, result: 1 / 0, divmod, 7, 2)
        workers.callInThreadWithCallback(self.tell, divmod, 7, 2)
        workers.stop()
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.assertEqual(1, len(self.told))

    def test_at_a_time(self) -> None:
        """
        As many threads as there is work at a time, and no more than may be: the rest waits.
        """
        go = threading.Event()
        for _ in range(5):
            self.workers.callInThreadWithCallback(self.tell, go.wait, PATIENCE)
        self.assertEqual(3, sum(thread.name.startswith("disk-") for thread in threading.enumerate()))
        go.set()
        self.workers.stop()
        self.assertEqual([True] * 5, [is_done and result for is_done, result, _ in self.told])

    def test_idle(self) -> None:
        """
        A thread that has nothing to do is used again before another is begun.
        """
        for _ in range(5):
            self.workers.callInThreadWithCallback(self.tell, divmod, 7, 2)
            end = time.monotonic() + PATIENCE
            while not self.workers._idle and time.monotonic() < end:
                time.sleep(0)
        self.assertEqual(["disk-0"] * 5, [name for _, _, name in self.told])

    def test_stopped(self) -> None:
        """
        What was there to do is done before the end, nothing after it; a pool without threads ends too, and twice.
        """
        go = threading.Event()
        for _ in range(5):
            self.workers.callInThreadWithCallback(self.tell, go.wait, PATIENCE)
        go.set()
        self.workers.stop()
        self.assertEqual(5, len(self.told))
        self.workers.callInThreadWithCallback(self.tell, divmod, 7, 2)
        self.workers.stop()
        Workers(1, "none").stop()
        self.assertEqual(5, len(self.told))
        self.assertEqual([], [thread for thread in threading.enumerate() if thread.name.startswith("disk-")])
