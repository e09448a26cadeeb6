"""
L{twisted_mail_server.app.wire}: what answers at a listener, as its settings have it.
"""

from __future__ import annotations

from typing import cast

from twisted.internet import reactor

from tests.app.test_wire import WireTestCase
from tests.support.transports import MemoryTransport
from twisted_mail_server.app.wire import Server, start_server
from twisted_mail_server.servers.base import Session, SessionFactory

LISTENERS = """
domains = ["bücher.example"]
[[listener]]
protocol = "lmtp"
endpoint = "unix:lmtp.sock"
tls = "off"
[[listener]]
protocol = "smtp"
endpoint = "tcp:0"
proxy_networks = ["198.51.100.0/24"]
"""


class ListenerTests(WireTestCase):
    """
    A server with listeners of its own.
    """

    def connect(self, server: Server, number: int, peer: str) -> tuple[Session, MemoryTransport]:
        """
        A connection to one of them.
        """
        factory = cast(SessionFactory, server.factory(server.resources.settings.listeners[number]))
        session = factory.buildProtocol(None)
        assert isinstance(session, Session)
        transport = MemoryTransport(peer)
        transport.connect(session)
        self.addCleanup(transport.lose)
        return session, transport

    async def test_lmtp(self) -> None:
        """
        An C{lmtp} listener speaks LMTP, without a login.
        """
        server = await start_server(self.settings(LISTENERS), reactor, None)
        self.addCleanup(server.stop)
        _, transport = self.connect(server, 0, "127.0.0.1")
        transport.deliver(b"EHLO me\r\nLHLO me\r\nMAIL FROM:<>\r\n")
        greeting, refusal, *_, last = transport.take().splitlines()
        self.assertTrue(greeting.endswith(b" LMTP"), greeting)
        self.assertEqual((b"500", b"250 2.1.0 Sender ok."), (refusal[:3], last))

    async def test_proxy_networks(self) -> None:
        """
        Only from C{proxy_networks} a PROXY header is awaited.
        """
        server = await start_server(self.settings(LISTENERS), reactor, None)
        self.addCleanup(server.stop)
        session, transport = self.connect(server, 1, "198.51.100.7")
        self.assertEqual(b"", transport.take())
        transport.deliver(b"PROXY TCP4 192.0.2.9 198.51.100.1 40000 25\r\n")
        self.assertEqual((b"220", "192.0.2.9"), (transport.take()[:3], session.peer))
        session, transport = self.connect(server, 1, "192.0.2.9")
        self.assertEqual(b"220", transport.take()[:3])

    async def test_domain_in_any_script(self) -> None:
        """
        A domain of the settings is local in whatever form it is written there and in an address.
        """
        server = await start_server(self.settings(LISTENERS), reactor, None)
        self.addCleanup(server.stop)
        self.assertEqual(["xn--bcher-kva.example"], await server.resources.directory.domains())
        _, transport = self.connect(server, 0, "127.0.0.1")
        transport.deliver(b"LHLO me\r\nMAIL FROM:<> SMTPUTF8\r\n")
        transport.take()
        for domain in ("bücher.example", "BÜCHER.example", "xn--bcher-kva.example"):
            transport.deliver(f"RCPT TO:<nobody@{domain}>\r\n".encode())
            self.assertEqual(b"550 5.1.1", transport.take()[:9])
