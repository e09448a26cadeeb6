"""
L{benchmarks.report}.
"""

from __future__ import annotations

from datetime import UTC, datetime

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from benchmarks import report
from benchmarks.measuring import Metric, Result
from benchmarks.recording import Summary

RUN = report.Circumstances(
    began=datetime(2026, 11, 25, tzinfo=UTC),
    rounds=3,
    load=(0.1, 0.2, 0.3),
    processor="2 x a processor",
    memory="1 GiB",
    disk="a disk",
    versions={"Postfix": "3.7.11"},
    settings={"Postfix": "in_flow_delay = 0\nmail_owner = postfix"},
)


class ReportTests(SynchronousTestCase):
    """
    What a reader is told.
    """

    def setUp(self) -> None:
        self.patch(
            report, "kept", lambda: {"slow": Summary(100, 1.0, 1.0, {"disk": 60, "storage": 30, "model": 6, "tls": 4})}
        )

    def _result(self, name: str, target: float | None, ours: float) -> Result:
        return Result(Metric(name, name.upper(), "messages/s", target), "Postfix", [ours], [100.0])

    def test_shortfalls(self) -> None:
        """
        Each missed target is told, with the three heaviest rooms of its profile, if there is one.
        """
        results = [
            self._result("slow", 2, 50.0),
            self._result("strange", 1, 99.0),
            self._result("fast", 2, 200.0),
            self._result("free", None, 1.0),
        ]
        part = report.report(results, [], RUN).partition("## What falls short\n")[2].partition("\n## ")[0]
        self.assertEqual(
            [
                "* SLOW: 0.50 of 2; [profile](profiles/slow.svg): disk 60 %, storage 30 %, model 6 %",
                "* STRANGE: 0.99 of 1",
            ],
            part.strip().splitlines(),
        )

    def test_nothing_short(self) -> None:
        """
        If every target is met, that is told.
        """
        self.assertIn("Nothing that has a target.", report.report([self._result("fast", 2, 200.0)], [], RUN))

    def test_circumstances(self) -> None:
        """
        Versions, settings and the machine are there; a quiet machine needs no warning.
        """
        text = report.report([], [], RUN)
        for part in (
            "Postfix 3.7.11",
            "in_flow_delay = 0\nmail_owner",
            "2 x a processor; 1 GiB",
            "* a disk\n",
            "0.10, 0.20, 0.30",
        ):
            self.assertIn(part, text)
        self.assertNotIn("other programs ran", text)

    def test_warning(self) -> None:
        """
        If something else was running, the reader is warned.
        """
        self.assertIn(
            "**The load average at the start was 0.6: other", report.report([], [], evolve(RUN, load=(0.6, 0, 0)))
        )

    def test_failures(self) -> None:
        """
        What could not be measured is told.
        """
        self.assertIn("## What could not be measured\n\n* relay: no", report.report([], ["relay: no"], RUN))
