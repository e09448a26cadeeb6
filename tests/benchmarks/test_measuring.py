"""
L{benchmarks.measuring}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.measuring import Figures, Metric, Result, alternate, table


class MeasuringTests(SynchronousTestCase):
    """
    Rounds, ratios and rows.
    """

    def test_turns(self) -> None:
        """
        Each of the two is first in every second round.
        """
        asked: list[str] = []

        def measure(name: str, figure: float) -> Figures:
            asked.append(name)
            return {"rate": figure}

        (result,) = alternate(
            [Metric("rate", "Rate", "a second", 1)],
            lambda number: measure(f"ours {number}", 2.0),
            lambda number: measure(f"theirs {number}", 1.0),
            "Theirs",
            3,
        )
        self.assertEqual(["ours 0", "theirs 0", "theirs 1", "ours 1", "ours 2", "theirs 2"], asked)
        self.assertEqual([2.0, 2.0, 2.0], result.ratios)

    def test_costs(self) -> None:
        """
        Of a cost, less is better.
        """
        self.assertEqual(4.0, Result(Metric("m", "M", "us", 3, is_cost=True), "Theirs", [1.0], [4.0]).ratio)
        self.assertEqual(0.25, Result(Metric("m", "M", "a second", 3), "Theirs", [1.0], [4.0]).ratio)

    def test_targets(self) -> None:
        """
        A target is missed by the median; without one nothing is missed.
        """
        self.assertTrue(Result(Metric("m", "M", "a second", 1), "Theirs", [1, 1, 9], [2, 2, 2]).falls_short)
        self.assertFalse(Result(Metric("m", "M", "a second", 1), "Theirs", [1, 2, 2], [2, 2, 2]).falls_short)
        self.assertFalse(Result(Metric("m", "M", "a second", None), "Theirs", [1], [2]).falls_short)

    def test_table(self) -> None:
        """
        A row has both medians, the ratio, its spread, and the verdict.
        """
        row = table(
            [Result(Metric("m", "M", "a second", 1), "Theirs", [1000, 2000, 3000], [1000, 1000, 1000])]
        ).splitlines()[-1]
        self.assertEqual("| M (Theirs) | 2,000 | 1,000 | a second | 2.00 | 1.00 to 3.00 | 1 | met |", row)
