"""
C{mailctl backup} and C{mailctl restore}.
"""

from __future__ import annotations

import os

import click

from twisted_mail_server.admin.backup import Copied
from twisted_mail_server.admin.cli.check import tell_findings
from twisted_mail_server.admin.cli.progress import progress
from twisted_mail_server.admin.cli.state import State, json_option, pass_state
from twisted_mail_server.admin.cli.tables import print_json


@click.command("backup")
@click.argument("folder")
@json_option
@pass_state
def backup(state: State, folder: str) -> None:
    """Copy the data directory to FOLDER, beside a running server. A second time it brings over only what is new."""
    with progress("Copying accounts") as told:
        copied = state.run(lambda operations: operations.back_up(os.path.abspath(folder), told))
    _tell(state, copied, "Copied")


@click.command("restore")
@click.argument("folder")
@click.option("--to", "target", metavar="NEW", help="The data directory to make; it must be empty or missing.")
@click.option("--verify", is_flag=True, help="Look at every database and read every message.")
@json_option
@pass_state
def restore(state: State, folder: str, target: str | None, verify: bool) -> int:
    """Make a data directory of the backup in FOLDER, or see whether it is whole."""
    if (target is None) is not verify:
        raise click.UsageError("Say either --verify or --to NEW.")
    source = os.path.abspath(folder)
    if not os.path.isdir(source):
        raise click.UsageError(f"{folder} is no folder.")
    if target is None:
        return tell_findings(state, state.run(lambda operations: operations.check_backup(), data_dir=source))
    new = os.path.abspath(target)
    with progress("Restoring accounts") as told:
        copied = state.run(lambda operations: operations.restore(new, told), data_dir=source)
    _tell(state, copied, "Restored")
    return 0


def _tell(state: State, copied: Copied, done: str) -> None:
    if state.as_json:
        print_json(
            {
                "databases": copied.databases,
                "files": copied.files,
                "known": copied.known,
                "removed": copied.removed,
            }
        )
        return
    click.echo(
        f"{done} {copied.databases} databases and {copied.files} files;"
        f" {copied.known} files were there already, {copied.removed} were removed."
    )
