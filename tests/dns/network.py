"""
A network in memory: UDP and TCP to servers that are functions, on a clock that tests move.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError, ConnectError, ConnectionDone, ConnectionRefusedError
from twisted.internet.interfaces import IConnector, IListeningPort, IReactorUDP
from twisted.internet.protocol import ClientFactory, DatagramProtocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.support.zones import ZoneServer

T = TypeVar("T")

#: What comes back for a datagram, and, in pieces, for a query over TCP; nothing is silence.
Datagrams = Callable[[bytes], list[bytes]]
Streams = Callable[[bytes], list[bytes]]


def silent(query: bytes) -> list[bytes]:
    """
    A server that never answers.
    """
    return []


def framed(packet: bytes) -> list[bytes]:
    """
    A packet as it goes over TCP (RFC 1035 section 4.2.2).
    """
    return [len(packet).to_bytes(2, "big") + packet]


@implementer(IReactorUDP)
class MemoryNetwork(MemoryReactorClock):
    """
    Delivers what is sent a moment later.
    """

    def __init__(self) -> None:
        super().__init__()
        self._servers: dict[tuple[str, int], tuple[Datagrams, Streams]] = {}
        #: What is open.
        self.ports: list[_Port] = []
        self.connections: list[_Connector] = []
        #: How many sockets for datagrams there were.
        self.opened = 0
        #: Raised by the next sockets.
        self.broken: OSError | None = None
        self.unreachable: OSError | None = None

    def serve(self, address: str, datagrams: Datagrams = silent, streams: Streams = silent, port: int = 53) -> None:
        """
        Have a server at an address.
        """
        self._servers[(address, port)] = (datagrams, streams)

    def serve_zones(self, address: str, server: ZoneServer, port: int = 53) -> None:
        """
        Have a zone server at an address.
        """
        self.serve(
            address,
            lambda query: [server.answer(query)],
            lambda query: framed(server.answer(query, is_stream=True)),
            port,
        )

    def at(self, address: tuple[str, int]) -> tuple[Datagrams, Streams] | None:
        """
        Who is there.
        """
        return self._servers.get(address)

    def listenUDP(
        self, port: int, protocol: DatagramProtocol, interface: str = "", maxPacketSize: int = 8192
    ) -> IListeningPort:
        """
        A socket.
        """
        if self.broken is not None:
            raise CannotListenError(interface, port, self.broken)
        self.opened += 1
        here = _Port(self, protocol, interface)
        self.ports.append(here)
        protocol.makeConnection(here)  # type: ignore[arg-type]
        return here

    def connectTCP(
        self, host: str, port: int, factory: ClientFactory, timeout: float = 30, bindAddress: Any = None
    ) -> IConnector:
        """
        A connection.
        """
        connector = _Connector(self, (host, port), factory)
        self.connections.append(connector)
        connector.connect()
        return connector

    def run(self) -> None:
        """
        Let everything happen that needs no time.
        """
        while any(call.getTime() <= self.seconds() for call in self.getDelayedCalls()):
            self.advance(0)

    def result(self, coroutine: Coroutine[Any, Any, T], seconds: float = 0.0) -> T:
        """
        The result of a coroutine that ends within so many seconds.
        """
        results: list[Any] = []
        Deferred.fromCoroutine(coroutine).addBoth(results.append)
        self.run()
        until = self.seconds() + seconds
        while not results and self.seconds() < until:
            self.advance(0.125)
            self.run()
        if not results:
            raise AssertionError("It is still waiting.")
        if isinstance(results[0], Failure):
            results[0].raiseException()
        return results[0]  # type: ignore[no-any-return]


@implementer(IListeningPort)
class _Port:
    """
    A UDP socket.
    """

    def __init__(self, network: MemoryNetwork, protocol: DatagramProtocol, interface: str) -> None:
        self._network = network
        self.protocol = protocol
        self.interface = interface
        self.peer: tuple[str, int] = ("", 0)

    def startListening(self) -> None:
        """
        It does.
        """

    def getHost(self) -> IPv4Address:
        """
        Where it is.
        """
        return IPv4Address("UDP", "192.0.2.200", 40000)

    def connect(self, host: str, port: int) -> None:
        """
        Take nothing from anybody else.
        """
        self.peer = (host, port)

    def write(self, datagram: bytes, addr: Any = None) -> None:
        """
        Send.
        """
        if self._network.unreachable is not None:
            raise self._network.unreachable
        server = self._network.at(self.peer)
        if server is None:
            self._network.callLater(0, self._refuse)
            return
        for reply in server[0](datagram):
            self._network.callLater(0, self._receive, reply)

    def stopListening(self) -> None:
        """
        Close it, a moment later.
        """
        self._network.callLater(0, self._close)

    def _close(self) -> None:
        if self in self._network.ports:
            self._network.ports.remove(self)
            self.protocol.doStop()

    def _receive(self, datagram: bytes) -> None:
        if self in self._network.ports:
            self.protocol.datagramReceived(datagram, self.peer)

    def _refuse(self) -> None:
        if self in self._network.ports:
            self.protocol.connectionRefused()


class _Transport(StringTransport):
    """
    Our end of a connection.
    """

    def __init__(self, connector: _Connector) -> None:
        super().__init__()
        self._connector = connector

    def setTcpNoDelay(self, enabled: bool) -> None:
        """
        As it is anyway.
        """

    def write(self, data: bytes) -> None:
        """
        Send.
        """
        super().write(data)
        self._connector.sent(self.value())

    def abortConnection(self) -> None:
        """
        Let go at once.
        """
        self._connector.lose()


@implementer(IConnector)
class _Connector:
    """
    A connection that is being made, or was.
    """

    def __init__(self, network: MemoryNetwork, address: tuple[str, int], factory: ClientFactory) -> None:
        self._network = network
        self._address = address
        self._factory = factory
        self._protocol: Any = None

    def connect(self) -> None:
        """
        Begin to.
        """
        self._factory.doStart()
        self._factory.startedConnecting(self)
        if self._network.broken is not None:
            self._fail(ConnectError(self._network.broken))
        elif self._network.at(self._address) is None:
            self._network.callLater(0, self._fail, ConnectionRefusedError())
        else:
            self._network.callLater(0, self._made)

    def getDestination(self) -> IPv4Address:
        """
        Where it leads.
        """
        return IPv4Address("TCP", *self._address)

    def disconnect(self) -> None:
        """
        End it.
        """
        self.lose()

    def stopConnecting(self) -> None:
        """
        Give up.
        """
        self._fail(ConnectError("given up"))

    def lose(self) -> None:
        """
        The connection is gone.
        """
        if self in self._network.connections:
            self._network.connections.remove(self)
            self._network.callLater(0, self._protocol.connectionLost, Failure(ConnectionDone()))

    def sent(self, data: bytes) -> None:
        """
        So much has been written so far.
        """
        server = self._network.at(self._address)
        assert server is not None
        if len(data) >= 2 + int.from_bytes(data[:2], "big"):
            for piece in server[1](data[2:]):
                self._network.callLater(0, self._receive, piece)

    def _made(self) -> None:
        if self in self._network.connections:
            self._protocol = self._factory.buildProtocol(None)
            self._protocol.makeConnection(_Transport(self))

    def _receive(self, piece: bytes) -> None:
        """
        Octets from the server; none of them: it has closed.
        """
        if self not in self._network.connections:
            return
        if piece:
            self._protocol.dataReceived(piece)
        else:
            self.lose()

    def _fail(self, problem: Exception) -> None:
        if self in self._network.connections:
            self._network.connections.remove(self)
            self._factory.clientConnectionFailed(self, Failure(problem))
