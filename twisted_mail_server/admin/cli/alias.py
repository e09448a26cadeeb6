"""
C{mailctl alias}: addresses that stand for others.
"""

from __future__ import annotations

from typing import Any

import click

from twisted_mail_server.admin.cli.state import State, json_option, pass_state
from twisted_mail_server.admin.cli.tables import print_json, print_table
from twisted_mail_server.admin.cli.verbs import Noun, each
from twisted_mail_server.admin.operations import written
from twisted_mail_server.model.accounts import Alias

#: What JSON tells of an alias.
_ALIAS = {".address": "The alias; for a catch-all, its domain with the `@`.", ".targets[]": "Where it leads."}


@click.group("alias", cls=Noun)
def alias() -> None:
    """Aliases: addresses that stand for others.

    ADDRESS is such as info@example.org, or @example.org for all that is nobody's in that domain.
    """


@alias.command(
    "add",
    prints=_ALIAS,
    examples=(
        "mailctl alias add info@example.org ann@example.org bob@example.org",
        "mailctl alias add @example.com ann@example.org --json",
    ),
)
@click.argument("address", help="The address that stands for others, or @ and a domain.")
@click.argument("targets", metavar="TARGET...", nargs=-1, required=True, help="Addresses, here or elsewhere.")
@json_option
@pass_state
def add(state: State, address: str, targets: tuple[str, ...]) -> None:
    """Lead mail for ADDRESS to each TARGET, here or elsewhere.

    If there is such an alias, it leads to these too.
    """
    _report(state, state.run(lambda operations: operations.add_alias(address, targets)))


@alias.command(
    "list",
    prints=each(_ALIAS),
    examples=("mailctl alias list",),
)
@json_option
@pass_state
def list_aliases(state: State) -> None:
    """Show all aliases."""
    aliases = state.run(lambda operations: operations.aliases())
    if state.as_json:
        print_json([_as_json(one) for one in aliases])
        return
    print_table(
        ("ADDRESS", "LEADS TO"),
        [(written(one.address), ", ".join(map(str, one.targets))) for one in aliases],
        empty="There are no aliases.",
    )


@alias.command(
    "remove",
    prints=_ALIAS,
    examples=(
        "mailctl alias remove info@example.org bob@example.org",
        "mailctl alias remove @example.com --json",
    ),
)
@click.argument("address", help="The alias.")
@click.argument("targets", metavar="[TARGET...]", nargs=-1, help="Where it leads no more; without any, the alias goes.")
@json_option
@pass_state
def remove(state: State, address: str, targets: tuple[str, ...]) -> None:
    """Remove the alias ADDRESS, or only lead it to TARGET no more."""
    left = state.run(lambda operations: operations.remove_alias(address, targets))
    if left is not None:
        _report(state, left)
    elif state.as_json:
        print_json({"address": address, "targets": []})
    else:
        click.echo(f"Removed {address}.")


def _report(state: State, found: Alias) -> None:
    if state.as_json:
        print_json(_as_json(found))
    else:
        click.echo(f"{written(found.address)} leads to {', '.join(map(str, found.targets))}.")


def _as_json(found: Alias) -> dict[str, Any]:
    return {"address": written(found.address), "targets": [str(target) for target in found.targets]}
