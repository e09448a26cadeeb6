"""
The mail server as a Twisted service.

What is done when, and why (twistd without C{-n} forks between the first and the second)::

    makeService             reads and checks the settings, and the certificate they name; leaves nothing open
    privilegedStartService  binds the ports
                            (twistd drops privileges: --uid, --gid)
    startService            opens all the rest; the reactor does not run yet, so a failure can still end the start
    when the reactor runs   tells that it is ready; SIGHUP and C{mailctl reload} read the settings anew from then on
    stopService             takes no more connections, drains for at most 30 seconds, closes all

What is wrong in the first raises L{SystemExit}, in the next two L{CannotStart}: one line and an exit status of 1, with C{-n} and
without.  After a graceful SIGTERM twistd's exit status is 143.
"""

from __future__ import annotations

import gc

# Loaded now: what a first use would load later, once privileges are dropped, that user may not be able to read.
import importlib.readers  # noqa: F401
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from attrs import asdict
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.logger import Logger, globalLogPublisher
from twisted.python.failure import Failure
from twisted.python.usage import Options as UsageOptions

from twisted_mail_server.admin.control import Control
from twisted_mail_server.admin.peers import RUN
from twisted_mail_server.model.errors import BadSetting, MailError, Refused
from twisted_mail_server.servers.listening import CannotStart, ListenerService
from twisted_mail_server.telemetry.lag import ReactorLag
from twisted_mail_server.telemetry.logs import adopt, line_format
from twisted_mail_server.tls.contexts import ServerContexts

from .notifying import notify
from .passwords import smarthost_login, warnings
from .reading import read_settings
from .reloading import Reloaded, Reloader
from .rounds import install_reactor
from .settings import Listener, Settings
from .status import describe
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
        # Whoever comes later gets whatever reactor there is.
        install_reactor()


def makeService(options: Options) -> MailService:
    """
    The mail server that the settings describe, with nothing opened yet.

    @raise SystemExit: something is wrong with the settings; a line for each thing.
    """
    from twisted.internet import reactor

    # As they are now: a daemon changes its folder.
    reread = partial(read_settings, options["config"], dict(os.environ), os.getcwd())
    try:
        settings = reread()
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
    return MailService(settings, certificates, reactor, login, reread, os.environ.get("NOTIFY_SOCKET", ""))


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
        reread: Callable[[], Settings] | None = None,
        notify_socket: str = "",
    ) -> None:
        """
        @param reread: the settings, read anew; without it they are always C{settings}.
        @param notify_socket: where systemd wants to hear of us, if it does.
        """
        super().__init__()
        self._reread = reread or (lambda: settings)
        self._reloader: Reloader | None = None
        self._control: Control | None = None
        self._lag = ReactorLag(reactor)
        self._notify = partial(notify, notify_socket)
        self._hangup: Any = None
        self._settings = settings
        self._certificates = certificates
        self._smarthost_login = smarthost_login
        self._reactor = reactor
        self._server: Server | None = None
        self.listeners = [self._listener(one) for one in settings.listeners]
        for listener in self.listeners:
            listener.setServiceParent(self)

    def privilegedStartService(self) -> None:
        """
        Bind the ports.

        @raise CannotStart: that is not possible.
        """
        # All that is made from here on is for the server's user alone.
        os.umask(0o077)
        _log_as(self._settings)
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
        server.meters.watch("mail_reactor_lag_seconds", lambda: self._lag.latest)
        try:
            for listener, settings in zip(self.listeners, self._settings.listeners, strict=True):
                listener.open_to(server.factory(settings))
            self._open_control(server)
            super().startService()
        except BaseException:
            # Its threads would keep the process alive.
            run_blocking(self._reactor, self._close(server))
            raise
        self._reactor.callWhenRunning(self._ready)

    def stopService(self) -> Deferred[None]:
        """
        Drain, then close everything.
        """
        self._notify("STOPPING=1")
        self._lag.stop()
        if self._hangup is not None:
            signal.signal(signal.SIGHUP, self._hangup)
            self._hangup = None
        if self._reloader is not None:
            self._reloader.stop()
        return Deferred.fromCoroutine(self._stop(super().stopService()))

    async def _stop(self, drained: Deferred[Any]) -> None:
        await drained
        server, self._server = self._server, None
        if server is not None:
            await self._close(server)
        _log.info("stopped")

    async def _close(self, server: Server) -> None:
        control, self._control = self._control, None
        if control is not None:
            await control.close()
        await server.stop()

    def _listener(self, settings: Listener) -> ListenerService:
        return ListenerService(settings.protocol, settings.endpoint, self._reactor)

    def _open_control(self, server: Server) -> None:
        """
        From now on the server can be asked.

        @raise CannotStart: the socket cannot be made.
        """
        resources = server.resources
        reloader = self._reloader = Reloader(
            server,
            self.listeners,
            self._reread,
            self._listener,
            lambda listener: listener.setServiceParent(self),
            _log_as,
        )
        began = resources.reactor.seconds()

        async def status() -> dict[str, Any]:
            return await describe(server, self.listeners, reloader.retired, self._lag, began)

        async def reload() -> dict[str, Any]:
            return asdict(await self.reload())

        folder = os.path.join(resources.disk.root, RUN)
        control = Control(self._reactor, folder, resources.random, {"status": status, "reload": reload})
        try:
            control.open()
        except MailError as problem:
            raise _cannot_start(problem.public) from problem
        self._control = control

    async def reload(self) -> Reloaded:
        """
        Read settings and certificates anew; the log tells what became of it, and so does systemd.

        @raise MailError: something is wrong, and nothing has changed; or the server has not begun, or stops.
        """
        if self._reloader is None:
            raise Refused("The server has not begun.")
        self._notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            return await self._reloader.reload()
        finally:
            self._notify("READY=1")

    def _catch_hangups(self) -> None:
        """
        Reload at SIGHUP.  Twistd has no use for that signal, and the main thread alone may take it.
        """
        if threading.current_thread() is threading.main_thread():
            self._hangup = signal.signal(signal.SIGHUP, lambda *_: self._reactor.callFromThread(self._hung_up))

    def _hung_up(self) -> None:
        Deferred.fromCoroutine(self.reload()).addErrback(_reload_failed)

    def _ready(self) -> None:
        if self._server is None:
            # Stopped before it began.
            return
        # What the start has made stays to the end: the collector, which stops everybody while it looks for garbage, need not look
        # through it again and again (40 ms each time, once for every few large answers: measured).
        gc.collect()
        gc.freeze()
        self._lag.start()
        self._catch_hangups()
        self._notify("READY=1")
        places = [f"{one.protocol} {address}" for one in self.listeners for address in one.addresses()]
        _log.info("ready: {listeners}", listeners=", ".join(places), data_dir=self._settings.data_dir)
        tell(f"mailserver: ready: {', '.join(places)}.")
        if self._server.first_account is not None:
            path = os.path.join(self._settings.data_dir, FIRST_ACCOUNT)
            tell(f"mailserver: first account: {self._server.first_account}, password in {path}.")


def _log_as(settings: Settings) -> None:
    adopt(globalLogPublisher, line_format(settings.log.format, settings.log.level))


def _reload_failed(failure: Failure) -> None:
    # What was to be expected is in the log already.
    if failure.check(MailError) is None:
        _log.failure("the reload failed", failure)


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
    raise _cannot_start(sentence)


def _cannot_start(sentence: str) -> CannotStart:
    _log.critical("cannot start: {reason}", reason=sentence)
    tell(f"mailserver: {sentence}")
    return CannotStart(sentence)


def _log_place(options: Options) -> str:
    twistd = getattr(options, "parent", None)
    if twistd is None:
        return f"the log is twistd's: with -n this terminal, else twistd.log in {os.getcwd()}"
    if twistd.get("logfile") not in (None, "", "-"):
        return f"the log is {os.path.abspath(twistd['logfile'])}"
    if twistd.get("nodaemon"):
        return "the log is this terminal"
    return f"the log is {os.path.join(os.path.abspath(twistd.get('rundir') or '.'), 'twistd.log')}"
