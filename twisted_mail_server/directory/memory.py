"""
A directory in dictionaries, for tests and demonstrations: it keeps the same rules and nothing on disk.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, evolve, field
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_mail_server.directory.leading import leads_only_to
from twisted_mail_server.directory.listeners import Listeners
from twisted_mail_server.directory.names import LocalNames, domain_key
from twisted_mail_server.directory.standins import stand_in
from twisted_mail_server.interfaces import IDirectory
from twisted_mail_server.model.accounts import Account, AccountId, Alias, StoredCredentials
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.errors import AccountExists, NoSuchAccount, Refused


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
    _aliases: dict[str, Alias] = field(init=False, factory=dict)
    _domains: set[str] = field(init=False, factory=set)
    _secret: bytes = field(init=False, repr=False)
    _listeners: Listeners = field(init=False, factory=Listeners)

    def __attrs_post_init__(self) -> None:
        self._secret = self._random(32)

    async def domains(self) -> list[str]:
        """
        The local domains, sorted.
        """
        return sorted(self._names.declared_domains | self._domains | self._inhabited())

    async def is_local(self, domain: str) -> bool:
        """
        Whether mail for that domain is delivered here.
        """
        return domain_key(domain) in await self.domains()

    async def lookup(self, address: Address) -> Account | Alias | None:
        """
        Who gets mail for an address.
        """
        address = self._names.completed(address)
        base = self._names.without_subaddress(address)
        found = self._by_key(address.key) or self._by_key(base.key)
        if found is None and self._names.is_role(address):
            found = await self._role(address)
        return found or self._by_key(Address("", address.domain).key)

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

    def all_have_keys(self) -> bool:
        """
        Whether every account that may log in has its SCRAM keys.
        """
        return all(
            account.is_disabled or (kept.scram_sha_256 is not None and kept.scram_sha_1 is not None)
            for account, kept in self._accounts.values()
        )

    def stand_in(self, name: str) -> bytes:
        """
        32 octets for a login name, whether it is somebody's or not.
        """
        return stand_in(self._secret, self._names.spelling(name))

    async def owns(self, account_id: AccountId, address: Address) -> bool:
        """
        Who alone gets the mail for an address may send as it.
        """
        return await leads_only_to(self.lookup, address, account_id)

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
        if address.key in self._ids or address.key in self._aliases:
            raise AccountExists(
                f"There is an {'alias' if address.key in self._aliases else 'account'} {address} already."
            )
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

    async def set_disabled(self, account_id: AccountId, is_disabled: bool) -> None:
        """
        Shut an account, or open it again; when it is shut whoever listens is told.

        @raise NoSuchAccount: there is none.
        """
        account, credentials = self._existing(account_id)
        self._accounts[account_id] = (evolve(account, is_disabled=is_disabled), credentials)
        if is_disabled:
            self._listeners.tell(account_id)

    async def set_quota(self, account_id: AccountId, octets: int | None) -> None:
        """
        How much mail it may have.

        @raise NoSuchAccount: there is none.
        """
        account, credentials = self._existing(account_id)
        self._accounts[account_id] = (evolve(account, quota=octets), credentials)

    async def aliases(self) -> list[Alias]:
        """
        All of them, sorted by address.
        """
        return [alias for _, alias in sorted(self._aliases.items())]

    async def set_alias(self, alias: Alias) -> None:
        """
        Make it, or give it other targets.

        @raise AccountExists: an account has that address.
        """
        if alias.address.key in self._ids:
            raise AccountExists(f"There is an account {alias.address} already.")
        targets = {target.key: target for target in alias.targets}
        self._aliases[alias.address.key] = evolve(alias, targets=tuple(targets[key] for key in sorted(targets)))

    async def remove_alias(self, address: Address) -> None:
        """
        Forget it.

        @raise NoSuchAccount: there is none of that address.
        """
        if self._aliases.pop(address.key, None) is None:
            raise NoSuchAccount("There is no such alias.")

    async def add_domain(self, domain: str) -> None:
        """
        Make a domain local; fine if it is.
        """
        self._domains.add(domain_key(domain))

    async def remove_domain(self, domain: str) -> None:
        """
        Make it local no more.

        @raise Refused: the settings declare it, or an account or alias is in it.
        """
        key = domain_key(domain)
        if key in self._names.declared_domains:
            raise Refused(f"{key} is declared in the settings.")
        if key in self._inhabited():
            raise Refused(f"There are accounts or aliases in {key}.")
        self._domains.discard(key)

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

    def _inhabited(self) -> frozenset[str]:
        """
        The domains of accounts and aliases.
        """
        addresses = [account.address for account, _ in self._accounts.values()]
        addresses += [alias.address for alias in self._aliases.values()]
        return frozenset(address.domain for address in addresses)

    def _by_key(self, key: str) -> Account | Alias | None:
        account_id = self._ids.get(key)
        return self._accounts[account_id][0] if account_id else self._aliases.get(key)

    async def _role(self, address: Address) -> Account | Alias | None:
        """
        Who gets the mail for a role that nobody has by name.
        """
        if not self._names.is_declared(address.domain) and not await self.is_local(address.domain):
            return None
        named = None
        if self._names.postmaster is not None:
            named = self._by_key(self._names.postmaster.key)
        everyone = sorted((account for account, _ in self._accounts.values()), key=lambda one: one.is_disabled)
        return named or next(iter(everyone), None)
