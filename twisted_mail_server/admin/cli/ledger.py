"""
C{mailctl ledger}: whether every promise was kept.
"""

from __future__ import annotations

import click

from twisted_mail_server.admin.cli.state import State, json_option, pass_state
from twisted_mail_server.admin.cli.tables import print_json, print_table
from twisted_mail_server.model.queue import Ledger


@click.group("ledger")
def ledger() -> None:
    """The ledger: every 250 opens an entry for each recipient, every final fate closes it."""


@ledger.command("verify")
@json_option
@pass_state
def verify(state: State) -> int:
    """Compare the ledger with the journals of all processes; the exit status is 1 if anything is unaccounted for."""
    found = state.run(lambda operations: operations.ledger())
    if state.as_json:
        print_json(
            {**dict(_entries(found)), "unaccounted": found.unaccounted, "problems": list(found.problems)},
        )
    else:
        print_table(("ENTRY", "RECIPIENTS"), [(name, str(count)) for name, count in _entries(found)], empty="")
        click.echo(f"unaccounted = {found.unaccounted}")
        for problem in found.problems:
            click.echo(problem)
    return 1 if found.unaccounted or found.problems else 0


def _entries(found: Ledger) -> list[tuple[str, int]]:
    """
    The books, line by line.
    """
    return [
        ("promised", found.promised),
        ("pending", found.pending),
        ("held", found.held),
        *((fate.value, count) for fate, count in found.closed.items()),
    ]
