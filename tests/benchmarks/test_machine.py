"""
L{benchmarks.machine}.
"""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from benchmarks import machine


class MachineTests(SynchronousTestCase):
    """
    What the figures were made on.
    """

    def test_processor(self) -> None:
        """
        The number of processors is told.
        """
        self.assertTrue(machine.processor().startswith(f"{os.cpu_count()} x "))

    def test_memory(self) -> None:
        """
        Memory is told in GiB.
        """
        self.assertRegex(machine.memory(), r"^[0-9]+\.[0-9] GiB$")

    def test_disk(self) -> None:
        """
        The disk is tried, and nothing of that is left.
        """
        self.patch(machine, "_TRIAL", 0.001)
        folder = Path(self.mktemp())
        folder.mkdir()
        self.assertRegex(
            machine.disk(folder), r"^.+ on .+; 4 KiB written and synced [0-9,]+ times a second \(median [0-9,]+ us\)$"
        )
        self.assertEqual([], list(folder.iterdir()))
