"""
What is measured, how two servers take turns at it, and what becomes of the figures.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from attrs import define, field, frozen


@frozen
class Metric:
    """
    One row of the table.
    """

    name: str
    title: str
    #: Of the two figures.
    unit: str
    #: How many times as good as the other we want to be; L{None} where a row only informs.
    target: float | None
    #: Whether less is better: memory and CPU, not rates.
    is_cost: bool = False


@define
class Result:
    """
    A metric, and what each round measured.
    """

    metric: Metric
    #: Who the other is.
    peer: str
    ours: list[float] = field(factory=list)
    theirs: list[float] = field(factory=list)

    @property
    def ratios(self) -> list[float]:
        """
        How many times as good as the other we were, round by round: a round's two halves ran one after the other.
        """
        pairs = zip(self.ours, self.theirs, strict=True)
        return [theirs / ours if self.metric.is_cost else ours / theirs for ours, theirs in pairs]

    @property
    def ratio(self) -> float:
        """
        The median.
        """
        return statistics.median(self.ratios)

    @property
    def falls_short(self) -> bool:
        """
        Whether there is a target, and it is missed.
        """
        return self.metric.target is not None and self.ratio < self.metric.target

    def as_json(self) -> dict[str, Any]:
        """
        Everything about it.
        """
        return {
            "name": self.metric.name,
            "title": self.metric.title,
            "unit": self.metric.unit,
            "less_is_better": self.metric.is_cost,
            "target": self.metric.target,
            "peer": self.peer,
            "ours": self.ours,
            "theirs": self.theirs,
            "ratio": self.ratio,
            "falls_short": self.falls_short,
        }


class Measured(Protocol):
    """
    A server that is running.
    """

    @property
    def name(self) -> str:
        """
        What the table calls it.
        """

    def cpu(self) -> float:
        """
        Seconds of CPU that its processes have used.
        """


Figures = Mapping[str, float]


def alternate(
    metrics: Iterable[Metric],
    ours: Callable[[int], Figures],
    theirs: Callable[[int], Figures],
    peer: str,
    rounds: int,
) -> list[Result]:
    """
    Let the two take turns, each first in every second round; each call measures every metric once.
    """
    results = [Result(metric, peer) for metric in metrics]
    for number in range(rounds):
        if number % 2:
            found_theirs, found_ours = theirs(number), ours(number)
        else:
            found_ours, found_theirs = ours(number), theirs(number)
        for result in results:
            result.ours.append(found_ours[result.metric.name])
            result.theirs.append(found_theirs[result.metric.name])
    return results


def against_bound(metric: Metric, found: Iterable[float], bound: float, peer: str) -> Result:
    """
    Figures that are not compared with a server but with a number.
    """
    ours = list(found)
    return Result(metric, peer, ours, [bound] * len(ours))


def processes(root: int) -> list[int]:
    """
    A process and all that come from it.
    """
    parents: dict[int, list[int]] = {}
    for place in Path("/proc").glob("[0-9]*"):
        fields = _stat(int(place.name))
        if fields:
            parents.setdefault(int(fields[1]), []).append(int(place.name))
    found = [root]
    for one in found:
        found += parents.get(one, [])
    return found


def cpu_of(root: int) -> float:
    """
    Seconds of CPU of a process, of all that come from it, and of those of them that have ended.
    """
    total = 0
    for one in processes(root):
        fields = _stat(one)
        total += sum(int(number) for number in fields[11:15])
    return total / os.sysconf("SC_CLK_TCK")


def cpu_of_first_thread(process: int) -> float:
    """
    Seconds of CPU of the thread that a process began with.
    """
    fields = Path(f"/proc/{process}/task/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(root: int) -> float:
    """
    KiB of a process and all that come from it; what they share counts once.
    """
    total = 0
    for one in processes(root):
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


def _stat(process: int) -> list[str]:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def format_number(number: float) -> str:
    """
    With three or four digits.
    """
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def table(results: Iterable[Result]) -> str:
    """
    All of it, in Markdown.
    """
    lines = ["| what | ours | theirs | | ratio | spread | target | |", "|---|--:|--:|---|--:|---|--:|---|"]
    for one in results:
        ratios = one.ratios
        ours, theirs = (format_number(statistics.median(column)) for column in (one.ours, one.theirs))
        target = "" if one.metric.target is None else f"{one.metric.target:g}"
        verdict = "" if one.metric.target is None else "short" if one.falls_short else "met"
        lines.append(
            f"| {one.metric.title} ({one.peer}) | {ours} | {theirs} | {one.metric.unit} | {one.ratio:.2f} |"
            f" {min(ratios):.2f} to {max(ratios):.2f} | {target} | {verdict} |"
        )
    return "\n".join(lines)
