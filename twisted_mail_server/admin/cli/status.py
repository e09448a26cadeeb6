"""
C{mailctl status} and C{mailctl reload}: what a running server is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from twisted_mail_server.admin.cli.state import State, json_option, pass_state
from twisted_mail_server.admin.cli.tables import print_json, print_table
from twisted_mail_server.admin.cli.verbs import Verb
from twisted_mail_server.admin.control import Answer
from twisted_mail_server.model.errors import Refused

_STATUS = {
    ".running": "Whether a server runs on the data directory.",
    ".servers[].pid": "A server's process.",
    ".servers[].version": "Its version.",
    ".servers[].began": "When it started, in seconds since 1970.",
    ".servers[].uptime": "How long that is ago, in seconds.",
    ".servers[].settings": "The settings file that it read; `null` for none.",
    ".servers[].data_dir": "Its data directory.",
    ".servers[].reactor_lag.latest": "How late its last timer rang, in seconds.",
    ".servers[].reactor_lag.worst": "How late one ever rang.",
    ".servers[].open_accounts": "How many accounts have their database open.",
    ".servers[].logged_in": "How many sessions have logged in.",
    ".servers[].listeners[].protocol": "What a listener speaks.",
    ".servers[].listeners[].endpoint": "Its endpoint, as in the settings.",
    ".servers[].listeners[].tls": "`starttls`, `implicit` or `off`; empty where that is no question.",
    ".servers[].listeners[].addresses[]": "Where it listens; none if it takes no more connections.",
    ".servers[].listeners[].connections": "Its connections of this moment.",
    ".servers[].listeners[].total": "Those that it ever had.",
    ".servers[].listeners[].logged_in": "How many of its sessions have logged in.",
    ".servers[].queue.waiting": "The messages that wait; all processes share them.",
    ".servers[].queue.due": "Those of them that could go now.",
    ".servers[].queue.held": "Those that an operator holds.",
    ".problems[]": "Why a server did not answer, a sentence each.",
}
_RELOADED = {
    ".[].pid": "A server's process.",
    ".[].changed[]": "A setting that is new, or what else is.",
    ".[].waiting[]": "A setting that has changed in the file and needs a restart.",
}


@click.command(
    "status",
    cls=Verb,
    prints=_STATUS,
    fails="no server runs, or one does not answer",
    examples=("mailctl status", "mailctl status --json"),
)
@json_option
@pass_state
def status(state: State) -> int:
    """Show what the running server is about.

    Its listeners, their connections, and how much waits in the queue.
    """
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


@click.command(
    "reload",
    cls=Verb,
    prints=_RELOADED,
    examples=("mailctl reload",),
)
@json_option
@pass_state
def reload(state: State) -> None:
    """Have the server read its settings and certificates anew.

    Connections stay. If something is wrong, nothing changes, and what is wrong is told. What needs a restart is named.
    """
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
