"""
The directory in C{data_dir/directory.sqlite} (C{schema/0001_start.sql} says what is in it).

Several processes have it open.  Each change that must end sessions is a row of the table C{change}, written in the
same transaction; a notice (topic C{directory}) makes the other processes read the rows they have not seen, and so
does a look by the clock, for a notice may be lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_mail_server.directory import scramkeys
from twisted_mail_server.directory.listeners import Listeners
from twisted_mail_server.directory.names import LocalNames
from twisted_mail_server.disk.schema import load_steps
from twisted_mail_server.interfaces import IDatabase, IDirectory, IDisk, INews, ITransaction
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import Account, AccountId, StoredCredentials
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.errors import AccountExists, MailError, NoSuchAccount

_log = Logger()

#: Under which notices of changes travel.
TOPIC = "directory"

_ACCOUNT = "SELECT id, local, domain, created, is_disabled FROM account"
#: A subquery where others would join: three times as fast.
_IS_KEY = "WHERE number = (SELECT account FROM address WHERE key = ?)"
_BY_KEY = f"{_ACCOUNT} {_IS_KEY}"
_BY_ID = f"{_ACCOUNT} WHERE id = ?"
_FIRST = f"{_ACCOUNT} ORDER BY number LIMIT 1"
_CREDENTIALS = (
    f"SELECT id, local, domain, created, is_disabled, password_hash, scram_sha_256, scram_sha_1 FROM account {_IS_KEY}"
)
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
    #: The last row of C{change} that whoever listens has been told of.
    _seen: int
    #: Later rows, made by this process: told of already.
    _own: set[int] = field(init=False, factory=set)
    _listeners: Listeners = field(init=False, factory=Listeners)
    _check: IDelayedCall | None = field(init=False, default=None)
    _closed: bool = field(init=False, default=False)

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
        directory = cls(database, clock, random, news, names or LocalNames(), seen)
        if news is not None:
            news.subscribe(TOPIC, directory._noticed)
        directory._look_later()
        return directory

    # --- Who is meant ---------------------------------------------------------------------------------------------------

    async def domains(self) -> list[str]:
        """
        The local domains, sorted.
        """
        rows = await self._database.query("SELECT DISTINCT domain FROM address")
        return sorted(self._names.declared_domains.union(domain for (domain,) in rows))

    async def is_local(self, domain: str) -> bool:
        """
        Whether mail for that domain is delivered here.
        """
        domain = domain.lower()
        if domain in self._names.declared_domains:
            return True
        return bool(await self._database.query("SELECT 1 FROM address WHERE domain = ? LIMIT 1", (domain,)))

    async def recipient(self, address: Address) -> Account | None:
        """
        Who gets mail for a local address; for C{postmaster} and C{abuse} the account of that very name, else the one that
        the settings name, else the first that was made (RFC 5321 section 4.5.1).
        """
        address = self._names.completed(address)
        found = await self._one(_BY_KEY, address.key)
        if found is not None or not self._names.is_role(address):
            return found
        if not self._names.is_declared(address.domain) and not await self.is_local(address.domain):
            return None
        if self._names.postmaster is not None:
            found = await self._one(_BY_KEY, self._names.postmaster.key)
        return found or await self._one(_FIRST)

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
        row = rows[0]
        return _account(row[:5]), StoredCredentials(row[5], scramkeys.read(row[6]), scramkeys.read(row[7]))

    async def owns(self, account_id: AccountId, address: Address) -> bool:
        """
        Whoever gets the mail for an address may send as it (RFC 6409 section 6.1).
        """
        found = await self.recipient(address)
        return found is not None and found.id == account_id

    async def accounts(self) -> list[Account]:
        """
        Everyone, sorted by address.
        """
        rows = await self._database.query(_ACCOUNT)
        return sorted(map(_account, rows), key=lambda account: account.address.key)

    # --- Changes --------------------------------------------------------------------------------------------------------

    async def add_account(self, address: Address, credentials: StoredCredentials) -> Account:
        """
        Make an account.  Durable on return.

        @raise AccountExists: the address is taken.
        """
        account = Account(AccountId.of(self._random(16)), address, int(self._clock.seconds()))

        def add(transaction: ITransaction) -> None:
            if transaction.execute("SELECT 1 FROM address WHERE key = ?", (address.key,)):
                raise AccountExists(f"There is an account {address} already.")
            transaction.execute(
                "INSERT INTO account (id, local, domain, created, password_hash, scram_sha_256, scram_sha_1) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (account.id.text, address.local, address.domain, account.created, *_columns(credentials)),
            )
            transaction.execute(
                "INSERT INTO address (key, account, local, domain) VALUES (?, ?, ?, ?)",
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


def _account(row: tuple[Any, ...]) -> Account:
    account_id, local, domain, created, is_disabled = row
    return Account(AccountId(account_id), Address(local, domain), created, bool(is_disabled))


def _columns(credentials: StoredCredentials) -> tuple[str, str | None, str | None]:
    return (
        credentials.password_hash,
        scramkeys.write(credentials.scram_sha_256),
        scramkeys.write(credentials.scram_sha_1),
    )
