"""
L{twisted_mail_server.admin.peers}, on real sockets.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from tests.support.disks import folder_for, seeded
from twisted_mail_server.admin.peers import Peers
from twisted_mail_server.interfaces import INews
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import TemporaryFailure


class PeersTests(TestCase):
    """
    Several processes, played by several objects in one.
    """

    def setUp(self) -> None:
        """
        An empty data directory.
        """
        self.directory = os.path.join(folder_for(self), "run")
        self.count = 0

    def open(self) -> Peers:
        """
        One more process.
        """
        self.count += 1
        peers = Peers(reactor, self.directory, seeded(self.count))
        peers.open()
        self.addCleanup(lambda: Deferred.fromCoroutine(peers.close()))
        return peers

    def names(self) -> list[str]:
        """
        What is in the folder.
        """
        return os.listdir(self.directory)

    def held(self) -> int:
        """
        How many descriptors of the folder are open.
        """
        paths = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
        return sum(os.path.lexists(path) and os.readlink(path) == self.directory for path in paths)

    def heard_by(self, peers: Peers, topic: str = "directory") -> list[str]:
        """
        What arrives from now on.
        """
        heard: list[str] = []
        peers.subscribe(topic, heard.append)
        return heard

    async def arrived(self, *lists: list[Any], count: int = 1) -> None:
        """
        Wait until something is in each list.
        """
        clock: Any = reactor
        while not all(len(one) >= count for one in lists):
            await deferLater(clock, 0.001)

    async def test_published(self) -> None:
        """
        What one publishes, all others hear who subscribed to the topic; itself it does not.
        """
        one, two, three = self.open(), self.open(), self.open()
        self.assertTrue(verifyObject(INews, one))
        own, second, third, other = (
            self.heard_by(one),
            self.heard_by(two),
            self.heard_by(three),
            self.heard_by(two, "store"),
        )
        one.publish("directory", "17 ü\nand more")
        await self.arrived(second, third)
        two.publish("store", "for nobody here")
        one.publish("directory", "18")
        await self.arrived(second, third, count=2)
        self.assertEqual(([], ["17 ü\nand more", "18"], []), (own, second, other))
        self.assertEqual(second, third)

    async def test_modes(self) -> None:
        """
        Nobody else may enter the folder, or write to a socket; one that was left open to others is closed to them.
        """
        os.mkdir(self.directory, 0o755)
        self.open()
        (name,) = self.names()
        self.assertEqual(0o700, os.stat(self.directory).st_mode & 0o777)
        self.assertEqual(0o600, os.stat(os.path.join(self.directory, name)).st_mode & 0o777)
        self.assertTrue(name.startswith(f"{os.getpid()}-"))

    async def test_late_comer(self) -> None:
        """
        A process that starts is found at once, whatever was known of the folder, and one that ends is missed by nobody.
        """
        one = self.open()
        one.publish("directory", "to nobody")
        for _ in range(3):
            later = self.open()
            heard = self.heard_by(later)
            one.publish("directory", "hello")
            await self.arrived(heard)
            await later.close()
            one.publish("directory", "to nobody")
        self.assertEqual(1, len(self.names()))

    async def test_dead(self) -> None:
        """
        The socket of a process that died is removed; what is no socket of ours stays.
        """
        one, two = self.open(), self.open()
        dead = os.path.join(self.directory, "1-dead.sock")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
            made.bind(dead)
        with open(os.path.join(self.directory, "note.txt"), "w"):
            pass
        heard = self.heard_by(two)
        one.publish("directory", "hello")
        await self.arrived(heard)
        self.assertFalse(os.path.exists(dead))
        self.assertEqual(3, len(self.names()))

    async def test_no_socket(self) -> None:
        """
        Something in the folder that cannot be written to is told of, and keeps nobody else from hearing.
        """
        one, two = self.open(), self.open()
        os.mkdir(os.path.join(self.directory, "0-folder.sock"))
        heard = self.heard_by(two)
        with capturedLogs() as events, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
            other.bind(os.path.join(self.directory, "0-stream.sock"))
            one.publish("directory", "hello")
        await self.arrived(heard)
        self.assertEqual(["hello"], heard)
        self.assertEqual(["0-stream.sock"], [event["peer"] for event in events if "peer" in event])

    async def test_busy(self) -> None:
        """
        What a receiver that does not read cannot take is lost, and the sender does not wait.
        """
        one = self.open()
        deaf = os.path.join(self.directory, "1-deaf.sock")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
            made.bind(deaf)
            for _ in range(3000):
                one.publish("directory", "x" * 900)
        self.assertTrue(os.path.exists(deaf))

    async def test_bounded(self) -> None:
        """
        What is too long is not sent, and what others send too long is not heard.
        """
        one, two = self.open(), self.open()
        heard = self.heard_by(two)
        with capturedLogs() as events:
            one.publish("directory", "x" * limits.NEWS)
        self.assertEqual(["directory"], [event["topic"] for event in events if "topic" in event])
        one.publish("directory", "x" * (limits.NEWS - len("directory\n")))
        await self.arrived(heard)
        self.assertEqual(limits.NEWS - len("directory\n"), len(heard[0]))

    async def test_malformed(self) -> None:
        """
        What is malformed is told of and ignored, and what comes after it is heard.
        """
        peers = self.open()
        heard = self.heard_by(peers)
        target = os.path.join(self.directory, self.names()[0])
        with capturedLogs() as events, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
            for datagram in (
                b"",
                b"directory",
                b"directory\n\xff",
                b"directory\n" + b"x" * 5000,
                b"\n",
                b"directory\nok",
            ):
                stranger.sendto(datagram, target)
            await self.arrived(heard)
        self.assertEqual(["ok"], heard)
        sizes = [event["size"] for event in events if "size" in event]
        self.assertEqual([9, 11, limits.NEWS + 1], [size for size in sizes if size])

    async def test_failing_subscriber(self) -> None:
        """
        A subscriber that fails keeps no other from hearing.
        """

        def fail(text: str) -> None:
            raise ZeroDivisionError

        one, two = self.open(), self.open()
        two.subscribe("directory", fail)
        heard = self.heard_by(two)
        one.publish("directory", "hello")
        await self.arrived(heard)
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    async def test_long_path(self) -> None:
        """
        A folder whose name is too long for a socket's address works as well.
        """
        self.directory = os.path.join(self.directory, *["long" * 20] * 4, "run")
        one, two = self.open(), self.open()
        first, second = self.heard_by(one), self.heard_by(two)
        one.publish("directory", "hello")
        two.publish("directory", "there")
        await self.arrived(first, second)
        self.assertEqual((["there"], ["hello"]), (first, second))
        self.assertEqual(2, self.held())
        await one.close()
        await two.close()
        self.assertEqual([], self.names())
        self.assertEqual(0, self.held())

    async def test_closed(self) -> None:
        """
        Who is closed leaves no socket, publishes nothing, and may be closed again.
        """
        one, two = self.open(), self.open()
        heard = self.heard_by(two)
        await one.close()
        await one.close()
        one.publish("directory", "hello")
        self.assertEqual(1, len(self.names()))
        self.assertEqual([], heard)

    async def test_nobody_subscribed(self) -> None:
        """
        A topic that nobody subscribed to is passed over, and so is a process that ends at this moment.
        """
        one, two = self.open(), self.open()
        heard = self.heard_by(two)
        one.publish("unheard of", "hello")
        one._send(b"directory\nto one who has just gone", "1-gone.sock")
        one.publish("directory", "hello")
        await self.arrived(heard)
        self.assertEqual(["hello"], heard)

    async def test_no_folder(self) -> None:
        """
        A folder that cannot be made is a clear failure; one that vanishes later costs the notice.
        """
        with open(self.directory, "w"):
            pass
        peers = Peers(reactor, self.directory, seeded())
        problem = self.assertRaises(TemporaryFailure, peers.open)
        self.assertIn(self.directory, problem.public)
        os.unlink(self.directory)
        one = self.open()
        (name,) = self.names()
        os.rename(self.directory, self.directory + "-moved")
        one.publish("directory", "hello")
        self.assertEqual([name], os.listdir(self.directory + "-moved"))


class FolderTests(SynchronousTestCase):
    """
    How the folder is read.
    """

    def test_read_when_changed(self) -> None:
        """
        The folder is read when it changed, and for a moment after, and not again while it stays as it is.
        """
        clock = Clock()
        directory = folder_for(self)
        peers = Peers(clock, directory, seeded())
        reads: list[str] = []
        real = os.listdir

        def counted(path: str) -> list[str]:
            reads.append(path)
            return real(path)

        self.patch(os, "listdir", counted)
        for _ in range(3):
            self.assertEqual([], peers._names())
        self.assertEqual(3, len(reads))
        clock.advance(1.5)
        for _ in range(3):
            peers._names()
        self.assertEqual(3, len(reads))
        os.utime(directory, ns=(1, 1))
        with open(os.path.join(directory, "1-new.sock"), "w"):
            pass
        self.assertEqual(["1-new.sock"], peers._names())
        self.assertEqual(4, len(reads))
