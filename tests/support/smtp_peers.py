"""
Connections to other servers in memory: a reactor that dials on the test's word, and a cable between client and server.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IConnector, IReactorTCP
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.support.smtp_client import CONTENT, to
from tests.support.transports import MemoryTransport, _Below
from twisted_mail_server.relay.connections import Connection, Connector, Outgoing, Target


class ClientTransport(MemoryTransport):
    """
    The client's end of a connection.
    """

    #: Whether it was let go at once.
    aborting = False

    def abortConnection(self) -> None:
        """
        At once.
        """
        self.aborting = True
        self.loseConnection()

    def startTLS(self, contextFactory: Any, normal: bool = True) -> None:
        """
        Put a real TLS layer between this transport and its protocol, as a client.
        """
        producer = self.producer
        if producer is not None:
            self.unregisterProducer()
        below = cast(Factory, None)
        factory = TLSMemoryBIOFactory(contextFactory, True, below, clock=self._clock)
        tls = factory.protocol(factory, self.protocol, False)
        self._tls = self.protocol = tls
        self.below = _Cut(self)
        tls.makeConnection(self.below)
        if producer is not None:
            self._tls.registerProducer(producer, True)


class _Cut(_Below):
    """
    Below TLS: an aborted connection is aborted outside too.
    """

    def abortConnection(self) -> None:
        """
        As TCP does it.
        """
        self._outer.disconnecting = True
        cast(ClientTransport, self._outer).aborting = True

    def loseConnection(self) -> None:
        """
        As TCP does it.
        """
        self._outer.disconnecting = True


@implementer(IReactorTCP, IConnector)
class Dialer:
    """
    Dials when the test says so.
    """

    def __init__(self) -> None:
        self.dialled: list[tuple[str, int, float]] = []
        self.factory: Any = None
        self.transport = ClientTransport()
        self.is_given_up = False

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float = 30, bindAddress: object = None) -> Dialer:
        """
        Remember.
        """
        self.dialled.append((host, port, timeout))
        self.factory = factory
        return self

    def refuse(self, host: str, port: int, factory: Any, timeout: float) -> Dialer:
        """
        As C{connectTCP}, and fail at once.
        """
        Dialer.connectTCP(self, host, port, factory, timeout).fail(ConnectionRefusedError())
        return self

    def listenTCP(self, *args: Any, **options: Any) -> Any:
        """
        Nobody listens here.
        """
        raise AssertionError

    def connect(self) -> None:
        """
        Nobody dials twice.
        """
        raise AssertionError

    def stopConnecting(self) -> None:
        """
        Nobody asks for that.
        """
        raise AssertionError

    def getDestination(self) -> Any:
        """
        Nobody asks for that.
        """
        raise AssertionError

    def disconnect(self) -> None:
        """
        As a connector does it, that has no connection yet.
        """
        self.is_given_up = True
        self.factory.clientConnectionFailed(self, Failure(ConnectionRefusedError("Given up.")))

    def fail(self, problem: Exception) -> None:
        """
        There is no connection.
        """
        self.factory.clientConnectionFailed(self, Failure(problem))

    def answer(self) -> ClientTransport:
        """
        There is a connection.
        """
        self.transport = ClientTransport()
        self.transport.connect(self.factory.buildProtocol(None))
        return self.transport


class Waiting:
    """
    A coroutine that was begun, and what came of it.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.deferred: Deferred[Any] = Deferred.fromCoroutine(coroutine)
        self._results: list[Any] = []
        self.deferred.addBoth(self._results.append)

    @property
    def is_done(self) -> bool:
        """
        Whether it has ended.
        """
        return bool(self._results)

    @property
    def result(self) -> Any:
        """
        What it returned; what it raised is raised.
        """
        (result,) = self._results
        if isinstance(result, Failure):
            result.raiseException()
        return result

    @property
    def problem(self) -> BaseException:
        """
        What it raised.
        """
        (result,) = self._results
        assert isinstance(result, Failure) and result.value is not None, result
        return result.value

    def cancel(self) -> None:
        """
        Nobody wants it any more.
        """
        self.deferred.cancel()


class Cable:
    """
    Carries octets between a client and a server in memory, and their ends.
    """

    def __init__(self, client: ClientTransport, server: MemoryTransport) -> None:
        self._client, self._server = client, server

    def carry(self) -> None:
        """
        Until it is quiet.
        """
        while self._carry_once():
            pass

    def _carry_once(self) -> bool:
        client, server = self._client, self._server
        out, back = client.take(), server.take()
        if out and server.connected:
            server.deliver(out)
        if back and client.connected:
            client.deliver(back)
        if out or back:
            return True
        for one in (client, server):
            if one.disconnecting and one.connected:
                for end in (client, server):
                    if end.connected:
                        end.lose()
                return True
        return False


def outgoing(
    *recipients: str,
    content: bytes = CONTENT,
    read: Callable[[int, int], Awaitable[bytes]] | None = None,
    size: int | None = None,
    **options: Any,
) -> Outgoing:
    """
    A message with its content.
    """

    async def slices(offset: int, length: int) -> bytes:
        return content[offset : offset + length]

    return Outgoing(
        sender=options.pop("sender", None),
        recipients=to(*(recipients or ("bob@example.net",))),
        size=len(content) if size is None else size,
        is_eight_bit=options.pop("is_eight_bit", False),
        read=read or slices,
        **options,
    )


class ConnectionCase:
    """
    To be mixed into a test case: a connector whose server is the test.
    """

    assertEqual: Callable[..., None]
    assertTrue: Callable[..., None]
    assertFalse: Callable[..., None]
    assertIsInstance: Callable[..., None]

    def setUp(self) -> None:
        """
        A clock, and a reactor that dials.
        """
        self.clock = Clock()
        self.dialer = Dialer()

    def make_connector(self, **options: Any) -> Connector:
        """
        A connector.
        """
        return Connector(
            clock=self.clock, connect=self.dialer, hello_name="client.example.org", random=bytes, **options
        )

    def dial(self, connector: Connector | None = None, **target: Any) -> tuple[Waiting, ClientTransport]:
        """
        A connection that is there, and nothing said.
        """
        settled = Target(**{"host": "mx.example.net", "address": "192.0.2.1", **target})
        opening = Waiting((connector or self.make_connector()).open(settled))
        return opening, self.dialer.answer()

    def open(
        self, *offers: str, connector: Connector | None = None, **target: Any
    ) -> tuple[Connection, ClientTransport]:
        """
        A session that is ready.
        """
        opening, transport = self.dial(connector, **target)
        transport.deliver(b"220 hi\r\n")
        self.assertEqual(b"EHLO client.example.org\r\n", transport.take())
        lines = ["mx.example.net", *offers]
        answer = "".join(f"250{'-' if one is not lines[-1] else ' '}{one}\r\n" for one in lines)
        transport.deliver(answer.encode())
        connection = opening.result
        assert isinstance(connection, Connection)
        return connection, transport
