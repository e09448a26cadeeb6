"""
Questions to a running server, over a Unix stream socket in its data directory.

Each process listens on C{run/PID-CHANCE.control}.  A question is one line of JSON, C{{"operation": "status"}}, and so is its
answer: C{{"ok": true, "result": {...}}} or C{{"ok": false, "error": "a sentence"}}.  A connection may ask again when it has been
answered.  The folder keeps everybody else out (mode 0700); who asks is looked at all the same: the server's own user and root are
answered, by what the kernel says of the connection (SO_PEERCRED of unix(7)).

L{Control} is the server's end, L{ask} the other.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IDelayedCall
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_mail_server.admin.peers import short_prefix
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import MailError, TemporaryFailure

_log = Logger()

_SUFFIX = ".control"
#: C{struct ucred} of unix(7): process, user, group.
_CREDENTIALS = struct.Struct("iII")

#: What can be asked, by name; the result is what JSON can hold.
Answers = Mapping[str, Callable[[], Awaitable[Any]]]


def may_ask(transport: Any) -> bool:
    """
    Whether whoever has connected is root, or the user that this process runs as.
    """
    found = transport.getHandle().getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(found)
    return uid in (0, os.geteuid())


class _Conversation(Protocol):
    """
    One connection.
    """

    factory: _Conversations

    def __init__(self) -> None:
        self._unread = b""
        self._is_answering = False
        self._timer: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """
        See who it is.
        """
        factory = self.factory
        if len(factory.open) >= limits.CONTROL_CONNECTIONS or not factory.may_ask(self.transport):
            _log.warn("a control connection was refused")
            self._end()
            return
        factory.open.add(self)
        self._wait()

    def dataReceived(self, data: bytes) -> None:
        """
        A question, or a piece of one.
        """
        if self not in self.factory.open:
            return
        self._unread += data
        if len(self._unread) > limits.CONTROL_LINE:
            self._end()
        elif not self._is_answering:
            self._next()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        What is under way goes on.
        """
        self._wait_no_more()
        self.factory.open.discard(self)

    def _next(self) -> None:
        line, line_feed, rest = self._unread.partition(b"\n")
        if not line_feed:
            return
        self._unread = rest
        self._is_answering = True
        self._wait_no_more()
        Deferred.fromCoroutine(self.factory.answer(line)).addCallback(self._answered)

    def _answered(self, answer: dict[str, Any]) -> None:
        self._is_answering = False
        if self not in self.factory.open:
            return
        assert self.transport is not None
        self.transport.write(json.dumps(answer).encode("ascii") + b"\n")
        self._wait()
        self._next()

    def _wait(self) -> None:
        """
        For a whole question; pieces of one win no time.
        """
        self._timer = self.factory.clock.callLater(limits.CONTROL_TIMEOUT, self._end)

    def _wait_no_more(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _end(self) -> None:
        assert self.transport is not None
        self.factory.open.discard(self)
        self.transport.loseConnection()


@define(eq=False)
class _Conversations(Factory):
    """
    Makes them, and knows what can be asked.
    """

    clock: Any
    answers: Answers
    may_ask: Callable[[Any], bool]
    open: set[_Conversation] = field(init=False, factory=set)
    noisy = False

    def buildProtocol(self, addr: IAddress | None) -> _Conversation:  # type: ignore[override]
        """
        One more.
        """
        conversation = _Conversation()
        conversation.factory = self
        return conversation

    async def answer(self, line: bytes) -> dict[str, Any]:
        """
        The answer to one question, whatever becomes of it.
        """
        try:
            question = json.loads(line)
            operation = self.answers[question["operation"]]
        except (ValueError, LookupError, TypeError, RecursionError):
            return {"ok": False, "error": "This server does not know what is asked."}
        try:
            return {"ok": True, "result": await operation()}
        except MailError as problem:
            return {"ok": False, "error": problem.public}
        except Exception:  # noqa: BLE001 (a bug in one answer is told, and ends nothing)
            _log.failure("the operation {operation} failed", operation=question["operation"])
            return {"ok": False, "error": "This failed in a way that was not foreseen; the server's log says more."}


@define(eq=False)
class Control:
    """
    Where a running server is asked.

    @ivar _reactor: provides L{IReactorUNIX} and L{IReactorTime}.
    @ivar _directory: the folder of the sockets, which is there.
    """

    _reactor: Any
    _directory: str
    _random: Callable[[int], bytes]
    _answers: Answers
    _may_ask: Callable[[Any], bool] = may_ask
    _port: Any = field(init=False, default=None)
    _descriptor: int = field(init=False, default=-1)
    _conversations: _Conversations | None = field(init=False, default=None)

    def open(self) -> None:
        """
        Begin to listen.

        @raise TemporaryFailure: the socket cannot be made.
        """
        name = f"{os.getpid()}-{self._random(8).hex()}{_SUFFIX}"
        self._conversations = _Conversations(self._reactor, self._answers, self._may_ask)
        try:
            prefix, self._descriptor = short_prefix(self._directory, name)
            self._port = self._reactor.listenUNIX(prefix + name, self._conversations, mode=0o600)
        except (OSError, CannotListenError) as problem:
            self._close_descriptor()
            raise TemporaryFailure(f"No socket can be made in {self._directory}: {problem}") from problem

    async def close(self) -> None:
        """
        Listen no more, and let go of who is here; harmless twice.
        """
        port, self._port = self._port, None
        if port is None:
            return
        await maybeDeferred(port.stopListening)
        assert self._conversations is not None
        for one in tuple(self._conversations.open):
            one._end()
        self._close_descriptor()

    def _close_descriptor(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


@frozen
class Answer:
    """
    What one process said.

    @ivar pid: whose.
    @ivar result: what was asked for, if it could be had.
    @ivar error: else why not.
    """

    pid: int
    result: Any = None
    error: str = ""


def ask(directory: str, operation: str, timeout: float = limits.CONTROL_TIMEOUT) -> list[Answer]:
    """
    Ask every server that runs on a data directory; blocks until all have answered.  Sockets of dead ones are removed.

    @param directory: the folder of the sockets; it need not be there.
    """
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(_SUFFIX))
    except FileNotFoundError:
        return []
    answers = []
    for name in names:
        prefix, descriptor = short_prefix(directory, name)
        try:
            answers.append(_answer_of(prefix + name, name, operation, timeout))
        except ConnectionRefusedError:
            # A bound socket refuses nobody while its process lives.
            with suppress(OSError):
                os.unlink(os.path.join(directory, name))
        except FileNotFoundError:
            # It has just ended.
            continue
        finally:
            if descriptor >= 0:
                os.close(descriptor)
    return answers


def _answer_of(path: str, name: str, operation: str, timeout: float) -> Answer:
    pid = int(number) if (number := name.partition("-")[0]).isdigit() else 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(timeout)
        asking.connect(path)
        try:
            asking.sendall(json.dumps({"operation": operation}).encode("ascii") + b"\n")
            with asking.makefile("rb") as reading:
                line = reading.readline(limits.CONTROL_LINE)
        except TimeoutError:
            return Answer(pid, error=f"Process {pid} did not answer in {timeout:g} seconds.")
        except OSError as problem:
            return Answer(pid, error=f"Process {pid} cannot be asked: {problem.strerror}.")
    try:
        found = json.loads(line)
        return Answer(pid, found["result"]) if found["ok"] else Answer(pid, error=str(found["error"]))
    except (ValueError, LookupError, TypeError, RecursionError):
        return Answer(pid, error=f"Process {pid} gave no answer.")
