"""
The directory in C{data_dir/directory.sqlite} (C{schema/0001_start.sql} says what is in it).

Several processes have it open.  Each change that must end sessions is a row of the table C{change}, written in the
same transaction; a notice (topic C{directory}) makes the other processes read the rows they have not seen, and so
does a look by the clock, for a notice may be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_mail_server.directory import scramkeys
from twisted_mail_server.directory.leading import leads_only_to
from twisted_mail_server.directory.listeners import Listeners
from twisted_mail_server.directory.names import LocalNames, domain_key
from twisted_mail_server.directory.standins import stand_in
from twisted_mail_server.disk.schema import load_steps
from twisted_mail_server.interfaces import IDatabase, IDirectory, IDisk, INews, ITransaction
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import Account, AccountId, Alias, StoredCredentials
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.errors import AccountExists, DatabaseBusy, MailError, NoSuchAccount, Refused

_log = Logger()

#: Under which notices of changes travel.
TOPIC = "directory"

_ACCOUNT_COLUMNS = "id, local, domain, created, is_disabled, quota"
_ACCOUNT = f"SELECT {_ACCOUNT_COLUMNS} FROM account"
#: A subquery where others would join: three times as fast.
_IS_KEY = "WHERE number = (SELECT account FROM address WHERE key = ?)"
_BY_KEY = f"{_ACCOUNT} {_IS_KEY}"
_BY_ID = f"{_ACCOUNT} WHERE id = ?"
#: Who gets the roles' mail: the oldest account that may, else the oldest.  As one sort it would read them all.
_FIRST = f"{_ACCOUNT} WHERE is_disabled = 0 ORDER BY number LIMIT 1"
_OLDEST = f"{_ACCOUNT} ORDER BY number LIMIT 1"
_CREDENTIALS = f"SELECT {_ACCOUNT_COLUMNS}, password_hash, scram_sha_256, scram_sha_1 FROM account {_IS_KEY}"
_NAMED = "SELECT key, account, local, domain FROM address WHERE key IN (?, ?)"
_BY_NUMBER = f"{_ACCOUNT} WHERE number = ?"
_TARGETS = "SELECT local, domain FROM target WHERE alias = ? ORDER BY key"
_ALIASES = (
    "SELECT address.local, address.domain, target.local, target.domain FROM address JOIN target ON target.alias = address.key "
    "ORDER BY address.key, target.key"
)
_WITHOUT_KEYS = "SELECT 1 FROM account WHERE (scram_sha_256 IS NULL OR scram_sha_1 IS NULL) AND is_disabled = 0 LIMIT 1"
_NEW_ADDRESS = "INSERT INTO address (key, account, local, domain) VALUES (?, ?, ?, ?)"
_SET = "UPDATE account SET password_hash = ?, scram_sha_256 = ?, scram_sha_1 = ? WHERE id = ?"


@implementer(IDirectory)
@define(eq=False)
class SqliteDirectory:
    """
    A directory in one SQLite database.  L{SqliteDirectory.open} makes one.
    """

    _database: IDatabase
    _clock: IReactorTime
    _random: Callable[[int], bytes]
    _news: INews | None
    _names: LocalNames
    #: What stands in for those who do not exist is made from it.
    _secret: bytes = field(repr=False)
    #: The last row of C{change} that whoever listens has been told of.
    _seen: int
    #: Later rows, made by this process: told of already.
    _own: set[int] = field(init=False, factory=set)
    _listeners: Listeners = field(init=False, factory=Listeners)
    _check: IDelayedCall | None = field(init=False, default=None)
    _closed: bool = field(init=False, default=False)
    _all_have_keys: bool = field(init=False, default=False)

    @classmethod
    async def open(
        cls,
        disk: IDisk,
        path: str,
        clock: IReactorTime,
        random: Callable[[int], bytes],
        *,
        news: INews | None = None,
        names: LocalNames | None = None,
    ) -> SqliteDirectory:
        """
        The directory at C{path}, made when there is none.

        @raise SchemaTooNew: a newer version of this program wrote it.
        """
        database = await disk.open_database(path, load_steps("twisted_mail_server.directory"))
        ((seen,),) = await database.query("SELECT ifnull(max(number), 0) FROM change")
        directory = cls(database, clock, random, news, names or LocalNames(), await _secret_of(database, random), seen)
        if news is not None:
            news.subscribe(TOPIC, directory._noticed)
        directory._look_later()
        return directory

    # --- Who is meant ---------------------------------------------------------------------------------------------------

    def replace_names(self, names: LocalNames) -> None:
        """
        Names mean this from now on.
        """
        self._names = names

    async def domains(self) -> list[str]:
        """
        The local domains, sorted.
        """
        rows = await self._database.query("SELECT domain FROM address UNION SELECT name FROM domain")
        return sorted(self._names.declared_domains.union(domain for (domain,) in rows))

    async def is_local(self, domain: str) -> bool:
        """
        Whether mail for that domain is delivered here.
        """
        key = domain_key(domain)
        if key in self._names.declared_domains:
            return True
        sql = "SELECT 1 FROM address WHERE domain = ? UNION ALL SELECT 1 FROM domain WHERE name = ? LIMIT 1"
        return bool(await self._database.query(sql, (key, key)))

    async def lookup(self, address: Address) -> Account | Alias | None:
        """
        Who gets mail for an address.  C{postmaster} and C{abuse} are the account of that very name, else the one that the
        settings name, else the first that was made (RFC 5321 section 4.5.1).
        """
        address = self._names.completed(address)
        # Nearly all addresses that mail comes for are some account's.
        account = await self._one(_BY_KEY, address.key)
        if account is not None:
            return account
        base = self._names.without_subaddress(address)
        named = await self._named(address.key, base.key)
        if named is None and self._names.is_role(address):
            named = await self._role(address)
        return named or await self._named(Address("", address.domain).key)

    async def account(self, account_id: AccountId) -> Account | None:
        """
        By id.
        """
        return await self._one(_BY_ID, account_id.text)

    async def login(self, name: str) -> tuple[Account, StoredCredentials] | None:
        """
        By login name: any address of an account, or the local part of one in the default domain.
        """
        address = self._names.login_address(name)
        if address is None:
            return None
        rows = await self._database.query(_CREDENTIALS, (address.key,))
        if not rows:
            return None
        *account, password_hash, scram_sha_256, scram_sha_1 = rows[0]
        kept = StoredCredentials(password_hash, scramkeys.read(scram_sha_256), scramkeys.read(scram_sha_1))
        return _account(account), kept

    def all_have_keys(self) -> bool:
        """
        Whether every account that may log in has its SCRAM keys; while the database is busy, what was known before.
        """
        with suppress(DatabaseBusy):
            self._all_have_keys = not self._database.read(_WITHOUT_KEYS)
        return self._all_have_keys

    def stand_in(self, name: str) -> bytes:
        """
        32 octets for a login name, whether it is somebody's or not.
        """
        return stand_in(self._secret, self._names.spelling(name))

    async def owns(self, account_id: AccountId, address: Address) -> bool:
        """
        Who alone gets the mail for an address may send as it (RFC 6409 section 6.1).
        """
        return await leads_only_to(self.lookup, address, account_id)

    async def accounts(self) -> list[Account]:
        """
        Everyone, sorted by address.
        """
        rows = await self._database.query(_ACCOUNT)
        return sorted(map(_account, rows), key=lambda account: account.address.key)

    async def aliases(self) -> list[Alias]:
        """
        All of them, sorted by address.
        """
        found: dict[Address, list[Address]] = {}
        for local, domain, target_local, target_domain in await self._database.query(_ALIASES):
            found.setdefault(Address(local, domain), []).append(Address(target_local, target_domain))
        return [Alias(address, tuple(targets)) for address, targets in found.items()]

    # --- Changes --------------------------------------------------------------------------------------------------------

    async def add_account(self, address: Address, credentials: StoredCredentials) -> Account:
        """
        Make an account.  Durable on return.

        @raise AccountExists: the address is taken.
        """
        account = Account(AccountId.of(self._random(16)), address, int(self._clock.seconds()))

        def add(transaction: ITransaction) -> None:
            for (number,) in transaction.execute("SELECT account FROM address WHERE key = ?", (address.key,)):
                raise AccountExists(f"There is an {'alias' if number is None else 'account'} {address} already.")
            transaction.execute(
                "INSERT INTO account (id, local, domain, created, password_hash, scram_sha_256, scram_sha_1) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (account.id.text, address.local, address.domain, account.created, *_columns(credentials)),
            )
            transaction.execute(
                _NEW_ADDRESS,
                (address.key, transaction.last_rowid(), address.local, address.domain),
            )

        await self._database.transact(add)
        return account

    async def remove_account(self, account_id: AccountId) -> None:
        """
        Forget an account; whoever listens is told.

        @raise NoSuchAccount: there is none.
        """
        await self._change(account_id, "DELETE FROM account WHERE id = ?", account_id.text)

    async def set_credentials(self, account_id: AccountId, credentials: StoredCredentials) -> None:
        """
        Replace a password; whoever listens is told.

        @raise NoSuchAccount: there is none.
        """
        await self._change(account_id, _SET, *_columns(credentials), account_id.text)

    async def renew_credentials(self, account_id: AccountId, old: StoredCredentials, new: StoredCredentials) -> None:
        """
        Keep the same password in a better form, unless it was changed meanwhile.
        """

        def renew(transaction: ITransaction) -> None:
            transaction.execute(f"{_SET} AND password_hash = ?", (*_columns(new), account_id.text, old.password_hash))

        await self._database.transact(renew)

    async def set_disabled(self, account_id: AccountId, is_disabled: bool) -> None:
        """
        Shut an account, or open it again; when it is shut whoever listens is told.

        @raise NoSuchAccount: there is none.
        """
        sql = "UPDATE account SET is_disabled = ? WHERE id = ?"
        if is_disabled:
            await self._change(account_id, sql, 1, account_id.text)
        else:
            await self._alter(account_id, sql, 0, account_id.text)

    async def set_quota(self, account_id: AccountId, octets: int | None) -> None:
        """
        How much mail it may have.

        @raise NoSuchAccount: there is none.
        """
        await self._alter(account_id, "UPDATE account SET quota = ? WHERE id = ?", octets, account_id.text)

    async def set_alias(self, alias: Alias) -> None:
        """
        Make it, or give it other targets.  Durable on return.

        @raise AccountExists: an account has that address.
        """
        address = alias.address
        targets = {target.key: target for target in alias.targets}

        def put(transaction: ITransaction) -> None:
            for (number,) in transaction.execute("SELECT account FROM address WHERE key = ?", (address.key,)):
                if number is not None:
                    raise AccountExists(f"There is an account {address} already.")
            transaction.execute("DELETE FROM address WHERE key = ?", (address.key,))
            transaction.execute(_NEW_ADDRESS, (address.key, None, address.local, address.domain))
            transaction.execute_many(
                "INSERT INTO target (alias, key, local, domain) VALUES (?, ?, ?, ?)",
                [(address.key, key, target.local, target.domain) for key, target in targets.items()],
            )

        await self._database.transact(put)

    async def remove_alias(self, address: Address) -> None:
        """
        Forget it.

        @raise NoSuchAccount: there is none of that address.
        """

        def remove(transaction: ITransaction) -> None:
            transaction.execute("DELETE FROM address WHERE key = ? AND account IS NULL", (address.key,))
            if not transaction.changes():
                raise NoSuchAccount("There is no such alias.")

        await self._database.transact(remove)

    async def add_domain(self, domain: str) -> None:
        """
        Make a domain local; fine if it is.
        """
        key = domain_key(domain)

        def add(transaction: ITransaction) -> None:
            transaction.execute("INSERT OR IGNORE INTO domain (name) VALUES (?)", (key,))

        await self._database.transact(add)

    async def remove_domain(self, domain: str) -> None:
        """
        Make it local no more.

        @raise Refused: the settings declare it, or an account or alias is in it.
        """
        key = domain_key(domain)
        if key in self._names.declared_domains:
            raise Refused(f"{key} is declared in the settings.")

        def remove(transaction: ITransaction) -> None:
            if transaction.execute("SELECT 1 FROM address WHERE domain = ? LIMIT 1", (key,)):
                raise Refused(f"There are accounts or aliases in {key}.")
            transaction.execute("DELETE FROM domain WHERE name = ?", (key,))

        await self._database.transact(remove)

    def listen(self, told: Callable[[AccountId], None]) -> None:
        """
        Have C{told} called for each account removed, disabled or given a new password, by this process or another.
        """
        self._listeners.add(told)

    async def check(self) -> list[str]:
        """
        What is wrong with the database, a sentence each.
        """
        rows = await self._database.query("PRAGMA quick_check")
        rows += await self._database.query(
            "SELECT 'account ' || id || ' has no address' FROM account "
            "WHERE number NOT IN (SELECT account FROM address)"
        )
        return [f"{self._database.path}: {text}" for (text,) in rows if text != "ok"]

    async def close(self) -> None:
        """
        Let go; harmless twice.
        """
        self._closed = True
        if self._check is not None and self._check.active():
            self._check.cancel()
        await self._database.close()

    # --- Inside ---------------------------------------------------------------------------------------------------------

    async def _one(self, sql: str, *args: Any) -> Account | None:
        rows = await self._database.query(sql, args)
        return _account(rows[0]) if rows else None

    async def _named(self, *keys: str) -> Account | Alias | None:
        """
        The account or alias of the first of one or two addresses that is somebody's.
        """
        rows = await self._database.query(_NAMED, (keys[0], keys[-1]))
        if not rows:
            return None
        key, number, local, domain = min(rows, key=lambda row: keys.index(row[0]))
        if number is not None:
            return await self._one(_BY_NUMBER, number)
        targets = await self._database.query(_TARGETS, (key,))
        return Alias(Address(local, domain), tuple(Address(*target) for target in targets))

    async def _role(self, address: Address) -> Account | Alias | None:
        """
        Who gets the mail for a role that nobody has by name.
        """
        if not self._names.is_declared(address.domain) and not await self.is_local(address.domain):
            return None
        named = None
        if self._names.postmaster is not None:
            named = await self._named(self._names.postmaster.key)
        return named or await self._one(_FIRST) or await self._one(_OLDEST)

    async def _alter(self, account_id: AccountId, sql: str, *args: Any) -> None:
        """
        Run a statement on an account that ends no session.
        """

        def alter(transaction: ITransaction) -> None:
            transaction.execute(sql, args)
            if not transaction.changes():
                raise NoSuchAccount("There is no such account.")

        await self._database.transact(alter)

    async def _change(self, account_id: AccountId, sql: str, *args: Any) -> None:
        """
        Run a statement that ends the sessions of an account, and tell everybody.
        """

        def change(transaction: ITransaction) -> int:
            transaction.execute(sql, args)
            if not transaction.changes():
                raise NoSuchAccount("There is no such account.")
            transaction.execute("INSERT INTO change (account) VALUES (?)", (account_id.text,))
            number = transaction.last_rowid()
            transaction.execute("DELETE FROM change WHERE number <= ?", (number - limits.DIRECTORY_CHANGES,))
            return number

        number = await self._database.transact(change)
        # Another process's notice may have made us read this row while the commit's result was on its way here.
        if number > self._seen:
            self._own.add(number)
            self._listeners.tell(account_id)
        if self._news is not None:
            self._news.publish(TOPIC, str(number))

    def _noticed(self, text: str) -> None:
        """
        Another process says that there is a change: the rows are the truth, not the notice.
        """
        Deferred.fromCoroutine(self._look()).addErrback(_tell_failure)

    def _look_later(self) -> None:
        self._check = self._clock.callLater(limits.DIRECTORY_CHECK, self._look_by_clock)

    def _look_by_clock(self) -> None:
        Deferred.fromCoroutine(self._look()).addErrback(_tell_failure).addCallback(self._looked)

    def _looked(self, _: object) -> None:
        if not self._closed:
            self._look_later()

    async def _look(self) -> None:
        """
        Read the changes not seen yet, and tell of those that others made.
        """
        if self._closed:
            return
        try:
            rows = await self._database.query(
                "SELECT number, account FROM change WHERE number > ? ORDER BY number", (self._seen,)
            )
        except MailError as problem:
            _log.warn("changes of the directory cannot be read now: {problem}", problem=problem.public)
            return
        for number, account in rows:
            # Two looks may have been under way at once.
            if number <= self._seen:
                continue
            self._seen = number
            if number in self._own:
                self._own.discard(number)
            else:
                self._listeners.tell(AccountId(account))


def _tell_failure(failure: Failure) -> None:
    _log.failure("the look for changes of the directory failed", failure)


async def _secret_of(database: IDatabase, random: Callable[[int], bytes]) -> bytes:
    """
    The directory's secret, made when there is none.
    """
    rows = await database.query("SELECT octets FROM secret")
    if not rows:
        made = random(32)

        def keep(transaction: ITransaction) -> None:
            transaction.execute("INSERT INTO secret (octets) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM secret)", (made,))

        await database.transact(keep)
        rows = await database.query("SELECT octets FROM secret")
    return bytes(rows[0][0])


def _account(row: Sequence[Any]) -> Account:
    account_id, local, domain, created, is_disabled, quota = row
    return Account(AccountId(account_id), Address(local, domain), created, bool(is_disabled), quota)


def _columns(credentials: StoredCredentials) -> tuple[str, str | None, str | None]:
    return (
        credentials.password_hash,
        scramkeys.write(credentials.scram_sha_256),
        scramkeys.write(credentials.scram_sha_1),
    )
