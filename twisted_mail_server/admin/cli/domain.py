"""
C{mailctl domain}: whose mail is delivered here.
"""

from __future__ import annotations

import click

from twisted_mail_server.admin.cli.state import State, json_option, pass_state
from twisted_mail_server.admin.cli.tables import print_json, print_table


@click.group("domain")
def domain() -> None:
    """Domains: whose mail is delivered here."""


@domain.command("list")
@json_option
@pass_state
def list_domains(state: State) -> None:
    """Show the local domains: those of the settings and those of accounts."""
    domains = state.run(lambda operations: operations.domains())
    if state.as_json:
        print_json(domains)
        return
    print_table(("DOMAIN",), [(domain,) for domain in domains], empty="There are no local domains.")
