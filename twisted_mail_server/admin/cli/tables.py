"""
What is printed: tables and sentences for people, JSON for programs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

#: Wide enough that no row is broken where no terminal says how wide it is.
_NO_TERMINAL = 10_000


def print_json(value: Any) -> None:
    """
    One JSON value.
    """
    click.echo(json.dumps(value, indent=2))


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """
    Rows under titles; C{empty} when there are none.
    """
    if not rows:
        click.echo(empty)
        return
    table = Table(*titles, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(printable(cell), overflow="fold") for cell in row))
    stream = sys.stdout
    width = None if stream.isatty() else _NO_TERMINAL
    console = Console(file=stream, width=width, markup=False, highlight=False, emoji=False)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def printable(text: str) -> str:
    """
    What others wrote, harmless to a terminal.
    """
    return "".join(character if character.isprintable() else "?" for character in text)


def moment(seconds: int) -> str:
    """
    A time for people, in UTC.
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def until(due: int, now: float) -> str:
    """
    How long it is until C{due}, for people: the two largest units.
    """
    left = int(due - now)
    if left <= 0:
        return "now"
    parts: list[str] = []
    for unit, seconds in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, seconds)
        if count or parts:
            parts.append(f"{count}{unit}")
    return "in " + " ".join(part for part in parts[:2] if not part.startswith("0"))


def octets(count: int) -> str:
    """
    A size for people.
    """
    if count < 1024:
        return f"{count} B"
    if count < 1024**2:
        return f"{count / 1024:.1f} KiB"
    if count < 1024**3:
        return f"{count / 1024**2:.1f} MiB"
    return f"{count / 1024**3:.1f} GiB"
