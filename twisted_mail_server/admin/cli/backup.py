"""
C{mailctl backup} and C{mailctl restore}.
"""

from __future__ import annotations

import os

import click

from twisted_mail_server.admin.backup import Copied
from twisted_mail_server.admin.cli.check import FINDINGS, tell_findings
from twisted_mail_server.admin.cli.progress import progress
from twisted_mail_server.admin.cli.state import State, json_option, pass_state
from twisted_mail_server.admin.cli.tables import print_json
from twisted_mail_server.admin.cli.verbs import Verb

#: What JSON tells of a copy.
_COPIED = {
    ".databases": "The databases that were copied.",
    ".files": "The files that were copied.",
    ".known": "The files that were there already.",
    ".removed": "The files that were taken out of the copy, because they are no more.",
}


@click.command(
    "backup",
    cls=Verb,
    prints=_COPIED,
    examples=("mailctl backup mail-backup",),
)
@click.argument("folder", help="A folder outside the data directory, best on another disk; made if it is missing.")
@json_option
@pass_state
def backup(state: State, folder: str) -> None:
    """Copy the data directory to FOLDER, beside a running server.

    A second time it brings over only what is new.
    """
    with progress("Copying accounts") as told:
        copied = state.run(lambda operations: operations.back_up(os.path.abspath(folder), told))
    _tell(state, copied, "Copied")


@click.command(
    "restore",
    cls=Verb,
    prints={path: f"Only with `--to`. {meaning}" for path, meaning in _COPIED.items()}
    | {path: f"Only with `--verify`. {meaning}" for path, meaning in FINDINGS.items()},
    fails="--verify finds something wrong",
    examples=(
        "mailctl restore mail-backup --verify",
        "mailctl restore mail-backup --to restored-data --json",
    ),
)
@click.argument("folder", help="The backup.")
@click.option("--to", "target", metavar="NEW", help="The data directory to make; it must be empty or missing.")
@click.option("--verify", is_flag=True, help="Look at every database and read every message.")
@json_option
@pass_state
def restore(state: State, folder: str, target: str | None, verify: bool) -> int:
    """Make a data directory of a backup, or see whether it is whole."""
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
