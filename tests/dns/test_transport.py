"""
L{twisted_mail_server.dns.transport} on real sockets; the rest of it is met in L{tests.dns.test_resolver}.
"""

from __future__ import annotations

import os
from typing import Any, cast

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher
from twisted.trial.unittest import SkipTest, TestCase

from tests.support.zones import ZoneDatagrams, ZoneServer, ZoneStreams
from twisted_mail_server.dns.resolv import NameServer
from twisted_mail_server.dns.resolver import Resolver
from twisted_mail_server.model.dns import RecordKind
from twisted_mail_server.model.errors import DnsFailure

reactor: Any = global_reactor


class LoopbackTests(TestCase):
    """
    With a server on loopback.
    """

    async def serve(self, interface: str) -> Resolver:
        """
        A resolver, and the server that it asks.
        """
        text = " ".join(['"' + "x" * 255 + '"'] * 20)
        zones = ZoneServer(f"big.example. TXT {text}\na.example. A 192.0.2.1", secure=["example"])
        try:
            streams = reactor.listenTCP(0, ZoneStreams(zones), interface=interface)
        except CannotListenError:
            raise SkipTest("There is no IPv6 here.") from None
        port = streams.getHost().port
        datagrams = reactor.listenUDP(port, ZoneDatagrams(zones), interface=interface)
        self.addCleanup(streams.stopListening)
        self.addCleanup(datagrams.stopListening)
        return self.resolver(NameServer(interface, port))

    def resolver(self, server: NameServer) -> Resolver:
        """
        A resolver on real sockets.
        """
        return Resolver(servers=[server], udp=reactor, tcp=reactor, clock=reactor, random=os.urandom, timeout=60)

    async def test_query(self) -> None:
        """
        A question is answered over UDP, a large one over TCP, and what came from loopback is secure.
        """
        resolver = await self.serve("127.0.0.1")
        answer = await resolver.query("a.example", RecordKind.A)
        self.assertEqual((("192.0.2.1",), True), (answer.addresses, answer.is_secure))
        self.assertEqual((b"x" * 5100,), (await resolver.query("big.example", RecordKind.TXT)).texts)

    async def test_six(self) -> None:
        """
        So it is over IPv6.
        """
        resolver = await self.serve("::1")
        self.assertEqual(("192.0.2.1",), (await resolver.query("a.example", RecordKind.A)).addresses)
        self.assertEqual((b"x" * 5100,), (await resolver.query("big.example", RecordKind.TXT)).texts)

    async def test_nobody(self) -> None:
        """
        Where nobody listens, that is known at once.
        """
        # A port of which only one kind was ever open.
        here = reactor.listenTCP(0, ZoneStreams(ZoneServer("")), interface="127.0.0.1")
        port = here.getHost().port
        await here.stopListening()
        with self.assertRaises(DnsFailure) as caught:
            await self.resolver(NameServer("127.0.0.1", port)).query("a.example", RecordKind.A)
        self.assertIn("refused", caught.exception.public)

    async def test_no_way(self) -> None:
        """
        An address that the system will not send to is a failure like others.
        """
        for server in (NameServer("255.255.255.255"), NameServer("fe80::1%nowhere0")):
            with self.assertRaises(DnsFailure) as caught:
                await self.resolver(server).query("a.example", RecordKind.A)
            self.assertIn("not reachable", caught.exception.public)

    async def test_quiet(self) -> None:
        """
        Sockets open and close without a word in the log above its lowest level.
        """
        resolver = await self.serve("127.0.0.1")
        events: list[LogEvent] = []
        observer = cast(ILogObserver, events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        await resolver.query("a.example", RecordKind.A)
        await resolver.query("big.example", RecordKind.TXT)
        await _turn(reactor)
        self.assertEqual([], [event for event in events if event["log_level"] > LogLevel.debug])


def _turn(clock: IReactorTime) -> Deferred[None]:
    """
    Let the reactor close what is to be closed.
    """
    turned: Deferred[None] = Deferred()
    clock.callLater(0.01, turned.callback, None)
    return turned
