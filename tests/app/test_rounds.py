"""
L{twisted_mail_server.app.rounds}
"""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.support.twistd import ROOT
from twisted_mail_server.app.rounds import RoundsReactor, install_reactor


class End:
    """
    One end of a connection, and what a reactor has told it.
    """

    def __init__(self, end: socket.socket, does: Callable[[End], object] = lambda end: None) -> None:
        end.setblocking(False)
        self.socket = end
        self.told: list[str] = []
        self.lost: list[BaseException] = []
        self._does = does

    def fileno(self) -> int:
        """
        As a selectable's.
        """
        return self.socket.fileno()

    def logPrefix(self) -> str:
        """
        As a selectable's.
        """
        return "-"

    def doRead(self) -> object:
        """
        There is something.
        """
        self.told.append(f"read {self.socket.recv(100).decode()}")
        return self._does(self)

    def doWrite(self) -> object:
        """
        There is room.
        """
        self.told.append("write")
        return self._does(self)

    def connectionLost(self, reason: Failure) -> None:
        """
        It is over.
        """
        assert reason.value is not None
        self.lost.append(reason.value)


class RoundsTests(SynchronousTestCase):
    """
    One reactor, which is nobody's.
    """

    def setUp(self) -> None:
        """
        Made, not installed.
        """
        self.reactor: Any = RoundsReactor()
        self.sockets: list[socket.socket] = []
        self.addCleanup(self.close)

    def close(self) -> None:
        """
        Let go of its descriptors.
        """
        for one in self.reactor.removeAll() + list(self.reactor._internalReaders):
            one.connectionLost(Failure(ConnectionDone()))
        self.reactor._poller.close()
        for end in self.sockets:
            end.close()

    def end(self, does: Callable[[End], object] = lambda end: None) -> tuple[End, socket.socket]:
        """
        An end that the reactor reads, and the other.
        """
        ours, theirs = socket.socketpair()
        self.sockets += ours, theirs
        end = End(ours, does)
        self.reactor.addReader(end)
        return end, theirs

    def test_read(self) -> None:
        """
        Who has something to read is told once in a round; with nothing to read, nobody is told anything.
        """
        end, other = self.end()
        quiet, _ = self.end()
        other.send(b"one")
        self.reactor.iterate(0)
        self.reactor.iterate(0)
        other.send(b"two")
        self.reactor.iterate(0)
        self.assertEqual((["read one", "read two"], []), (end.told, quiet.told))

    def test_write(self) -> None:
        """
        And who waits for room, together with what there is to read.
        """
        end, other = self.end()
        self.reactor.addWriter(end)
        other.send(b"one")
        self.reactor.iterate(0)
        self.assertEqual(["read one", "write"], end.told)

    def test_wait(self) -> None:
        """
        Without a time a round lasts until there is something.
        """
        end, other = self.end()
        other.send(b"one")
        self.reactor.doIteration(None)
        self.assertEqual(["read one"], end.told)

    def test_over(self) -> None:
        """
        A read that gives a reason ends its connection with it.
        """
        end, other = self.end(lambda end: ConnectionDone())
        other.send(b"one")
        self.reactor.iterate(0)
        other.send(b"two")
        self.reactor.iterate(0)
        self.assertEqual((["read one"], [ConnectionDone]), (end.told, [type(one) for one in end.lost]))

    def test_bug(self) -> None:
        """
        An exception is logged, and ends its connection alone.
        """
        end, other = self.end(lambda end: 1 / 0)
        well, another = self.end()
        other.send(b"one")
        another.send(b"two")
        self.reactor.iterate(0)
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.assertEqual([ZeroDivisionError], [type(one) for one in end.lost])
        self.assertEqual((["read two"], []), (well.told, well.lost))

    def test_hung_up(self) -> None:
        """
        A connection that is broken is told so, even where nothing is read.
        """
        end, other = self.end()
        self.reactor.removeReader(end)
        self.reactor.addWriter(end)
        other.close()
        self.reactor.iterate(0)
        self.assertEqual(([], [ConnectionLost]), (end.told, [type(one) for one in end.lost]))

    def test_gone(self) -> None:
        """
        Who has left because of an earlier event of the same round is told nothing more.
        """
        ends: list[End] = []

        def leave(end: End) -> None:
            for one in ends:
                self.reactor.removeReader(one)

        for _ in range(2):
            end, other = self.end(leave)
            ends.append(end)
            other.send(b"x")
        self.reactor.iterate(0)
        self.assertEqual(["read x"], [word for end in ends for word in end.told])

    def test_call_from_thread(self) -> None:
        """
        A call from a thread ends a round that waits, and is made in the next.
        """
        made: list[object] = []
        thread = threading.Thread(
            target=self.reactor.callFromThread,
            args=(lambda *all, **named: made.append((all, named)), 1),
            kwargs={"two": 2},
        )
        thread.start()
        self.reactor.doIteration(None)
        thread.join()
        self.assertEqual([], made)
        self.reactor.runUntilCurrent()
        self.reactor.runUntilCurrent()
        self.assertEqual([((1,), {"two": 2})], made)

    def test_woken_once(self) -> None:
        """
        Calls that come together wake the reactor once; who comes after it has looked wakes it again.
        """
        woken: list[None] = []
        self.patch(self.reactor, "wakeUp", lambda: woken.append(None))
        made: list[str] = []
        self.reactor.callFromThread(made.append, "one")
        self.reactor.callFromThread(self.reactor.callFromThread, made.append, "three")
        self.reactor.callFromThread(made.append, "two")
        self.assertEqual(1, len(woken))
        self.reactor.runUntilCurrent()
        self.assertEqual((["one", "two"], 2), (made, len(woken)))
        self.reactor.runUntilCurrent()
        self.reactor.callFromThread(made.append, "four")
        self.assertEqual((["one", "two", "three"], 3), (made, len(woken)))

    def test_call_that_fails(self) -> None:
        """
        A call that fails is logged, and those after it are made.
        """
        made: list[str] = []
        self.reactor.callFromThread(lambda: 1 / 0)
        self.reactor.callFromThread(made.append, "one")
        self.reactor.runUntilCurrent()
        self.assertEqual(["one"], made)
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_many_threads(self) -> None:
        """
        However calls and rounds meet, none is forgotten: a round that would wait for ever is one too many.
        """
        made: list[int] = []

        def call() -> None:
            for number in range(1000):
                self.reactor.callFromThread(made.append, number)

        threads = [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
        while len(made) < 4000:
            self.reactor.doIteration(10)
            self.reactor.runUntilCurrent()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted([*range(1000)] * 4), sorted(made))

    def test_interrupted(self) -> None:
        """
        A signal ends a round; any other failure is one.
        """
        for number in (errno.EINTR, errno.EBADF):
            poller = Failing(number)
            self.patch(self.reactor, "_poller", poller)
            if number == errno.EINTR:
                self.reactor.doIteration(0)
            else:
                self.assertRaises(OSError, self.reactor.doIteration, 0)
            self.assertEqual(1, poller.asked)


class Failing:
    """
    A poller that fails.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self.asked = 0

    def poll(self, timeout: float, count: int) -> list[tuple[int, int]]:
        """
        Not this time.
        """
        self.asked += 1
        raise OSError(self._number, "no")

    def close(self) -> None:
        """
        As an epoll's.
        """


class InstallTests(SynchronousTestCase):
    """
    Which reactor the process has.
    """

    def test_there_is_one(self) -> None:
        """
        A reactor that is there already stays.
        """
        install_reactor()
        self.assertIs(sys.modules["twisted.internet.reactor"], reactor)

    def test_there_is_none(self) -> None:
        """
        The command line of the server installs its own, unless another was chosen.
        """
        for first, expected in (("pass", "RoundsReactor"), ("import twisted.internet.reactor", "EPollReactor")):
            program = (
                f"{first}; from twisted_mail_server.app.service import Options; Options(); "
                "from twisted.internet import reactor; print(type(reactor).__name__)"
            )
            done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
            self.assertEqual(expected, done.stdout.strip())
