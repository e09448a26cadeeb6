"""
C{mailctl account}: who lives here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

import click
from attrs import field, frozen

from twisted_mail_server.admin.cli.state import State, json_option, pass_state
from twisted_mail_server.admin.cli.tables import moment, octets, print_json, print_table
from twisted_mail_server.admin.cli.verbs import Noun, each
from twisted_mail_server.admin.operations import Operations, parse_account_address
from twisted_mail_server.admin.sizes import parse_size
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import Account
from twisted_mail_server.model.errors import Refused

_F = TypeVar("_F", bound=Callable[..., Any])

#: What a password may come from, and what is said of that; they exclude each other.
_OPTIONS = {
    "--password-stdin": "Read the password from standard input: one line, its end not part of it.",
    "--generate": "Make a random password, and print it.",
    "--hash": "Read a hash of the password from standard input: argon2, bcrypt, or what crypt(3) writes. "
    "It becomes one of ours when somebody logs in.",
    "--no-password": "Keep no password: a checker that the settings name knows it.",
}

#: What JSON tells of an account.
_ACCOUNT = {
    ".address": "Its address.",
    ".id": "Its id, which stays: the name of its folder in the data directory.",
    ".created": "When it was made, in seconds since 1970.",
    ".disabled": "Whether it is shut.",
    ".quota": "The octets of mail that it may have; `null` for as many as it likes.",
}
_PASSWORD = {".password": "Only with `--generate`: the password that was made."}
#: What it tells of its quota: the account, if that was changed, else what there is.
_USAGE = {
    ".address": _ACCOUNT[".address"],
    ".quota": _ACCOUNT[".quota"],
    ".used": "Only without SIZE: the octets of all its mail.",
    ".messages": "Only without SIZE: how many messages it has.",
    **{path: f"Only with SIZE. {_ACCOUNT[path]}" for path in (".id", ".created", ".disabled")},
}

#: What names an account that is there.
WHICH = "Which account: its address or its id; in the default domain the name before the @ is enough."


class Source(Enum):
    """
    Who made what is kept.
    """

    PASSWORD = "password"
    HASH = "hash"
    NONE = "none"


@frozen
class Given:
    """
    What an account is to have for a password.

    @ivar password: empty if one is to be made.
    """

    source: Source
    password: bytes = field(default=b"", repr=False)
    password_hash: str | None = field(default=None, repr=False)


def _secret_options(function: _F) -> _F:
    for name, text in reversed(_OPTIONS.items()):
        function = click.option(name, is_flag=True, help=text)(function)
    return function


@click.group("account", cls=Noun)
def account() -> None:
    """Accounts: who lives here."""


@account.command(
    "add",
    prints=_ACCOUNT | _PASSWORD,
    examples=(
        "mailctl account add bob@example.org --password-stdin < password.txt",
        "mailctl account add carol@example.org --generate",
        "mailctl account add dave@example.org --no-password --json",
    ),
)
@click.argument("address", help="Its address, which is also the name to log in with.")
@_secret_options
@json_option
@pass_state
def add(state: State, /, address: str, **options: bool) -> None:
    """Make an account for ADDRESS, such as alice@example.org.

    Without an option for the password, it is asked for. A running server knows
    the account at once.
    """
    parse_account_address(address)
    given = _ask_secret(state, **options)

    async def work(operations: Operations) -> tuple[Account, bytes | None]:
        if given.source is not Source.PASSWORD:
            return await operations.import_account(address, given.password_hash), None
        made = given.password or operations.make_password()
        return await operations.add_account(address, made), None if given.password else made

    added, made = state.run(work)
    _report(state, added, made, f"Added {added.address}.")


@account.command(
    "list",
    prints=each(_ACCOUNT),
    examples=("mailctl account list", "mailctl account list --json"),
)
@json_option
@pass_state
def list_accounts(state: State) -> None:
    """Show all accounts."""
    accounts = state.run(lambda operations: operations.accounts())
    if state.as_json:
        print_json([_as_json(one) for one in accounts])
        return
    print_table(
        ("ADDRESS", "CREATED (UTC)", "STATE", "QUOTA", "ID"),
        [
            (
                str(one.address),
                moment(one.created),
                "disabled" if one.is_disabled else "active",
                "-" if one.quota is None else octets(one.quota),
                one.id.text,
            )
            for one in accounts
        ],
        empty="There are no accounts.",
    )


@account.command(
    "password",
    prints=_ACCOUNT | _PASSWORD,
    examples=("mailctl account password bob@example.org --generate --json",),
)
@click.argument("address", help=WHICH)
@_secret_options
@json_option
@pass_state
def password(state: State, /, address: str, **options: bool) -> None:
    """Give the account ADDRESS a new password.

    Without an option for the password, it is asked for. Sessions that used the
    old one end.
    """
    given = _ask_secret(state, **options)

    async def work(operations: Operations) -> tuple[Account, bytes | None]:
        if given.source is not Source.PASSWORD:
            return await operations.import_password(address, given.password_hash), None
        made = given.password or operations.make_password()
        return await operations.set_password(address, made), None if given.password else made

    changed, made = state.run(work)
    _report(state, changed, made, f"Changed the password of {changed.address}.")


@account.command(
    "remove",
    prints={".removed": "What was removed: an address, or, after an id of a former account, its mail."},
    examples=("mailctl account remove dave@example.org --yes",),
)
@click.argument("address", help=WHICH)
@click.option("--yes", is_flag=True, help="Do not ask whether that is meant.")
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


@account.command(
    "disable",
    prints=_ACCOUNT,
    examples=("mailctl account disable bob@example.org",),
)
@click.argument("address", help=WHICH)
@json_option
@pass_state
def disable(state: State, address: str) -> None:
    """Shut the account ADDRESS: it can neither log in nor get mail.

    Its sessions end; mail for it is put off, so that the sender tries again. `enable` opens it again.
    """
    _set_disabled(state, address, True)


@account.command(
    "enable",
    prints=_ACCOUNT,
    examples=("mailctl account enable bob@example.org --json",),
)
@click.argument("address", help=WHICH)
@json_option
@pass_state
def enable(state: State, address: str) -> None:
    """Open the account ADDRESS again."""
    _set_disabled(state, address, False)


def _set_disabled(state: State, address: str, is_disabled: bool) -> None:
    changed = state.run(lambda operations: operations.set_disabled(address, is_disabled))
    _report(state, changed, None, f"{'Disabled' if is_disabled else 'Enabled'} {changed.address}.")


@account.command(
    "quota",
    prints=_USAGE,
    examples=(
        "mailctl account quota bob@example.org 5GiB",
        "mailctl account quota bob@example.org --json",
        "mailctl account quota bob@example.org none",
    ),
)
@click.argument("address", help=WHICH)
@click.argument("size", required=False, help="A number and a unit, such as 5GiB or 500MB; or `none`.")
@json_option
@pass_state
def quota(state: State, address: str, size: str | None) -> None:
    """Show how much mail the account ADDRESS has, or bound it by SIZE.

    What is there already stays. Beyond SIZE, new mail is put off at the sender, and IMAP refuses to add more.
    """
    if size is not None:
        bound = None if size.lower() == "none" else parse_size(size)
        changed = state.run(lambda operations: operations.set_quota(address, bound))
        words = "has no quota now" if bound is None else f"may have {octets(bound)} now"
        _report(state, changed, None, f"{changed.address} {words}.")
        return
    found, used, messages = state.run(lambda operations: operations.usage(address))
    if state.as_json:
        print_json({"address": str(found.address), "quota": found.quota, "used": used, "messages": messages})
        return
    bound_text = "-" if found.quota is None else octets(found.quota)
    share = f"{100 * used / found.quota:.0f} %" if found.quota else "-"
    print_table(
        ("ADDRESS", "USED", "MESSAGES", "QUOTA", "SHARE"),
        [(str(found.address), octets(used), str(messages), bound_text, share)],
        empty="",
    )


def _ask_secret(state: State, **options: bool) -> Given:
    """
    What the options say, or a person does.

    @raise Refused: there is nothing, and nobody to ask.
    """
    chosen = [name for name in _OPTIONS if options[name.strip("-").replace("-", "_")]]
    if len(chosen) > 1:
        raise click.UsageError(f"{' and '.join(chosen)} exclude each other.")
    match chosen:
        case ["--generate"]:
            return Given(Source.PASSWORD)
        case ["--no-password"]:
            return Given(Source.NONE)
        case ["--hash"]:
            return Given(Source.HASH, password_hash=_read_line("hash").decode("ascii", "replace"))
        case ["--password-stdin"]:
            return Given(Source.PASSWORD, _read_line("password"))
    if not state.is_terminal:
        raise Refused("Nobody is there to be asked for a password. Use --password-stdin or --generate.")
    entered: str = click.prompt("Password", hide_input=True, confirmation_prompt="The same again", err=True)
    return Given(Source.PASSWORD, entered.encode("utf-8", "surrogateescape"))


def _read_line(what: str) -> bytes:
    line = sys.stdin.buffer.readline(limits.PASSWORD + 3)
    # A line may end as on Windows, or with the end of the input.
    found = line.removesuffix(b"\n").removesuffix(b"\r")
    if not found:
        raise Refused(f"There is no {what} on standard input.")
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
        "quota": found.quota,
    }
