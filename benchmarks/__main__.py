"""
C{python -m benchmarks [NAME ...]}, as root: ours and theirs, one after the other; a table, JSON and a plot.

C{--keep} writes them to C{RESULTS.md}, C{results.json} and C{results.svg} beside this file; else they go to a folder of this run.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import incoming, reading_mail
from benchmarks.chart import draw
from benchmarks.measuring import Result
from benchmarks.report import Circumstances, report

ROUNDS = 3


def main() -> None:
    """
    All of it, or what was named.
    """
    arguments = argparse.ArgumentParser(prog="python -m benchmarks")
    arguments.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(workloads(ROUNDS, ''))}; without any, all"
    )
    arguments.add_argument("--rounds", type=int, default=ROUNDS)
    arguments.add_argument("--format", default="maildir", choices=["maildir", "sdbox", "mdbox"], help="Dovecot's")
    arguments.add_argument("--folder", default="/var/tmp", help="on a real disk, where syncing costs what it costs")
    arguments.add_argument("--keep", action="store_true", help="as the results of record")
    given = arguments.parse_args()
    chosen = workloads(given.rounds, given.format)
    unknown = set(given.names) - set(chosen)
    if unknown:
        arguments.error(f"unknown: {', '.join(sorted(unknown))}")
    if os.geteuid() != 0:
        arguments.error("Postfix and Dovecot need root.")
    place = Path(__file__).parent if given.keep else Path(tempfile.mkdtemp(prefix="bench-results-"))
    results: list[Result] = []
    failures: list[str] = []
    start, circumstances = time.monotonic(), Circumstances.of(Path(given.folder), given.rounds, given.format)
    for name in given.names or chosen:
        print(f"{time.monotonic() - start:5.0f} s: {name}", flush=True)
        with tempfile.TemporaryDirectory(prefix=f"bench-{name}-", dir=given.folder) as folder:
            Path(folder).chmod(0o755)
            try:
                results += chosen[name](Path(folder))
            except Exception as error:  # noqa: BLE001 - one workload's failure is told, and leaves the others their figures
                failures.append(f"{name}: {error}")
        # Each time, so that a run that is cut short leaves what it has.
        text = report(results, failures, circumstances)
        (place / "RESULTS.md").write_text(text)
        (place / "results.json").write_text(json.dumps([one.as_json() for one in results], indent=1) + "\n")
        (place / "results.svg").write_text(draw(results))
    print(text)
    print(f"Written to {place}.")


def workloads(rounds: int, mail_format: str) -> dict[str, Callable[[Path], list[Result]]]:
    """
    By name, in the order in which they run.
    """
    return {
        "accept": lambda folder: incoming.accepting(folder, rounds),
        "imap": lambda folder: reading_mail.imap_on_10000(folder, rounds, mail_format),
        "pop3": lambda folder: reading_mail.pop3(folder, rounds, mail_format),
        "crowd": lambda folder: incoming.crowd(folder, rounds),
        "engine": lambda folder: incoming.engine(folder, rounds),
        "sizes": reading_mail.sizes,
        "idle": lambda folder: reading_mail.idling(folder, mail_format),
        "relay": lambda folder: incoming.relaying(folder, rounds),
    }


if __name__ == "__main__":
    main()
