"""
C{mailctl status} and C{mailctl reload}: what a running server is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from twisted_mail_server.admin.cli.state import State, json_option, pass_state
from twisted_mail_server.admin.cli.tables import print_json, print_table
from twisted_mail_server.admin.control import Answer
from twisted_mail_server.model.errors import Refused


@click.command("status")
@json_option
@pass_state
def status(state: State) -> int:
    """Show what the running server is about; the exit status is 1 if none runs."""
    answers = state.ask("status")
    found = [answer.result for answer in answers if not answer.error]
    if state.as_json:
        print_json({"running": bool(answers), "servers": found, "problems": _problems(answers)})
        return 0 if found and len(found) == len(answers) else 1
    _see_that_it_runs(answers)
    if found:
        _show(found)
    if problems := _problems(answers):
        raise Refused("\n".join(problems))
    return 0


@click.command("reload")
@json_option
@pass_state
def reload(state: State) -> None:
    """Have the running server read its settings and certificates anew; if something is wrong, nothing changes."""
    answers = state.ask("reload")
    _see_that_it_runs(answers)
    if problems := _problems(answers):
        raise Refused("\n".join(problems))
    if state.as_json:
        print_json([{"pid": answer.pid, **answer.result} for answer in answers])
        return
    for answer in answers:
        changed, waiting = answer.result["changed"], answer.result["waiting"]
        click.echo(f"Changed: {', '.join(changed)}." if changed else "Nothing has changed.")
        if waiting:
            click.echo(f"A restart is needed for: {', '.join(waiting)}.")


def _see_that_it_runs(answers: Sequence[Answer]) -> None:
    if not answers:
        raise Refused("No server runs on this data directory.")


def _problems(answers: Sequence[Answer]) -> list[str]:
    return [answer.error for answer in answers if answer.error]


def _show(servers: Sequence[dict[str, Any]]) -> None:
    print_table(
        ("PROCESS", "VERSION", "UP", "LOGGED IN", "OPEN ACCOUNTS", "LAG", "WORST LAG"),
        [
            (
                str(one["pid"]),
                one["version"],
                period(one["uptime"]),
                str(one["logged_in"]),
                str(one["open_accounts"]),
                f"{one['reactor_lag']['latest'] * 1000:.1f} ms",
                f"{one['reactor_lag']['worst'] * 1000:.1f} ms",
            )
            for one in servers
        ],
        empty="",
    )
    click.echo()
    print_table(
        ("PROCESS", "LISTENER", "TLS", "ADDRESS", "CONNECTIONS", "IN ALL", "LOGGED IN"),
        [
            (
                str(one["pid"]),
                listener["protocol"],
                listener["tls"],
                ", ".join(listener["addresses"]) or "closed",
                str(listener["connections"]),
                str(listener["total"]),
                str(listener["logged_in"]),
            )
            for one in servers
            for listener in one["listeners"]
        ],
        empty="",
    )
    click.echo()
    # All processes share one queue.
    counts = servers[0]["queue"]
    click.echo(f"Queue: {counts['waiting']} waiting, {counts['due']} due, {counts['held']} held.")


def period(seconds: int) -> str:
    """
    A time span for people: its two largest units.
    """
    parts: list[str] = []
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        if count or parts:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"
