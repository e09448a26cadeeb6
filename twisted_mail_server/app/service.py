"""
The mail server as a Twisted service.

What is done when, and why (twistd without C{-n} forks between the first and the second)::

    makeService             reads and checks the settings, and the certificate they name; leaves nothing open
    privilegedStartService  binds the ports
                            (twistd drops privileges: --uid, --gid)
    startService            opens all the rest; the reactor does not run yet, so a failure can still end the start
    when the reactor runs   tells that it is ready
    stopService             takes no more connections, drains for at most 30 seconds, closes all

What is wrong in the first raises L{SystemExit}, in the next two L{CannotStart}: one line and an exit status of 1, with C{-n} and
without.  After a graceful SIGTERM twistd's exit status is 143.
"""

from __future__ import annotations

# Loaded now: what a first use would load later, once privileges are dropped, that user may not be able to read.
import importlib.readers  # noqa: F401
import os
import sys
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.logger import Logger, globalLogPublisher
from twisted.python.failure import Failure
from twisted.python.usage import Options as UsageOptions

from twisted_mail_server.model.errors import BadSetting, MailError
from twisted_mail_server.servers.listening import CannotStart, ListenerService
from twisted_mail_server.telemetry.logs import adopt, line_format
from twisted_mail_server.tls.contexts import ServerContexts

from .passwords import smarthost_login, warnings
from .reading import read_settings
from .settings import Settings
from .wire import FIRST_ACCOUNT, Server, named_certificates, start_server

_log = Logger()
_T = TypeVar("_T")

#: Seconds a thread may hold the interpreter while another waits for it: the reactor's worst wait behind busy threads is then 5 ms
#: instead of 43 (measured).
SWITCH_INTERVAL = 0.0005
#: Seconds between two looks at what threads have done, before the reactor runs.
_LOOK_AGAIN = 0.0005


class Options(UsageOptions):
    """
    The command line of C{twistd mailserver}.
    """

    optParameters = [
        [
            "config",
            "c",
            None,
            "The settings file; without it MAIL_CONFIG names it, else it is mail.toml in this folder.",
        ],
    ]

    longdesc = "A complete mail server. With no settings it serves on loopback, on ports that need no privileges."

    def __init__(self) -> None:
        super().__init__()


def makeService(options: Options) -> MailService:
    """
    The mail server that the settings describe, with nothing opened yet.

    @raise SystemExit: something is wrong with the settings; a line for each thing.
    """
    from twisted.internet import reactor

    try:
        settings = read_settings(options["config"], os.environ, os.getcwd())
        certificates = named_certificates(settings, reactor)
        login = smarthost_login(settings, os.environ)
    except BadSetting as problem:
        raise SystemExit(problem.public) from problem
    tell(f"mailserver: data in {settings.data_dir}; {_log_place(options)}.")
    for sentence in warnings(settings):
        tell(f"mailserver: warning: {sentence}")
    if not settings.domains:
        tell(
            f"mailserver: a new server's first account is written to {os.path.join(settings.data_dir, FIRST_ACCOUNT)}."
        )
    return MailService(settings, certificates, reactor, login)


class MailService(MultiService):
    """
    The whole server.
    """

    def __init__(
        self,
        settings: Settings,
        certificates: ServerContexts | None,
        reactor: Any,
        smarthost_login: tuple[str, bytes] | None = None,
    ) -> None:
        super().__init__()
        self._settings = settings
        self._certificates = certificates
        self._smarthost_login = smarthost_login
        self._reactor = reactor
        self._server: Server | None = None
        self.listeners = [ListenerService(one.protocol, one.endpoint, reactor) for one in settings.listeners]
        for listener in self.listeners:
            listener.setServiceParent(self)

    def privilegedStartService(self) -> None:
        """
        Bind the ports.

        @raise CannotStart: that is not possible.
        """
        # All that is made from here on is for the server's user alone.
        os.umask(0o077)
        adopt(globalLogPublisher, line_format(self._settings.log.format, self._settings.log.level))
        try:
            super().privilegedStartService()
        except CannotStart as problem:
            tell(f"mailserver: {problem}")
            raise

    def startService(self) -> None:
        """
        Open the rest, and let the listeners answer.

        @raise CannotStart: that is not possible.
        """
        sys.setswitchinterval(SWITCH_INTERVAL)
        server = self._server = _or_cannot_start(
            self._reactor,
            start_server(self._settings, self._reactor, self._certificates, self._smarthost_login),
        )
        try:
            for listener, settings in zip(self.listeners, self._settings.listeners, strict=True):
                listener.open_to(server.factory(settings))
            super().startService()
        except BaseException:
            # Its threads would keep the process alive.
            run_blocking(self._reactor, server.stop())
            raise
        self._reactor.callWhenRunning(self._ready)

    def stopService(self) -> Deferred[None]:
        """
        Drain, then close everything.
        """
        return Deferred.fromCoroutine(self._stop(super().stopService()))

    async def _stop(self, drained: Deferred[Any]) -> None:
        await drained
        server, self._server = self._server, None
        if server is not None:
            await server.stop()
        _log.info("stopped")

    def _ready(self) -> None:
        if self._server is None:
            # Stopped before it began.
            return
        places = [f"{one.protocol} {address}" for one in self.listeners for address in one.addresses()]
        _log.info("ready: {listeners}", listeners=", ".join(places), data_dir=self._settings.data_dir)
        tell(f"mailserver: ready: {', '.join(places)}.")
        if self._server.first_account is not None:
            path = os.path.join(self._settings.data_dir, FIRST_ACCOUNT)
            tell(f"mailserver: first account: {self._server.first_account}, password in {path}.")


def tell(sentence: str) -> None:
    """
    Speak to the terminal, past the log: twistd makes C{sys.stderr} a part of that.
    """
    if sys.__stderr__ is not None:
        print(sentence, file=sys.__stderr__, flush=True)


def run_blocking(reactor: Any, coroutine: Coroutine[Any, Any, _T]) -> _T:
    """
    The result of a coroutine, before the reactor runs: threads' results and timers are seen to here; sockets wait.
    """
    results: list[Any] = []
    running: Deferred[Any] = Deferred.fromCoroutine(coroutine)
    running.addBoth(results.append)
    while not results:
        try:
            reactor.runUntilCurrent()
            time.sleep(_LOOK_AGAIN)
        except KeyboardInterrupt:
            # It closes what it has opened.
            running.cancel()
    if isinstance(results[0], Failure):
        results[0].raiseException()
    result: _T = results[0]
    return result


def _or_cannot_start(reactor: Any, coroutine: Coroutine[Any, Any, _T]) -> _T:
    try:
        return run_blocking(reactor, coroutine)
    except MailError as problem:
        sentence = problem.public
    except OSError as problem:
        sentence = f"{problem.filename}: {problem.strerror}." if problem.filename else f"{problem}."
    _log.critical("cannot start: {reason}", reason=sentence)
    tell(f"mailserver: {sentence}")
    raise CannotStart(sentence)


def _log_place(options: Options) -> str:
    twistd = getattr(options, "parent", None)
    if twistd is None:
        return f"the log is twistd's: with -n this terminal, else twistd.log in {os.getcwd()}"
    if twistd.get("logfile") not in (None, "", "-"):
        return f"the log is {os.path.abspath(twistd['logfile'])}"
    if twistd.get("nodaemon"):
        return "the log is this terminal"
    return f"the log is {os.path.join(os.path.abspath(twistd.get('rundir') or '.'), 'twistd.log')}"
