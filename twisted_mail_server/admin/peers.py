"""
News between the processes that share a data directory, over Unix datagram sockets.

Each process listens on C{run/PID-CHANCE.sock}; to publish is to send to every other socket in the folder.  Whoever may
enter the folder (mode 0700) is trusted with no more than making others look: a notice says that something changed, and
the database says what.  A notice that finds its receiver busy is lost.

One datagram is the topic, a line feed, and the text, in UTF-8.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from attrs import define, field
from twisted.internet.defer import maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail_server.interfaces import INews
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import TemporaryFailure

_log = Logger()

#: The folder of the sockets, below the data directory.
RUN = "run"

_SUFFIX = ".sock"
#: C{sun_path} of unix(7), its closing zero left out.
_LONGEST_PATH = 107
#: For so many seconds after the folder changed its time is not trusted to tell of further changes: it ticks coarsely.
_UNSETTLED = 1.0


def short_prefix(directory: str, name: str) -> tuple[str, int]:
    """
    What stands before C{name}, so that together they can be a socket's address: the folder, or the same through a descriptor of it
    where its name is too long for that.  The descriptor is the caller's to close; -1 where there is none.
    """
    if len(os.fsencode(os.path.join(directory, name))) <= _LONGEST_PATH:
        return os.path.join(directory, ""), -1
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # noqa: TID251 (a folder, no file)
    return f"/proc/self/fd/{descriptor}/", descriptor


class _Ear(DatagramProtocol):
    """
    Where others' notices arrive.
    """

    noisy = False

    def __init__(self, heard: Callable[[bytes], None]) -> None:
        self._heard = heard

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """
        One notice.
        """
        self._heard(datagram)


@implementer(INews)
@define(eq=False)
class Peers:
    """
    The other processes.

    @ivar _reactor: provides L{IReactorUNIXDatagram} and L{IReactorTime}.
    @ivar _directory: the folder of the sockets, made if it is not there.
    """

    _reactor: Any
    _directory: str
    _random: Callable[[int], bytes]
    _subscribers: dict[str, list[Callable[[str], None]]] = field(init=False, factory=dict)
    _port: Any = field(init=False, default=None)
    _name: str = field(init=False, default="")
    #: What stands before a socket's name: the folder, or a shorter way to it.
    _prefix: str = field(init=False, default="")
    _descriptor: int = field(init=False, default=-1)
    _others: list[str] = field(init=False, factory=list)
    _modified: int = field(init=False, default=-1)
    _settled: float = field(init=False, default=0.0)

    def open(self) -> None:
        """
        Begin to listen.

        @raise TemporaryFailure: the socket cannot be made.
        """
        try:
            os.makedirs(self._directory, 0o700, exist_ok=True)
            os.chmod(self._directory, 0o700)
            self._name = f"{os.getpid()}-{self._random(8).hex()}{_SUFFIX}"
            self._prefix, self._descriptor = short_prefix(self._directory, self._name)
            self._port = self._reactor.listenUNIXDatagram(
                self._prefix + self._name, _Ear(self._heard), maxPacketSize=limits.NEWS + 1, mode=0o600
            )
        except (OSError, CannotListenError) as problem:
            self._close_descriptor()
            raise TemporaryFailure(f"No socket can be made in {self._directory}: {problem}") from problem

    async def close(self) -> None:
        """
        Listen no more; harmless twice.
        """
        port, self._port = self._port, None
        if port is None:
            return
        self._remove(self._name)
        await maybeDeferred(port.stopListening)
        self._close_descriptor()

    def publish(self, topic: str, text: str) -> None:
        """
        Tell the other processes.  What is too long is lost, as anything may be.
        """
        if self._port is None:
            return
        datagram = f"{topic}\n{text}".encode("utf-8", "replace")
        if len(datagram) > limits.NEWS:
            _log.warn("notice of {topic} is too long: {size} octets", topic=topic, size=len(datagram))
            return
        for name in self._names():
            self._send(datagram, name)

    def subscribe(self, topic: str, told: Callable[[str], None]) -> None:
        """
        Have C{told} called with what others publish.
        """
        self._subscribers.setdefault(topic, []).append(told)

    # --- Sending --------------------------------------------------------------------------------------------------------

    def _names(self) -> list[str]:
        """
        The others' sockets; the folder is read only when it has changed, for a busy server publishes often.
        """
        try:
            modified = os.stat(self._directory).st_mtime_ns
            now = self._reactor.seconds()
            if modified != self._modified:
                self._modified, self._settled = modified, now + _UNSETTLED
            elif now > self._settled:
                return self._others
            found = os.listdir(self._directory)
        except OSError as problem:
            _log.warn("the other processes cannot be found: {problem}", problem=str(problem))
            return []
        self._others = [name for name in found if name.endswith(_SUFFIX) and name != self._name]
        return self._others

    def _send(self, datagram: bytes, name: str) -> None:
        try:
            self._port.write(datagram, self._prefix + name)
        except OSError as problem:
            if problem.errno == errno.ECONNREFUSED:
                # A bound socket refuses nobody while its process lives.
                self._remove(name)
            elif problem.errno not in (errno.ENOENT, errno.ENOBUFS):
                _log.warn("notice to {peer} was lost: {problem}", peer=name, problem=str(problem))

    def _remove(self, name: str) -> None:
        with suppress(OSError):
            os.unlink(os.path.join(self._directory, name))

    def _close_descriptor(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    # --- Hearing --------------------------------------------------------------------------------------------------------

    def _heard(self, datagram: bytes) -> None:
        try:
            topic, line_feed, text = datagram.decode("utf-8").partition("\n")
        except UnicodeDecodeError:
            topic, line_feed, text = "", "", ""
        if not line_feed or len(datagram) > limits.NEWS:
            _log.warn("malformed notice of {size} octets ignored", size=len(datagram))
            return
        for told in self._subscribers.get(topic, ()):
            try:
                told(text)
            except Exception:  # noqa: BLE001 (the other subscribers must hear it too)
                _log.failure("a notice of {topic} failed", topic=topic)
