"""
One query and its answer, over UDP or TCP (RFC 1035 section 4.2, RFC 7766).

Each query over UDP has a socket of its own: the system gives it a port that nobody can guess, and, because it is connected,
keeps away what comes from elsewhere (RFC 5452 section 9).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from attrs import define
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IConnector, IReactorTCP, IReactorTime, IReactorUDP, ITCPTransport, IUDPTransport
from twisted.internet.protocol import ClientFactory, DatagramProtocol, Protocol, connectionDone
from twisted.logger import LogLevel
from twisted.python import context
from twisted.python.failure import Failure
from twisted.python.log import ILogContext

from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import DnsFailure

from .codec import MalformedAnswer
from .resolv import NameServer

#: Tells whether a packet answers the query.
IsReply = Callable[[bytes], bool]


class NoReply(DnsFailure):
    """
    A resolver was silent, or could not be reached.
    """


@define(eq=False)
class Transport:
    """
    Carries queries to resolvers.
    """

    _udp: IReactorUDP
    _tcp: IReactorTCP
    _clock: IReactorTime

    def datagram(self, server: NameServer, query: bytes, is_reply: IsReply, wait: float) -> Deferred[bytes]:
        """
        Ask over UDP.  What is no reply to the query is ignored: anybody may send that.

        The Deferred fails with L{NoReply}, after C{wait} seconds at the latest.
        """
        protocol = _Datagrams(is_reply)
        interface = "::" if ":" in server.address else "0.0.0.0"
        try:
            port = _quietly(self._udp.listenUDP, 0, protocol, interface, limits.DNS_DATAGRAM)
        except CannotListenError as problem:
            return _failed(problem.socketError)
        _close_quietly(port)
        protocol.ask(server, query)
        return self._limited(protocol.reply, wait)

    def stream(self, server: NameServer, query: bytes, is_reply: IsReply, wait: float) -> Deferred[bytes]:
        """
        Ask over TCP.

        The Deferred fails with L{NoReply}, after C{wait} seconds at the latest, or L{MalformedAnswer}.
        """
        factory = _StreamFactory(query, is_reply)
        try:
            self._tcp.connectTCP(server.address, server.port, factory, wait)
        except OSError as problem:
            # A scope that there is not, in an IPv6 address.
            return _failed(problem)
        return self._limited(factory.reply, wait)

    def _limited(self, reply: Deferred[bytes], wait: float) -> Deferred[bytes]:
        return reply.addTimeout(wait, self._clock, _timed_out)


def _timed_out(result: bytes | Failure, wait: float) -> bytes:
    # A reply that fails in another way while it is cancelled is a timeout all the same.
    raise NoReply("no answer in time")


def _failed(problem: BaseException) -> Deferred[bytes]:
    reply: Deferred[bytes] = Deferred()
    reply.errback(_unreachable(problem))
    return reply


def _unreachable(problem: BaseException) -> NoReply:
    text = problem.strerror if isinstance(problem, OSError) else str(problem).rstrip(".")
    failure = NoReply(f"not reachable ({text})")
    failure.__cause__ = problem
    return failure


def _quietly(call: Callable[..., Any], *args: Any) -> Any:
    """
    Twisted logs each port that it opens and closes: nobody wants to read that of every query.
    """
    return context.call({ILogContext: {"log_level": LogLevel.debug, "system": "dns", "isError": 0}}, call, *args)


def _close_quietly(port: Any) -> None:
    # The reactor calls this later, outside of any context; a port of another make may have no such method, nor anything to say.
    close = getattr(port, "connectionLost", None)
    if close is not None:
        port.connectionLost = lambda reason=None: _quietly(close, reason)


class _Datagrams(DatagramProtocol):
    """
    A socket for one query.
    """

    noisy = False

    def __init__(self, is_reply: IsReply) -> None:
        self._is_reply = is_reply
        self._is_over = False
        self.reply: Deferred[bytes] = Deferred(lambda _: self._stop())

    def ask(self, server: NameServer, query: bytes) -> None:
        """
        Send the query.
        """
        transport = cast(IUDPTransport, self.transport)
        try:
            transport.connect(server.address, server.port)
            transport.write(query, (server.address, server.port))
        except OSError as problem:
            self._fail(_unreachable(problem))

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        if not self._is_over and self._is_reply(datagram):
            self._stop()
            self.reply.callback(datagram)

    def connectionRefused(self) -> None:
        self._fail(NoReply("not reachable (refused)"))

    def stopProtocol(self) -> None:
        # Not by us: the system reported an error on the socket.
        self._fail(NoReply("not reachable (socket lost)"))

    def _fail(self, problem: NoReply) -> None:
        if not self._is_over:
            self._stop()
            self.reply.errback(problem)

    def _stop(self) -> None:
        self._is_over = True
        if self.transport is not None:
            cast(Any, self.transport).stopListening()


class _Stream(Protocol):
    """
    A connection for one query.
    """

    transport: ITCPTransport

    def __init__(self, errand: _StreamFactory) -> None:
        self._errand = errand
        self._received = bytearray()

    def connectionMade(self) -> None:
        query = self._errand.query
        self._errand.abort = self.transport.abortConnection
        self.transport.setTcpNoDelay(True)
        self.transport.write(len(query).to_bytes(2, "big") + query)

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        end = 2 + int.from_bytes(self._received[:2], "big")
        if len(self._received) >= end:
            self._errand.arrived(bytes(self._received[2:end]))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._errand.fail(NoReply("connection lost"))


class _StreamFactory(ClientFactory):
    noisy = False
    #: Ends what there is of the connection, from when it is begun.
    abort: Callable[[], None]

    def __init__(self, query: bytes, is_reply: IsReply) -> None:
        self.query = query
        self._is_reply = is_reply
        self._is_over = False
        self.reply: Deferred[bytes] = Deferred(lambda _: self._stop())

    def buildProtocol(self, addr: object) -> _Stream:
        return _Stream(self)

    def startedConnecting(self, connector: IConnector) -> None:
        self.abort = connector.stopConnecting

    def arrived(self, packet: bytes) -> None:
        """
        The whole answer.
        """
        self._stop()
        if self._is_reply(packet):
            self.reply.callback(packet)
        else:
            self.reply.errback(MalformedAnswer("an answer to something else"))

    def fail(self, problem: NoReply) -> None:
        """
        There will be no answer.
        """
        if not self._is_over:
            self._is_over = True
            self.reply.errback(problem)

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        self.fail(_unreachable(cast(BaseException, reason.value)))

    def _stop(self) -> None:
        self._is_over = True
        self.abort()
