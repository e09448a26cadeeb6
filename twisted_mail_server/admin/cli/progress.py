"""
How far long work is, on standard error: a bar on a terminal, elsewhere a line from time to time.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from twisted_mail_server.admin.moving import Progress


@contextmanager
def progress(title: str, *, counts: bool = True) -> Iterator[Progress]:
    """
    What is to be told of each step.

    @param counts: whether steps are things worth counting, such as messages; else only their share is shown.
    """
    if not sys.stderr.isatty():
        yield _lines(title)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bars(*columns, *((MofNCompleteColumn(),) if counts else ()), console=Console(stderr=True)) as bars:
        task = bars.add_task(title, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _lines(title: str) -> Progress:
    """
    A line for each twentieth of the work, at most.
    """
    last = 0

    def told(done: int, total: int) -> None:
        nonlocal last
        percent = 100 * done // total if total else 100
        if percent >= last + 5:
            last = percent
            click.echo(f"{title}: {percent} %", err=True)

    return told
