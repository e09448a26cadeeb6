"""
L{twisted_mail_server.servers.prompt}
"""

from __future__ import annotations

import contextlib
import socket
from typing import Any, cast

from twisted.internet import tcp, unix
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model import limits
from twisted_mail_server.servers.prompt import PromptServer, answer_promptly

#: Longer than what is sent at once.
LONG = b"x" * (limits.PROMPT_OUTPUT + 1)


class Watched:
    """
    A reactor that remembers who wants to be told of what.
    """

    def __init__(self) -> None:
        self.readers: list[object] = []
        self.writers: list[object] = []

    def addReader(self, reader: object) -> None:
        """
        As a reactor's.
        """
        self.readers.append(reader)

    def removeReader(self, reader: object) -> None:
        """
        As a reactor's.
        """
        self.readers.remove(reader)

    def addWriter(self, writer: object) -> None:
        """
        As a reactor's.
        """
        if writer not in self.writers:
            self.writers.append(writer)

    def removeWriter(self, writer: object) -> None:
        """
        As a reactor's.
        """
        if writer in self.writers:
            self.writers.remove(writer)


class PromptTests(SynchronousTestCase):
    """
    One connection, over real sockets.
    """

    def setUp(self) -> None:
        """
        Both ends.
        """
        self.reactor = Watched()
        ours, self.client = socket.socketpair()
        self.addCleanup(self.client.close)
        self.addCleanup(ours.close)
        self.client.setblocking(False)
        server = cast(tcp.Port, None)
        self.transport = PromptServer(ours, Protocol(), ("192.0.2.1", 40000), server, 0, cast(Any, self.reactor))

    def received(self) -> bytes:
        """
        What has come to the client.
        """
        pieces = []
        with contextlib.suppress(BlockingIOError):
            while piece := self.client.recv(1 << 20):
                pieces.append(piece)
        return b"".join(pieces)

    def test_at_once(self) -> None:
        """
        What is short goes out before anybody looks, and the reactor has nothing to do for it.
        """
        self.transport.write(b"220 hello\r\n")
        self.transport.write(b"")
        self.transport.write(b"250 ok\r\n")
        self.assertEqual(b"220 hello\r\n250 ok\r\n", self.received())
        self.assertEqual([], self.reactor.writers)

    def test_long(self) -> None:
        """
        What is long waits for the reactor, and what comes after it waits behind it.
        """
        self.transport.write(LONG)
        self.transport.write(b"end")
        self.assertEqual([self.transport], self.reactor.writers)
        self.assertEqual(b"", self.received())
        self.transport.doWrite()
        self.transport.write(b" of it")
        self.assertEqual(LONG + b"end of it", self.received())

    def test_full(self) -> None:
        """
        When the socket takes no more, or a part only, the rest waits for the reactor, in its order.
        """
        written = b""
        while not self.reactor.writers:
            piece = b"%06d" % (len(written) // 6) * 900
            self.transport.write(piece)
            written += piece
        self.transport.write(b"end")
        written += b"end"
        received = b""
        while len(received) < len(written):
            received += self.received()
            self.transport.doWrite()
        self.assertEqual(written, received)
        self.assertEqual([], self.reactor.writers)

    def test_broken(self) -> None:
        """
        A connection that is broken is no matter of who writes: the reactor finds out.
        """
        self.client.close()
        self.transport.write(b"220 hello\r\n")
        self.assertEqual([self.transport], self.reactor.writers)
        self.assertIsInstance(self.transport.doWrite(), ConnectionLost)

    def test_lost(self) -> None:
        """
        Once the connection is lost, nothing is sent, and nothing kept.
        """
        self.transport.connected = 0
        self.transport.write(b"220 hello\r\n")
        self.assertEqual(b"", self.received())
        self.assertEqual([], self.reactor.writers)

    def test_layer(self) -> None:
        """
        What is to be encrypted goes to the layer that does it.
        """
        written: list[bytes] = []
        self.transport.TLS = True
        self.patch(self.transport, "protocol", Writing(written))
        self.transport.write(b"220 hello\r\n")
        self.assertEqual([b"220 hello\r\n"], written)
        self.assertEqual(b"", self.received())


class Writing(Protocol):
    """
    A layer.
    """

    def __init__(self, written: list[bytes]) -> None:
        self.write = written.append


class PortTests(SynchronousTestCase):
    """
    Which ports answer promptly.
    """

    def test_ports(self) -> None:
        """
        Those of TCP, unless somebody gave them a transport already; others stay as they are.
        """
        port, changed = (
            tcp.Port(0, Factory(), reactor=cast(Any, Watched())),
            tcp.Port(0, Factory(), reactor=cast(Any, Watched())),
        )
        local = unix.Port(b"/nowhere", Factory(), reactor=cast(Any, Watched()))

        class Other(tcp.Server):
            """
            Somebody's.
            """

        changed.transport = Other
        for one in (port, changed, local, object()):
            answer_promptly(one)
        self.assertEqual((PromptServer, Other, unix.Server), (port.transport, changed.transport, local.transport))
