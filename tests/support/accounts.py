"""
Accounts, directories, passwords and portals ready to use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from argon2 import PasswordHasher
from attrs import define, field
from twisted.internet.task import Clock
from zope.interface import implementer

from tests.support.disks import HeldPool, InlinePool, call_now, seeded
from tests.support.drive import now
from twisted_mail_server.auth.authenticator import Authenticator
from twisted_mail_server.auth.hashing import Argon2Passwords
from twisted_mail_server.auth.portals import build_authenticator
from twisted_mail_server.directory.memory import MemoryDirectory
from twisted_mail_server.directory.names import LocalNames
from twisted_mail_server.interfaces import IDirectory, IMailStore, INews
from twisted_mail_server.model.accounts import Account, StoredCredentials
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.storage.memory import MemoryStore

NAMES = LocalNames(["example.org"], "example.org")


def cheap_hasher() -> PasswordHasher:
    """
    Argon2id that costs nothing, and guards nothing.
    """
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def cheap_passwords(clock: Clock | None = None, pool: InlinePool | HeldPool | None = None) -> Argon2Passwords:
    """
    Passwords whose hashes cost nothing, computed at once.
    """
    return Argon2Passwords(pool or InlinePool(), call_now, clock or Clock(), seeded(3), cheap_hasher())


def address(text: str) -> Address:
    """
    An address as written.
    """
    return Address.parse(text)


def credentials(word: str = "one") -> StoredCredentials:
    """
    Something to keep that no password fits.
    """
    return StoredCredentials(f"$none${word}")


@implementer(INews)
class News:
    """
    News between processes, for tests: what one publishes, the other ends of C{wire} hear at once.
    """

    def __init__(self, wire: list[News]) -> None:
        self._wire = wire
        self._told: list[tuple[str, Callable[[str], None]]] = []
        self.published: list[tuple[str, str]] = []
        wire.append(self)

    def publish(self, topic: str, text: str) -> None:
        """
        Tell the others.
        """
        self.published.append((topic, text))
        for other in self._wire:
            if other is not self:
                other.hear(topic, text)

    def hear(self, topic: str, text: str) -> None:
        """
        What somebody else published.
        """
        for subscribed, told in self._told:
            if subscribed == topic:
                told(text)

    def subscribe(self, topic: str, told: Callable[[str], None]) -> None:
        """
        Have C{told} called.
        """
        self._told.append((topic, told))


@define(eq=False)
class House:
    """
    A directory, a store and an authenticator that belong together, all in memory.
    """

    clock: Clock = field(factory=Clock)
    pool: Any = field(factory=InlinePool)
    directory: IDirectory = field(init=False)
    store: IMailStore = field(init=False)
    passwords: Argon2Passwords = field(init=False)
    authenticator: Authenticator = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.clock.advance(1_800_000_000)
        self.directory = MemoryDirectory(self.clock, seeded(1), NAMES)
        self.store = MemoryStore(self.clock, seeded(2))
        self.passwords = cheap_passwords(self.clock, self.pool)
        self.authenticator = build_authenticator(self.directory, self.store, self.passwords, self.clock, seeded(6))

    def add(self, text: str, password: bytes = b"secret") -> Account:
        """
        An account with a password.
        """
        stored = now(cheap_passwords(self.clock).store(password))
        return now(self.directory.add_account(address(text), stored))
