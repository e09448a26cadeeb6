"""
A directory, a spool, a store and the delivery between them, all in memory and on a clock that stands still.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.support.disks import seeded
from tests.support.drive import now
from twisted_mail_server.delivery.intake import Intake
from twisted_mail_server.delivery.local import LocalDelivery
from twisted_mail_server.directory.memory import MemoryDirectory
from twisted_mail_server.interfaces import IAccountMail, IDirectory, IMailStore, ISpool
from twisted_mail_server.model.accounts import Account, AccountId, StoredCredentials
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.queue import Arrival, QueueId
from twisted_mail_server.spool.memory import MemorySpool
from twisted_mail_server.storage.memory import MemoryStore


def memory_clock() -> Clock:
    """
    A clock at a moment in November 2026.
    """
    clock = Clock()
    clock.advance(1_795_000_000)
    return clock


class WatchedMail:
    """
    An account's mail whose deliveries and checkpoints can be made to wait or fail.
    """

    def __init__(self, mail: IAccountMail, store: WatchedStore) -> None:
        self._mail, self._store = mail, store

    async def deliver(self, arrivals: Sequence[Arrival], settled: Sequence[QueueId] = ()) -> list[bool]:
        """
        Deliver, after what the store's C{before} says.
        """
        await self._store.pass_gate()
        self._store.deliveries.append((len(arrivals), len(settled)))
        return await self._mail.deliver(arrivals, settled)

    async def checkpoint(self, *, limit: int | None = None) -> int:
        """
        One content more, after what the store's C{before} says.
        """
        self._store.checkpoints += 1
        await self._store.pass_gate()
        return 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mail, name)


class WatchedStore:
    """
    A store in memory of which tests know what was done.

    @ivar before: called before each delivery and checkpoint; may raise, or give a Deferred to wait for.
    @ivar deliveries: messages, and settled ids, of each delivery.
    """

    def __init__(self, store: IMailStore) -> None:
        self._store = store
        self.before: Callable[[], Deferred[None] | None] = lambda: None
        self.deliveries: list[tuple[int, int]] = []
        self.checkpoints = 0
        self.due: list[AccountId] = []

    async def pass_gate(self) -> None:
        """
        What C{before} says.
        """
        waiting = self.before()
        if waiting is not None:
            await waiting

    async def open(self, account: AccountId) -> Any:
        """
        An account's mail, watched.
        """
        return WatchedMail(await self._store.open(account), self)

    def begin_checkpoints(self) -> list[AccountId]:
        """
        Who a test says is due.
        """
        return self.due

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def as_store(store: WatchedStore) -> IMailStore:
    """
    It does all that a store does.
    """
    return cast(IMailStore, store)


@define(eq=False)
class MailHouse:
    """
    Everything between intake and mailbox.
    """

    clock: Clock = field(factory=memory_clock)
    directory: IDirectory = field()
    spool: ISpool = field(factory=lambda: MemorySpool(seeded(1)))
    store: WatchedStore = field()
    intake: Intake = field(init=False)
    delivery: LocalDelivery = field(init=False)

    @directory.default
    def _make_directory(self) -> IDirectory:
        return MemoryDirectory(self.clock, seeded(2))

    @store.default
    def _make_store(self) -> WatchedStore:
        return WatchedStore(MemoryStore(self.clock, seeded(3)))

    def __attrs_post_init__(self) -> None:
        self.intake = Intake(self.spool, self.directory, self.clock, seeded(4), "mail.example.org")
        self.delivery = LocalDelivery(self.spool, self.directory, as_store(self.store), self.clock)
        now(self.delivery.start())

    def add(self, address: str) -> Account:
        """
        Somebody new.
        """
        return now(self.directory.add_account(Address.parse(address), StoredCredentials("$argon2id$")))

    def inbox(self, account: Account) -> list[bytes]:
        """
        The messages in an account's INBOX.
        """
        view = now(now(self.store.open(account.id)).select("INBOX", claim_recent=False))
        contents = []
        for uid in view.snapshot.uids:
            content = now(view.open_content(uid))
            contents.append(now(content.read()))
            content.close()
        now(view.close())
        return contents
