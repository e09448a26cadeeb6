"""
The console script C{mailctl}: the command tree of L{twisted_mail_server.admin.cli} on the real resources.

Each call opens what a server would open, does one thing, and lets go of it; a running server hears of it by the news
between processes.
"""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.scripts import twistd

from twisted_mail_server.admin.cli.root import build_command
from twisted_mail_server.admin.operations import Operations
from twisted_mail_server.app.reading import read_settings
from twisted_mail_server.app.settings import Settings

T = TypeVar("T")


def main() -> None:
    """
    C{mailctl}.
    """
    build_command(run, serve, lambda: sys.stdin.isatty() and sys.stderr.isatty()).main(prog_name="mailctl")


def run(config: str | None, work: Callable[[Operations], Awaitable[T]]) -> T:
    """
    Do one piece of work on the resources that a settings file names.

    @raise MailError: the settings are wrong, or the work failed.
    """
    settings = read_settings(config, os.environ, os.getcwd())
    become_owner(settings.data_dir)
    # The files of an account are nobody else's, whatever the shell says.
    os.umask(0o077)
    return run_reactor(lambda reactor: _with_resources(settings, reactor, work))


def serve(config: str | None) -> None:
    """
    Run the server in the foreground, as C{twistd -n} does; it ends when it is told to.

    @raise BadSetting: the settings are wrong.
    """
    settings = read_settings(config, os.environ, os.getcwd())
    sys.argv = ["twistd", *twistd_arguments(config, owner_of(settings.data_dir))]
    twistd.run()


def twistd_arguments(config: str | None, owner: tuple[int, int] | None) -> list[str]:
    """
    What C{twistd} is told: to stay in the foreground, to keep no pid file that may go stale, and whom to become once the ports
    are bound.
    """
    arguments = ["--nodaemon", "--pidfile="]
    if owner is not None:
        arguments += ["--uid", str(owner[0]), "--gid", str(owner[1])]
    arguments.append("mailserver")
    if config is not None:
        arguments += ["--config", config]
    return arguments


def owner_of(data_dir: str) -> tuple[int, int] | None:
    """
    The user and group to become: those of the data directory, for root; L{None} to stay who we are.
    """
    if os.geteuid() != 0:
        return None
    try:
        found = os.stat(data_dir)
    except FileNotFoundError:
        return None
    return None if found.st_uid == 0 else (found.st_uid, found.st_gid)


def become_owner(data_dir: str) -> None:
    """
    Started by root, go on as the owner of the data directory, so that the server can read what is written here.
    """
    owner = owner_of(data_dir)
    if owner is None:
        return
    uid, gid = owner
    try:
        os.initgroups(pwd.getpwuid(uid).pw_name, gid)
    except KeyError:
        # A number without a name, as containers have them.
        os.setgroups([gid])
    os.setgid(gid)
    os.setuid(uid)


def run_reactor(work: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
    """
    Run the reactor for as long as C{work} takes; its result.

    @raise KeyboardInterrupt: the reactor was stopped from outside.
    """
    from twisted.internet import reactor

    running: Any = reactor
    results: list[Any] = []

    def finished(result: Any) -> None:
        results.append(result)
        running.stop()

    running.callWhenRunning(lambda: Deferred.fromCoroutine(work(running)).addBoth(finished))
    running.run()
    if not results:
        raise KeyboardInterrupt
    if isinstance(results[0], Failure):
        results[0].raiseException()
    result: T = results[0]
    return result


async def _with_resources(settings: Settings, reactor: Any, work: Callable[[Operations], Awaitable[T]]) -> T:
    # Imported late: `mailctl --help` needs none of it.
    from twisted_mail_server.app.wire import open_resources

    resources = await open_resources(settings, reactor)
    try:
        return await work(
            Operations(
                resources.directory,
                resources.store,
                resources.spool,
                resources.passwords,
                os.urandom,
                [
                    (f"{name} database", resource.check)
                    for name, resource in (
                        ("directory", resources.directory),
                        ("store", resources.store),
                        ("spool", resources.spool),
                    )
                    if hasattr(resource, "check")
                ],
            )
        )
    finally:
        await resources.close()
