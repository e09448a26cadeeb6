"""
A directory, a spool, a store and the delivery between them, all in memory and on a clock that stands still.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from attrs import define, evolve, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from tests.support.disks import seeded
from tests.support.drive import now
from twisted_mail_server.delivery.dispatch import Dispatcher
from twisted_mail_server.delivery.hooks import Hooks
from twisted_mail_server.delivery.intake import Intake, RelayTerms
from twisted_mail_server.delivery.outcomes import Outcomes, Schedule
from twisted_mail_server.delivery.reporting import Reporting
from twisted_mail_server.delivery.rewriting import SenderRewriting
from twisted_mail_server.delivery.routing import Router
from twisted_mail_server.directory.memory import MemoryDirectory
from twisted_mail_server.interfaces import IAccountMail, IDirectory, IMailStore, IMeters, IRelay, ISpool, Unmetered
from twisted_mail_server.model.accounts import Account, AccountId, Alias, StoredCredentials
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.queue import Arrival, Outcome, QueuedMessage, QueueId, Result
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
        As many contents as the store's C{moves} says, after what its C{before} says.
        """
        self._store.checkpoints += 1
        await self._store.pass_gate()
        return self._store.moves

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
        self.moves = 1
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


@implementer(IRelay)
class MadeUpRelay:
    """
    A way out that does what a test says.

    @ivar sent: message, recipients and domain of each try.
    @ivar answer: the outcome and the words of each recipient's result, or a Deferred to wait for first.
    """

    def __init__(self) -> None:
        self.sent: list[tuple[QueuedMessage, tuple[int, ...], str]] = []
        self.before: Callable[[], Deferred[None] | None] = lambda: None
        self.answer: Callable[[QueuedMessage, int], Result] = lambda message, number: Result(
            number, Outcome.RELAYED, "mx.example said: 250 2.0.0 Fine", "2.0.0", "smtp; 250 2.0.0 Fine", "mx.example"
        )

    async def deliver(self, message: QueuedMessage, numbers: Sequence[int], domain: str) -> list[Result]:
        """
        One try.
        """
        self.sent.append((message, tuple(numbers), domain))
        waiting = self.before()
        if waiting is not None:
            await waiting
        return [self.answer(message, number) for number in numbers]


#: Waits between tries, in seconds, and when a message comes back.
SCHEDULE = Schedule((300, 900, 1800), expire_after=5 * 86_400, delay_warning=4 * 3600)


@define(eq=False)
class MailHouse:
    """
    Everything between intake and mailbox.
    """

    clock: Clock = field(factory=memory_clock)
    directory: IDirectory = field()
    spool: ISpool = field()
    store: WatchedStore = field()
    relay: MadeUpRelay = field(factory=MadeUpRelay)
    relay_terms: RelayTerms = field(factory=RelayTerms)
    meters: IMeters = field(factory=Unmetered)
    #: Names and hooks.
    plugged: Sequence[tuple[str, object]] = ()
    hooks: Hooks = field(init=False)
    rewriting: SenderRewriting = field(init=False)
    router: Router = field(init=False)
    intake: Intake = field(init=False)
    delivery: Dispatcher = field(init=False)

    @directory.default
    def _make_directory(self) -> IDirectory:
        return MemoryDirectory(self.clock, seeded(2))

    @spool.default
    def _make_spool(self) -> ISpool:
        return MemorySpool(seeded(1), self.clock)

    @store.default
    def _make_store(self) -> WatchedStore:
        return WatchedStore(MemoryStore(self.clock, seeded(3)))

    def __attrs_post_init__(self) -> None:
        self.hooks = Hooks.of(self.clock, self.plugged)
        self.rewriting = SenderRewriting(b"secret", self.clock)
        self.router = Router(self.directory, self.rewriting.recover)
        self.intake = self.make_intake()
        self.delivery = self.make_delivery()
        now(self.delivery.start())

    def make_intake(self, **changes: Any) -> Intake:
        """
        A way in, with terms of a test's own.
        """
        terms: dict[str, Any] = {
            "relay": evolve(self.relay_terms, rewrite=self.rewriting.forward),
            "hooks": self.hooks,
            "meters": self.meters,
            **changes,
        }
        store = as_store(self.store)
        return Intake(self.spool, self.router, store, self.clock, seeded(4), "mail.example.org", **terms)

    def make_delivery(self) -> Dispatcher:
        """
        Another process that delivers.
        """
        reporting = Reporting(self.spool, self.router, self.clock, seeded(5), "mail.example.org", self.hooks)
        chance, meters = lambda count: b"\x80" + bytes(count - 1), self.meters
        outcomes = Outcomes(self.spool, reporting, self.clock, chance, SCHEDULE, meters)
        store, redirected = as_store(self.store), self.intake.redirected
        clock, hooks = self.clock, self.hooks
        return Dispatcher(self.spool, self.router, outcomes, clock, store, self.relay, hooks, redirected, meters)

    def add(self, address: str) -> Account:
        """
        Somebody new.
        """
        return now(self.directory.add_account(Address.parse(address), StoredCredentials("$argon2id$")))

    def alias(self, address: str, *targets: str) -> None:
        """
        An address that stands for others.
        """
        local, _, domain = address.rpartition("@")
        now(self.directory.set_alias(Alias(Address(local, domain), tuple(map(Address.parse, targets)))))

    def inbox(self, account: Account, mailbox: str = "INBOX") -> list[bytes]:
        """
        The messages in an account's INBOX, or another mailbox.
        """
        view = now(now(self.store.open(account.id)).select(mailbox, claim_recent=False))
        contents = []
        for uid in view.snapshot.uids:
            content = now(view.open_content(uid))
            contents.append(now(content.read()))
            content.close()
        now(view.close())
        return contents
