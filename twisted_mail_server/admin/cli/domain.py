"""
C{mailctl domain}: whose mail is delivered here.
"""

from __future__ import annotations

import click

from twisted_mail_server.admin.cli.state import State, json_option, pass_state
from twisted_mail_server.admin.cli.tables import print_json, print_table
from twisted_mail_server.admin.cli.verbs import Noun

#: What JSON tells of a domain.
_DOMAIN = {".domain": "The domain, as it is kept: in small letters, and an international one in ASCII."}


@click.group("domain", cls=Noun)
def domain() -> None:
    """Domains: whose mail is delivered here."""


@domain.command(
    "list",
    prints={".[]": "A local domain."},
    examples=("mailctl domain list",),
)
@json_option
@pass_state
def list_domains(state: State) -> None:
    """Show the local domains.

    They are those of the settings, those added here, and those of accounts and aliases.
    """
    domains = state.run(lambda operations: operations.domains())
    if state.as_json:
        print_json(domains)
        return
    print_table(("DOMAIN",), [(domain,) for domain in domains], empty="There are no local domains.")


@domain.command(
    "add",
    prints=_DOMAIN,
    examples=("mailctl domain add example.com --json",),
)
@click.argument("domain", metavar="DOMAIN", help="A domain such as example.com.")
@json_option
@pass_state
def add(state: State, domain: str) -> None:
    """Make DOMAIN local, so that mail for it is delivered here."""
    _report(state, "Added", state.run(lambda operations: operations.add_domain(domain)))


@domain.command(
    "remove",
    prints=_DOMAIN,
    examples=("mailctl domain remove example.com --json",),
)
@click.argument("domain", metavar="DOMAIN", help="A domain that was added.")
@json_option
@pass_state
def remove(state: State, domain: str) -> None:
    """Make DOMAIN local no more.

    Not while an account or alias is in it, and not if the settings declare it.
    """
    _report(state, "Removed", state.run(lambda operations: operations.remove_domain(domain)))


def _report(state: State, done: str, domain: str) -> None:
    if state.as_json:
        print_json({"domain": domain})
    else:
        click.echo(f"{done} {domain}.")
