"""
Endpoint strings to services that listen.

A port is bound while the process still has its privileges (C{privilegedStartService}); what answers there is given later, when
everything it needs is open (L{ListenerService.open_to}).  A port that cannot be bound ends the start: Twisted's own endpoint
service would log it, and run on without.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Awaitable, Collection
from typing import Protocol, cast

from attrs import define
from twisted.application.service import Service
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    ILoggingContext,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
)
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import SyntaxProblem
from twisted_mail_server.servers.prompt import answer_promptly

_PORT = re.compile(r"[0-9]{1,5}")
_HIGHEST_PORT = 65_535
#: Below it, binding needs a privilege.
_FREE_PORTS = 1024
_SYSTEMD_DOMAINS = frozenset({"INET", "INET6", "UNIX"})


class CannotStart(SystemExit, Exception):
    """
    The start ends here; the text is the one line that says why.

    Twistd without C{-n} waits for word from its child, and gets it for an L{Exception} only; with C{-n}, and at the end of that
    child, a L{SystemExit} ends the process without a traceback.  So this is both.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        # Else the text would be printed at the exit, into the log: twistd has made stderr a part of that.
        self.code = 1
        # A daemonizing twistd shows the first 100 octets of the last line of the exception: without this, its class.
        self.add_note(sentence)


class IDraining(Protocol):
    """
    A factory that can end its sessions gently, and follow another at its listener.
    """

    @property
    def sessions(self) -> Collection[object]:
        """
        Its connections of this moment.
        """

    def succeed(self, earlier: IDraining) -> None:
        """
        Count its connections too.
        """

    def drain(self) -> Awaitable[None]:
        """
        Tell every session to end; done when all have, or were ended.
        """


def check_endpoint(text: str) -> str:
    """
    See that C{text} is a server endpoint, without opening anything.

    @raise SyntaxProblem: it is none.
    """
    kind, _, rest = text.partition(":")
    if kind == "haproxy":
        check_endpoint(rest)
    elif kind in ("ssl", "tls"):
        raise SyntaxProblem('TLS is not part of the endpoint here: say tls = "implicit".')
    elif kind == "systemd":
        # Its parser wants the sockets themselves; the settings are read by others than the service too.
        _check_systemd(rest)
    else:
        try:
            # A parser of a plugin may raise anything.
            serverFromString(object(), text)
        except Exception as problem:
            raise SyntaxProblem(_reason(problem)) from problem
        if kind in ("tcp", "tcp6"):
            _check_port(text)
    return text


def shared_port(text: str) -> str | None:
    """
    What two listeners cannot both have, of a right endpoint; L{None} where the system chooses a free port.
    """
    return None if _port(text) == "0" else text


def open_port(text: str) -> tuple[str, str] | None:
    """
    C{tcp} or C{tcp6}, and the port, of a right endpoint that listens at every address of this machine; L{None} for any other.
    """
    kind, *parts = text.replace(r"\:", "\0").split(":")
    port = _port(text)
    interfaces = [part.removeprefix("interface=") for part in parts if part.startswith("interface=")]
    is_open = not interfaces or interfaces[0].replace("\0", ":") in ("", "0.0.0.0", "::")
    return (kind, port) if port not in (None, "0") and is_open else None


def with_backlog(text: str) -> str:
    """
    A right endpoint where L{limits.BACKLOG} connections may wait to be taken, unless it says itself how many, or is not of TCP.
    """
    kind, *parts = text.replace(r"\:", "\0").split(":")
    # The third that has no name is the backlog.
    says_so = any(part.startswith("backlog=") for part in parts) or sum("=" not in part for part in parts) > 2
    return text if says_so or kind not in ("tcp", "tcp6") else f"{text}:backlog={limits.BACKLOG}"


def _port(text: str) -> str | None:
    kind, *parts = text.split(":")
    if kind not in ("tcp", "tcp6"):
        return None
    named = [part.removeprefix("port=") for part in parts if part.startswith("port=")]
    return next(iter(named or parts), None)


def _check_port(text: str) -> None:
    port = _port(text)
    if port is None or not _PORT.fullmatch(port) or int(port) > _HIGHEST_PORT:
        raise SyntaxProblem(f"A port is a number from 0 to {_HIGHEST_PORT}.")


def _check_systemd(rest: str) -> None:
    named = dict(part.partition("=")[::2] for part in rest.split(":"))
    if named.get("domain") not in _SYSTEMD_DOMAINS or len(named.keys() & {"name", "index"}) != 1 or len(named) > 2:
        raise SyntaxProblem("After systemd: come domain=INET, INET6 or UNIX, and name= or index=.")


def _reason(problem: Exception) -> str:
    if isinstance(problem, TypeError):
        return "It has a part too many, or one too few."
    if isinstance(problem, LookupError):
        # What systemd did not pass.
        return "There is no such socket."
    text = str(problem).partition("\n")[0]
    if text.startswith("invalid literal for int"):
        return "It has a word where a number belongs."
    return f"{text[:1].upper()}{text[1:]}."


@implementer(IProtocolFactory, ILoggingContext)
@define(eq=False)
class _Doorway:
    """
    What a bound port is given: closed until there is a factory behind it, and again when that drains.
    """

    name: str
    behind: IProtocolFactory | None = None

    def buildProtocol(self, address: IAddress) -> IProtocol | None:
        """
        Whoever comes too early is let go.
        """
        return None if self.behind is None else self.behind.buildProtocol(address)

    def doStart(self) -> None:
        """
        Told by the port.
        """

    def doStop(self) -> None:
        """
        Told by the port, for the last time.
        """

    def logPrefix(self) -> str:
        """
        What Twisted's own log lines call it.
        """
        return self.name


class ListenerService(Service):
    """
    Listens at one endpoint.

    @ivar protocol: what is spoken there, for people.
    """

    _log = Logger()

    def __init__(self, protocol: str, endpoint: str, reactor: IReactorTime) -> None:
        self.protocol = protocol
        self._endpoint = endpoint
        self._reactor = reactor
        self._doorway = _Doorway(protocol)
        #: What answers, or did as long as the port was open.
        self.factory: IProtocolFactory | None = None
        #: What answered before, and has sessions still.
        self._earlier: list[IProtocolFactory] = []
        self._port: IListeningPort | None = None

    def privilegedStartService(self) -> None:
        """
        Bind.

        @raise CannotStart: that is not possible.
        """
        Service.privilegedStartService(self)
        if self._port is None:
            self._port = self._bind()

    def startService(self) -> None:
        """
        Bind, if that was not done already.

        @raise CannotStart: that is not possible.
        """
        self.privilegedStartService()
        Service.startService(self)

    def open_to(self, factory: IProtocolFactory) -> None:
        """
        From now on C{factory} answers; implicit TLS is its sessions' affair.  Sessions of one that did so before live on.
        """
        earlier = self.factory
        factory.doStart()
        self._doorway.behind = self.factory = factory
        if earlier is not None:
            if hasattr(factory, "succeed") and hasattr(earlier, "sessions"):
                cast(IDraining, factory).succeed(cast(IDraining, earlier))
            self._earlier = [one for one in self._earlier if _sessions(one)]
            self._earlier.append(earlier)

    @property
    def endpoint(self) -> str:
        """
        Where this listens, as the settings have it.
        """
        return self._endpoint

    def sessions(self) -> list[object]:
        """
        The connections of this moment.
        """
        return [session for one in self._factories() for session in _sessions(one)]

    async def close(self) -> None:
        """
        Take no more connections; those that are here live on, until L{stopService}.
        """
        port, self._port = self._port, None
        self._doorway.behind = None
        if port is not None:
            await maybeDeferred(port.stopListening)

    def _factories(self) -> list[IProtocolFactory]:
        return self._earlier if self.factory is None else [*self._earlier, self.factory]

    def addresses(self) -> list[str]:
        """
        Where this listens, with the port that the system chose.
        """
        return [] if self._port is None else [_written(self._port.getHost())]

    def stopService(self) -> Deferred[None]:
        """
        Take no more connections; done when the factory has drained.
        """
        Service.stopService(self)
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await self.close()
        factories = self._factories()
        self.factory, self._earlier = None, []
        draining = [
            Deferred.fromCoroutine(_drained(cast(IDraining, one))) for one in factories if hasattr(one, "drain")
        ]
        if draining:
            await gatherResults(draining)
        for one in factories:
            one.doStop()

    def _bind(self) -> IListeningPort:
        results: list[IListeningPort | Failure] = []
        try:
            serverFromString(self._reactor, with_backlog(self._endpoint)).listen(self._doorway).addBoth(results.append)
        except Exception as problem:
            raise self._failed(problem) from problem
        if not results:
            raise CannotStart(f"{self.protocol} on {self._endpoint}: It does not listen at once, and is no use here.")
        (result,) = results
        if isinstance(result, Failure):
            raise self._failed(result.value) from result.value
        answer_promptly(result)
        return result

    def _failed(self, problem: BaseException | None) -> CannotStart:
        cause = problem.socketError if isinstance(problem, CannotListenError) else problem
        reason = _reason(cause) if isinstance(cause, Exception) else f"{cause}."
        if isinstance(cause, OSError) and cause.errno is not None:
            reason = f"{os.strerror(cause.errno)}."
            port = _port(self._endpoint)
            if cause.errno == errno.EACCES and port is not None and int(port) < _FREE_PORTS:
                reason = f"{os.strerror(cause.errno)}; ports below {_FREE_PORTS} need root or CAP_NET_BIND_SERVICE."
        failed = CannotStart(f"{self.protocol} on {self._endpoint}: {reason}")
        self._log.critical(
            "cannot listen: {reason}", reason=str(failed), protocol=self.protocol, endpoint=self._endpoint
        )
        return failed


def _sessions(factory: IProtocolFactory) -> Collection[object]:
    return cast(IDraining, factory).sessions if hasattr(factory, "sessions") else ()


async def _drained(factory: IDraining) -> None:
    await factory.drain()


def _written(address: object) -> str:
    if isinstance(address, IPv4Address):
        return f"{address.host}:{address.port}"
    if isinstance(address, IPv6Address):
        return f"[{address.host}]:{address.port}"
    if isinstance(address, UNIXAddress):
        return os.fsdecode(address.name or b"")
    return str(address)
