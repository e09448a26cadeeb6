"""
C{mailctl account}: who lives here.
"""

from __future__ import annotations

import sys
from typing import Any

import click

from twisted_mail_server.admin.cli.state import State, json_option, pass_state
from twisted_mail_server.admin.cli.tables import moment, print_json, print_table
from twisted_mail_server.admin.operations import Operations, parse_account_address
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import Account
from twisted_mail_server.model.errors import Refused

_password_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input: one line, its end not part of it."
)
_generate = click.option("--generate", is_flag=True, help="Make a random password, and print it.")


@click.group("account")
def account() -> None:
    """Accounts: who lives here."""


@account.command("add")
@click.argument("address")
@_password_stdin
@_generate
@json_option
@pass_state
def add(state: State, address: str, password_stdin: bool, generate: bool) -> None:
    """Make an account for ADDRESS, such as alice@example.org.

    A running server knows it at once.
    """
    parse_account_address(address)
    given = _ask_password(state, password_stdin, generate)

    async def work(operations: Operations) -> tuple[Account, bytes | None]:
        made = operations.make_password() if given is None else None
        return await operations.add_account(address, made or given or b""), made

    added, made = state.run(work)
    _report(state, added, made, f"Added {added.address}.")


@account.command("list")
@json_option
@pass_state
def list_accounts(state: State) -> None:
    """Show all accounts."""
    accounts = state.run(lambda operations: operations.accounts())
    if state.as_json:
        print_json([_as_json(one) for one in accounts])
        return
    print_table(
        ("ADDRESS", "CREATED (UTC)", "STATE", "ID"),
        [
            (str(one.address), moment(one.created), "disabled" if one.is_disabled else "active", one.id.text)
            for one in accounts
        ],
        empty="There are no accounts.",
    )


@account.command("password")
@click.argument("address")
@_password_stdin
@_generate
@json_option
@pass_state
def password(state: State, address: str, password_stdin: bool, generate: bool) -> None:
    """Give the account ADDRESS a new password.

    Its sessions end.
    """
    given = _ask_password(state, password_stdin, generate)

    async def work(operations: Operations) -> tuple[Account, bytes | None]:
        made = operations.make_password() if given is None else None
        return await operations.set_password(address, made or given or b""), made

    changed, made = state.run(work)
    _report(state, changed, made, f"Changed the password of {changed.address}.")


@account.command("remove")
@click.argument("address")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_state
def remove(state: State, address: str, yes: bool) -> None:
    """Remove the account ADDRESS and all its mail, for ever."""
    if not yes:
        if not state.is_terminal:
            raise Refused("Nobody is there to be asked. Add --yes to remove the account and all its mail.")
        click.confirm(f"Remove {address} and all its mail, for ever?", abort=True, err=True)
    removed = state.run(lambda operations: operations.remove_account(address))
    if state.as_json:
        print_json({"removed": removed})
    else:
        click.echo(f"Removed {removed}.")


def _ask_password(state: State, password_stdin: bool, generate: bool) -> bytes | None:
    """
    The password that was given; L{None} if one is to be made.

    @raise Refused: there is none, and nobody to ask.
    """
    if password_stdin and generate:
        raise click.UsageError("--password-stdin and --generate exclude each other.")
    if generate:
        return None
    if password_stdin:
        return _read_password()
    if not state.is_terminal:
        raise Refused("Nobody is there to be asked for a password. Use --password-stdin or --generate.")
    entered: str = click.prompt("Password", hide_input=True, confirmation_prompt="The same again", err=True)
    return entered.encode("utf-8", "surrogateescape")


def _read_password() -> bytes:
    line = sys.stdin.buffer.readline(limits.PASSWORD + 3)
    # A line may end as on Windows, or with the end of the input.
    found = line.removesuffix(b"\n").removesuffix(b"\r")
    if not found:
        raise Refused("There is no password on standard input.")
    return found


def _report(state: State, found: Account, made: bytes | None, sentence: str) -> None:
    password = None if made is None else made.decode("ascii")
    if state.as_json:
        print_json(_as_json(found) | ({} if password is None else {"password": password}))
        return
    click.echo(sentence)
    if password is not None:
        click.echo(f"Password: {password}")


def _as_json(found: Account) -> dict[str, Any]:
    return {
        "address": str(found.address),
        "id": found.id.text,
        "created": found.created,
        "disabled": found.is_disabled,
    }
