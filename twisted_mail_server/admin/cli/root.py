"""
C{mailctl} itself: the verbs and nouns, and how errors look.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from twisted_mail_server import __version__
from twisted_mail_server.admin.cli.account import account
from twisted_mail_server.admin.cli.alias import alias
from twisted_mail_server.admin.cli.backup import backup, restore
from twisted_mail_server.admin.cli.check import check
from twisted_mail_server.admin.cli.completion import completion
from twisted_mail_server.admin.cli.domain import domain
from twisted_mail_server.admin.cli.ledger import ledger
from twisted_mail_server.admin.cli.message import message
from twisted_mail_server.admin.cli.move import export_mail, import_mail
from twisted_mail_server.admin.cli.queue import queue
from twisted_mail_server.admin.cli.state import Ask, Run, State, json_option, pass_state
from twisted_mail_server.admin.cli.status import reload, status
from twisted_mail_server.admin.cli.tables import printable
from twisted_mail_server.admin.cli.verbs import Noun, Verb
from twisted_mail_server.model.errors import MailError

#: Everything that can be said to C{mailctl}, in the order in which it is listed.
COMMANDS: tuple[click.Command, ...] = (
    account,
    domain,
    alias,
    queue,
    export_mail,
    import_mail,
    backup,
    restore,
    message,
    ledger,
    check,
    status,
    reload,
    completion,
)

_FAILED, _MISUSED = 1, 2

#: What they mean.
STATUSES = (
    "The exit status is 0 if it is done, 1 if it failed, 2 if that cannot be asked for."
    " What is wrong is told on standard error, a line for each thing."
)


class Root(Noun):
    """
    A group whose errors are one line each, beginning with the program's name.
    """

    #: Makes what the commands of one call share.
    begin: Callable[[], State]

    def main(self, *args: Any, standalone_mode: bool = True, **kwargs: Any) -> Any:
        """
        Run, and exit with a status; C{standalone_mode} false is for those who want the status as a value.
        """
        status = self._status(*args, **kwargs)
        if standalone_mode:
            sys.exit(status)
        return status

    def _status(self, *args: Any, **kwargs: Any) -> int:
        try:
            result = super().main(*args, standalone_mode=False, obj=self.begin(), **kwargs)  # type: ignore[call-overload]
        except click.exceptions.NoArgsIsHelpError as problem:
            problem.show()
            return _MISUSED
        except click.ClickException as problem:
            return _complain(problem.format_message(), problem.exit_code)
        except MailError as problem:
            return _complain(problem.public, _FAILED)
        except OSError as problem:
            return _complain(f"{problem.filename or 'the system'}: {problem.strerror or problem}", _FAILED)
        except (click.Abort, KeyboardInterrupt):
            return _complain("given up.", _FAILED)
        return result if isinstance(result, int) else 0


def build_command(run: Run, ask: Ask, serve: Callable[[str | None], None], is_terminal: Callable[[], bool]) -> Root:
    """
    The whole command.

    @param run: does one piece of work on the resources that a settings file names.
    @param ask: asks the servers that run on the data directory that a settings file names.
    @param serve: runs the server in the foreground until it is stopped.
    @param is_terminal: whether a person is there to be asked.
    """

    @click.group("mailctl", cls=Root, no_args_is_help=True, epilog=STATUSES)
    @click.option(
        "--config",
        metavar="FILE",
        help="The settings; else the file that MAIL_CONFIG names, else mail.toml here if there is one, else the built-in ones.",
    )
    @click.version_option(__version__, prog_name="mailctl", message="%(prog)s %(version)s")
    @json_option
    @click.pass_context
    def root(context: click.Context, config: str | None) -> None:
        """Administer a mail server, beside it or without it."""
        context.obj.config = config

    @root.command("serve", cls=Verb, examples=("mailctl serve",))
    @pass_state
    def serve_now(state: State) -> None:
        """Run the server in the foreground until Ctrl-C or SIGTERM.

        It is `twistd -n mailserver`; its log goes to this terminal. Started by root, it becomes the owner of the data directory
        once its ports are bound.
        """
        serve(state.config)

    for command in COMMANDS:
        root.add_command(command)
    root.begin = lambda: State(run, ask, is_terminal())
    root.context_settings = {"help_option_names": ["-h", "--help"]}
    return root


def _complain(text: str, status: int) -> int:
    """
    Say what is wrong, a line for each thing.
    """
    for line in text.splitlines():
        click.echo(f"mailctl: {printable(line)}", err=True)
    return status
