"""
L{twisted_mail_server.admin.control}
"""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.trial.unittest import SynchronousTestCase

from tests.support.drive import now
from twisted_mail_server.admin.control import Answer, Control, _Conversation, _Conversations, ask, may_ask
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import Refused, TemporaryFailure

STATUS = b'{"operation": "status"}\n'


class ConversationTests(SynchronousTestCase):
    """
    The server's end, in memory.
    """

    def setUp(self) -> None:
        """
        A server that can be asked for several things.
        """
        self.clock = Clock()
        self.slow: Deferred[None] = Deferred()
        self.is_ours = True

        async def status() -> dict[str, int]:
            return {"pid": 5}

        async def slow() -> None:
            await self.slow

        async def refused() -> None:
            raise Refused("Not now.")

        async def broken() -> None:
            raise ZeroDivisionError

        answers = {"status": status, "slow": slow, "refused": refused, "broken": broken}
        self.factory = _Conversations(self.clock, answers, lambda transport: self.is_ours)

    def connect(self) -> tuple[_Conversation, StringTransport]:
        """
        One more connection.
        """
        conversation, transport = self.factory.buildProtocol(None), StringTransport()
        conversation.makeConnection(transport)
        return conversation, transport

    def answer(self, question: bytes) -> Any:
        """
        What a new connection is answered.
        """
        conversation, transport = self.connect()
        conversation.dataReceived(question)
        return json.loads(transport.value())

    def test_answers(self) -> None:
        """
        A question is answered with a result, or with a sentence that says why there is none.
        """
        self.assertEqual({"ok": True, "result": {"pid": 5}}, self.answer(STATUS))
        self.assertEqual({"ok": False, "error": "Not now."}, self.answer(b'{"operation": "refused"}\n'))

    def test_bug(self) -> None:
        """
        A bug in an answer is logged and told, and the connection goes on.
        """
        error = "This failed in a way that was not foreseen; the server's log says more."
        self.assertEqual({"ok": False, "error": error}, self.answer(b'{"operation": "broken"}\n'))
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_nonsense(self) -> None:
        """
        What is no question, or is not known, is answered so.
        """
        for question in (
            b"\n",
            b"status\n",
            b"[]\n",
            b"5\n",
            b'{"operation": []}\n',
            b'{"operation": "stop"}\n',
            b"\xff\n",
            b"[" * 100_000 + b"\n",
        ):
            self.assertEqual(
                {"ok": False, "error": "This server does not know what is asked."}, self.answer(question), question[:9]
            )

    def test_pieces(self) -> None:
        """
        However a question comes in, and however many at once, each gets its answer.
        """
        expected = json.dumps({"ok": True, "result": {"pid": 5}}).encode() + b"\n"
        for cut in range(1, 2 * len(STATUS)):
            conversation, transport = self.connect()
            conversation.dataReceived((STATUS * 2)[:cut])
            conversation.dataReceived((STATUS * 2)[cut:])
            self.assertEqual(2 * expected, transport.value())
            conversation.connectionLost()

    def test_one_at_a_time(self) -> None:
        """
        The next question waits for the answer to the one before, and an answer that takes long is not cut off.
        """
        conversation, transport = self.connect()
        conversation.dataReceived(b'{"operation": "slow"}\n' + STATUS)
        self.clock.advance(2 * limits.CONTROL_TIMEOUT)
        self.assertEqual((b"", False), (transport.value(), transport.disconnecting))
        self.slow.callback(None)
        self.assertEqual([None, {"pid": 5}], [json.loads(line)["result"] for line in transport.value().splitlines()])

    def test_lost(self) -> None:
        """
        Who is gone when the answer is there gets none, and no timer is left.
        """
        conversation, transport = self.connect()
        conversation.dataReceived(b'{"operation": "slow"}\n')
        conversation.connectionLost()
        self.slow.callback(None)
        self.assertEqual((b"", []), (transport.value(), self.clock.getDelayedCalls()))

    def test_silence(self) -> None:
        """
        Who asks nothing whole in time is let go, however many pieces come.
        """
        conversation, transport = self.connect()
        self.clock.advance(limits.CONTROL_TIMEOUT - 1)
        conversation.dataReceived(b"{")
        self.assertFalse(transport.disconnecting)
        self.clock.advance(1)
        self.assertTrue(transport.disconnecting)
        conversation.dataReceived(STATUS)
        self.assertEqual(b"", transport.value())

    def test_too_long(self) -> None:
        """
        A question without an end is not kept.
        """
        conversation, transport = self.connect()
        conversation.dataReceived(b"x" * (limits.CONTROL_LINE + 1))
        self.assertTrue(transport.disconnecting)

    def test_too_many(self) -> None:
        """
        Beyond a number of connections no more are taken, until one ends.
        """
        first, _ = self.connect()
        for _ in range(limits.CONTROL_CONNECTIONS - 1):
            self.assertFalse(self.connect()[1].disconnecting)
        self.assertTrue(self.connect()[1].disconnecting)
        first.connectionLost()
        self.assertFalse(self.connect()[1].disconnecting)

    def test_strangers(self) -> None:
        """
        Whoever is neither root nor the server's user is answered nothing.
        """
        self.is_ours = False
        conversation, transport = self.connect()
        conversation.dataReceived(STATUS)
        self.assertEqual((True, b""), (transport.disconnecting, transport.value()))


class PeerTests(SynchronousTestCase):
    """
    Who asks.
    """

    def test_may_ask(self) -> None:
        """
        The kernel tells who is at the other end: ourselves may ask, and root; nobody else.
        """
        one, other = socket.socketpair()
        self.addCleanup(one.close)
        self.addCleanup(other.close)

        class Transport:
            getHandle = staticmethod(lambda: one)

        self.assertTrue(may_ask(Transport))

        class Stranger:
            @staticmethod
            def getsockopt(level: int, option: int, size: int) -> bytes:
                return b"".join(number.to_bytes(4, "little") for number in (1, os.geteuid() + 1, 1))

        class Other:
            getHandle = staticmethod(Stranger)

        self.assertFalse(may_ask(Other))


class ControlTests(SynchronousTestCase):
    """
    The socket in the folder.
    """

    def setUp(self) -> None:
        """
        An empty folder.
        """
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)
        self.reactor = MemoryReactorClock()

    def control(self) -> Control:
        """
        In that folder.
        """
        return Control(self.reactor, str(self.folder), bytes, {}, lambda transport: True)

    def test_life(self) -> None:
        """
        It listens under the process's number, for its user only; at the end it lets go of who is there.
        """
        control = self.control()
        control.open()
        ((path, factory, _, mode, _),) = self.reactor.unixServers
        self.assertEqual((f"{os.getpid()}-{'00' * 8}.control", 0o600), (os.path.basename(path), mode))
        conversation, transport = factory.buildProtocol(None), StringTransport()
        conversation.makeConnection(transport)
        now(control.close())
        now(control.close())
        self.assertTrue(transport.disconnecting)

    def test_cannot_listen(self) -> None:
        """
        What keeps the socket from being made is told, and no descriptor stays open.
        """

        def fail(*args: Any, **kwargs: Any) -> None:
            raise CannotListenError(None, "x", OSError("no"))

        self.folder = self.folder / ("x" * 120)
        self.folder.mkdir()
        before = len(os.listdir("/proc/self/fd"))
        self.patch(self.reactor, "listenUNIX", fail)
        self.assertRaises(TemporaryFailure, self.control().open)
        self.assertEqual(before, len(os.listdir("/proc/self/fd")))


class AskTests(SynchronousTestCase):
    """
    The client's end, with servers that are threads.
    """

    def setUp(self) -> None:
        """
        A folder; its name is too long for the address of a socket.
        """
        self.folder = Path(self.mktemp()).absolute() / ("x" * 120)
        self.folder.mkdir(parents=True)

    def serve(self, pid: int, answer: bytes | None) -> list[bytes]:
        """
        A server that gives one answer; without one it keeps silent.  What it is asked.
        """
        listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(listening.close)
        descriptor = os.open(self.folder, os.O_RDONLY)
        listening.bind(f"/proc/self/fd/{descriptor}/{pid}-00.control")
        os.close(descriptor)
        listening.listen()
        asked: list[bytes] = []

        def run() -> None:
            connection, _ = listening.accept()
            with connection:
                asked.append(connection.recv(1000))
                if answer is not None:
                    connection.sendall(answer)
                else:
                    connection.recv(1)

        thread = threading.Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)
        return asked

    def test_answers(self) -> None:
        """
        Every process is asked, and each answer is told with its process.
        """
        asked = self.serve(7, b'{"ok": true, "result": [1]}\n')
        self.serve(8, b'{"ok": false, "error": "Not now."}\n')
        self.assertEqual([Answer(7, [1]), Answer(8, None, "Not now.")], ask(str(self.folder), "status"))
        self.assertEqual([STATUS], asked)

    def test_nobody(self) -> None:
        """
        Without a folder, or with other sockets in it, nobody answers.
        """
        (self.folder / "5-00.sock").touch()
        self.assertEqual([], ask(str(self.folder), "status"))
        self.assertEqual([], ask(str(self.folder / "gone"), "status"))

    def test_dead(self) -> None:
        """
        The socket of a dead process is removed.
        """
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        dead = socket.socket(socket.AF_UNIX)
        dead.bind(os.path.relpath(folder / "9-00.control"))
        dead.close()
        (folder / "10-00.control").symlink_to("gone")
        self.assertEqual([], ask(str(folder), "status"))
        self.assertEqual({"10-00.control"}, set(os.listdir(folder)))

    def test_no_answer(self) -> None:
        """
        A process that does not answer, or not with an answer, is told of.
        """
        self.serve(6, b"")
        self.serve(7, b"[]\n")
        self.serve(8, None)
        self.assertEqual(
            ["Process 6 gave no answer.", "Process 7 gave no answer.", "Process 8 did not answer in 0.05 seconds."],
            [answer.error for answer in ask(str(self.folder), "status", 0.05)],
        )
