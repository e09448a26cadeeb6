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
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twisted_mail_server.admin import control
from twisted_mail_server.admin.cli.root import Root, build_command
from twisted_mail_server.admin.control import Answer
from twisted_mail_server.admin.operations import Operations
from twisted_mail_server.admin.peers import RUN
from twisted_mail_server.app.reading import read_settings
from twisted_mail_server.tls.certificates import problems_of

if TYPE_CHECKING:
    from twisted_mail_server.app.wire import Resources

T = TypeVar("T")


def main() -> None:
    """
    C{mailctl}.
    """
    mailctl().main(prog_name="mailctl")


def mailctl() -> Root:
    """
    The whole command, on the real resources.
    """
    return build_command(run, ask, serve, lambda: sys.stdin.isatty() and sys.stderr.isatty())


def run(config: str | None, work: Callable[[Operations], Awaitable[T]], *, data_dir: str | None = None) -> T:
    """
    Do one piece of work on the resources that a settings file names; C{data_dir} stands in place of its own.

    @raise MailError: the settings are wrong, or the work failed.
    """
    # Here, for `mailctl --help` needs none of it; and before the owner changes, who may not be able to read the program.
    from twisted.internet import reactor

    from twisted_mail_server.app.wire import open_resources

    settings = read_settings(config, os.environ, os.getcwd())
    if data_dir is not None:
        settings = evolve(settings, data_dir=data_dir)
    become_owner(settings.data_dir)
    # The files of an account are nobody else's, whatever the shell says.
    os.umask(0o077)

    async def open_and_work() -> T:
        return await _with_resources(await open_resources(settings, reactor), work)

    return run_reactor(reactor, open_and_work)


def ask(config: str | None, operation: str) -> list[Answer]:
    """
    Ask every server that runs on the data directory that a settings file names.

    @raise MailError: the settings are wrong.
    """
    settings = read_settings(config, os.environ, os.getcwd())
    become_owner(settings.data_dir)
    return control.ask(os.path.join(settings.data_dir, RUN), operation)


def serve(config: str | None) -> None:
    """
    Run the server in the foreground, as C{twistd -n} does; it ends when it is told to.

    @raise BadSetting: the settings are wrong.
    """
    from twisted.scripts import twistd

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
        entry = pwd.getpwuid(uid)
        # Its own group too, which the folder may not be in: a key may be readable to that alone.
        os.initgroups(entry.pw_name, entry.pw_gid)
    except KeyError:
        # A number without a name, as containers have them.
        os.setgroups([gid])
    os.setgid(gid)
    os.setuid(uid)


def run_reactor(reactor: Any, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """
    Run the reactor for as long as C{work} takes; its result.

    @raise KeyboardInterrupt: the reactor was stopped by a signal; the work was cancelled, and has let go of what it had.
    """
    results: list[Any] = []
    given_up: list[Deferred[None]] = []

    def begin() -> None:
        working = Deferred.fromCoroutine(work())
        reactor.addSystemEventTrigger("before", "shutdown", give_up, working)
        working.addBoth(finished)

    def give_up(working: Deferred[T]) -> Deferred[None] | None:
        if results:
            return None
        waiting: Deferred[None] = Deferred()
        given_up.append(waiting)
        working.cancel()
        return waiting

    def finished(result: Any) -> None:
        results.append(result)
        if given_up:
            given_up[0].callback(None)
        else:
            reactor.stop()

    reactor.callWhenRunning(begin)
    reactor.run()
    if given_up:
        raise KeyboardInterrupt
    if isinstance(results[0], Failure):
        results[0].raiseException()
    result: T = results[0]
    return result


async def _with_resources(resources: Resources, work: Callable[[Operations], Awaitable[T]]) -> T:
    try:
        return await work(
            Operations(
                resources.directory,
                resources.store,
                resources.spool,
                resources.passwords,
                resources.disk,
                resources.random,
                resources.reactor.seconds,
                [
                    ("directory database", resources.directory.check),
                    ("certificate", lambda: check_certificate(resources)),
                ],
            )
        )
    finally:
        await resources.close()


async def check_certificate(resources: Resources) -> list[str]:
    """
    What is wrong with the certificates that the settings name, a sentence each; a self-signed one looks after itself.

    @raise BadSetting: one cannot be used.
    """
    from twisted_mail_server.app.wire import read_pairs

    settings, now = resources.settings, resources.reactor.seconds()
    problems = []
    for number, pair in enumerate(await resources.disk.run(read_pairs, resources.disk, settings)):
        # The first is for clients that know us by our name only.
        name = settings.hostname if number == 0 else next(iter(pair.shown_to), settings.hostname)
        problems += problems_of(pair, name, now)
    return problems
