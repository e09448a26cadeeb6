"""
C{mailctl completion}: the TAB key.
"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from twisted_mail_server.admin.cli.verbs import Verb

_SHELLS = ("bash", "zsh", "fish")


@click.command("completion", cls=Verb, examples=("mailctl completion bash > mailctl.bash",))
@click.argument("shell", type=click.Choice(_SHELLS), metavar="SHELL", help="One of: bash, zsh, fish.")
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what a shell needs to complete `mailctl` at the TAB key.

    For this shell only: eval "$(mailctl completion bash)".
    """
    kind = get_completion_class(shell)
    assert kind is not None
    name = context.find_root().info_name or "mailctl"
    click.echo(kind(context.find_root().command, {}, name, f"_{name}_COMPLETE".upper().replace("-", "_")).source())
