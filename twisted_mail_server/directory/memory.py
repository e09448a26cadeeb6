"""
A directory in dictionaries, for tests and demonstrations: it keeps the same rules and nothing on disk.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, evolve, field
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_mail_server.directory.listeners import Listeners
from twisted_mail_server.directory.names import LocalNames
from twisted_mail_server.interfaces import IDirectory
from twisted_mail_server.model.accounts import Account, AccountId, StoredCredentials
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.errors import AccountExists, NoSuchAccount


@implementer(IDirectory)
@define(eq=False)
class MemoryDirectory:
    """
    Accounts in dictionaries, in the order in which they were made.
    """

    _clock: IReactorTime
    _random: Callable[[int], bytes]
    _names: LocalNames = field(factory=LocalNames)
    _accounts: dict[AccountId, tuple[Account, StoredCredentials]] = field(init=False, factory=dict)
    _ids: dict[str, AccountId] = field(init=False, factory=dict)
    _listeners: Listeners = field(init=False, factory=Listeners)

    async def domains(self) -> list[str]:
        """
        The local domains, sorted.
        """
        return sorted(self._names.declared_domains | {account.address.domain for account, _ in self._accounts.values()})

    async def is_local(self, domain: str) -> bool:
        """
        Whether mail for that domain is delivered here.
        """
        domain = domain.lower()
        return domain in await self.domains()

    async def recipient(self, address: Address) -> Account | None:
        """
        Who gets mail for a local address.
        """
        address = self._names.completed(address)
        found = self._by_key(address.key)
        if found is not None or not self._names.is_role(address):
            return found
        if not self._names.is_declared(address.domain) and not await self.is_local(address.domain):
            return None
        if self._names.postmaster is not None:
            found = self._by_key(self._names.postmaster.key)
        return found or next((account for account, _ in self._accounts.values()), None)

    async def account(self, account_id: AccountId) -> Account | None:
        """
        By id.
        """
        found = self._accounts.get(account_id)
        return found and found[0]

    async def login(self, name: str) -> tuple[Account, StoredCredentials] | None:
        """
        By login name.
        """
        address = self._names.login_address(name)
        account_id = address and self._ids.get(address.key)
        return self._accounts[account_id] if account_id else None

    async def owns(self, account_id: AccountId, address: Address) -> bool:
        """
        Whoever gets the mail for an address may send as it.
        """
        found = await self.recipient(address)
        return found is not None and found.id == account_id

    async def accounts(self) -> list[Account]:
        """
        Everyone, sorted by address.
        """
        return sorted((account for account, _ in self._accounts.values()), key=lambda account: account.address.key)

    async def add_account(self, address: Address, credentials: StoredCredentials) -> Account:
        """
        Make an account.

        @raise AccountExists: the address is taken.
        """
        if address.key in self._ids:
            raise AccountExists(f"There is an account {address} already.")
        account = Account(AccountId.of(self._random(16)), address, int(self._clock.seconds()))
        self._accounts[account.id] = (account, credentials)
        self._ids[address.key] = account.id
        return account

    async def remove_account(self, account_id: AccountId) -> None:
        """
        Forget an account; whoever listens is told.

        @raise NoSuchAccount: there is none.
        """
        account, _ = self._existing(account_id)
        del self._accounts[account_id]
        del self._ids[account.address.key]
        self._listeners.tell(account_id)

    async def set_credentials(self, account_id: AccountId, credentials: StoredCredentials) -> None:
        """
        Replace a password; whoever listens is told.

        @raise NoSuchAccount: there is none.
        """
        self._accounts[account_id] = (self._existing(account_id)[0], credentials)
        self._listeners.tell(account_id)

    async def renew_credentials(self, account_id: AccountId, old: StoredCredentials, new: StoredCredentials) -> None:
        """
        Keep the same password in a better form, unless it was changed meanwhile.
        """
        found = self._accounts.get(account_id)
        if found is not None and found[1].password_hash == old.password_hash:
            self._accounts[account_id] = (found[0], new)

    async def disable(self, account_id: AccountId) -> None:
        """
        Let nobody log in as that account any more; its sessions end.

        @raise NoSuchAccount: there is none.
        """
        account, credentials = self._existing(account_id)
        self._accounts[account_id] = (evolve(account, is_disabled=True), credentials)
        self._listeners.tell(account_id)

    def listen(self, told: Callable[[AccountId], None]) -> None:
        """
        Have C{told} called for each account removed, disabled or given a new password.
        """
        self._listeners.add(told)

    async def close(self) -> None:
        """
        Nothing is held.
        """

    def _existing(self, account_id: AccountId) -> tuple[Account, StoredCredentials]:
        found = self._accounts.get(account_id)
        if found is None:
            raise NoSuchAccount("There is no such account.")
        return found

    def _by_key(self, key: str) -> Account | None:
        account_id = self._ids.get(key)
        return self._accounts[account_id][0] if account_id else None
