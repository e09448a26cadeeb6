"""
The report: the table, what falls short and why, and everything that the figures depend on.
"""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from attrs import frozen

from benchmarks import machine
from benchmarks.incoming import our_settings
from benchmarks.measuring import Result, table
from benchmarks.profiling import kept
from benchmarks.servers import Dovecot, Ours, Postfix, said


@frozen
class Circumstances:
    """
    Of a run, as they were when it began.
    """

    began: datetime
    rounds: int
    #: Averages of 1, 5 and 15 minutes.
    load: tuple[float, float, float]
    processor: str
    memory: str
    disk: str
    #: By program.
    versions: dict[str, str]
    settings: dict[str, str]

    @classmethod
    def of(cls, folder: Path, rounds: int, mail_format: str) -> Circumstances:
        """
        Those of this moment.
        """
        return cls(
            datetime.now(UTC),
            rounds,
            os.getloadavg(),
            machine.processor(),
            machine.memory(),
            machine.disk(folder),
            {
                "Python": platform.python_version(),
                "Twisted": version("twisted"),
                "Postfix": said("/usr/sbin/postconf", "-d", "-h", "mail_version"),
                "Dovecot": said("/usr/sbin/dovecot", "--version").split()[0],
                "aiosmtpd": version("aiosmtpd"),
            },
            _settings(mail_format),
        )


def _settings(mail_format: str) -> dict[str, str]:
    """
    As the programs themselves read them from what the runs write.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        ours = Ours(folder / "ours", [], our_settings())
        found = {"Ours": ours.settings()}
        for peer in (Postfix(folder / "postfix", ["u0"], 25), Dovecot(folder / "dovecot", ["u0"], mail_format)):
            peer.configure()
            found[peer.name] = peer.settings()
    return found


def report(results: Sequence[Result], failures: Sequence[str], run: Circumstances) -> str:
    """
    In Markdown.
    """
    versions = ", ".join(f"{name} {number}" for name, number in run.versions.items())
    lines = [
        "# Results",
        "",
        f"Of {run.began:%d %B %Y}; {versions}. Medians of {run.rounds} rounds in which the servers took turns; the ratio says how many"
        " times as good we were (of rates, ours by theirs; of costs, theirs by ours), its spread is over the rounds. Everything ran on"
        " one machine, the clients too. [README](README.md) says how each figure is made, and what is and is not the same on both sides.",
        "",
        *_warning(run),
        table(results),
        "",
        "## What falls short",
        "",
        *(list(_shortfalls(results)) or ["Nothing that has a target."]),
    ]
    if failures:
        lines += ["", "## What could not be measured", "", *(f"* {one}" for one in failures)]
    lines += [
        "",
        "## The machine",
        "",
        f"* {run.processor}; {run.memory} of memory; Linux {platform.release()}",
        f"* {run.disk}",
        f"* load average at the start: {', '.join(f'{one:.2f}' for one in run.load)} (1, 5 and 15 minutes)",
        "",
        "## The settings",
        "",
        "Ours is one process. `...` is the folder of the run, and the ports are others in each run.",
    ]
    for name, text in run.settings.items():
        lines += ["", f"{name}:", "", "```", *text.splitlines(), "```"]
    lines += [
        "",
        "aiosmtpd has its `SMTP` as it is, with a handler that counts messages and throws them away; so has our engine.",
    ]
    return "\n".join([*lines, ""])


def _warning(run: Circumstances) -> list[str]:
    if run.load[0] <= machine.QUIET:
        return []
    return [
        f"**The load average at the start was {run.load[0]:.1f}: other programs ran too, or had until a moment ago.** Look at the"
        " spread before believing a ratio.",
        "",
    ]


def _shortfalls(results: Sequence[Result]) -> Iterator[str]:
    """
    One line for each target that is missed, with what its profile says.
    """
    profiles = kept()
    for one in results:
        if one.falls_short:
            line = f"* {one.metric.title}: {one.ratio:.2f} of {one.metric.target:g}"
            profile = profiles.get(one.metric.name)
            if profile is not None:
                line += f"; [profile](profiles/{one.metric.name}.svg): {profile.heaviest_rooms(3)}"
            yield line
