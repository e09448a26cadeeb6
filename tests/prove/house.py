"""
The whole server on one disk: what C{twistd} would start, with transports, clock and threads in memory, and a way out that counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, cast
from unittest.mock import patch

from attrs import define, evolve, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from tests.support.accounts import cheap_hasher
from tests.support.disks import InlinePool, call_now
from tests.support.transports import MemoryTransport, ThrowAwayCertificates
from twisted_mail_server.admin.operations import Operations
from twisted_mail_server.app import wire
from twisted_mail_server.app.settings import (
    AuthSettings,
    DnsSettings,
    Listener,
    RelaySettings,
    Settings,
    SubmissionSettings,
)
from twisted_mail_server.auth.hashing import Argon2Passwords
from twisted_mail_server.directory.names import LocalNames
from twisted_mail_server.directory.sqlite import SqliteDirectory
from twisted_mail_server.disk.real import RealDisk
from twisted_mail_server.dns.resolv import NameServer
from twisted_mail_server.interfaces import IRelay
from twisted_mail_server.model.queue import Outcome, QueuedMessage, QueueId, Result, Settlement
from twisted_mail_server.spool.directory import Spool
from twisted_mail_server.storage.sqlite import SqliteStore

#: Where passwords may travel in clear.
HERE = "127.0.0.1"

#: Recipients elsewhere, by what becomes of their mail: taken at once, at the second try, or never.
TAKEN, LATE, REFUSED = "taken", "late", "refused"
ELSEWHERE = "example.net"

_SETTINGS = Settings(
    hostname="mail.example.org",
    is_hostname_set=True,
    domains=("example.org",),
    listeners=(),
    auth=AuthSettings(allow_plaintext=True),
    dns=DnsSettings(resolvers=(NameServer("192.0.2.53"),)),
    relay=RelaySettings(retry_schedule=(60,)),
    submission=SubmissionSettings(recipients_per_hour=0),
)

#: Seconds, in November 2026.
START = 1_795_000_000


class ShuffledPool:
    """
    Threads that are as slow as a seed says: work waits until L{step} picks a piece of it.
    """

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._held: list[tuple[Callable[[bool, Any], object] | None, Callable[..., Any], tuple[Any, ...]]] = []

    def callInThreadWithCallback(
        self, onResult: Callable[[bool, Any], object] | None, func: Callable[..., Any], *args: Any
    ) -> None:
        """
        Keep it for L{step}.
        """
        self._held.append((onResult, func, args))

    def step(self) -> bool:
        """
        Do one piece of the work that waits; whether there was any.
        """
        if not self._held:
            return False
        result, function, args = self._held.pop(self._chance.randrange(len(self._held)))
        InlinePool().callInThreadWithCallback(result, function, *args)
        return True


@frozen
class Handed:
    """
    A recipient whose message another server has taken.

    @ivar at: the place in the log at which it said so.
    """

    queue_id: QueueId
    number: int
    name: str
    at: int


@implementer(IRelay)
@define(eq=False)
class CountingRelay:
    """
    The other servers: they do what a recipient's name says, and remember.
    """

    #: The place in the log.
    _position: Callable[[], int] = field(default=lambda: 0)
    handed: list[Handed] = field(factory=list)
    #: How long the contents were that could not be read whole.
    torn: list[str] = field(factory=list)
    spool: Any = None

    async def deliver(self, message: QueuedMessage, numbers: Sequence[int], domain: str) -> list[Result]:
        """
        One try; the content is read as a real one would.
        """
        results = []
        content = await self.spool.read(message)
        if hashlib.sha256(content).digest() != message.digest:
            self.torn.append(f"{len(content)} octets of {message.id} are not what was promised")
        for number in numbers:
            name = message.envelope.recipients[number].address.local
            if name.startswith(REFUSED):
                text = "550 5.1.1 Nobody has that name"
                results.append(Result(number, Outcome.FAILED, text, "5.1.1", f"smtp; {text}", f"mx.{ELSEWHERE}"))
            elif name.startswith(LATE) and not message.states[number].attempts:
                text = "451 4.3.0 Later"
                results.append(Result(number, Outcome.DEFERRED, text, "4.3.0", f"smtp; {text}", f"mx.{ELSEWHERE}"))
            else:
                self.handed.append(Handed(message.id, number, name, self._position()))
                text = "250 2.0.0 Fine"
                results.append(Result(number, Outcome.RELAYED, text, "2.0.0", f"smtp; {text}", f"mx.{ELSEWHERE}"))
        return results

    async def stop(self) -> None:
        """
        Nothing is under way.
        """


class WatchedSpool(Spool):
    """
    A spool that notes when a fate became durable.
    """

    def watch(self, position: Callable[[], int]) -> None:
        """
        Begin to note.
        """
        self.position = position
        self.settled_at: dict[tuple[QueueId, int], int] = {}

    async def settle(self, settlements: Sequence[Settlement], reports: Any = ()) -> None:
        """
        As L{Spool.settle}.
        """
        await super().settle(settlements, reports)
        for one in settlements:
            if one.state.fate.is_settled:
                self.settled_at.setdefault((one.queue_id, one.number), self.position())


class NotingTransport(MemoryTransport):
    """
    A connection that notes where the log was when the server last wrote.
    """

    def __init__(self, peer: str, position: Callable[[], int]) -> None:
        super().__init__(peer)
        self._position = position
        self.at = 0

    def write(self, data: bytes) -> None:
        """
        As always.
        """
        self.at = self._position()
        super().write(data)


@define(eq=False)
class House:
    """
    A server that was started.
    """

    server: wire.Server
    relay: CountingRelay
    clock: Clock
    operations: Operations
    position: Callable[[], int]
    _factories: dict[str, Any] = field(factory=dict)

    @property
    def spool(self) -> WatchedSpool:
        """
        Mail on its way.
        """
        return cast(WatchedSpool, self.server.resources.spool)

    @property
    def store(self) -> SqliteStore:
        """
        Everybody's mail.
        """
        return self.server.resources.store

    @property
    def directory(self) -> SqliteDirectory:
        """
        Everybody.
        """
        return self.server.resources.directory

    def connect(self, service: str) -> NotingTransport:
        """
        A connection to one of the server's listeners.
        """
        if service not in self._factories:
            self._factories[service] = self.server.factory(Listener(service, "tcp:0", "off"))
        transport = NotingTransport(HERE, self.position)
        transport.connect(self._factories[service].buildProtocol(None))
        return transport


async def start(
    disk: RealDisk,
    clock: Clock,
    random: Callable[[int], bytes],
    pool: Any,
    position: Callable[[], int] = lambda: 0,
    *,
    min_free_bytes: int = 0,
) -> House:
    """
    Start the server on what C{disk} holds, as L{wire.start_server} does.
    """
    closing = wire.Closing()
    settings = evolve(_SETTINGS, data_dir=disk.root)
    names = LocalNames(frozenset(settings.domains), settings.domains[0])
    directory = await SqliteDirectory.open(disk, "directory.sqlite", clock, random, names=names)
    closing.add(directory.close)
    store = SqliteStore(
        disk,
        clock,
        None,
        random,
        "accounts",
        min_free_bytes=min_free_bytes,
        reserve=4096,
        quota=lambda account: wire._quota_of(directory, account),
    )
    closing.add(store.close)
    spool = WatchedSpool(disk, "spool", random, min_free_bytes, clock, None)
    spool.watch(position)
    closing.add(spool.close)
    passwords = Argon2Passwords(pool, call_now, clock, random, cheap_hasher())
    news: Any = None
    resources = wire.Resources(settings, clock, disk, news, directory, store, spool, passwords, random, closing)
    relay = CountingRelay(position, spool=spool)
    certificates: Any = ThrowAwayCertificates()
    with patch.object(wire, "build_relay", lambda *_: relay):
        server = await wire._start(resources, certificates, None)
    operations = wire._operations(resources)
    return House(server, relay, clock, operations, position)


def awaited(work: Any) -> list[Any]:
    """
    What a coroutine comes to, later: the list is empty until then.
    """
    results: list[Any] = []
    Deferred.fromCoroutine(work).addBoth(results.append)
    return results
