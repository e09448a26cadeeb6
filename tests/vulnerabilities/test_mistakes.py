"""
The register of others' mistakes, C{docs/mistakes.md}, is whole.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

HERE = Path(__file__)
REGISTER = HERE.parents[2] / "docs" / "mistakes.md"


class RegisterTests(SynchronousTestCase):
    """
    Its tables.
    """

    def test_every_attack(self) -> None:
        """
        Each attack that has a test here is in it, and each test that it names is here.
        """
        there = {path.name for path in HERE.parent.glob("test_*.py")} - {HERE.name}
        named = re.findall(r"\| `(test_\w+\.py)` \|$", REGISTER.read_text("utf-8"), re.MULTILINE)
        self.assertEqual(sorted(there), sorted(named))

    def test_sentences(self) -> None:
        """
        Each row says who made the mistake and what prevents it; each file of tests says what it is about.
        """
        rows = [line for line in REGISTER.read_text("utf-8").splitlines() if line.endswith(".py` |")]
        for row in rows:
            cells = [cell.strip() for cell in row.strip("|").split("|")]
            self.assertEqual(4, len(cells), row)
            self.assertTrue(all(cells), row)
        for path in HERE.parent.glob("test_*.py"):
            self.assertTrue(ast.get_docstring(ast.parse(path.read_text("utf-8"))), path)
