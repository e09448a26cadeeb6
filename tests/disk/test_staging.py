"""
Content while it is received.
"""

from __future__ import annotations

import errno
import hashlib

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.support.disks import HeldPool, folder_for, inline_disk, recorded_disk_for
from tests.support.drive import failure_of, now
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import TemporaryFailure


class StagingTests(SynchronousTestCase):
    """
    Streaming to a file, with bounds.
    """

    def setUp(self) -> None:
        """
        A disk whose threads wait until they are let go.
        """
        self.pool = HeldPool()
        self.disk = inline_disk(folder_for(self), pool=self.pool)
        self.content = self.disk.staging(".").begin()

    def fill(self) -> tuple[Deferred[None], int]:
        """
        Write until there is something to wait for; that, and how much was written.
        """
        for number in range(1, 2 * limits.STAGED_PENDING // limits.STAGED_PIECE):
            waiting = self.content.write(bytes(limits.STAGED_PIECE))
            if waiting is not None:
                return waiting, number * limits.STAGED_PIECE
        self.fail("Nothing bounds what waits for the disk.")
        raise AssertionError

    def test_inline_limit(self) -> None:
        """
        Without another limit content is kept in memory up to the one that is named.
        """
        self.assertIsNone(self.content.write(bytes(limits.INLINE_CONTENT)))
        now(self.content.finish())
        self.assertEqual(bytes(limits.INLINE_CONTENT), self.content.inline)
        self.assertEqual([], self.pool.held)

    def test_small_pieces(self) -> None:
        """
        Small pieces make no trip to a thread each.
        """
        for _ in range(limits.STAGED_PIECE // 1024 - 1):
            self.assertIsNone(self.content.write(bytes(1024)))
        self.assertEqual(0, len(self.pool.held))
        self.content.write(bytes(1024))
        self.content.write(bytes(1024))
        self.assertEqual(1, len(self.pool.held))

    def test_bounded(self) -> None:
        """
        Who writes faster than the disk waits, until the disk has taken some.
        """
        waiting, written = self.fill()
        self.assertNoResult(waiting)
        self.pool.run()
        self.successResultOf(waiting)
        finishing = Deferred.fromCoroutine(self.content.finish())
        while self.pool.run():
            pass
        self.successResultOf(finishing)
        self.assertEqual(hashlib.sha256(bytes(written)).digest(), self.content.digest)

    def test_cancelled(self) -> None:
        """
        Who waits may be cancelled; the content goes on.
        """
        waiting, _ = self.fill()
        waiting.addErrback(lambda failure: None)
        waiting.cancel()
        discarding = Deferred.fromCoroutine(self.content.discard())
        while self.pool.run():
            pass
        self.successResultOf(discarding)
        self.assertEqual([], self.disk.list_directory("."))

    def test_discard_while_written(self) -> None:
        """
        Content that is discarded while the disk is writing leaves nothing.
        """
        self.content.write(bytes(limits.STAGED_PIECE))
        discarding = Deferred.fromCoroutine(self.content.discard())
        self.assertNoResult(discarding)
        self.pool.run()
        self.assertNoResult(discarding)
        self.pool.run()
        self.successResultOf(discarding)
        self.assertEqual([], self.disk.list_directory("."))

    def test_failing_sync(self) -> None:
        """
        An fsync that fails is told.
        """
        disk = recorded_disk_for(self)
        content = disk.staging(".").begin(inline_limit=0)
        content.write(b"text")
        now(content.finish())
        disk.fail_next("sync")
        failure_of(disk.run(content.sync), TemporaryFailure)
        now(content.discard())

    def test_no_file(self) -> None:
        """
        A file that cannot be made is told by finish.
        """
        disk = recorded_disk_for(self)
        content = disk.staging(".").begin(inline_limit=0)
        disk.fail_next("create", error=errno.EMFILE)
        content.write(bytes(limits.STAGED_PIECE))
        failure_of(content.finish(), TemporaryFailure)
        now(content.discard())
