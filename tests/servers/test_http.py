"""
L{twisted_mail_server.servers.http}
"""

from __future__ import annotations

from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.support.disks import seeded
from tests.support.drive import now
from twisted_mail_server.servers.http import HttpFactory
from twisted_mail_server.servers.terms import Terms

HERE = IPv4Address("TCP", "127.0.0.1", 50000)


class HttpTests(SynchronousTestCase):
    """
    Metrics and health, for those who may ask.
    """

    def setUp(self) -> None:
        """
        A listener whose metrics are what a test says.
        """
        self.clock = Clock()
        self.metrics: Deferred[bytes] = Deferred()
        self.factory = HttpFactory(
            Terms("http", "mail.example.org", self.clock, seeded()),
            metrics=self.page,
            is_trusted=lambda peer: peer == "192.0.2.1",
        )
        self.factory.doStart()
        self.addCleanup(self.factory.doStop)

    async def page(self) -> bytes:
        """
        What is waited for.
        """
        return await self.metrics

    def ask(self, request: bytes, peer: IAddress = HERE) -> StringTransport:
        """
        A connection on which that was sent.
        """
        protocol = self.factory.buildProtocol(peer)
        transport = StringTransport(hostAddress=HERE, peerAddress=peer)
        protocol.makeConnection(transport)
        self.protocol = protocol
        protocol.dataReceived(request)
        return transport

    def test_metrics(self) -> None:
        """
        The page comes as soon as it is made.
        """
        transport = self.ask(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertEqual(b"", transport.value())
        self.metrics.callback(b"mail_sessions 1\n")
        head, body = transport.value().split(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 200 OK\r\n"), head)
        self.assertIn(b"text/plain; version=0.0.4", head)
        self.assertEqual(b"mail_sessions 1\n", body)

    def test_health(self) -> None:
        """
        The server says that it lives, to a Unix socket too, and to HEAD without a content.
        """
        self.assertTrue(self.ask(b"GET /health HTTP/1.0\r\n\r\n").value().endswith(b"\r\n\r\nok\n"))
        self.assertTrue(self.ask(b"HEAD /health HTTP/1.0\r\n\r\n", UNIXAddress("/x")).value().endswith(b"\r\n\r\n"))

    def test_nothing_else(self) -> None:
        """
        There is nothing else, and nothing to be changed.
        """
        for request, status in (
            (b"GET / HTTP/1.0", b"404"),
            (b"GET /metrics/x HTTP/1.0", b"404"),
            (b"GET /other HTTP/1.0", b"404"),
            (b"POST /metrics HTTP/1.0\r\nContent-Length: 0", b"405"),
        ):
            self.metrics = Deferred()
            self.metrics.callback(b"")
            self.assertEqual(status, self.ask(request + b"\r\n\r\n").value()[9:12], request)

    def test_failure(self) -> None:
        """
        A page that cannot be made is told so, without the reason, which is in the log.
        """
        transport = self.ask(b"GET /metrics HTTP/1.0\r\n\r\n")
        self.metrics.errback(RuntimeError("secret"))
        self.assertIn(b" 500 ", transport.value())
        self.assertNotIn(b"secret", transport.value())
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))

    def test_gone(self) -> None:
        """
        A page for somebody who is gone is not made any further.
        """
        cancelled: list[object] = []
        self.metrics = Deferred(cancelled.append)
        transport = self.ask(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        self.protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(1, len(cancelled))
        self.assertEqual(b"", transport.value())

    def test_strangers(self) -> None:
        """
        Only this machine and trusted networks are spoken to.
        """
        self.assertIsNone(self.factory.buildProtocol(IPv4Address("TCP", "192.0.2.9", 1)))
        self.assertIsNotNone(self.factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 1)))

    def test_too_many(self) -> None:
        """
        There are no more connections than may be; one that ends makes room.
        """
        factory = HttpFactory(Terms("http", "x", self.clock, seeded(), connections=1), metrics=self.page)
        self.factory = factory
        self.ask(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertEqual(1, len(factory.sessions))
        self.assertIsNone(factory.buildProtocol(HERE))
        self.protocol.connectionLost(Failure(ConnectionDone()))
        self.assertIsNotNone(factory.buildProtocol(HERE))

    def test_drain(self) -> None:
        """
        Connections that wait for another request are closed.
        """
        transport = self.ask(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertFalse(transport.disconnecting)
        now(self.factory.drain())
        self.assertTrue(transport.disconnecting)
        HttpFactory(Terms("http", "x", self.clock, seeded()), metrics=self.page).succeed(self.factory)

    def test_silence(self) -> None:
        """
        Who sends nothing is let go.
        """
        transport = self.ask(b"GET /metr")
        self.clock.advance(31)
        self.assertTrue(transport.disconnecting)
