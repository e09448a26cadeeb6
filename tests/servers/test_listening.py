"""
L{twisted_mail_server.servers.listening}
"""

from __future__ import annotations

import errno
import os
import socket
import traceback
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import SyntaxProblem
from twisted_mail_server.servers.listening import (
    CannotStart,
    ListenerService,
    check_endpoint,
    open_port,
    shared_port,
    with_backlog,
)


class EndpointTests(SynchronousTestCase):
    """
    Endpoint strings.
    """

    def test_right_ones(self) -> None:
        """
        Whatever Twisted can listen on, systemd's sockets too, is taken without being opened.
        """
        for text in (
            "tcp:25",
            "tcp:0:interface=127.0.0.1",
            "tcp:port=65535:backlog=100",
            "tcp6:25:interface=\\:\\:1",
            "tcp6:interface=\\:\\:1:port=25",
            "unix:/nowhere/at/all:mode=600",
            "systemd:domain=INET:name=smtp",
            "systemd:domain=UNIX:index=0",
            "haproxy:tcp:25",
            "haproxy:systemd:domain=INET6:name=smtp",
        ):
            self.assertEqual(text, check_endpoint(text))

    def test_wrong_ones(self) -> None:
        """
        What is wrong with others is said.
        """
        port = "A port is a number from 0 to 65535."
        systemd = "After systemd: come domain=INET, INET6 or UNIX, and name= or index=."
        tls = 'TLS is not part of the endpoint here: say tls = "implicit".'
        number = "It has a word where a number belongs."
        parts = "It has a part too many, or one too few."
        for text, problem in (
            ("", "Unknown endpoint type: ''."),
            ("25", "Unknown endpoint type: '25'."),
            ("tpc:25", "Unknown endpoint type: 'tpc'."),
            ("tcp", parts),
            ("tcp:", number),
            ("tcp:smtp", number),
            ("tcp:25:host=a", parts),
            ("tcp:interface=::1", parts),
            ("tcp:65536", port),
            ("tcp:-1", port),
            ("tcp6:99999", port),
            ("tcp:٣", port),
            ("tcp:port=+5", port),
            ("unix", parts),
            ("systemd:domain=INET", systemd),
            ("systemd:name=smtp", systemd),
            ("systemd:domain=INET:name=a:index=1", systemd),
            ("systemd:domain=INET:name=a:colour=1", systemd),
            ("systemd:domain=IPX:name=a", systemd),
            ("ssl:993", tls),
            ("tls:/certificates:tcp\\:993", tls),
            ("haproxy:ssl:993", tls),
        ):
            with self.assertRaises(SyntaxProblem, msg=text) as caught:
                check_endpoint(text)
            self.assertEqual(problem, caught.exception.public, text)

    def test_shared_ports(self) -> None:
        """
        A port that the system chooses is nobody else's; any other belongs to one listener.
        """
        self.assertEqual(
            [None, None, None, "tcp:25", "unix:/a:0"],
            [
                shared_port(text)
                for text in ("tcp:0", "tcp6:port=0", "tcp:interface=127.0.0.1:port=0", "tcp:25", "unix:/a:0")
            ],
        )

    def test_backlog(self) -> None:
        """
        Many connections may wait to be taken, unless the endpoint says how many, or is of another kind.
        """
        more = f":backlog={limits.BACKLOG}"
        for text in ("tcp:25", "tcp:25:127.0.0.1", "tcp:port=25:interface=a", "tcp6:25:interface=\\:\\:1"):
            self.assertEqual(text + more, with_backlog(text))
        for text in (
            "tcp:25:backlog=5",
            "tcp:25:127.0.0.1:5",
            "unix:/a",
            "systemd:domain=INET:name=a",
            "haproxy:tcp:25",
        ):
            self.assertEqual(text, with_backlog(text))

    def test_open_ports(self) -> None:
        """
        It is known which endpoints listen at every address, and at which port.
        """
        for expected, texts in (
            (("tcp", "25"), ("tcp:25", "tcp:port=25", "tcp:25:interface=", "tcp:interface=0.0.0.0:port=25")),
            (("tcp6", "25"), ("tcp6:25", "tcp6:25:interface=\\:\\:")),
            (
                None,
                (
                    "tcp:0",
                    "tcp:25:interface=127.0.0.1",
                    "tcp6:25:interface=\\:\\:1",
                    "unix:/a",
                    "systemd:domain=INET:name=a",
                ),
            ),
        ):
            for text in texts:
                self.assertEqual(expected, open_port(text), text)


class Draining(Factory):
    """
    Ends its sessions when the test says so.
    """

    protocol = Protocol

    def __init__(self) -> None:
        self.gone: Deferred[None] = Deferred()
        self.events: list[str] = []

    def startFactory(self) -> None:
        """
        The first port.
        """
        self.events.append("start")

    def stopFactory(self) -> None:
        """
        The last port.
        """
        self.events.append("stop")

    async def drain(self) -> None:
        """
        Wait for the test.
        """
        self.events.append("drain")
        await self.gone


class FailingReactor(MemoryReactorClock):
    """
    Lets nobody listen.
    """

    def __init__(self, problem: Exception) -> None:
        super().__init__()
        self.problem = problem

    def listenTCP(self, *args: Any, **kwargs: Any) -> Any:
        """
        Fails.
        """
        raise self.problem


class ListenerTests(SynchronousTestCase):
    """
    A listener's life, on a reactor in memory.
    """

    def setUp(self) -> None:
        """
        A listener that is bound.
        """
        self.reactor = MemoryReactorClock()
        self.service = ListenerService("smtp", "tcp:2525:interface=127.0.0.1", self.reactor)
        self.service.privilegedStartService()

    def connect(self) -> Any:
        """
        What a client who connects now meets.
        """
        factory = self.reactor.tcpServers[0][1]
        return factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 1))

    def test_bound_once(self) -> None:
        """
        It binds when there are privileges, and not again.
        """
        self.service.startService()
        self.assertEqual(1, len(self.reactor.tcpServers))
        port, _, backlog, interface = self.reactor.tcpServers[0]
        self.assertEqual((2525, limits.BACKLOG, "127.0.0.1"), (port, backlog, interface))

    def test_bound_late(self) -> None:
        """
        Without privileges it binds when it starts.
        """
        service = ListenerService("smtp", "tcp:2526", self.reactor)
        self.assertEqual([], service.addresses())
        service.startService()
        self.assertEqual(2, len(self.reactor.tcpServers))
        self.assertEqual(["0.0.0.0:2526"], service.addresses())

    def test_closed_until_opened(self) -> None:
        """
        Nobody is served before there is who serves.
        """
        self.assertIsNone(self.connect())
        factory = Draining()
        self.service.open_to(factory)
        protocol = self.connect()
        self.assertIs(factory, protocol.factory)
        protocol.makeConnection(StringTransport())

    def test_log_prefix(self) -> None:
        """
        Twisted's log lines say what listens.
        """
        doorway: Any = self.reactor.tcpServers[0][1]
        doorway.doStart()
        self.assertEqual("smtp", doorway.logPrefix())
        doorway.doStop()

    def test_stop(self) -> None:
        """
        It takes no more connections, waits until the factory has drained, and then lets it go.
        """
        factory = Draining()
        self.service.open_to(factory)
        self.service.startService()
        stopped = self.service.stopService()
        self.assertNoResult(stopped)
        self.assertIsNone(self.connect())
        self.assertEqual(["start", "drain"], factory.events)
        factory.gone.callback(None)
        self.successResultOf(stopped)
        self.assertEqual(["start", "drain", "stop"], factory.events)
        self.assertEqual([], self.service.addresses())

    def test_stop_without_a_factory(self) -> None:
        """
        A start that failed half-way can be undone; a factory that knows no drain is just let go.
        """
        self.successResultOf(self.service.stopService())
        service = ListenerService("smtp", "tcp:2526", self.reactor)
        self.successResultOf(service.stopService())
        service.open_to(Factory.forProtocol(Protocol))
        self.successResultOf(service.stopService())

    def test_stop_after_a_failed_start(self) -> None:
        """
        A listener whose port could not be bound can be stopped.
        """
        service = ListenerService("smtp", "tcp:25", FailingReactor(ValueError("no")))
        self.assertRaises(CannotStart, service.startService)
        self.successResultOf(service.stopService())
        self.flushLoggedErrors()

    def test_addresses(self) -> None:
        """
        Addresses are written as people know them.
        """

        class Port:
            def __init__(self, host: object) -> None:
                self.getHost = lambda: host

        for host, text in (
            (IPv4Address("TCP", "127.0.0.1", 25), "127.0.0.1:25"),
            (IPv6Address("TCP", "::1", 25), "[::1]:25"),
            (UNIXAddress(b"/run/mail"), "/run/mail"),
            ("elsewhere", "elsewhere"),
        ):
            self.service._port = Port(host)  # type: ignore[assignment]
            self.assertEqual([text], self.service.addresses())


class FailureTests(SynchronousTestCase):
    """
    Ports that cannot be bound.
    """

    def sentence(self, problem: Exception, endpoint: str = "tcp:25") -> str:
        """
        The line with which a start ends.
        """
        service = ListenerService("smtp", endpoint, FailingReactor(problem))
        with self.assertRaises(CannotStart) as caught:
            service.privilegedStartService()
        return str(caught.exception)

    def test_sentences(self) -> None:
        """
        One line names protocol, endpoint and reason.
        """
        denied = CannotListenError("", 25, OSError(errno.EACCES, "denied"))
        taken = CannotListenError("", 25, OSError(errno.EADDRINUSE, "taken"))
        self.assertEqual(
            "smtp on tcp:25: Permission denied; ports below 1024 need root or CAP_NET_BIND_SERVICE.",
            self.sentence(denied),
        )
        self.assertEqual("smtp on tcp:2525: Permission denied.", self.sentence(denied, "tcp:2525"))
        self.assertEqual("smtp on tcp:25: Address already in use.", self.sentence(taken))
        self.assertEqual("smtp on tcp:25: It is odd.", self.sentence(ValueError("it is odd\nindeed")))
        self.assertEqual("smtp on tcp:25: odd.", self.sentence(CannotListenError("", 25, "odd")))
        self.assertEqual(
            "smtp on systemd:domain=INET:name=smtp: There is no such socket.",
            self.sentence(ValueError(), "systemd:domain=INET:name=smtp"),
        )

    def test_both_kinds(self) -> None:
        """
        Twistd's parent hears of an exception, whose last line is the sentence alone; the process exits with 1 and in silence.
        """
        failed = CannotStart("smtp on tcp:25: Permission denied.")
        self.assertIsInstance(failed, Exception)
        self.assertIsInstance(failed, SystemExit)
        self.assertEqual(1, failed.code)
        self.assertEqual("smtp on tcp:25: Permission denied.", str(failed))
        self.assertEqual(
            "smtp on tcp:25: Permission denied.\n", traceback.format_exception_only(type(failed), failed)[-1]
        )

    def test_an_endpoint_that_waits(self) -> None:
        """
        An endpoint that does not listen at once would be found dead too late: it is refused.
        """

        class Waits:
            def listen(self, factory: object) -> Deferred[Any]:
                return Deferred()

        self.patch(
            __import__("twisted_mail_server.servers.listening", fromlist=["x"]),
            "serverFromString",
            lambda *args: Waits(),
        )
        service = ListenerService("smtp", "slow:25", MemoryReactorClock())
        with self.assertRaises(CannotStart) as caught:
            service.privilegedStartService()
        self.assertEqual("smtp on slow:25: It does not listen at once, and is no use here.", str(caught.exception))

    def test_real_port_taken(self) -> None:
        """
        The system's own refusal of a port that somebody has.
        """
        from twisted.internet import reactor

        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            service = ListenerService("smtp", f"tcp:{port}:interface=127.0.0.1", reactor)
            with self.assertRaises(CannotStart) as caught:
                service.privilegedStartService()
        self.assertEqual(
            f"smtp on tcp:{port}:interface=127.0.0.1: {os.strerror(errno.EADDRINUSE)}.", str(caught.exception)
        )
