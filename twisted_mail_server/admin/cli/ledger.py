"""
C{mailctl ledger}: whether every promise was kept.
"""

from __future__ import annotations

import click

from twisted_mail_server.admin.cli.state import State, json_option, pass_state
from twisted_mail_server.admin.cli.tables import print_json, print_table
from twisted_mail_server.admin.cli.verbs import Noun
from twisted_mail_server.model.queue import Ledger

#: What JSON tells of the books; numbers are of recipients.
_LEDGER = {
    ".promised": "Those that were promised with a 250.",
    ".pending": "Those that are still to be delivered.",
    ".held": "Those that an operator holds, or a check has quarantined.",
    ".delivered": "Those that are in a mailbox here.",
    ".relayed": "Those that another server has taken over.",
    ".failed": "Those that could not be had.",
    ".removed": "Those that an operator took out.",
    ".unaccounted": "Those of which nobody knows what became: anything but 0 is an alarm.",
    ".problems[]": "What is wrong with the books, a sentence each.",
}


@click.group("ledger", cls=Noun)
def ledger() -> None:
    """The ledger: whether every promise was kept.

    Every 250 opens an entry for each recipient, and every final fate closes it.
    """


@ledger.command(
    "verify",
    prints=_LEDGER,
    fails="anything is unaccounted for",
    examples=("mailctl ledger verify",),
)
@json_option
@pass_state
def verify(state: State) -> int:
    """Compare the ledger with the journals of all processes."""
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
