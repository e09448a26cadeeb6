"""
A few kills of L{tests.crash.kills}; C{make kills} does fifty.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.crash.kills import Trial


class KillTests(SynchronousTestCase):
    """
    The server is killed under load.
    """

    def test_kills(self) -> None:
        """
        What was answered 250 or OK holds after each of three kills.
        """
        folder = Path(self.mktemp()).resolve()
        folder.mkdir(parents=True)
        trial = Trial(seed=1, folder=str(folder))
        trial.run(kills=3)
        self.assertEqual([], trial.problems)
        self.assertGreater(sum(len(one.promised) for one in trial.senders), 0)
        self.assertGreater(sum(one.answered for one in trial.writers), 0)
