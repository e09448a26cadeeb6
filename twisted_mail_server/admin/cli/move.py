"""
C{mailctl import} and C{mailctl export}: mail comes in from elsewhere, and goes out again.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

import click

from twisted_mail_server.admin.cli.account import WHICH
from twisted_mail_server.admin.cli.progress import progress
from twisted_mail_server.admin.cli.state import State, json_option, pass_state
from twisted_mail_server.admin.cli.tables import octets, print_json, printable
from twisted_mail_server.admin.cli.verbs import Noun
from twisted_mail_server.admin.importing import Dates
from twisted_mail_server.admin.moving import Moved, Progress
from twisted_mail_server.admin.operations import Operations

#: What JSON tells of a move.
_MOVED = {
    ".messages": "The messages that were moved.",
    ".known": "Those that were there already.",
    ".failed": "Those that were left behind.",
    ".octets": "The octets that were moved.",
    ".mailboxes[]": "The mailboxes that were moved, by name.",
    ".problems[]": "Why something was left behind, a sentence each; the first hundred.",
}
_LEFT_BEHIND = "anything was left behind"


@click.group("import", cls=Noun)
def import_mail() -> None:
    """Bring mail in from elsewhere.

    What was brought in before is left alone: begin again whenever it was stopped.
    """


@click.group("export", cls=Noun)
def export_mail() -> None:
    """Bring mail out, octet for octet."""


@import_mail.command(
    "maildir",
    prints=_MOVED,
    fails=_LEFT_BEHIND,
    examples=("mailctl import maildir bob@example.org ann-maildir --dates name --json",),
)
@click.argument("address", help=WHICH)
@click.argument("path", metavar="FOLDER", help="The Maildir: the folder that has `cur`, `new` and `tmp`.")
@click.option(
    "--dates",
    type=click.Choice([dates.value for dates in Dates]),
    default=Dates.MODIFIED.value,
    show_default=True,
    help="What tells when a message came: its file's time, or the first part of its file's name.",
)
@click.option("--keep-names", is_flag=True, help="Leave mailboxes such as Sent Items and Spam their names.")
@json_option
@pass_state
def import_maildir(state: State, address: str, path: str, dates: str, keep_names: bool) -> int:
    """Bring a Maildir with its folders into an account."""

    async def work(operations: Operations, told: Progress) -> Moved:
        folder = os.path.abspath(path)
        return await operations.import_maildir(address, folder, told, dates=Dates(dates), keeps_names=keep_names)

    return _move(state, work, "Importing", "Imported", is_counted=True)


@import_mail.command(
    "mbox",
    prints=_MOVED,
    fails=_LEFT_BEHIND,
    examples=("mailctl import mbox bob@example.org inbox.mbox --mailbox Archive --json",),
)
@click.argument("address", help=WHICH)
@click.argument("path", metavar="FILE", help="The mbox file.")
@click.option("--mailbox", metavar="NAME", default="INBOX", show_default=True, help="Where its messages go.")
@json_option
@pass_state
def import_mbox(state: State, address: str, path: str, mailbox: str) -> int:
    """Bring an mbox file into one mailbox of an account."""

    async def work(operations: Operations, told: Progress) -> Moved:
        return await operations.import_mbox(address, os.path.abspath(path), mailbox, told)

    return _move(state, work, "Importing", "Imported", is_counted=False)


@export_mail.command(
    "maildir",
    prints=_MOVED,
    fails=_LEFT_BEHIND,
    examples=("mailctl export maildir ann@example.org ann-maildir",),
)
@click.argument("address", help=WHICH)
@click.argument("path", metavar="FOLDER", help="The Maildir to write; made if it is missing.")
@json_option
@pass_state
def export_maildir(state: State, address: str, path: str) -> int:
    """Write all mail of an account to a Maildir.

    A second time it adds what is missing, and removes nothing.
    """

    async def work(operations: Operations, told: Progress) -> Moved:
        return await operations.export_maildir(address, os.path.abspath(path), told)

    return _move(state, work, "Exporting", "Exported", is_counted=True)


@export_mail.command(
    "mbox",
    prints=_MOVED,
    fails=_LEFT_BEHIND,
    examples=("mailctl export mbox ann@example.org inbox.mbox --json",),
)
@click.argument("address", help=WHICH)
@click.argument("path", metavar="FILE", help="The mbox file to write; it must be missing.")
@click.option("--mailbox", metavar="NAME", default="INBOX", show_default=True, help="Which mailbox.")
@json_option
@pass_state
def export_mbox(state: State, address: str, path: str, mailbox: str) -> int:
    """Write one mailbox of an account to a new mbox file."""

    async def work(operations: Operations, told: Progress) -> Moved:
        return await operations.export_mbox(address, os.path.abspath(path), mailbox, told)

    return _move(state, work, "Exporting", "Exported", is_counted=True)


def _move(
    state: State,
    work: Callable[[Operations, Progress], Awaitable[Moved]],
    doing: str,
    done: str,
    *,
    is_counted: bool,
) -> int:
    """
    Do it, and tell what came of it; the exit status is 1 if anything was left behind.
    """
    with progress(doing, counts=is_counted) as told:
        moved = state.run(lambda operations: work(operations, told))
    if state.as_json:
        print_json(
            {
                "messages": moved.moved,
                "known": moved.known,
                "failed": moved.failed,
                "octets": moved.octets,
                "mailboxes": moved.mailboxes,
                "problems": moved.problems,
            }
        )
    else:
        click.echo(f"{done} {moved.moved} messages ({octets(moved.octets)}); {moved.known} were there already.")
        for problem in moved.problems:
            click.echo(f"mailctl: {printable(problem)}", err=True)
        if moved.failed:
            click.echo(f"mailctl: {moved.failed} messages were left behind.", err=True)
    return 1 if moved.failed or moved.problems else 0
