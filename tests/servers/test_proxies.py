"""
L{twisted_mail_server.servers.base}: connections that come through a proxy.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from tests.servers.test_base import BaseCase, Echo
from tests.support.transports import MemoryTransport, ThrowAwayCertificates, TlsClient
from twisted_mail_server.model import limits
from twisted_mail_server.servers.base import Ending, TlsUse

PROXY = "198.51.100.7"
HEADER = b"PROXY TCP4 192.0.2.9 198.51.100.1 40000 25\r\n"
LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"


class ProxyTests(BaseCase):
    """
    What a proxy says first.
    """

    def arrive(self, **terms: Any) -> tuple[Echo, MemoryTransport]:
        """
        A connection from the proxy.
        """
        return self.connect(self.make(is_proxy=lambda peer: peer == PROXY, **terms), PROXY)

    def test_header(self) -> None:
        """
        Nothing is said before the header; then the client that it names is greeted, and what follows is its own.
        """
        for cut in range(len(HEADER) + 1):
            session, transport = self.arrive()
            transport.deliver(HEADER[:cut])
            if cut < len(HEADER):
                self.assertEqual((b"", PROXY), (transport.take(), session.peer))
            transport.deliver(HEADER[cut:] + b"word\r\n")
            self.assertEqual((b"hello\r\nword\r\n", "192.0.2.9"), (transport.take(), session.peer))
            self.assertEqual((PROXY, len(b"word\r\n")), (session.neighbour, session.octets_received))

    def test_for_itself(self) -> None:
        """
        A proxy that speaks for itself is greeted as what it is.
        """
        for header in (LOCAL, b"PROXY UNKNOWN\r\n"):
            session, transport = self.arrive()
            transport.deliver(header)
            self.assertEqual((b"hello\r\n", PROXY), (transport.take(), session.peer))

    def test_from_others(self) -> None:
        """
        From anybody else a header is octets like any others, and changes nothing.
        """
        session, transport = self.connect(self.make(is_proxy=lambda peer: peer == PROXY))
        self.assertEqual(b"hello\r\n", transport.take())
        transport.deliver(HEADER)
        self.assertEqual((HEADER, "192.0.2.1"), (transport.take(), session.peer))

    def test_no_header(self) -> None:
        """
        A proxy that does not say for whom it speaks is let go without a word.
        """
        for data in (b"word\r\n", HEADER[:-2] + b"x\r\n"):
            session, transport = self.arrive()
            transport.deliver(data)
            self.assertEqual((True, b""), (transport.disconnected, transport.take()))
            transport.deliver(HEADER)
            transport.lose()
            self.assertEqual((True, b""), (session.is_over, transport.take()))
        self.assertEqual(2, len([event for event in self.events if "problem" in event]))

    def test_in_time(self) -> None:
        """
        The header comes at once or not at all; afterwards the client has its time.
        """
        session, transport = self.arrive()
        transport.deliver(HEADER[:9])
        self.clock.advance(limits.PROXY_TIMEOUT)
        self.assertEqual((True, b"", Ending.TIMED_OUT), (transport.disconnected, transport.take(), session.ending))
        session, transport = self.arrive()
        transport.deliver(HEADER)
        self.clock.advance(limits.PROXY_TIMEOUT + 1)
        self.assertFalse(transport.disconnected)

    def test_closed_early(self) -> None:
        """
        A proxy that closes its end before the header has nothing to be told.
        """
        session, transport = self.arrive()
        session.readConnectionLost()
        self.assertEqual((True, b""), (transport.disconnected, transport.take()))

    def test_counted(self) -> None:
        """
        Connections are counted for the clients, not for their proxy.
        """
        factory = self.make(is_proxy=lambda peer: peer == PROXY, connections_per_address=1)
        _, first = self.connect(factory, PROXY)
        first.deliver(HEADER)
        _, second = self.connect(factory, PROXY)
        second.deliver(HEADER.replace(b"192.0.2.9", b"192.0.2.8"))
        _, third = self.connect(factory, PROXY)
        third.deliver(HEADER + b"word\r\n")
        self.assertEqual(
            [b"hello\r\n", b"hello\r\n", b"bye: crowded\r\n"], [one.take() for one in (first, second, third)]
        )
        for transport in (first, second, third):
            transport.lose()
        self.assertEqual(set(), factory.sessions)

    def test_drained(self) -> None:
        """
        While the server drains, who comes through a proxy is told so once it can be.
        """
        session, transport = self.arrive()
        drained = Deferred.fromCoroutine(self.factory.drain())
        self.assertEqual(b"", transport.take())
        transport.deliver(HEADER)
        self.assertEqual(b"bye: drained\r\n", transport.take())
        transport.lose()
        self.successResultOf(drained)
        self.assertEqual(Ending.DRAINED, session.ending)

    def test_implicit_tls(self) -> None:
        """
        The header comes in clear, before the handshake, whose first octets may come with it.
        """
        for is_at_once in (False, True):
            session, transport = self.arrive(tls=ThrowAwayCertificates(), tls_use=TlsUse.IMPLICIT)
            if is_at_once:
                deliver = transport.deliver

                def at_once(data: bytes, deliver: Any = deliver, transport: Any = transport) -> None:
                    transport.deliver = deliver
                    deliver(HEADER + data)

                self.patch(transport, "deliver", at_once)
            else:
                transport.deliver(HEADER)
            client = TlsClient(transport)
            self.assertEqual(b"hello\r\nword\r\n", client.talk(b"word\r\n"))
            self.assertEqual(("192.0.2.9", True), (session.peer, session.is_private))

    def test_no_privacy(self) -> None:
        """
        The loopback of a proxy elsewhere is not ours: passwords do not travel through it in clear.
        """
        header = HEADER.replace(b"192.0.2.9", b"127.0.0.1")
        session, transport = self.arrive(allow_plaintext=True)
        transport.deliver(header)
        self.assertEqual(("127.0.0.1", False), (session.peer, session.is_private))
        session, transport = self.connect(self.make(allow_plaintext=True, is_proxy=lambda peer: True), "127.0.0.1")
        transport.deliver(header)
        self.assertTrue(session.is_private)
