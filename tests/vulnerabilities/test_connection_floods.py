"""
Connection floods: one client that opens connections until nobody else can.

Here one address, or one network of IPv6, has so many at a time and a listener so many in all; what is too much is told so without a
handshake or any other work, counts for nothing, and is gone as soon as it closes.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.allservers import HERE, SERVICES, AllServers, WatchedTransport
from twisted_mail_server.servers.base import TlsUse

GREETINGS = {"smtp": b"220 ", "submission": b"220 ", "lmtp": b"220 ", "imap": b"* OK ", "pop3": b"+OK "}
REFUSALS = {"smtp": b"421 ", "submission": b"421 ", "lmtp": b"421 ", "imap": b"* BYE ", "pop3": b"-ERR "}


class FloodTests(SynchronousTestCase):
    """
    Every service.
    """

    def connect(self, servers: AllServers, service: str, peer: str) -> tuple[bool, WatchedTransport]:
        """
        Whether a connection is greeted, and it.
        """
        transport = servers.connect(service, peer)
        heard = transport.take()
        is_greeted = heard.startswith(GREETINGS[service])
        if not is_greeted:
            self.assertTrue(heard.startswith(REFUSALS[service]), heard)
            self.assertTrue(transport.is_ended)
        return is_greeted, transport

    def test_one_address(self) -> None:
        """
        An address has its number, and others are served meanwhile; one that closes makes room for one.
        """
        servers = AllServers(terms={"connections_per_address": 5})
        for service in SERVICES:
            found = [self.connect(servers, service, "192.0.2.1") for _ in range(8)]
            self.assertEqual([True] * 5 + [False] * 3, [is_greeted for is_greeted, _ in found])
            self.assertTrue(self.connect(servers, service, "192.0.2.2")[0])
            for _, refused in found[5:]:
                refused.lose()
            self.assertFalse(self.connect(servers, service, "192.0.2.1")[0])
            found[0][1].lose()
            self.assertTrue(self.connect(servers, service, "192.0.2.1")[0])

    def test_one_network(self) -> None:
        """
        The addresses of one IPv6 customer are one, and IPv4 in IPv6's clothes is IPv4.
        """
        servers = AllServers(terms={"connections_per_address": 3})
        for service in SERVICES:
            found = [self.connect(servers, service, f"2001:db8:1:2::{number:x}")[0] for number in range(1, 6)]
            self.assertEqual([True] * 3 + [False] * 2, found)
            self.assertTrue(self.connect(servers, service, "2001:db8:1:3::1")[0])
            mapped = [self.connect(servers, service, "::ffff:198.51.100.1")[0] for _ in range(2)]
            plain = [self.connect(servers, service, "198.51.100.1")[0] for _ in range(2)]
            self.assertEqual([True, True, True, False], mapped + plain)

    def test_many_addresses(self) -> None:
        """
        However many addresses take part, a listener has its number; this machine is no exception to that.
        """
        servers = AllServers(terms={"connections": 10, "connections_per_address": 2})
        for service in SERVICES:
            found = [self.connect(servers, service, f"192.0.2.{number}")[0] for number in range(1, 16)]
            self.assertEqual([True] * 10 + [False] * 5, found)
            self.assertFalse(self.connect(servers, service, HERE)[0])

    def test_no_work(self) -> None:
        """
        What is too much in implicit TLS gets no handshake: nothing is said, and no TLS layer made.
        """
        servers = AllServers(TlsUse.IMPLICIT, {"connections_per_address": 1})
        for service in SERVICES:
            servers.connect(service, "192.0.2.1")
            refused = servers.connect(service, "192.0.2.1")
            self.assertEqual((b"", True), (refused.take(), refused.is_ended))
            self.assertIs(refused.protocol.transport, refused)

    def test_nothing_kept(self) -> None:
        """
        Thousands that come and go leave nothing behind, whichever way they went.
        """
        servers = AllServers(terms={"connections_per_address": 2})
        for service in SERVICES:
            factory = servers.factory(service)
            for number in range(2000):
                transport = servers.connect(service, f"192.0.2.{number % 250}")
                if number % 3:
                    transport.lose()
                else:
                    transport.protocol.abort()
                    transport.lose()
            self.assertEqual((set(), {}, 0), (factory.sessions, factory.census.by_address, factory.census.admitted))
