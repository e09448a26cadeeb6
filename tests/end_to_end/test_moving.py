"""
L{tests.end_to_end.moving}: mail that moves, and is killed on the way.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.end_to_end.moving import go


class MovingTests(TestCase):
    """
    The command line in processes of its own.
    """

    def test_killed_on_the_way(self) -> None:
        """
        A tree goes in, out and in again with digests, flags and dates equal, though it is killed twice.
        """
        folder = tempfile.mkdtemp(prefix="moving-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        self.assertEqual(2, len(go(Path(folder), 300, (1, 1, 0), is_served=False)))
