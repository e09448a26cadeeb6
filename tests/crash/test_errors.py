"""
The whole server on a disk that fails on demand: what was promised stands, nothing else is said, and it recovers by itself.
"""

from __future__ import annotations

import errno
import logging
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from tests.prove.trial import Trial
from twisted_mail_server.model.errors import MailError

#: Operations between two faults, on average.
_APART = 60


class ErrorTests(SynchronousTestCase):
    """
    Mixed load during which operations of the disk fail; then a round in which all must be well, and cuts all along.
    """

    def begin(self, seed: int, *, pace: float = 0.0005, min_free_bytes: int = 0) -> Trial:
        """
        A server whose clients have all done something.
        """
        logging.captureWarnings(False)
        trial = Trial(seed, pace=pace)
        self.addCleanup(trial.close)
        trial.prepare(min_free_bytes=min_free_bytes)
        trial.work(3)
        return trial

    def suffer(self, seed: int, *faults: tuple[str, str, int], apart: int = _APART) -> Trial:
        """
        Let operations fail under load: kind, paths, error.  Each fault of C{faults} comes several times.
        """
        trial, chance = self.begin(seed), Random(seed)
        planned = 0
        for kind, pattern, error in faults:
            for number in range(6):
                skip = chance.randrange(apart // 2, apart) * (number + 1) // 3 if apart > 2 else 0
                trial.disk.fail_next(kind, pattern, error, skip=skip, times=chance.randint(1, 2))
                planned += 1
        for _ in range(2):
            trial.work(6)
        self.assertLess(len(trial.disk.machine.faults), planned, "no fault came")
        trial.disk.machine.faults.clear()
        self.recovers(trial)
        return trial

    def recovers(self, trial: Trial) -> None:
        """
        Without a restart: the queue becomes empty, nobody is refused any more, and wherever it is cut every promise is kept.
        """
        for _ in range(2):
            trial.rest()
        before = trial.refusals
        trial.work(4)
        self.assertEqual(before, trial.refusals)
        for _ in range(8):
            trial.rest()
        waiting = trial.run(trial.house.spool.waiting())
        self.maxDiff = None
        self.assertEqual([], [str(state) for one in waiting for state in one.states if not state.fate.is_settled])
        account = trial.audit([*trial.cuts(8), trial.position()], 2)
        self.assertEqual([], account.findings.all, account.first)
        self.only_trouble()

    def only_trouble(self) -> None:
        """
        What was logged as a failure is the disk's, not a mistake of ours.
        """
        for failure in self.flushLoggedErrors():
            self.assertIsInstance(failure.value, (MailError, OSError), failure.getTraceback())

    def test_full(self) -> None:
        """
        ENOSPC on write: refused, for now; the rest goes on.
        """
        trial = self.suffer(1, ("write", "*", errno.ENOSPC))
        self.assertGreater(trial.refusals, 0)

    def test_write_fails(self) -> None:
        """
        EIO on write.
        """
        trial = self.suffer(2, ("write", "*", errno.EIO))
        self.assertGreater(trial.refusals, 0)

    def test_sync_fails(self) -> None:
        """
        EIO on fsync: what was pending is lost for good, and the next promise does not rest on it.
        """
        trial = self.suffer(3, ("sync", "*", errno.EIO))
        self.assertGreater(trial.refusals, 0)

    def test_directory_sync_fails(self) -> None:
        """
        EIO on the fsync of a folder.
        """
        self.suffer(4, ("sync_directory", "*", errno.EIO))

    def test_read_fails(self) -> None:
        """
        EIO on reading a content: told, and nothing is taken for empty or gone.
        """
        self.suffer(5, ("read", "*.eml", errno.EIO), apart=2)

    def test_too_many_open_files(self) -> None:
        """
        EMFILE on what needs a new descriptor.
        """
        self.suffer(6, ("create", "*", errno.EMFILE))

    def test_names_fail(self) -> None:
        """
        EIO on rename, link, removal and new folders.
        """
        self.suffer(7, *((kind, "*", errno.EIO) for kind in ("rename", "link", "remove", "make_directory")))

    def test_everything_fails(self) -> None:
        """
        All of it at once.
        """
        kinds = ("write", "sync", "create", "rename", "sync_directory")
        self.suffer(8, *((kind, "*", error) for kind in kinds for error in (errno.EIO, errno.ENOSPC)))

    def test_slow(self) -> None:
        """
        A disk that takes a fifth of a second for each piece of work: late, and nothing else.
        """
        trial = self.begin(9, pace=0.2)
        trial.work(3)
        trial.pace = 0.0005
        self.recovers(trial)

    def test_no_room(self) -> None:
        """
        Below C{min_free_bytes} new mail and APPEND wait; flags, EXPUNGE and MOVE go on; with room all comes back by itself.
        """
        trial = self.begin(10, min_free_bytes=1 << 20)
        free = trial.disk.free_bytes
        before = len([one for one in trial.ledger.sent if one.answered is not None])
        stored = self.changes(trial)
        self.patch(trial.disk, "free_bytes", lambda: 1000)
        trial.work(8)
        self.assertEqual(before, len([one for one in trial.ledger.sent if one.answered is not None]))
        self.assertGreater(trial.refusals, 0)
        self.assertGreater(self.changes(trial), stored)
        self.patch(trial.disk, "free_bytes", free)
        self.recovers(trial)

    def changes(self, trial: Trial) -> int:
        """
        How many changes of mailboxes were promised.
        """
        return sum(step.answered is not None for track in trial.ledger.mail.values() for step in track.steps)
